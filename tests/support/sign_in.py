"""A service that people sign in at, with the passwords of a recorded Kolibri."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
from aiohttp.test_utils import TestClient, TestServer

from docservice import DocService, SignInRules
from docservice.identity import TokenVerifier
from docservice.rest import SessionCookies, bearer_identity, create_app
from tests.support.signing import SECRET

RECORDED: dict[str, Any] = json.loads(
    (Path(__file__).parents[1] / "data" / "kolibri-sessions.json").read_text(encoding="utf-8")
)
"""What a Kolibri's session routes answered, and the password hashes of its people."""

PASSWORD = "pass-word-1"
"""Of everybody in the recorded directory but the superuser."""

SESSION = "/api/auth/session/"
CURRENT = f"{SESSION}current/"
LIKE_KOLIBRI = SignInRules(with_password=True, without_password=True, tries_per_person=1000, tries_per_address=1000)


async def keep_recorded_passwords(service: DocService, ids: Mapping[str, str]) -> None:
    """Give the people of the recorded directory their passwords."""
    hashes = {ids[name]: text for name, text in RECORDED["hashes"].items()}
    await service.admin.sign_in.keep_passwords(hashes, secret=SECRET)


@asynccontextmanager
async def signing_in(service: DocService, rules: SignInRules, **options: Any) -> AsyncIterator[TestClient[Any, Any]]:
    """A client, without cookies of its own, of an application that signs people in."""
    sign_ins = service.sign_ins(SECRET, rules)
    identify = bearer_identity(
        TokenVerifier(secret=SECRET), SessionCookies(sign_ins), person_called=sign_ins.person_called
    )
    app = create_app(service, identify=identify, sign_ins=sign_ins, **options)
    async with TestClient(TestServer(app), cookie_jar=aiohttp.DummyCookieJar()) as client:
        yield client


class Browser:
    """Keeps cookies as a browser does, and names Kolibri's CSRF token in a header as Kolibri's front end does.

    Attributes:
        cookies: by name.
        attributes: of the cookies as they came last.
    """

    def __init__(self, client: TestClient[Any, Any], cookies: Mapping[str, str] | None = None) -> None:
        self.cookies = dict(cookies or {})
        self.attributes: dict[str, Any] = {}
        self._client = client

    async def ask(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        csrf: str | None = "",
        form: bool = False,
        headers: Mapping[str, str] | None = None,
    ) -> tuple[int, Any]:
        """Send a request; its status and answer.

        Args:
            csrf: the token in the header; the cookie's by default, None for none.
            form: the body is a form.
        """
        sent = dict(headers or {})
        if self.cookies:
            sent["Cookie"] = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        token = self.cookies.get("kolibri_csrftoken") if csrf == "" else csrf
        if token is not None:
            sent["X-CSRFToken"] = token
        payload = {"data": body} if form else {"json": body} if body is not None else {}
        async with self._client.request(method, path, headers=sent, allow_redirects=False, **payload) as response:
            self.attributes = dict(response.cookies)
            for name, morsel in response.cookies.items():
                if morsel["max-age"] == "0" or morsel["max-age"] == 0:
                    self.cookies.pop(name, None)
                else:
                    self.cookies[name] = morsel.value
            is_json = "json" in response.content_type
            return response.status, await response.json(content_type=None) if is_json else await response.text()

    async def sign_in(self, username: str, facility: str, password: str = PASSWORD) -> tuple[int, Any]:
        """Sign in with a password."""
        return await self.ask("POST", SESSION, {"username": username, "password": password, "facility": facility})

    async def who(self) -> str | None:
        """The id of the person who is signed in."""
        status, answer = await self.ask("PUT", CURRENT, {"active": False})
        assert status == 200, answer
        user_id: str | None = answer["user_id"]
        return user_id
