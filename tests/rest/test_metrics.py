"""`/metrics`: what is counted, and that nobody is named."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any

from aiohttp.test_utils import TestClient, TestServer
from prometheus_client.parser import text_string_to_metric_families

import docservice
from docservice import DocService
from docservice.identity import TokenVerifier
from docservice.rest import create_app
from docservice.rest.auth import bearer_identity
from docservice.rest.metrics import Metrics
from docservice.rest.worker_metrics import merged, text
from tests.support.signing import SECRET

from .asking import TRACK, put, start

Client = TestClient[Any, Any]
Samples = dict[tuple[str, frozenset[tuple[str, str]]], float]


@asynccontextmanager
async def counted(service: DocService, metrics: Metrics) -> AsyncIterator[Client]:
    app = create_app(service, identify=bearer_identity(TokenVerifier(secret=SECRET)), metrics=metrics)
    async with TestClient(TestServer(app)) as client:
        yield client


def parsed(content: str) -> Samples:
    """Every sample of Prometheus' own parser, by name and labels."""
    found: Samples = {}
    for family in text_string_to_metric_families(content):
        for sample in family.samples:
            key = (sample.name, frozenset(sample.labels.items()))
            assert key not in found, key
            found[key] = sample.value
    return found


def value(samples: Samples, name: str, **labels: str) -> float:
    return samples[name, frozenset(labels.items())]


async def read(client: Client) -> Samples:
    async with client.get("/metrics") as response:
        assert response.status == 200
        assert response.headers["Content-Type"].startswith("text/plain; version=0.0.4")
        return parsed(await response.text())


async def test_requests_by_route_method_and_status(
    service: DocService, headers_of: Callable[[str], dict[str, str]]
) -> None:
    """Counts and times are under the template of the path; unknown paths and methods are one label each."""
    learner = headers_of("learner1")
    async with counted(service, Metrics()) as client:
        session_id = (await start(client, learner))["session_id"]
        await put(client, learner, session_id, {"progress": 0.5})
        await put(client, learner, session_id, {"progress": "much"})
        async with client.get(f"/{uuid.uuid4().hex}"):
            pass
        async with client.request("PROPFIND", "/healthz"):
            pass
        samples = await read(client)

    reports = {"method": "PUT", "route": f"{TRACK}{{session_id}}/"}
    requests, seconds = "docservice_http_requests_total", "docservice_http_request_duration_seconds"
    assert value(samples, requests, method="POST", route=TRACK, status="200") == 1
    assert value(samples, requests, **reports, status="200") == 1
    assert value(samples, requests, **reports, status="400") == 1
    assert value(samples, requests, method="GET", route="(none)", status="404") == 1
    assert any(("method", "(other)") in labels for name, labels in samples if name == requests)
    assert value(samples, f"{seconds}_count", **reports) == 2
    assert value(samples, f"{seconds}_bucket", **reports, le="+Inf") == 2
    assert value(samples, f"{seconds}_sum", **reports) > 0
    assert value(samples, "docservice_http_requests_in_flight") == 0
    assert value(samples, "docservice_build_info", version=docservice.__version__, **_rest(samples)) == 1
    assert value(samples, "docservice_database_up") == 1
    assert value(samples, "docservice_transactions_total") >= 2
    assert value(samples, "docservice_database_connections", state="idle") >= 1
    assert value(samples, "docservice_documents", collection="content_summary_logs") == 1
    assert value(samples, "docservice_dirty_documents", collection="content_session_logs") == 1
    assert value(samples, "docservice_overflow_buckets") == 0


def _rest(samples: Samples) -> dict[str, str]:
    [labels] = [dict(labels) for name, labels in samples if name == "docservice_build_info"]
    del labels["version"]
    return labels


