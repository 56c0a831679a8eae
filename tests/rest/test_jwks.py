"""The keys of a host's sign-in: asked for seldom, kept through an outage, and an outage is not the caller's fault."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import jwt
import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer
from cryptography.hazmat.primitives.asymmetric import ec

from docservice import DocService
from docservice.errors import SettingsInvalid, SignInUnavailable, Unauthenticated
from docservice.identity import TokenVerifier
from docservice.jwks import FRESH_SECONDS, NEXT_FETCH_SECONDS, NEXT_TRY_SECONDS, STALE_SECONDS, JwksCache
from docservice.rest import create_app
from docservice.rest.auth import bearer_identity

from .asking import TRACK, start_body

pytestmark = pytest.mark.shared_service

KEY = ec.generate_private_key(ec.SECP256R1())


class Publisher:
    """A sign-in that publishes its keys, or fails.

    Attributes:
        answer: what it does: `keys`, `error` (500), `page` (HTML), `empty` (no keys), `cut` (the connection).
        kids: the ids of its keys.
        asked: how often it was asked.
        url: where.
    """

    def __init__(self) -> None:
        self.answer = "keys"
        self.kids = ["a"]
        self.asked = 0
        self.url = ""

    async def keys(self, request: web.Request) -> web.Response:
        """Answer a request for the keys."""
        self.asked += 1
        await asyncio.sleep(0.02)
        match self.answer:
            case "error":
                return web.Response(status=500)
            case "page":
                return web.Response(text="<html>Be right back</html>", content_type="text/html")
            case "cut":
                assert request.transport
                request.transport.close()
        public = json.loads(jwt.algorithms.ECAlgorithm.to_jwk(KEY.public_key()))
        kids = [] if self.answer == "empty" else self.kids
        return web.json_response({"keys": [{**public, "kid": kid, "use": "sig"} for kid in kids]})


@pytest.fixture
async def publisher() -> AsyncIterator[Publisher]:
    """A publisher that listens."""
    found = Publisher()
    app = web.Application()
    app.router.add_get("/keys", found.keys)
    async with TestServer(app) as server:
        found.url = str(server.make_url("/keys"))
        yield found


class Clock:
    """Seconds that a test sets."""

    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    """A clock that stands."""
    return Clock()


async def test_requests_at_once_share_a_fetch(publisher: Publisher, clock: Clock) -> None:
    """Twenty tokens at once, and all in the next minutes, cost one fetch; then the set is asked for again."""
    keys = JwksCache(publisher.url, clock=clock)

    found = await asyncio.gather(*(keys.key("a") for _ in range(20)))
    clock.now += FRESH_SECONDS - 1
    await keys.key("a")

    assert {key.key_id for key in found} == {"a"}
    assert publisher.asked == 1
    clock.now += 1
    await keys.key("a")
    assert publisher.asked == 2


async def test_unknown_keys_do_not_flood(publisher: Publisher, clock: Clock) -> None:
    """A hundred tokens with ids that nobody published cost one fetch; a new key is found after the pause."""
    keys = JwksCache(publisher.url, clock=clock)
    for number in range(100):
        with pytest.raises(Unauthenticated):
            await keys.key(f"made up {number}")
    assert publisher.asked == 1

    publisher.kids.append("new")
    with pytest.raises(Unauthenticated):
        await keys.key("new")
    clock.now += NEXT_FETCH_SECONDS

    assert (await keys.key("new")).key_id == "new"
    assert publisher.asked == 2


@pytest.mark.parametrize("key_id", [None, 1, ["a"]])
async def test_a_token_has_to_name_its_key(publisher: Publisher, key_id: object) -> None:
    """A token without a key id, or with one that is not a text, is refused."""
    with pytest.raises(Unauthenticated):
        await JwksCache(publisher.url).key(key_id)


@pytest.mark.parametrize("failure", ["error", "page", "empty", "cut"])
async def test_an_outage_is_not_a_bad_token(publisher: Publisher, clock: Clock, failure: str) -> None:
    """While the publisher fails, keys are unavailable, without asking it each time; afterwards they are found."""
    keys = JwksCache(publisher.url, clock=clock)
    publisher.answer = failure
    for _ in range(5):
        with pytest.raises(SignInUnavailable) as down:
            await keys.key("a")
    asked = publisher.asked

    publisher.answer = "keys"
    clock.now += NEXT_TRY_SECONDS

    assert down.value.retryable
    assert asked == 1
    assert (await keys.key("a")).key_id == "a"


async def test_known_keys_outlast_a_short_outage(publisher: Publisher, clock: Clock) -> None:
    """Who has a known key is let in for an hour of outage; others are told to wait, not that they are wrong."""
    keys = JwksCache(publisher.url, clock=clock)
    await keys.key("a")
    publisher.answer = "error"

    clock.now += STALE_SECONDS - 1
    assert (await keys.key("a")).key_id == "a"
    with pytest.raises(SignInUnavailable):
        await keys.key("b")
    clock.now += 1
    with pytest.raises(SignInUnavailable):
        await keys.key("a")


@pytest.mark.parametrize("url", ["file:///etc/passwd", "keys.example", "ftp://keys.example/"])
def test_what_is_no_address(url: str) -> None:
    """An address that cannot be fetched over HTTP is refused at the start."""
    with pytest.raises(SettingsInvalid):
        JwksCache(url)


async def test_a_request_during_an_outage(
    service: DocService, publisher: Publisher, recorded_directory: dict[str, Any]
) -> None:
    """A good token that cannot be checked gets 503 with Retry-After, and is served as soon as the keys are there."""
    claims = {"sub": recorded_directory["ids"]["learner1"], "exp": datetime.now(UTC) + timedelta(hours=1)}
    sent = {"Authorization": f"Bearer {jwt.encode(claims, KEY, algorithm='ES256', headers={'kid': 'a'})}"}
    publisher.answer = "error"
    app = create_app(service, identify=bearer_identity(TokenVerifier(jwks_url=publisher.url)))

    async with TestClient(TestServer(app)) as client:
        async with client.post(TRACK, json=start_body(), headers=sent) as refused:
            body = await refused.json()
        publisher.answer = "keys"
        async with asyncio.timeout(60):
            while (served := await client.post(TRACK, json=start_body(), headers=sent)).status != 200:
                assert served.status == 503
                await asyncio.sleep(0.2)

    assert (refused.status, refused.headers["Retry-After"]) == (503, "1")
    assert "WWW-Authenticate" not in refused.headers
    assert "sign-in" in body["detail"]
