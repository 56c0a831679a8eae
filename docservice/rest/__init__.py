"""The HTTP surface: aiohttp routes over `DocService`."""

from docservice.rest.app import create_app
from docservice.rest.cors import Cors
from docservice.rest.metrics import Metrics
from docservice.rest.proxies import Proxies
from docservice.rest.traffic import Traffic

__all__ = ["Cors", "Metrics", "Proxies", "Traffic", "create_app"]
