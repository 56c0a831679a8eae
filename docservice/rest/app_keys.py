"""Keys of the values that the application and each request carry."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, Any

from aiohttp import web

from docservice.export import BackgroundExports
from docservice.identity import Principal
from docservice.rest.operations import Operation
from docservice.service import DocService
from docservice.service.acting.sign_in import SignIns

if TYPE_CHECKING:
    from docservice.rest.metrics import Metrics

Identify = Callable[[web.Request], Principal | Awaitable[Principal]]
"""Says who sent a request, at once or awaited; raises `Unauthenticated`, or aiohttp's own 401, for a bad sign-in."""

SERVICE = web.AppKey("SERVICE", DocService)
SIGN_INS: web.AppKey[SignIns] = web.AppKey("SIGN_INS")
"""Signs people in; not there where the host has a sign-in of its own."""

EXPORTS = web.AppKey("EXPORTS", BackgroundExports)
MAX_BODY_BYTES = web.AppKey("MAX_BODY_BYTES", int)
DESCRIPTION: web.AppKey[Callable[[], Mapping[str, Any]]] = web.AppKey("DESCRIPTION")
"""Gives the API description, without `servers`."""
RECEIPT_SECRET = web.AppKey("RECEIPT_SECRET", str)
"""What receipts of erasures are signed with; not there: they are not signed."""
METRICS: web.AppKey[Metrics] = web.AppKey("METRICS")

REQUEST_ID: web.RequestKey[str] = web.RequestKey("REQUEST_ID")
OPERATION: web.RequestKey[Operation] = web.RequestKey("OPERATION")
