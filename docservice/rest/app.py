"""`create_app`: the aiohttp application over a service."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from functools import cache, partial
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from aiohttp import web

from docservice.export import BackgroundExports
from docservice.rest.app_keys import (
    DESCRIPTION,
    EXPORTS,
    MAX_BODY_BYTES,
    METRICS,
    RECEIPT_SECRET,
    SERVICE,
    SIGN_INS,
    Identify,
)
from docservice.rest.auth import awaited
from docservice.rest.cors import Cors
from docservice.rest.dispatching import Dispatcher
from docservice.rest.middleware import answering_errors, identified, name_request
from docservice.rest.openapi import describe
from docservice.rest.operations import Operation
from docservice.rest.proxies import Proxies
from docservice.rest.routes import (
    api_page,
    csv_downloads,
    csv_exports,
    directory,
    document_pages,
    erasure,
    exam_logs,
    health,
    lists,
    manual,
    reports,
    sessions,
    sign_in_links,
    tracking,
    user_sessions,
)
from docservice.rest.routes import metrics as metrics_route
from docservice.rest.running_requests import LIMITS, RequestLimits, lift_deadline, limited
from docservice.service import DocService
from docservice.service.acting.sign_in import SignIns
from docservice.service.base.export_files import FOLDER
from docservice.settings import DEFAULT_MAX_BODY_BYTES

if TYPE_CHECKING:
    from docservice.rest.metrics import Metrics

_SUBJECTS = (
    tracking,
    lists,
    document_pages,
    reports,
    directory,
    erasure,
    csv_exports,
    csv_downloads,
    exam_logs,
    user_sessions,
    sessions,
    sign_in_links,
    health,
    metrics_route,
    api_page,
    manual,
)

OPERATIONS: tuple[Operation, ...] = tuple(each for subject in _SUBJECTS for each in subject.operations.declared)
"""All that the API does."""


def create_app(
    service: DocService,
    *,
    identify: Identify,
    max_body_bytes: int = DEFAULT_MAX_BODY_BYTES,
    limits: RequestLimits | None = None,
    metrics: Metrics | None = None,
    cors: Cors | None = None,
    proxies: Proxies | None = None,
    receipt_secret: str | None = None,
    sign_ins: SignIns | None = None,
) -> web.Application:
    """Return an application to run alone or inside another one, as in `host.add_subapp("/logs", app)`.

    Args:
        service: the caller's to enter before the first request and to leave after the last one; see `entered`.
        identify: says who sent a request; a plain function or an `async` one. It has the whole request, with what the
            host's middlewares put into it.
        max_body_bytes: larger bodies are refused with 413, whatever the limit of the application around this one.
        limits: limits of running requests; None sets none.
        metrics: what to show at `/metrics`; None: that is not there.
        cors: which pages of other origins may call; if None, none.
        proxies: the proxies whose `X-Forwarded-*` headers are trusted; None trusts none.
        receipt_secret: what receipts of erasures are signed with; if None, they are not signed.
        sign_ins: what signs people in with passwords and links; `identify` has to know their cookies, too
            (`bearer_identity(verifier, SessionCookies(sign_ins))`). None: the host has a sign-in of its own.
    """
    app = web.Application(
        middlewares=[
            *([proxies.believed] if proxies else []),
            identified,
            answering_errors,
            *([cors.preflight] if cors else []),
            limited,
        ],
        client_max_size=max_body_bytes,
    )
    app[SERVICE] = service
    app[MAX_BODY_BYTES] = max_body_bytes
    app[DESCRIPTION] = _description
    if sign_ins is not None:
        app[SIGN_INS] = sign_ins
    app[LIMITS] = limits or RequestLimits()
    app.on_response_prepare.extend((lift_deadline, name_request))
    if cors:
        app.on_response_prepare.append(cors.add_headers)
    if metrics:
        app[METRICS] = metrics
        metrics.watch(service, app[LIMITS])
    if receipt_secret is not None:
        app[RECEIPT_SECRET] = receipt_secret
    app[EXPORTS] = BackgroundExports(service, service.data_dir / FOLDER)
    app.on_cleanup.append(_close_exports)
    dispatcher = Dispatcher(service, awaited(identify))
    for operation in OPERATIONS:
        paths = [operation.path, operation.path.rstrip("/")] if operation.slash_optional else [operation.path]
        for path in map(_route, paths):
            handler = partial(dispatcher.run, operation)
            if operation.method == "GET":
                app.router.add_get(path, handler)  # HEAD, too
            else:
                app.router.add_route(operation.method, path, handler)
    return app


def entered(service: DocService) -> Callable[[web.Application], AsyncIterator[None]]:
    """A clean-up context: the application enters the service when it starts and leaves it when all requests are done.

    `host.cleanup_ctx.append(entered(service))`, before the contexts of tasks that use the service: aiohttp ends them
    in the opposite order. Handlers of the host find the service where the host keeps it: `host[SERVICE] = service`.
    """

    async def context(app: web.Application) -> AsyncIterator[None]:
        async with service:
            yield

    return context


async def _close_exports(app: web.Application) -> None:
    await app[EXPORTS].close()


def _route(path: str) -> str:
    """Return a path whose placeholders take any text, braces too, which a UUID may be written with."""
    return path.replace("}", ":[^/]+}")


def _description() -> Mapping[str, Any]:
    return _described()


@cache
def _described() -> Mapping[str, Any]:
    """Return the description of all operations, made once, and only when it is asked for."""
    return describe(OPERATIONS, version("docservice"))
