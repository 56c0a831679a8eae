"""`create_app`: the aiohttp application over a service."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache, partial
from importlib.metadata import version
from typing import Any

from aiohttp import web

from docservice.rest.keys import DESCRIPTION, IDENTIFY, OPERATION, SERVICE, Identify
from docservice.rest.middleware import answering_errors, identified
from docservice.rest.openapi import describe
from docservice.rest.operations import Operation
from docservice.rest.routes import (
    description,
    directory,
    documents,
    exams,
    export_requests,
    health,
    reading,
    sittings,
    tracking,
)
from docservice.service import DocService

_SUBJECTS = (tracking, reading, documents, directory, export_requests, exams, sittings, health, description)

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
    app[DESCRIPTION] = _description
    for operation in OPERATIONS:
        paths = [operation.path, operation.path.rstrip("/")] if operation.slash_optional else [operation.path]
        for path in map(_route, paths):
            handler = partial(_run, operation)
            if operation.method == "GET":
                app.router.add_get(path, handler)  # HEAD, too
            else:
                app.router.add_route(operation.method, path, handler)
    return app


def _route(path: str) -> str:
    """A path whose placeholders take any text, braces too, which a UUID may be written with."""
    return path.replace("}", ":[^/]+}")


def _description() -> Mapping[str, Any]:
    return _described()


@cache
def _described() -> Mapping[str, Any]:
    """The description of all operations, made once, and only when it is asked for."""
    return describe(OPERATIONS, version("docservice"))


async def _run(operation: Operation, request: web.Request) -> web.StreamResponse:
    request[OPERATION] = operation
    return await operation.handler(request)
