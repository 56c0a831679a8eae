"""The HTTP surface: aiohttp routes over `DocService`, to serve alone or inside an application of a host."""

from docservice.rest.app import DEFAULT_MAX_BODY_BYTES, create_app, entered
from docservice.rest.auth import bearer_identity
from docservice.rest.cors import Cors
from docservice.rest.keys import SERVICE, Identify
from docservice.rest.metrics import Metrics
from docservice.rest.proxies import Proxies
from docservice.rest.traffic import Traffic

__all__ = [
    "DEFAULT_MAX_BODY_BYTES",
    "SERVICE",
    "Cors",
    "Identify",
    "Metrics",
    "Proxies",
    "Traffic",
    "bearer_identity",
    "create_app",
    "entered",
]
