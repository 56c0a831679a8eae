"""The HTTP surface: aiohttp routes over `DocService`."""

from docservice.rest.app import create_app

__all__ = ["create_app"]
