"""`/` and `/docs/`: the start page and the manual. The pages work offline and below any prefix."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable
from functools import partial

from aiohttp import ETag, web

import docservice
from docservice.pages import EVERYTHING, FILES, is_page, manual_page, page_names, start_page
from docservice.rest.bodies import json_answer
from docservice.rest.operations import Operation, Parameter
from docservice.rest.problems import Problem

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


async def start(request: web.Request) -> web.Response:
    """Return links to the manual and to the API: a page, or JSON for a program that asks for JSON."""
    accepted = request.headers.get("Accept", "")
    if "json" in accepted and "html" not in accepted:
        links = {"manual": "docs/", "api": "api/docs/", "openapi": "api/openapi.json"}  # relative to this answer
        response = json_answer({"service": "docservice", "version": docservice.__version__, **links})
    else:
        response = await _answer(request, partial(start_page, docservice.__version__), "text/html")
    response.headers["Vary"] = "Accept"
    return response


async def contents(request: web.Request) -> web.Response:
    """Return the first page of the manual, with or without a slash at the end of its address."""
    here = "" if request.path.endswith("/") else "docs/"
    return await _answer(request, partial(manual_page, "index", here=here), "text/html")


async def page(request: web.Request) -> web.Response:
    """Return a page of the manual."""
    name = request.match_info["page"]
    if not is_page(name) or name == "index":  # the first page has one address
        raise web.HTTPNotFound
    return await _answer(request, partial(manual_page, name), "text/html")


async def file(request: web.Request) -> web.Response:
    """Return the style sheet or the icon of the pages."""
    found = FILES.get(request.match_info["file"])
    if found is None:
        raise web.HTTPNotFound
    return await _answer(request, found.read, found.media_type)


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


OPERATIONS = (
    Operation(
        method="GET",
        path="/",
        handler=start,
        summary="Links to the manual and to the API",
        description="A page; JSON with the same links if `Accept` names JSON and not HTML.",
        caller="nobody",
        answer=str,
        media_type="text/html",
    ),
    Operation(
        method="GET",
        path=MANUAL_PATH,
        handler=contents,
        summary="The manual",
        caller="nobody",
        answer=str,
        media_type="text/html",
        slash_optional=True,
    ),
    Operation(
        method="GET",
        path=f"{MANUAL_PATH}{{page}}",
        handler=page,
        summary="A page of the manual",
        caller="nobody",
        placeholders=(Parameter("page", "Its name.", {"type": "string", "enum": [*page_names()[1:], EVERYTHING]}),),
        answer=str,
        media_type="text/html",
        other_answers={404: ("There is no such page.", Problem)},
    ),
    Operation(
        method="GET",
        path=f"{MANUAL_PATH}files/{{file}}",
        handler=file,
        summary="The style sheet or the icon of the manual",
        caller="nobody",
        placeholders=(Parameter("file", "Its name.", {"type": "string", "enum": list(FILES)}),),
        answer=str,
        media_type="*/*",
        other_answers={404: ("There is no such file.", Problem)},
    ),
)
