"""Callers who are signed in at a Kolibri beside the service: it is asked, briefly remembered, and never guessed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from docservice import DocService
from docservice.identity import TokenVerifier
from docservice.rest import KolibriSessions, SessionCookies, bearer_identity, create_app
from tests.support.sign_in import CURRENT, Browser
from tests.support.signing import SECRET

from .asking import TRACK, Client, start_body

pytestmark = pytest.mark.shared_service

KEY = "k" * 32
CSRF = "c" * 64


@dataclass
class FakeKolibri:
    """Answers as Kolibri's session route does, by the recorded exchanges.

    Attributes:
        users: by the key of a session.
        asked: the keys that it was asked about.
        answer: given in the place of its own.
        delay: seconds before an answer.
    """

    users: dict[str, str] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    answer: tuple[int, str] | None = None
    delay: float = 0.0

    async def who(self, request: web.Request) -> web.Response:
        """Tell whose session it is."""
        self.asked.append(request.cookies["kolibri"])
        await asyncio.sleep(self.delay)
        if self.answer is not None:
            return web.Response(status=self.answer[0], text=self.answer[1], headers={"Location": "/elsewhere"})
        assert request.cookies["kolibri_csrftoken"] == request.headers["X-CSRFToken"]
        assert await request.json() == {"active": False}
        return web.json_response({"id": "current", "user_id": self.users.get(request.cookies["kolibri"])})


@dataclass
class Site:
    """A Kolibri and the service beside it."""

    kolibri: FakeKolibri
    client: Client

    def browser(self, session: str = KEY, csrf: str = CSRF) -> Browser:
        """A browser with Kolibri's cookies."""
        return Browser(self.client, {"kolibri": session, "kolibri_csrftoken": csrf})


@asynccontextmanager
async def beside(service: DocService, kolibri: FakeKolibri, **options: Any) -> AsyncIterator[Site]:
    """The service beside a Kolibri."""
    app = web.Application()
    app.router.add_put(f"/path{CURRENT}", kolibri.who)
    sign_ins = service.sign_ins(SECRET)
    async with TestServer(app) as server:
        sessions = KolibriSessions(str(server.make_url("/path/")), **options)
        identify = bearer_identity(TokenVerifier(secret=SECRET), SessionCookies(sign_ins), sessions)
        served = TestServer(create_app(service, identify=identify, sign_ins=sign_ins))
        async with TestClient(served, cookie_jar=aiohttp.DummyCookieJar()) as client:
            yield Site(kolibri, client)
        await sessions.close()


@pytest.fixture
async def site(service: DocService, recorded_directory: dict[str, Any]) -> AsyncIterator[Site]:
    """A site where learner1 is signed in at Kolibri."""
    async with beside(service, FakeKolibri({KEY: recorded_directory["ids"]["learner1"]})) as found:
        yield found


async def test_the_caller_is_who_is_signed_in_at_kolibri(site: Site, recorded_directory: dict[str, Any]) -> None:
    """The person of Kolibri's session is the caller here, and Kolibri is asked once for some seconds."""
    browser = site.browser()

    users = [await browser.who() for _ in range(3)]
    started = (await browser.ask("POST", TRACK, start_body()))[0]

    assert users == [recorded_directory["ids"]["learner1"]] * 3
    assert started == 200
    assert site.kolibri.asked == [KEY]


async def test_many_requests_at_once_ask_once(site: Site) -> None:
    """A page that sends many requests makes one question."""
    site.kolibri.delay = 0.05

    answers = await asyncio.gather(*(site.browser().ask("POST", TRACK, start_body()) for _ in range(10)))

    assert {status for status, _ in answers} == {200}
    assert site.kolibri.asked == [KEY]


async def test_an_answer_counts_for_seconds(service: DocService, recorded_directory: dict[str, Any]) -> None:
    """After the sign-out at Kolibri the cookie is worth nothing here, either."""
    async with beside(service, FakeKolibri({KEY: recorded_directory["ids"]["learner1"]}), kept_seconds=0) as site:
        before = (await site.browser().ask("POST", TRACK, start_body()))[0]
        site.kolibri.users.clear()
        after = (await site.browser().ask("POST", TRACK, start_body()))[0]

    assert (before, after) == (200, 401)


