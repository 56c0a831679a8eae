"""Limits of requests under way, the deadline of one, and the wait for the last."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from docservice import DocService, Principal
from docservice.rest import create_app
from docservice.rest.running_requests import RequestLimits

from .asking import TRACK, start_body

pytestmark = pytest.mark.shared_service

Client = TestClient[Any, Any]


class Doorkeeper:
    """Lets requests in when it is told to, so that a test can hold them."""

    def __init__(self) -> None:
        self.waiting = asyncio.Semaphore(0)
        self.open = asyncio.Event()

    async def identify(self, request: web.Request) -> Principal:
        self.waiting.release()
        await self.open.wait()
        return Principal()

    async def holds(self, count: int) -> None:
        async with asyncio.timeout(60):
            for _ in range(count):
                await self.waiting.acquire()


@asynccontextmanager
async def held(service: DocService, limits: RequestLimits) -> AsyncIterator[tuple[Client, Doorkeeper]]:
    """A client of an application whose requests are held."""
    door = Doorkeeper()
    app = create_app(service, identify=door.identify, limits=limits)
    async with TestClient(TestServer(app)) as client:
        yield client, door
        door.open.set()


async def post(client: Client, headers: Mapping[str, str] | None = None) -> tuple[int, Mapping[str, str], Any]:
    async with client.post(TRACK, json=start_body(), headers=headers) as response:
        return response.status, response.headers, await response.json()


async def test_more_requests_than_the_limit_are_told_to_come_back(service: DocService) -> None:
    """One over the limit is a 503 with Retry-After at once; those before it are served; then there is room again."""
    limits = RequestLimits(max_in_flight=2)

    async with held(service, limits) as (client, door):
        first = [asyncio.create_task(post(client)) for _ in range(2)]
        await door.holds(2)
        status, headers, body = await post(client)
        async with client.get("/readyz") as watching:
            ready = watching.status
        door.open.set()
        served = [(await each)[0] for each in first]
        afterwards = (await post(client))[0]

    assert (status, headers["Retry-After"]) == (503, "1")
    assert "Try again" in body["detail"]
    assert ready == 200  # Monitors are let in.
    assert (served, afterwards) == ([200, 200], 200)


@pytest.mark.parametrize(
    ("name", "value"), [("Authorization", "Bearer {}"), ("Cookie", "kolibri={}"), ("Cookie", "docservice_session={}")]
)
async def test_one_token_has_a_limit_of_its_own(service: DocService, name: str, value: str) -> None:
    """Too many requests with one token or session are a 429 with Retry-After; another one and visitors are served."""
    limits = RequestLimits(max_in_flight_per_token=1)
    one, other = {name: value.format("one")}, {name: value.format("other")}

    async with held(service, limits) as (client, door):
        first = [asyncio.create_task(post(client, headers)) for headers in (one, other, None, None)]
        await door.holds(4)
        status, headers, body = await post(client, one)
        door.open.set()
        served = [(await each)[0] for each in first]
        afterwards = (await post(client, one))[0]

    assert (status, headers["Retry-After"]) == (429, "1")
    assert "fewer" in body["detail"]
    assert (served, afterwards) == ([200] * 4, 200)


@pytest.mark.parametrize("written", ["bearer {0}", "Bearer   {0}", "Bearer {1}"])
async def test_one_token_written_in_another_way(service: DocService, written: str) -> None:
    """However it is written, it is the same token; one with another signature, which anybody could make, is not."""
    limits = RequestLimits(max_in_flight_per_token=1)
    token = "aGVhZA.Ym9keQ.c2lnbmVk"
    ways = (token, "aGVhZA.Ym9keQ.c2ln!bmVk")
    forged = {"Authorization": "Bearer aGVhZA.Ym9keQ.Zm9yZ2Vk"}

    async with held(service, limits) as (client, door):
        first = [
            asyncio.create_task(post(client, headers)) for headers in ({"Authorization": f"Bearer {token}"}, forged)
        ]
        await door.holds(2)
        status, _, _ = await post(client, {"Authorization": written.format(*ways)})
        door.open.set()
        served = [(await each)[0] for each in first]

    assert (status, served) == (429, [200, 200])


async def test_a_request_that_is_not_answered_in_time(service: DocService) -> None:
    """The whole body is there and the answer does not begin: 504 with Retry-After."""
    async with held(service, RequestLimits(timeout_seconds=0.1)) as (client, _):
        status, headers, body = await post(client)

    assert (status, headers["Retry-After"]) == (504, "1")
    assert "Idempotency-Key" in body["detail"]


async def test_a_body_that_does_not_arrive_in_time(service: DocService) -> None:
    """A body that trickles in is given up: 408, and the connection is closed."""

    async def nobody(request: web.Request) -> Principal:
        return Principal()

    app = create_app(service, identify=nobody, limits=RequestLimits(timeout_seconds=0.3))
    async with TestServer(app) as server:
        reader, writer = await asyncio.open_connection(server.host, server.port)
        try:
            head = f"POST {TRACK} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n"
            writer.write(head.encode())
            answer = asyncio.create_task(reader.readuntil(b"\r\n\r\n"))
            for _ in range(10):
                writer.write(b"[")
                await asyncio.sleep(0.05)
            text = await asyncio.wait_for(answer, 60)
        finally:
            writer.close()
            with suppress(OSError):
                await writer.wait_closed()

    assert text.startswith(b"HTTP/1.1 408 ")
    assert b"Connection: close" in text


@pytest.mark.parametrize("path", ["/healthz", "/readyz"])
async def test_a_draining_service_is_not_ready_and_closes_connections(service: DocService, path: str) -> None:
    """`/readyz` fails, the process is alive, requests are served, and every answer ends its connection."""
    limits = RequestLimits()
    limits.draining = True

    async with held(service, limits) as (client, door):
        door.open.set()
        async with client.get(path) as response:
            answered = (response.status, response.headers.get("Retry-After"), response.headers.get("Connection"))
        served = await post(client)

    assert answered == ((200, None, "close") if path == "/healthz" else (503, "1", "close"))
    assert (served[0], served[1].get("Connection")) == (200, "close")


async def test_waiting_for_the_last_request(service: DocService) -> None:
    """`idle` is false while a request is under way after its time, true as soon as the last one has its answer."""
    limits = RequestLimits()

    async with held(service, limits) as (client, door):
        at_first = await limits.idle(0)
        request = asyncio.create_task(post(client))
        await door.holds(1)
        too_short = await limits.idle(0.05)
        waiting = asyncio.create_task(limits.idle(60))
        door.open.set()
        await request
        long_enough = await waiting

    assert (at_first, too_short, long_enough) == (True, False, True)


async def test_an_answer_that_has_begun_has_no_deadline(
    service: DocService, headers_of: Callable[[str], dict[str, str]]
) -> None:
    """A stream that goes on after the deadline arrives whole."""

    async def nobody(request: web.Request) -> Principal:
        return Principal()

    async def stream(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        for _ in range(3):
            await response.write(b"x")
            await asyncio.sleep(timeout_seconds / 2)
        return response

    timeout_seconds = 0.8  # time enough to begin on a busy machine
    app = create_app(service, identify=nobody, limits=RequestLimits(timeout_seconds=timeout_seconds))
    app.router.add_get("/stream", stream)
    async with TestClient(TestServer(app)) as client, client.get("/stream") as response:
        text = await response.text()

    assert text == "xxx"
    assert response.headers["X-Request-ID"]
