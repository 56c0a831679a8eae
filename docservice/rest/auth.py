"""Who sends a request: a bearer token, or an anonymous visitor's cookie."""

from __future__ import annotations

from aiohttp import web

from docservice.domain.ids import parse_uuid
from docservice.errors import Unauthenticated
from docservice.identity import Principal, TokenVerifier
from docservice.rest.keys import Identify

VISITOR_COOKIE = "visitor_id"


def bearer_identity(verifier: TokenVerifier) -> Identify:
    """Read `Authorization: Bearer <token>`; without the header the caller is an anonymous visitor."""

    async def identify(request: web.Request) -> Principal:
        header = request.headers.get("Authorization")
        if header is None:
            return Principal(visitor_id=_visitor_id(request))
        scheme, _, token = header.partition(" ")
        if scheme.lower() != "bearer" or not token.strip():
            raise Unauthenticated("Sign in with the header `Authorization: Bearer TOKEN`.")
        return await verifier.principal(token.strip())

    return identify


def _visitor_id(request: web.Request) -> str | None:
    """The visitor's id; a cookie that is no UUID, which the real server fails on, is no visitor id."""
    try:
        return parse_uuid(request.cookies.get(VISITOR_COOKIE, ""))
    except ValueError:
        return None
