"""Cross-origin requests: which web pages of other origins may call the API.

Rule: https://fetch.spec.whatwg.org/#http-cors-protocol. Own, because aiohttp-cors needs a configuration for each route,
adds no `Vary` and sees no answers that a middleware makes.
"""

from __future__ import annotations

from collections.abc import Collection

from aiohttp import hdrs, web
from aiohttp.typedefs import Handler
from multidict import CIMultiDict

from docservice.errors import PermissionDenied

_METHODS = "GET, HEAD, POST, PUT, PATCH, DELETE"
_REQUEST_HEADERS = (
    "Authorization, Content-Type, Idempotency-Key, If-Match, If-None-Match, X-CSRFToken, X-Request-ID, X-Requested-With"
)
_ANSWER_HEADERS = "Content-Disposition, ETag, Link, Location, Retry-After, WWW-Authenticate, X-Error-Code, X-Request-ID"
_MAX_AGE_SECONDS = "600"
ANY = "*"


class Cors:
    """The headers for browsers."""

    def __init__(self, origins: Collection[str]) -> None:
        """Choose whose pages may call.

        Args:
            origins: as browsers send them (`https://learn.example`). Pages of these may send cookies and read what the
                person who is signed in reads; with `*` pages of all origins may call, without cookies.
        """
        self._origins = {origin.lower() for origin in origins}
        self._any = ANY in self._origins

    def _headers(self, request: web.Request) -> CIMultiDict[str]:
        origin = request.headers.get(hdrs.ORIGIN)
        headers: CIMultiDict[str] = CIMultiDict()
        if origin is None:
            return headers
        if self._any:
            headers[hdrs.ACCESS_CONTROL_ALLOW_ORIGIN] = ANY
        elif origin.lower() in self._origins:
            headers[hdrs.ACCESS_CONTROL_ALLOW_ORIGIN] = origin
            headers[hdrs.ACCESS_CONTROL_ALLOW_CREDENTIALS] = "true"
        return headers

    @web.middleware
    async def preflight(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Answer a browser that asks whether it may send a request."""
        is_preflight = request.method == hdrs.METH_OPTIONS and hdrs.ACCESS_CONTROL_REQUEST_METHOD in request.headers
        if not is_preflight or hdrs.ORIGIN not in request.headers:
            return await handler(request)
        if not self._headers(request):
            raise PermissionDenied("Pages of this origin may not call the API; see DOCSERVICE_CORS_ORIGINS.")
        return web.Response(
            status=204,
            headers={
                hdrs.ACCESS_CONTROL_ALLOW_METHODS: _METHODS,
                hdrs.ACCESS_CONTROL_ALLOW_HEADERS: _REQUEST_HEADERS,
                hdrs.ACCESS_CONTROL_MAX_AGE: _MAX_AGE_SECONDS,
            },
        )

    async def add_headers(self, request: web.Request, response: web.StreamResponse) -> None:
        """Say on every answer who may read it; runs before the headers are sent, also those of a stream or an error."""
        if not self._any:
            # Caches must not hand the answer of one origin to another.
            known = response.headers.get(hdrs.VARY)
            response.headers[hdrs.VARY] = f"{known}, {hdrs.ORIGIN}" if known else hdrs.ORIGIN
        allowed = self._headers(request)
        if allowed:
            response.headers.update(allowed)
            response.headers[hdrs.ACCESS_CONTROL_EXPOSE_HEADERS] = _ANSWER_HEADERS
