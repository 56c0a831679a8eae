"""`/` and `/docs/`: the start page and the manual. The pages work offline and below any prefix."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable
from functools import partial

from aiohttp import ETag, web

import docservice
from docservice.pages import EVERYTHING, FILES, is_page, manual_page, page_names, start_page
from docservice.rest.calls import Call
from docservice.rest.operations import PUBLIC, Operations
from docservice.rest.parameters import Parameter
from docservice.rest.problems import Problem
from docservice.rest.responses import json_answer

operations = Operations()

_SAFETY = {
    # The pages have no script; style sheet and icon come from this server, nothing from any other.
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; img-src 'self'; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}
_FRESH = {**_SAFETY, "Cache-Control": "no-cache"}
"""A browser may keep an answer but asks each time whether it has changed: a new version shows its own pages."""

MANUAL_PATH = "/docs/"


@operations.get(
    "/",
    access=PUBLIC,
    auth="none",
    description="A page; JSON with the same links if `Accept` names JSON and not HTML.",
    answer=str,
    media_type="text/html",
)
async def start(call: Call[None, None]) -> web.Response:
    """Links to the manual and to the API."""
    accepted = call.request.headers.get("Accept", "")
    if "json" in accepted and "html" not in accepted:
        links = {"manual": "docs/", "api": "api/docs/", "openapi": "api/openapi.json"}  # relative to this answer
        response = json_answer({"service": "docservice", "version": docservice.__version__, **links})
    else:
        response = await _answer(call.request, partial(start_page, docservice.__version__), "text/html")
    response.headers["Vary"] = "Accept"
    return response


@operations.get(MANUAL_PATH, access=PUBLIC, auth="none", answer=str, media_type="text/html", slash_optional=True)
async def contents(call: Call[None, None]) -> web.Response:
    """The manual.

    Its first page, with or without a slash at the end of the address.
    """
    base = "" if call.request.path.endswith("/") else "docs/"
    return await _answer(call.request, partial(manual_page, "index", base=base), "text/html")


@operations.get(
    f"{MANUAL_PATH}{{page}}",
    access=PUBLIC,
    auth="none",
    placeholders=(Parameter("page", "Its name.", {"type": "string", "enum": [*page_names()[1:], EVERYTHING]}),),
    answer=str,
    media_type="text/html",
    other_answers={404: ("There is no such page.", Problem)},
)
async def page(call: Call[None, None]) -> web.Response:
    """A page of the manual."""
    name = call.path["page"]
    if not is_page(name) or name == "index":  # the first page has one address
        raise web.HTTPNotFound
    return await _answer(call.request, partial(manual_page, name), "text/html")


@operations.get(
    f"{MANUAL_PATH}files/{{file}}",
    access=PUBLIC,
    auth="none",
    placeholders=(Parameter("file", "Its name.", {"type": "string", "enum": list(FILES)}),),
    answer=str,
    media_type="*/*",
    other_answers={404: ("There is no such file.", Problem)},
)
async def file(call: Call[None, None]) -> web.Response:
    """The style sheet or the icon of the manual."""
    static_file = FILES.get(call.path["file"])
    if static_file is None:
        raise web.HTTPNotFound
    return await _answer(call.request, static_file.read, static_file.media_type)


async def _answer(request: web.Request, make: Callable[[], str], media_type: str) -> web.Response:
    """Return a text with its ETag; 304 without a body if the browser has it."""
    # The first time, the text is read from files and rendered: not on the event loop.
    body = (await asyncio.to_thread(make)).encode()
    tag = hashlib.sha256(body).hexdigest()[:32]
    known = {each.value for each in request.if_none_match or ()}
    if known & {tag, "*"}:
        response = web.Response(status=304, headers=_FRESH)
    else:
        response = web.Response(body=body, content_type=media_type, charset="utf-8", headers=_FRESH)
    response.etag = ETag(tag)
    return response
