"""`create_app`: the aiohttp application over a service."""

from __future__ import annotations

from functools import partial

from aiohttp import web

from docservice.export import BackgroundExports
from docservice.rest.keys import EXPORTS, IDENTIFY, OPERATION, SERVICE, Identify
from docservice.rest.middleware import answering_errors, identified
from docservice.rest.operations import Operation
from docservice.rest.routes import (
    directory,
    documents,
    exams,
    export_files,
    export_requests,
    health,
    reading,
    sittings,
    tracking,
)
from docservice.service import DocService

_SUBJECTS = (tracking, reading, documents, directory, export_requests, export_files, exams, sittings, health)

OPERATIONS: tuple[Operation, ...] = tuple(operation for subject in _SUBJECTS for operation in subject.OPERATIONS)

DEFAULT_MAX_BODY_BYTES = 2_621_440


def create_app(
    service: DocService, *, identify: Identify, max_body_bytes: int = DEFAULT_MAX_BODY_BYTES
) -> web.Application:
    """An application to run, or to add to another one.

    Args:
        service: entered by the caller, and left after the application has stopped.
        identify: says who sent a request.
        max_body_bytes: larger bodies are refused with 413.
    """
    app = web.Application(middlewares=[identified, answering_errors], client_max_size=max_body_bytes)
    app[SERVICE] = service
    app[IDENTIFY] = identify
    app[EXPORTS] = BackgroundExports(service, service.data_dir / "exports")
    app.on_cleanup.append(_close_exports)
    for operation in OPERATIONS:
        paths = [operation.path, operation.path.rstrip("/")] if operation.slash_optional else [operation.path]
        for path in map(_route, paths):
            handler = partial(_run, operation)
            if operation.method == "GET":
                app.router.add_get(path, handler)  # HEAD, too
            else:
                app.router.add_route(operation.method, path, handler)
    return app


async def _close_exports(app: web.Application) -> None:
    await app[EXPORTS].close()


def _route(path: str) -> str:
    """A path whose placeholders take any text, braces too, which a UUID may be written with."""
    return path.replace("}", ":[^/]+}")


async def _run(operation: Operation, request: web.Request) -> web.StreamResponse:
    request[OPERATION] = operation
    return await operation.handler(request)
