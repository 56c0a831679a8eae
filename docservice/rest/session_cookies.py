"""Cookies of people who are signed in here, and the check that a request with one is not forged.

A browser sends cookies with every request, also with one that a page of another site made it send (CSRF). So a request
that changes something, and whose caller is known by a cookie, has to name the CSRF token in a header: pages of other
sites can neither read it nor set the header. Rule: https://cheatsheetseries.owasp.org, Cross-Site Request Forgery
Prevention; django, middleware/csrf.py, whose token is one of the browser's and not, as here, of the session.
"""

from __future__ import annotations

import secrets

from aiohttp import web

from docservice.domain.sign_in.sessions import (
    SAFE_METHODS,
    csrf_token,
    is_csrf_token,
    is_from_another_site,
    is_token,
    same,
)
from docservice.errors import ForgeryRefused
from docservice.rest.cookie_names import KOLIBRI_COOKIES, LINK_COOKIES, CookieNames
from docservice.rest.proxies import PREFIX
from docservice.service.acting.sign_in import SignIns

CSRF_HEADER = "X-CSRFToken"
_YEAR_SECONDS = 365 * 24 * 60 * 60


COOKIES_USED: web.RequestKey[CookieNames] = web.RequestKey("COOKIES_USED")
"""The cookies by which the caller of a request is known."""


SESSION_ENDED: web.RequestKey[bool] = web.RequestKey("SESSION_ENDED")
"""Whether a request has the cookie of a session that has ended."""


def require_csrf_token(request: web.Request, wanted: str) -> None:
    """Check that a request which changes something names the CSRF token.

    Raises:
        ForgeryRefused: it does not.
    """
    if request.method not in SAFE_METHODS and not same(request.headers.get(CSRF_HEADER, ""), wanted):
        raise ForgeryRefused()


def require_own_page(request: web.Request) -> None:
    """Check that no page of another site sent a request that signs somebody in.

    It would sign people in as somebody else without their noticing. A token that is in the browser's cookie and in the
    header will do; else what the browser says of the page counts. Other programs say nothing.

    Raises:
        ForgeryRefused: another site sent it.
    """
    token = request.cookies.get(KOLIBRI_COOKIES.csrf, "")
    if is_csrf_token(token) and same(request.headers.get(CSRF_HEADER, ""), token):
        return
    headers = request.headers
    if is_from_another_site(headers.get("Origin"), headers.get("Sec-Fetch-Site"), request.host):
        raise ForgeryRefused("A page of another site sent this. Sign in at a page of this one.")


def set_session(request: web.Request, response: web.Response, names: CookieNames, token: str, base: str) -> None:
    """Give the browser the cookies of a new session; it forgets that of the session when it is closed.

    Args:
        request: over TLS, the cookies are sent over TLS only.
        response: to it.
        names: of the cookies.
        token: of the session.
        base: path below which the service is; see `base_path`.
    """
    response.set_cookie(names.session, token, path=base, secure=request.secure, httponly=True, samesite="Lax")
    set_csrf_token(request, response, names, csrf_token(token), base)


def set_csrf_token(request: web.Request, response: web.Response, names: CookieNames, token: str, base: str) -> None:
    """Give the browser a CSRF token, which scripts of its pages can read."""
    response.set_cookie(names.csrf, token, path=base, max_age=_YEAR_SECONDS, secure=request.secure, samesite="Lax")


def keep_csrf_token(request: web.Request, response: web.Response, base: str) -> None:
    """See that the browser has the CSRF token of its session, or any, if nobody is signed in."""
    names = request.get(COOKIES_USED, KOLIBRI_COOKIES)
    session, held = request.cookies.get(names.session, ""), request.cookies.get(names.csrf, "")
    if COOKIES_USED in request and is_token(session):
        held = csrf_token(session)
    elif not is_csrf_token(held):
        held = secrets.token_hex(32)
    set_csrf_token(request, response, names, held, base)


def drop_session(request: web.Request, response: web.Response, names: CookieNames, base: str) -> None:
    """Take the cookie of a session that has ended from the browser."""
    response.del_cookie(names.session, path=base, secure=request.secure, httponly=True, samesite="Lax")


def base_path(request: web.Request, path: str) -> str:
    """Return the path below which browsers see the service, for its cookies: `/` or `/logs`.

    Args:
        request: to the operation with this path; a proxy or a host may have the service below a prefix.
        path: of the operation.
    """
    return request.get(PREFIX, "") + request.path.removesuffix(path) or "/"


async def end_sessions(request: web.Request, response: web.Response, sign_ins: SignIns, base: str) -> None:
    """End the sessions of all cookies of this service that a request has, and take the cookies from the browser."""
    for names in (LINK_COOKIES, KOLIBRI_COOKIES):
        token = request.cookies.get(names.session)
        if token is not None and (names is LINK_COOKIES or sign_ins.rules.with_password):
            await sign_ins.end(token)
            drop_session(request, response, names, base)


async def require_no_forgery(request: web.Request, sign_ins: SignIns) -> bool:
    """Check that a request which signs in or out is not forged; return whether somebody is signed in by a cookie.

    Raises:
        ForgeryRefused: somebody is, and the CSRF token of the session is not in the header.
    """
    signed_in = False
    for names in (LINK_COOKIES, KOLIBRI_COOKIES):
        token = request.cookies.get(names.session, "")
        if await sign_ins.user_of(token) is not None:
            require_csrf_token(request, csrf_token(token))
            signed_in = True
    return signed_in


class SessionCookies:
    """Finds out by the cookies of this service which person sends a request."""

    def __init__(self, sign_ins: SignIns) -> None:
        """Know the sessions of these sign-ins: of links and, if passwords are taken, of Kolibri's cookie."""
        self._sign_ins = sign_ins
        self._names = (LINK_COOKIES, KOLIBRI_COOKIES) if sign_ins.rules.with_password else (LINK_COOKIES,)

    async def user(self, request: web.Request) -> str | None:
        """See `auth.CookieWay`."""
        for names in self._names:
            token = request.cookies.get(names.session)
            if not token:
                continue
            user_id = await self._sign_ins.user_of(token)
            if user_id is not None:
                require_csrf_token(request, csrf_token(token))
                request[COOKIES_USED] = names
                return user_id
            request[SESSION_ENDED] = True
        return None
