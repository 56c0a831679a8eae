"""`/api/openapi.json` and `/api/docs`: what the API can do, for programs and people; offline, too."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from string import Template
from typing import Any

from aiohttp import web

from docservice.rest.app_keys import DESCRIPTION
from docservice.rest.bodies import json_answer
from docservice.rest.operations import Operation, Parameter
from docservice.rest.problems import Problem

_STATIC = Path(__file__).parents[1] / "static"
_SWAGGER_UI = _STATIC / "swagger-ui"
_FILES = {
    "api.css": (_STATIC / "api.css", "text/css"),
    "api.js": (_STATIC / "api.js", "text/javascript"),
    "icon.svg": (_STATIC / "icon.svg", "image/svg+xml"),
    "swagger-ui-bundle.js": (_SWAGGER_UI / "swagger-ui-bundle.js", "text/javascript"),
    "swagger-ui.css": (_SWAGGER_UI / "swagger-ui.css", "text/css"),
    "LICENSE": (_SWAGGER_UI / "LICENSE", "text/plain"),
}
_SAFETY = {
    # The page runs its own script, asks its own server, and loads nothing from anywhere else.
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "connect-src 'self'; base-uri 'self'; form-action 'none'; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}
_DOCUMENT_PATH = "/api/openapi.json"


async def document(request: web.Request) -> web.Response:
    """The OpenAPI document; its server is this application, wherever it is mounted."""
    mounted_at = request.rel_url.raw_path.removesuffix(_DOCUMENT_PATH) or "/"
    described = request.config_dict[DESCRIPTION]()
    return json_answer({**described, "servers": [{"url": mounted_at}]})


@cache
def _html() -> Template:
    return Template((_STATIC / "api.html").read_text(encoding="utf-8"))


async def page(request: web.Request) -> web.Response:
    """The page; its addresses are relative, so that it works below a prefix, with and without a slash at the end."""
    base = "./" if request.path.endswith("/") else "docs/"
    return web.Response(text=_html().substitute(base=base), content_type="text/html", headers=_SAFETY)


async def part(request: web.Request) -> web.StreamResponse:
    """A file that the page is made of; 304 if the browser has it."""
    if request.match_info["file"] not in _FILES:
        raise web.HTTPNotFound
    path, media_type = _FILES[request.match_info["file"]]
    headers = {**_SAFETY, "Content-Type": f"{media_type}; charset=utf-8", "Cache-Control": "no-cache"}
    return web.FileResponse(path, headers=headers)


OPERATIONS = (
    Operation(
        method="GET",
        path=_DOCUMENT_PATH,
        handler=document,
        summary="This description (OpenAPI 3.1)",
        caller="nobody",
        answer=dict[str, Any],
    ),
    Operation(
        method="GET",
        path="/api/docs/",
        handler=page,
        summary="This description as a page to read and to try requests on",
        caller="nobody",
        answer=str,
        media_type="text/html",
        slash_optional=True,
    ),
    Operation(
        method="GET",
        path="/api/docs/{file}",
        handler=part,
        summary="A file that the page is made of",
        caller="nobody",
        placeholders=(Parameter("file", "Its name.", {"type": "string", "enum": list(_FILES)}),),
        answer=str,
        media_type="*/*",
        other_answers={404: ("There is no such file.", Problem)},
    ),
)
