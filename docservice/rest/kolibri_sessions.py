"""Callers who are signed in at a Kolibri: it is asked whose session a cookie is.

A proxy shows both under one address, so a browser sends Kolibri's cookies here, too. Kolibri is asked as its own front
end asks, with a request that changes nothing but the time of the session's last use. Its answer counts for seconds.
Rule: kolibri/core/auth/api.py (SessionViewSet.update), which takes any CSRF token that is in cookie and header alike.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import re
import secrets
import time
from collections import OrderedDict
from functools import partial
from typing import Any

import aiohttp
from aiohttp import web

from docservice.domain.sign_in.sessions import is_csrf_token
from docservice.domain.values.ids import is_hex_id
from docservice.errors import SignInUnavailable
from docservice.rest.cookie_names import KOLIBRI_COOKIES
from docservice.rest.session_cookies import SESSION_ENDED, require_csrf_token

_PATH = "/api/auth/session/current/"
_SESSION_KEY = re.compile(r"[A-Za-z0-9_-]{8,128}")
_KEPT_SECONDS = 5.0
_TIMEOUT_SECONDS = 5.0
_MOST_KEPT = 10_000
_MOST_BYTES = 100_000


class KolibriSessions:
    """Knows callers by the session cookie of a Kolibri; see `auth.CookieWay`."""

    def __init__(
        self, url: str, *, kept_seconds: float = _KEPT_SECONDS, timeout_seconds: float = _TIMEOUT_SECONDS
    ) -> None:
        """Ask a Kolibri; it is not connected to yet.

        Args:
            url: its address, with the path below which it is, if it has one.
            kept_seconds: how long an answer counts. Who signs out at Kolibri is known here for so long.
            timeout_seconds: how long an answer may take.
        """
        self._url = url.rstrip("/")
        self._kept_seconds = kept_seconds
        self._timeout = aiohttp.ClientTimeout(total=timeout_seconds)
        self._http: aiohttp.ClientSession | None = None
        self._known: OrderedDict[bytes, tuple[float, str | None]] = OrderedDict()
        self._asking: dict[bytes, asyncio.Task[str | None]] = {}

    async def user(self, request: web.Request) -> str | None:
        """See `auth.CookieWay`.

        Raises:
            ForgeryRefused: the request changes something, and its header does not name the CSRF token of the cookie.
            SignInUnavailable: Kolibri does not answer.
        """
        session = request.cookies.get(KOLIBRI_COOKIES.session)
        if not session:
            return None
        # What Kolibri never makes is not sent to it: the value of a cookie may hold anything, line breaks too.
        user_id = await self._user_of(session) if _SESSION_KEY.fullmatch(session) else None
        if user_id is None:
            request[SESSION_ENDED] = True
            return None
        token = request.cookies.get(KOLIBRI_COOKIES.csrf, "")
        require_csrf_token(request, token if is_csrf_token(token) else secrets.token_hex(32))
        return user_id

    async def close(self) -> None:
        """Give up what is being asked, and close the connections."""
        tasks = tuple(self._asking.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        if self._http is not None:
            await self._http.close()
            self._http = None

    async def _user_of(self, session: str) -> str | None:
        key = hashlib.sha256(session.encode()).digest()  # the table would else hold what signs people in
        kept = self._known.get(key)
        if kept is not None and time.monotonic() - kept[0] < self._kept_seconds:
            return kept[1]
        # A page sends several requests at once; Kolibri is asked once for all of them.
        task = self._asking.get(key)
        if task is None:
            task = self._asking[key] = asyncio.create_task(self._ask(key, session), name="docservice-ask-kolibri")
            task.add_done_callback(partial(self._asked, key))
        return await asyncio.shield(task)

    def _asked(self, key: bytes, task: asyncio.Task[str | None]) -> None:
        del self._asking[key]
        if not task.cancelled():
            task.exception()  # nobody may be waiting for it any more

    async def _ask(self, key: bytes, session: str) -> str | None:
        token = secrets.token_hex(32)
        headers = {
            "Cookie": f"{KOLIBRI_COOKIES.session}={session}; {KOLIBRI_COOKIES.csrf}={token}",
            "X-CSRFToken": token,
            "Referer": f"{self._url}/",  # over TLS, Django asks for it
        }
        if self._http is None:
            self._http = aiohttp.ClientSession(timeout=self._timeout, cookie_jar=aiohttp.DummyCookieJar())
        try:
            async with self._http.put(
                f"{self._url}{_PATH}", json={"active": False}, headers=headers, allow_redirects=False
            ) as response:
                body = bytearray()
                async for chunk in response.content.iter_chunked(_MOST_BYTES):
                    body += chunk
                    if len(body) > _MOST_BYTES:
                        break
                user_id = _told(response.status, bytes(body))
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise SignInUnavailable(
                "The Kolibri that knows who is signed in does not answer. Try again soon."
            ) from error
        self._known[key] = (time.monotonic(), user_id)
        self._known.move_to_end(key)
        while len(self._known) > _MOST_KEPT:
            self._known.popitem(last=False)
        return user_id


def _told(status: int, body: bytes) -> str | None:
    """Return the user whom an answer of Kolibri names; None for an anonymous visitor.

    Raises:
        SignInUnavailable: it is not an answer of Kolibri's session API.
    """
    answer = _json(body) if status == 200 else None
    if not isinstance(answer, dict) or "user_id" not in answer:
        raise SignInUnavailable(
            f"The Kolibri that knows who is signed in answered {status}, and not who that is. Try again soon."
        )
    user_id = answer["user_id"]
    if user_id is None:
        return None
    if not is_hex_id(user_id):
        raise SignInUnavailable("The Kolibri that knows who is signed in named no user id. Try again soon.")
    return str(user_id)


def _json(body: bytes) -> Any:
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        return None
