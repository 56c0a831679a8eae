"""Authentication: a bearer token, or an anonymous visitor's cookie."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable

from aiohttp import web

from docservice.domain.values.ids import parse_uuid
from docservice.errors import Unauthenticated
from docservice.identity import Principal, TokenVerifier
from docservice.rest.app_keys import Identify

VISITOR_COOKIE = "visitor_id"


def awaited(identify: Identify) -> Callable[[web.Request], Awaitable[Principal]]:
    """Return a host's `identify` as the handlers call it: always awaited, always a principal."""

    async def identified(request: web.Request) -> Principal:
        identity = identify(request)
        principal = await identity if inspect.isawaitable(identity) else identity
        if not isinstance(principal, Principal):
            raise TypeError(f"identify gave {type(principal).__name__}, not a Principal (ANONYMOUS for a visitor)")
        return principal

    return identified


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
    """Return the visitor's id; a cookie that is not a UUID, which the real server fails on, is not a visitor id."""
    try:
        return parse_uuid(request.cookies.get(VISITOR_COOKIE, ""))
    except ValueError:
        return None
