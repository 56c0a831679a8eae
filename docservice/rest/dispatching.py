"""Carry out an operation: read the request as its declaration says, call the handler, answer with what it returns."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable
from typing import Any

from aiohttp import web

from docservice.errors import NotSignedIn
from docservice.identity import ANONYMOUS, Principal
from docservice.rest.app_keys import OPERATION
from docservice.rest.bodies import read_body
from docservice.rest.calls import Call
from docservice.rest.idempotency import idempotency_key
from docservice.rest.operations import Operation
from docservice.rest.responses import json_answer
from docservice.rest.streaming import list_answer
from docservice.service import DocService


class Dispatcher:
    """Carries out the operations of one application."""

    def __init__(self, service: DocService, identify: Callable[[web.Request], Awaitable[Principal]]) -> None:
        """Serve with these.

        Args:
            service: what the handlers call.
            identify: says who sent a request.
        """
        self._service = service
        self._identify = identify

    async def run(self, operation: Operation, request: web.Request) -> web.StreamResponse:
        """Return the answer to a request; whatever is wrong with it is raised."""
        request[OPERATION] = operation
        call = await self._read(operation, request)
        result = await operation.handler(call)
        if isinstance(result, web.StreamResponse):
            return result
        if isinstance(result, AsyncGenerator):
            return await list_answer(request, result)
        status = operation.statuses[0]
        return web.Response(status=status) if operation.answer is None else json_answer(result, status)

    async def _read(self, operation: Operation, request: web.Request) -> Call[Any, Any]:
        """Read a request in the order of Kolibri: the first error is the one that the caller gets."""
        query = body = key = None
        if operation.query is not None:
            operation.query.require(request.query)
        principal = ANONYMOUS if operation.auth == "none" else await self._identify(request)
        if operation.query is not None:
            query = operation.query.read(request.query)
        path: dict[str, Any] = dict(request.match_info)
        for parameter in operation.placeholders:
            path[parameter.name] = parameter.read(path[parameter.name])
        if operation.body is not None:
            body = await read_body(request)
            if operation.read_body is not None:
                body = operation.read_body(body)
        if operation.idempotent:
            key = idempotency_key(request)
        if operation.auth == "required" and principal.user_id is None and not principal.is_service:
            raise NotSignedIn()
        return Call(request, self._service, principal, path, query, body, key)
