"""What browsers are told about pages of other origins."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from docservice import DocService, Principal
from docservice.rest import create_app
from docservice.rest.cors import Cors

from .asking import TRACK, start_body

pytestmark = pytest.mark.shared_service

Client = TestClient[Any, Any]
LISTED = "https://learn.example"
OTHER = "https://elsewhere.example"
ASKS = {"Access-Control-Request-Method": "PUT", "Access-Control-Request-Headers": "authorization,content-type"}


async def nobody(request: web.Request) -> Principal:
    return Principal()


@asynccontextmanager
async def client_of(service: DocService, *origins: str) -> AsyncIterator[Client]:
    cors = Cors(origins) if origins else None
    async with TestClient(TestServer(create_app(service, identify=nobody, cors=cors))) as client:
        yield client


async def test_a_preflight_of_a_listed_origin(service: DocService) -> None:
    """A 204 that allows this origin, the methods and the headers that the API has, with cookies."""
    async with (
        client_of(service, LISTED) as client,
        client.options(f"{TRACK}{'0' * 32}/", headers={"Origin": LISTED, **ASKS}) as response,
    ):
        headers = response.headers

    assert response.status == 204
    assert headers["Access-Control-Allow-Origin"] == LISTED
    assert headers["Access-Control-Allow-Credentials"] == "true"
    assert "PUT" in headers["Access-Control-Allow-Methods"].split(", ")
    allowed = headers["Access-Control-Allow-Headers"].lower().split(", ")
    assert {"authorization", "content-type", "idempotency-key", "x-request-id"} <= set(allowed)
    assert "Origin" in headers["Vary"]


async def test_a_preflight_of_another_origin(service: DocService) -> None:
    """A 403 without any permission."""
    async with (
        client_of(service, LISTED) as client,
        client.options(TRACK, headers={"Origin": OTHER, **ASKS}) as response,
    ):
        headers = response.headers

    assert response.status == 403
    assert not [name for name in headers if name.startswith("Access-Control")]
    assert headers["Vary"] == "Origin"


@pytest.mark.parametrize("path", [TRACK, "/nothing/"])
async def test_answers_and_errors_say_who_may_read_them(service: DocService, path: str) -> None:
    """Also on a 404 a listed origin may read the answer and the headers that it needs; another one may not."""
    async with client_of(service, LISTED) as client:
        async with client.post(path, json=start_body(), headers={"Origin": LISTED}) as response:
            listed = response.headers
        async with client.post(path, json=start_body(), headers={"Origin": OTHER}) as response:
            other = response.headers
        async with client.post(path, json=start_body()) as response:
            plain = response.headers

    assert listed["Access-Control-Allow-Origin"] == LISTED
    readable = set(listed["Access-Control-Expose-Headers"].split(", "))
    assert {"X-Request-ID", "Retry-After", "X-Error-Code", "Location"} <= readable
    assert not [name for headers in (other, plain) for name in headers if name.startswith("Access-Control")]
    assert {headers["Vary"] for headers in (listed, other, plain)} == {"Origin"}


async def test_all_origins_may_call_without_cookies(service: DocService) -> None:
    """With `*` the answer is the same for everybody, and cookies are not allowed."""
    async with client_of(service, "*") as client, client.get("/healthz", headers={"Origin": OTHER}) as response:
        headers = response.headers

    assert headers["Access-Control-Allow-Origin"] == "*"
    assert "Access-Control-Allow-Credentials" not in headers
    assert "Vary" not in headers


async def test_without_the_setting_nobody_may(service: DocService) -> None:
    """No header of the protocol, and a preflight is an unknown method."""
    async with (
        client_of(service) as client,
        client.options(TRACK, headers={"Origin": LISTED, **ASKS}) as response,
    ):
        headers = response.headers

    assert response.status == 405
    assert not [name for name in headers if name.startswith("Access-Control")]
