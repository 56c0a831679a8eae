"""Streams long lists while they are read: their rows are never all in memory."""

from __future__ import annotations

import logging
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any

from aiohttp import web

from docservice.errors import DocServiceError
from docservice.rest.app_keys import REQUEST_ID
from docservice.rest.responses import dump_json

logger = logging.getLogger(__name__)

SHORT = 500
"""Lists of no more rows are answered at once, with their length."""


async def list_answer(request: web.Request, parts: AsyncGenerator[list[Any], None]) -> web.StreamResponse:
    """Return a JSON list of rows, which come some at a time; a long one is sent while it is read.

    Whatever goes wrong before `SHORT` rows are read is raised, and answered as always. Later the status has been sent:
    the connection is cut, so that a client does not take a part for the whole.
    """
    async with aclosing(parts):
        begun: list[bytes] = []
        count = 0
        async for part in parts:
            begun += [_rows(part)] if part else []
            count += len(part)
            if count > SHORT:
                return await _send(request, begun, parts)
    return web.Response(body=b"[" + b",".join(begun) + b"]", content_type="application/json")


def _rows(part: list[Any]) -> bytes:
    """Rows as JSON, with commas between them."""
    return dump_json(part)[1:-1]


async def _send(request: web.Request, begun: list[bytes], parts: AsyncGenerator[list[Any], None]) -> web.StreamResponse:
    response = web.StreamResponse()
    response.content_type = "application/json"
    await response.prepare(request)
    if request.method == "HEAD":
        return response
    try:
        await response.write(b"[" + b",".join(begun))
        async for part in parts:
            if part:
                await response.write(b"," + _rows(part))
        await response.write(b"]")
    except DocServiceError:
        logger.exception("a list was cut off", extra={"request_id": request[REQUEST_ID]})
        if request.transport is not None:
            request.transport.abort()
    return response
