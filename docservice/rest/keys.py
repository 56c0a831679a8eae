"""What the application and each request carry."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from aiohttp import web

from docservice.export import BackgroundExports
from docservice.identity import Principal
from docservice.rest.operations import Operation
from docservice.service import DocService

Identify = Callable[[web.Request], Awaitable[Principal]]
"""Says who sent a request; raises `Unauthenticated` for a bad token."""

SERVICE = web.AppKey("SERVICE", DocService)
EXPORTS = web.AppKey("EXPORTS", BackgroundExports)
IDENTIFY: web.AppKey[Identify] = web.AppKey("IDENTIFY")

REQUEST_ID: web.RequestKey[str] = web.RequestKey("REQUEST_ID")
OPERATION: web.RequestKey[Operation] = web.RequestKey("OPERATION")
