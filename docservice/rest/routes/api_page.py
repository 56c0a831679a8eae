"""`/api/openapi.json` and `/api/docs`: what the API can do, for programs and people; offline, too."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from string import Template
from typing import Any

from aiohttp import web

from docservice.rest.app_keys import DESCRIPTION
from docservice.rest.calls import Call
from docservice.rest.operations import PUBLIC, Operations
from docservice.rest.parameters import Parameter
from docservice.rest.problems import Problem

operations = Operations()

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


@operations.get(_DOCUMENT_PATH, access=PUBLIC, auth="none", answer=dict[str, Any])
async def document(call: Call[None, None]) -> dict[str, Any]:
    """This description (OpenAPI 3.1).

    Its server is this application, wherever it is mounted.
    """
    mounted_at = call.request.rel_url.raw_path.removesuffix(_DOCUMENT_PATH) or "/"
    return {**call.request.config_dict[DESCRIPTION](), "servers": [{"url": mounted_at}]}


@cache
def _html() -> Template:
    return Template((_STATIC / "api.html").read_text(encoding="utf-8"))


@operations.get("/api/docs/", access=PUBLIC, auth="none", answer=str, media_type="text/html", slash_optional=True)
async def page(call: Call[None, None]) -> web.Response:
    """This description as a page to read and to try requests on.

    Its addresses are relative, so that it works below a prefix, with and without a slash at the end.
    """
    base = "./" if call.request.path.endswith("/") else "docs/"
    return web.Response(text=_html().substitute(base=base), content_type="text/html", headers=_SAFETY)


@operations.get(
    "/api/docs/{file}",
    access=PUBLIC,
    auth="none",
    placeholders=(Parameter("file", "Its name.", {"type": "string", "enum": list(_FILES)}),),
    answer=str,
    media_type="*/*",
    other_answers={404: ("There is no such file.", Problem)},
)
async def part(call: Call[None, None]) -> web.StreamResponse:
    """A file that the page is made of.

    304 if the browser has it.
    """
    if call.path["file"] not in _FILES:
        raise web.HTTPNotFound
    path, media_type = _FILES[call.path["file"]]
    headers = {**_SAFETY, "Content-Type": f"{media_type}; charset=utf-8", "Cache-Control": "no-cache"}
    return web.FileResponse(path, headers=headers)
