"""The HTTP surface: aiohttp routes over `DocService`, to serve alone or inside an application of a host."""

from typing import TYPE_CHECKING, Any

from docservice.extras import require

require("rest", "docservice.rest")

from docservice.rest.app import create_app, entered
from docservice.rest.app_keys import SERVICE, Identify
from docservice.rest.auth import bearer_identity
from docservice.rest.cors import Cors
from docservice.rest.kolibri_sessions import KolibriSessions
from docservice.rest.proxies import Proxies
from docservice.rest.running_requests import RequestLimits
from docservice.rest.session_cookies import SessionCookies
from docservice.settings import DEFAULT_MAX_BODY_BYTES

if TYPE_CHECKING:
    from docservice.rest.metrics import Metrics

__all__ = [
    "DEFAULT_MAX_BODY_BYTES",
    "SERVICE",
    "Cors",
    "Identify",
    "KolibriSessions",
    "Metrics",
    "Proxies",
    "RequestLimits",
    "SessionCookies",
    "bearer_identity",
    "create_app",
    "entered",
]


def __getattr__(name: str) -> Any:
    """Import `Metrics` when it is first used: it needs the extra `serve`."""
    if name == "Metrics":
        require("serve", "docservice.rest.Metrics")
        from docservice.rest.metrics import Metrics  # noqa: PLC0415

        return Metrics
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
