"""How `serve` stops when requests are under way, and what it logs for machines."""

from __future__ import annotations

import asyncio
import json
import signal
import sys
import uuid
from typing import Any

import pytest
from aiohttp import ClientSession

from docservice import demo

from .running import START_SECONDS, Services, connection, eventually, run
from .signing import headers_with_own_key

pytestmark = [pytest.mark.engine, pytest.mark.slow]

LEARNER = demo.directory()["users"][1]["id"]
VISIT = {"node_id": "a" * 32, "content_id": "b" * 32, "channel_id": "c" * 32, "kind": "video"}


@pytest.mark.parametrize("workers", ["1", "2"])
async def test_a_body_that_is_still_arriving_is_answered(
    services: Services, mongodb_uri: str, database: Any, workers: str
) -> None:
    """Half a body is there at SIGTERM, the rest comes later: the request is served, then the service ends with 0."""
    service = await services.start(
        "--demo", "--workers", workers, "--mongodb-uri", mongodb_uri, "--database", database.name
    )
    headers = headers_with_own_key(service.data_dir, LEARNER)
    body = json.dumps(VISIT).encode()
    async with connection(service.base) as (reader, writer):
        writer.write(
            "POST /api/logger/trackprogress/ HTTP/1.1\r\nHost: docservice\r\nExpect: 100-continue\r\n"
            f"Authorization: {headers['Authorization']}\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n".encode()
        )
        assert b" 100 " in await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 30)
        writer.write(body[:20])
        service.process.send_signal(signal.SIGTERM)
        await eventually(lambda: "docservice: stopping" in service.err, "it stops")
        await asyncio.sleep(0.5)
        writer.write(body[20:])
        answer = await asyncio.wait_for(reader.read(), 30)

    assert answer.startswith(b"HTTP/1.1 200 ")
    assert b"session_id" in answer
    assert b"connection: close" in answer.lower()
    assert await service.ended() == 0


async def test_it_is_not_ready_before_it_stops(
    services: Services, mongodb_uri: str, database: Any, http: ClientSession
) -> None:
    """With DOCSERVICE_DRAIN_SECONDS `/readyz` fails first, while requests are still taken; then it ends."""
    service = await services.start(
        *("--mongodb-uri", mongodb_uri, "--database", database.name), env={"DOCSERVICE_DRAIN_SECONDS": "5"}
    )

    service.process.send_signal(signal.SIGTERM)
    await eventually(lambda: "docservice: stopping" in service.err, "it stops")
    answers = {}
    for path in ("/readyz", "/healthz"):
        async with http.get(service.base + path) as response:
            answers[path] = response.status

    assert answers == {"/readyz": 503, "/healthz": 200}
    assert await service.ended() == 0


async def test_the_log_for_machines(services: Services, mongodb_uri: str, database: Any, http: ClientSession) -> None:
    """Every line is a JSON object with an event; a request is one, with its id and template, and names nobody."""
    service = await services.spawn(*("--log-format", "json", "--mongodb-uri", mongodb_uri, "--database", database.name))

    def events() -> list[dict[str, Any]]:
        whole, _, unfinished = service.err.rpartition("\n")
        assert not unfinished or service.process.returncode is None
        return [json.loads(line) for line in whole.splitlines()]

    def said() -> list[dict[str, Any]]:
        return [event for event in events() if event["event"] == "serving"]

    [serving] = await eventually(said, "it serves", START_SECONDS)
    headers = {**headers_with_own_key(service.data_dir, LEARNER), "X-Request-ID": "asked-by-a-test.1"}
    async with http.put(
        f"{serving['url']}/api/logger/trackprogress/{uuid.uuid4().hex}/?user={LEARNER}", json={}, headers=headers
    ) as response:
        returned = response.headers["X-Request-ID"]
    async with connection(serving["url"]) as (reader, writer):
        writer.write(f"GET /?user={LEARNER} nonsense\r\n\r\n".encode())
        assert b" 400 " in await reader.readline()
    code = await service.stop()

    assert code == 0
    assert returned == "asked-by-a-test.1"
    [request] = [event for event in events() if event["event"] == "request"]
    assert {name: request[name] for name in ("level", "logger", "request_id", "method", "route", "status")} == {
        "level": "info",
        "logger": "docservice.access",
        "request_id": "asked-by-a-test.1",
        "method": "PUT",
        "route": "/api/logger/trackprogress/{session_id}/",
        "status": 401,  # The learner is not in the directory.
    }
    assert request["elapsed_ms"] > 0
    assert request["timestamp"].endswith("Z")
    assert events()[-1]["event"] == "stopping"
    for secret in (LEARNER, headers["Authorization"], mongodb_uri):
        assert secret not in service.err


