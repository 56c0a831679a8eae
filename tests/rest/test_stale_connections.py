"""Connections that the server closed while nobody used them: what is safe to send again is sent again."""

from __future__ import annotations

import asyncio
import gc
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import Any

import pytest
from aiohttp.test_utils import TestClient, TestServer
from motor.motor_asyncio import AsyncIOMotorClient
from pymongo import AsyncMongoClient

from docservice import ANONYMOUS, DocService, StartSession
from docservice.identity import TokenVerifier
from docservice.rest import create_app
from docservice.rest.auth import bearer_identity
from docservice.rest.metrics import Metrics
from tests.support.signing import SECRET

from .asking import TRACK, Client, put, start, start_body
from .gateway import Gateway

AT_ONCE = 8


@pytest.fixture(autouse=True)
def collected() -> Iterator[None]:
    """Collect what the driver left, before another test begins."""
    yield
    gc.collect()


@pytest.fixture(scope="module")
async def gateway(mongodb_uri: str) -> AsyncIterator[Gateway]:
    """The way that the tests' service takes to the database."""
    async with Gateway(mongodb_uri) as opened:
        yield opened


@pytest.fixture(scope="module", params=["own", "pymongo", "motor"])
async def logs(
    request: pytest.FixtureRequest, gateway: Gateway, shared_database: Any, recorded_directory: dict[str, Any]
) -> AsyncIterator[DocService]:
    """A service by that way, with an own connection and with handles of both drivers."""
    client: Any = None
    if request.param == "own":
        service = DocService(gateway.uri, database=shared_database.name)
    else:
        client = (AsyncMongoClient if request.param == "pymongo" else AsyncIOMotorClient)(gateway.uri)
        service = DocService(client[shared_database.name])
    async with service:
        await service.import_directory(recorded_directory)
        yield service
    if isinstance(client, AsyncMongoClient):
        await client.close()
    elif client is not None:
        await asyncio.to_thread(client.close)  # It blocks until the server has answered, by way of this loop.


@pytest.fixture(scope="module")
async def client(logs: DocService) -> AsyncIterator[Client]:
    """A client of the REST API, with metrics."""
    app = create_app(logs, identify=bearer_identity(TokenVerifier(secret=SECRET)), metrics=Metrics())
    async with TestClient(TestServer(app)) as opened:
        yield opened


async def idle_then_cut(gateway: Gateway, service: DocService) -> None:
    """Fill the pool, leave it, and close what is in it from the server's side."""
    await asyncio.gather(*(service.ping() for _ in range(AT_ONCE)))
    assert await gateway.cut() > 0


async def test_probes_do_not_fail_on_stale_connections(client: Client, logs: DocService, gateway: Gateway) -> None:
    """After all idle connections were closed `/readyz` is ready and `/metrics` says that the database is up."""
    for path, expected in (("/readyz", '{"status":"ready"}'), ("/metrics", "docservice_database_up 1.0")):
        await idle_then_cut(gateway, logs)
        async with client.get(path) as response:
            text = await response.text()

        assert response.status == 200, text
        assert expected in text


async def test_many_probes_at_once_do_not_fail(client: Client, logs: DocService, gateway: Gateway) -> None:
    """Each of several that begin together meets a stale connection of its own."""

    async def status() -> int:
        async with client.get("/readyz") as response:
            return response.status

    await idle_then_cut(gateway, logs)

    assert await asyncio.gather(*(status() for _ in range(AT_ONCE))) == [200] * AT_ONCE


async def test_requests_do_not_fail_on_stale_connections(
    client: Client, logs: DocService, gateway: Gateway, headers_of: Callable[[str], dict[str, str]]
) -> None:
    """Starts, reports, lists and documents are answered, and a report counts once."""
    headers = headers_of("learner1")
    session_id = (await start(client, headers))["session_id"]

    for _ in range(3):
        await idle_then_cut(gateway, logs)
        assert (await put(client, headers, session_id, {"time_spent_delta": 5}))[0] == 200
    for path in ("masterylog/?content=&user=", f"contentsessionlog/{session_id}/", "contentsummarylog/"):
        await idle_then_cut(gateway, logs)
        async with client.get(f"/api/logger/{path}", headers=headers) as response:
            assert response.status == 200, await response.text()
            found = await response.json()
        if session_id in path:
            assert found["time_spent"] == 15
    await idle_then_cut(gateway, logs)
    async with client.post(
        TRACK, json=start_body(), headers={**headers, "Idempotency-Key": uuid.uuid4().hex}
    ) as response:
        assert response.status == 200


@pytest.mark.slow
@pytest.mark.parametrize(
    "call",
    [
        lambda logs, content: logs.import_directory(content),
        lambda logs, content: logs.admin.apply_indexes(),
        lambda logs, content: logs.admin.check_indexes(),
        lambda logs, content: logs.admin.facility_names(),
        lambda logs, content: logs.content_session_logs.count(),
        lambda logs, content: logs.admin.data_sets.finish("a" * 32, {}),
        lambda logs, content: logs.admin.verify(lambda finding: None),
    ],
    ids=["directory", "apply indexes", "check indexes", "facilities", "count", "note", "verify"],
)
async def test_calls_do_not_fail_on_stale_connections(
    call: Callable[[DocService, Any], Awaitable[object]],
    logs: DocService,
    gateway: Gateway,
    recorded_directory: dict[str, Any],
) -> None:
    """What maintenance does goes on as well."""
    await idle_then_cut(gateway, logs)

    await call(logs, recorded_directory)


async def test_writes_at_once_do_not_fail_on_stale_connections(logs: DocService, gateway: Gateway) -> None:
    """Each of several that begin together is written once."""

    async def begin(number: int) -> str:
        content = f"{number:032x}"
        request = StartSession(node_id=content, content_id=content, channel_id=content, kind="html5")
        return (await logs.acting_as(ANONYMOUS).start_session(request)).session_id

    await asyncio.gather(*(begin(number) for number in range(AT_ONCE)))
    assert await gateway.cut() > 0

    begun = await asyncio.gather(*(begin(number) for number in range(AT_ONCE)))

    assert len(set(begun)) == AT_ONCE
    assert await logs.content_session_logs.count(id__in=begun) == AT_ONCE
