"""The HTTP surface: aiohttp routes over `DocService`, to serve alone or inside an application of a host."""

from docservice.rest.app import DEFAULT_MAX_BODY_BYTES, create_app, entered
from docservice.rest.auth import bearer_identity
from docservice.rest.keys import SERVICE, Identify

__all__ = ["DEFAULT_MAX_BODY_BYTES", "SERVICE", "Identify", "bearer_identity", "create_app", "entered"]