async def test_nobody_is_named(service: DocService, headers_of: Callable[[str], dict[str, str]]) -> None:
    """No id of a person, visit or content, and no token."""
    learner = headers_of("learner1")
    async with counted(service, Metrics()) as client:
        session = await start(client, learner)
        async with client.get(f"/api/logger/userprogress/{'a' * 32}/?user={'b' * 32}", headers=learner):
            pass
        async with client.get("/metrics") as response:
            shown = await response.text()

    for secret in (session["session_id"], session["context"]["node_id"], "a" * 32, "b" * 32, learner["Authorization"]):
        assert secret not in shown


async def test_retries_of_transactions_are_counted(service: DocService, database: Any, mongo: Any) -> None:
    """A write conflict shows as a retry."""
    principal = docservice.Principal(user_id=None)
    content = {"node_id": "a" * 32, "content_id": "b" * 32, "channel_id": "c" * 32, "kind": "video"}
    visit = await service.acting_as(principal).start_session(docservice.StartSession(**content))
    before = service.admin.activity.transaction_retries

    async with mongo.start_session() as other:
        await other.start_transaction()
        query = {"_id": visit.session_id}
        await database.content_session_logs.update_one(query, {"$set": {"held": True}}, session=other)
        report = docservice.UpdateSession(time_spent_delta=1)
        update = asyncio.create_task(service.acting_as(principal).update_session(visit.session_id, report))
        async with asyncio.timeout(60):
            while service.admin.activity.transaction_retries == before:
                assert not update.done()
                await asyncio.sleep(0.01)
        await other.abort_transaction()
        await update

    [kept] = await database.content_session_logs.find({}).to_list(2)
    assert (kept["time_spent"], "held" in kept) == (1, False)


async def test_a_token_closes_it(service: DocService) -> None:
    """Without the token, and with another one, it is a 401; with it the metrics are shown."""
    statuses = []
    async with counted(service, Metrics(token="a token for the monitor")) as client:
        for header in ({}, {"Authorization": "Bearer ä"}, {"Authorization": "Bearer a token for the monitor"}):
            async with client.get("/metrics", headers=header) as response:
                statuses.append(response.status)

    assert statuses == [401, 401, 200]


async def test_an_application_that_counts_nothing_has_none(client: Client) -> None:
    """`/metrics` is a 404."""
    async with client.get("/metrics") as response:
        assert response.status == 404


async def test_two_applications_count_apart(service: DocService) -> None:
    """Nothing is shared between two of them in one process."""
    async with counted(service, Metrics()) as one, counted(service, Metrics()) as other:
        async with one.get("/healthz"):
            pass
        first, second = await read(one), await read(other)

    route = {"method": "GET", "route": "/healthz", "status": "200"}
    assert value(first, "docservice_http_requests_total", **route) == 1
    assert ("docservice_http_requests_total", frozenset(route.items())) not in second


async def test_several_workers_are_told_apart(service: DocService) -> None:
    """Each series has its worker's label, families come once, and what is about all has none."""
    second = Metrics(worker="1", restarts=3)

    async def others() -> Mapping[str, bytes]:
        return {"1": await second.snapshot()}

    async with counted(service, second) as other, counted(service, Metrics(worker="0", others=others)) as client:
        async with other.get("/healthz"):
            pass
        async with client.get("/metrics") as response:
            shown = await response.text()
    samples = parsed(shown)

    route = {"method": "GET", "route": "/healthz", "status": "200"}
    assert value(samples, "docservice_http_requests_total", **route, worker="1") == 1
    assert value(samples, "docservice_worker_restarts_total", worker="0") == 0
    assert value(samples, "docservice_worker_restarts_total", worker="1") == 3
    assert value(samples, "docservice_database_up") == 1
    kinds = [line for line in shown.splitlines() if line.startswith("# TYPE")]
    assert len(kinds) == len(set(kinds))


async def test_a_census_is_kept_for_a_while(service: DocService, headers_of: Any, database: Any) -> None:
    """Counting twice in a moment asks the database once."""
    before = await service.admin.document_counts()
    await database.content_session_logs.insert_one({"_id": "x", "_morango_partition": "p", "has_dirty": True})

    assert await service.admin.document_counts() == before


def test_nothing_merged_is_nothing() -> None:
    """No workers, no series."""
    assert text(merged({})) == b""
