"""Authentication: who sent a request. The one place that decides between the ways to be known.

1. `Authorization: Bearer TOKEN` counts alone: if the token is not valid, nothing else is asked.
2. A cookie of a session of this service.
3. The session cookie of a Kolibri, which is asked whose it is.
4. Otherwise, an anonymous visitor.

A bad proof is an error and never an anonymous visitor: what a learner does would be recorded as nobody's.
"""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable
from typing import Protocol

from aiohttp import web

from docservice.domain.values.ids import parse_uuid
from docservice.errors import Unauthenticated
from docservice.identity import PersonCalled, Principal, TokenVerifier
from docservice.rest.app_keys import OPERATION, Identify
from docservice.rest.session_cookies import SESSION_ENDED

VISITOR_COOKIE = "visitor_id"


class CookieWay(Protocol):
    """A way to be known by a cookie."""

    async def user(self, request: web.Request) -> str | None:
        """Return the id of the person who is signed in by a cookie of a request; None if nobody is.

        Sets `SESSION_ENDED` of the request if it has a cookie of this kind that means nobody.

        Raises:
            ForgeryRefused: the request changes something and does not name the CSRF token.
            SignInUnavailable: it cannot be said now.
        """
        ...


def awaited(identify: Identify) -> Callable[[web.Request], Awaitable[Principal]]:
    """Return a host's `identify` as the handlers call it: always awaited, always a principal."""

    async def identified(request: web.Request) -> Principal:
        identity = identify(request)
        principal = await identity if inspect.isawaitable(identity) else identity
        if not isinstance(principal, Principal):
            raise TypeError(f"identify gave {type(principal).__name__}, not a Principal (ANONYMOUS for a visitor)")
        return principal

    return identified


def bearer_identity(
    verifier: TokenVerifier, *cookies: CookieWay, person_called: PersonCalled | None = None
) -> Identify:
    """Read `Authorization: Bearer <token>`; without the header and a cookie the caller is an anonymous visitor.

    Args:
        verifier: reads the tokens.
        cookies: what else a caller may be known by, asked in this order.
        person_called: looks up the usernames in tokens; None takes ids only.
    """

    async def identify(request: web.Request) -> Principal:
        header = request.headers.get("Authorization")
        if header is not None:
            scheme, _, token = header.partition(" ")
            if scheme.lower() != "bearer" or not token.strip():
                raise Unauthenticated("Sign in with the header `Authorization: Bearer TOKEN`.")
            return await verifier.principal(token.strip(), person_called)
        for way in cookies:
            user_id = await way.user(request)
            if user_id is not None:
                return Principal(user_id=user_id)
        operation = request.get(OPERATION)
        if SESSION_ENDED in request and not (operation and operation.serves_ended_sessions):
            raise Unauthenticated("Your session has ended. Sign in again.")
        return Principal(visitor_id=_visitor_id(request))

    return identify


def _visitor_id(request: web.Request) -> str | None:
    """Return the visitor's id; a cookie that is not a UUID, which the real server fails on, is not a visitor id."""
    try:
        return parse_uuid(request.cookies.get(VISITOR_COOKIE, ""))
    except ValueError:
        return None
