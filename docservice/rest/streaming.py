"""Streams long lists while they are read: their rows are never all in memory."""

from __future__ import annotations

import logging
from collections.abc import AsyncGenerator
from contextlib import aclosing

from aiohttp import web
from pydantic import BaseModel

from docservice.errors import DocServiceError
from docservice.rest.app_keys import REQUEST_ID
from docservice.rest.responses import dump_json

logger = logging.getLogger(__name__)

SHORT = 500
"""Lists of no more rows are answered at once, with their length."""


async def list_answer(request: web.Request, rows: AsyncGenerator[BaseModel, None]) -> web.StreamResponse:
    """Return a JSON list of rows; a long one is sent while it is read.

    Whatever goes wrong before `SHORT` rows are read is raised, and answered as always. Later the status has been sent:
    the connection is cut, so that a client does not take a part for the whole.
    """
    async with aclosing(rows):
        begun: list[bytes] = []
        async for row in rows:
            begun.append(dump_json(row))
            if len(begun) > SHORT:
                return await _send(request, begun, rows)
    return web.Response(body=b"[" + b",".join(begun) + b"]", content_type="application/json")


async def _send(request: web.Request, begun: list[bytes], rows: AsyncGenerator[BaseModel, None]) -> web.StreamResponse:
    response = web.StreamResponse()
    response.content_type = "application/json"
    await response.prepare(request)
    if request.method == "HEAD":
        return response
    try:
        await response.write(b"[" + b",".join(begun))
        begun.clear()
        async for row in rows:
            begun.append(b"," + dump_json(row))
            if len(begun) == SHORT:
                await response.write(b"".join(begun))
                begun.clear()
        await response.write(b"".join([*begun, b"]"]))
    except DocServiceError:
        logger.exception("a list was cut off", extra={"request_id": request[REQUEST_ID]})
        if request.transport is not None:
            request.transport.abort()
    return response