async def test_changes_need_kolibris_csrf_token(site: Site) -> None:
    """What changes something needs the token of the cookie in the header, as at Kolibri; reading does not."""
    statuses = [
        (await site.browser(csrf=cookie).ask("POST", TRACK, start_body(), csrf=header))[0]
        for cookie, header in ((CSRF, None), (CSRF, "d" * 64), ("", ""), ("", None), ("x", "x"), (CSRF, CSRF))
    ]
    reading = (await site.browser(csrf="").ask("GET", "/api/logger/usersessionlog/", csrf=None))[0]

    assert statuses == [403] * 5 + [200]
    assert reading == 200


async def test_an_ended_session_is_not_a_visitor(site: Site) -> None:
    """A cookie that means nobody at Kolibri is refused: the learner's work would be nobody's."""
    status, answer = await site.browser("e" * 32).ask("POST", TRACK, start_body())
    visitor, _ = await Browser(site.client).ask("POST", TRACK, start_body())

    assert status == 401
    assert answer[0]["metadata"]["message"] == "Your session has ended. Sign in again."
    assert visitor == 200
    assert await site.browser("e" * 32).who() is None


@pytest.mark.parametrize(
    "answer",
    [
        (500, "error"),
        (503, "starting"),
        (403, '[{"id": "PERMISSION_DENIED"}]'),
        (302, ""),
        (200, "<html>"),
        (200, "[]"),
        (200, '{"user_id": 5}'),
        (200, '{"user_id": "x"}'),
        (200, '{"user": null}'),
        (200, "[" * 50_000),
        (200, '"' + "a" * 3_000_000 + '"'),
    ],
)
async def test_a_kolibri_that_does_not_say_is_no_visitor(site: Site, answer: tuple[int, str]) -> None:
    """An answer that does not name the caller is a 503, and nobody is anonymous because of it."""
    site.kolibri.answer = answer

    status, _ = await site.browser().ask("POST", TRACK, start_body())
    after = await site.browser().ask("PUT", CURRENT, {})

    assert (status, after[0]) == (503, 503)


async def test_a_kolibri_that_is_down(service: DocService, recorded_directory: dict[str, Any]) -> None:
    """A Kolibri that does not answer, or not in time, is a 503 that may be tried again; who has a token is served."""
    kolibri = FakeKolibri({KEY: recorded_directory["ids"]["learner1"]})
    async with beside(service, kolibri, timeout_seconds=0.05) as site:
        kolibri.delay = 0.5
        slow = await site.browser().ask("POST", TRACK, start_body())
        kolibri.delay = 0.0
    sessions = KolibriSessions("http://127.0.0.1:9")
    app = create_app(service, identify=bearer_identity(TokenVerifier(secret=SECRET), sessions))
    async with TestClient(TestServer(app)) as client:
        down = await Browser(client, {"kolibri": KEY, "kolibri_csrftoken": CSRF}).ask("POST", TRACK, start_body())
        visitor = await Browser(client).ask("POST", TRACK, start_body())
    await sessions.close()

    assert (slow[0], down[0], visitor[0]) == (503, 503, 200)


@pytest.mark.parametrize("cookie", ["x", '"a\\012Evil: 1"', "é" * 20, "a b", "$" * 40, "k" * 500])
async def test_odd_cookies_are_not_sent_on(site: Site, cookie: str) -> None:
    """What cannot be a key of Kolibri's is never sent to it."""
    status, _ = await site.browser(cookie).ask("POST", TRACK, start_body())

    assert status == 401
    assert site.kolibri.asked == []


async def test_who_is_not_in_the_directory(site: Site) -> None:
    """A person whom Kolibri has and the directory does not is refused, as with a token."""
    site.kolibri.users["n" * 32] = "0123456789abcdef0123456789abcdef"

    assert (await site.browser("n" * 32).ask("POST", TRACK, start_body()))[0] == 401