async def test_the_log_of_requests_can_be_turned_off(
    services: Services, mongodb_uri: str, database: Any, http: ClientSession
) -> None:
    """DOCSERVICE_ACCESS_LOG=false: nothing is written for a request."""
    service = await services.start(
        *("--mongodb-uri", mongodb_uri, "--database", database.name), env={"DOCSERVICE_ACCESS_LOG": "false"}
    )

    async with http.get(f"{service.base}/nothing"):
        pass
    await service.stop()

    assert "route=" not in service.err


async def test_a_connection_that_sends_no_request_is_closed(
    services: Services, mongodb_uri: str, database: Any
) -> None:
    """Headers that trickle in are given up after DOCSERVICE_KEEPALIVE_TIMEOUT_SECONDS."""
    service = await services.start(
        *("--mongodb-uri", mongodb_uri, "--database", database.name), env={"DOCSERVICE_KEEPALIVE_TIMEOUT_SECONDS": "1"}
    )

    async with connection(service.base) as (reader, writer):
        writer.write(b"GET /healthz HTTP/1.1\r\nHost: ")
        closed = await asyncio.wait_for(reader.read(), 30)

    assert closed == b""


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("DOCSERVICE_CORS_ORIGINS", "learn.example"),
        ("DOCSERVICE_TRUSTED_PROXIES", "proxy.example"),
        ("DOCSERVICE_WORKERS", "0"),
        ("DOCSERVICE_LOG_FORMAT", "xml"),
        ("DOCSERVICE_REQUEST_TIMEOUT_SECONDS", "0"),
    ],
)
async def test_a_wrong_setting_names_its_variable(name: str, value: str, services: Services) -> None:
    """Exit code 2 and one line."""
    service = await services.spawn(env={name: value})

    assert await service.ended() == 2
    assert len(service.err.splitlines()) == 1
    assert name in service.err


async def test_an_end_is_an_event_too(services: Services) -> None:
    """In a log for machines also what keeps the service from starting is a JSON object."""
    service = await services.spawn(
        *("--log-format", "json", "--mongodb-uri", "mongodb://127.0.0.1:1/"),
        env={"DOCSERVICE_MONGODB_TIMEOUT_MS": "300"},
    )

    assert await service.ended() == 1
    [event] = [json.loads(line) for line in service.err.splitlines()]
    assert (event["event"], event["level"], event["code"]) == ("failed", "error", "store-unavailable")
    assert "127.0.0.1:1" in event["detail"]


@pytest.mark.parametrize("log_format", ["console", "json"])
async def test_a_traceback_shows_no_values(log_format: str) -> None:
    """What variables hold is people's data: a logged error has its traceback without them."""
    program = f"""
import logging
from docservice.serving.log_format import configure_logging

def fail():
    name = "Ami" + "na"
    raise ValueError("something")

configure_logging("{log_format}")
try:
    fail()
except ValueError:
    logging.getLogger("docservice.rest").exception("request failed")
"""

    ended = await run("-c", program, program=(sys.executable,))

    assert ended.code == 0
    assert "ValueError" in ended.err
    assert "in fail" in ended.err
    assert "Amina" not in ended.err
