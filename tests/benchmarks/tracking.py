"""What tracking costs: `python -m tests.benchmarks.tracking [--seconds 3]`.

Each figure is a rate over the same engine in the same run, and beside it its share of the bare transaction that any
tracking needs (read two documents, update two, commit): machines differ, the share does not.
"""

from __future__ import annotations

import argparse
import asyncio
import tempfile
import time
import uuid
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from aiohttp.test_utils import TestClient, TestServer
from pymongo import AsyncMongoClient
from pymongo.write_concern import WriteConcern

from docservice import DocService, Principal, StartSession, UpdateSession, demo
from docservice.identity import TokenVerifier, issue_token
from docservice.rest import create_app
from docservice.rest.auth import bearer_identity

SECRET = "a key for benchmarks that is long enough"
LEARNERS = [Principal(user_id=user["id"]) for user in demo.directory()["users"][1:]]


async def rate(seconds: float, clients: int, action: Callable[[int], Awaitable[Any]]) -> float:
    """Actions a second of `clients` that each act one after the other."""
    end, done = time.perf_counter() + seconds, 0

    async def client(number: int) -> None:
        nonlocal done
        while time.perf_counter() < end:
            await action(number)
            done += 1

    began = time.perf_counter()
    await asyncio.gather(*(client(number) for number in range(clients)))
    return done / (time.perf_counter() - began)


def exercise() -> StartSession:
    """A start of an exercise that nobody has seen before."""
    content_id = uuid.uuid4().hex
    return StartSession(
        node_id=content_id,
        content_id=content_id,
        channel_id=content_id,
        kind="exercise",
        mastery_model={"type": "m_of_n", "m": 8, "n": 10},
    )


def answers(count: int) -> UpdateSession:
    """A report with some answered questions."""
    return UpdateSession(
        progress=0.5,
        time_spent_delta=5,
        interactions=[
            {"item": uuid.uuid4().hex, "correct": 1, "time_spent": 5, "complete": True, "answer": {"choice": "A"}}
            for _ in range(count)
        ],
    )


async def bare_transaction(mongo: AsyncMongoClient[Any], database: str) -> Callable[[int], Awaitable[None]]:
    """Read two documents, update two, commit: the least that tracking can do."""
    majority = WriteConcern("majority", j=True)
    one, two = (mongo[database].get_collection(name, write_concern=majority) for name in ("bare_one", "bare_two"))
    for number in range(8):
        await one.insert_one({"_id": number, "n": 0})
        await two.insert_one({"_id": number, "n": 0})

    async def act(number: int) -> None:
        async def body(tx: Any) -> None:
            for collection in (one, two):
                await collection.find_one({"_id": number}, session=tx)
                await collection.update_one({"_id": number}, {"$inc": {"n": 1}}, session=tx)

        async with mongo.start_session() as session:
            await session.with_transaction(body, write_concern=majority)

    return act


async def measure(seconds: float) -> None:
    """Print the table."""
    with tempfile.TemporaryDirectory() as folder:
        async with DocService(data_dir=Path(folder)) as service:
            await service.import_directory(demo.directory())
            async with AsyncMongoClient[dict[str, Any]](service.connection_string) as mongo:
                await _measure(service, mongo, seconds)


async def _measure(service: DocService, mongo: AsyncMongoClient[Any], seconds: float) -> None:
    bare = await bare_transaction(mongo, "docservice")
    base = {clients: await rate(seconds, clients, bare) for clients in (1, 8)}
    print(f"{'':46}{'1 client':>18}{'8 clients':>18}")
    print(f"{'bare transaction':46}{base[1]:>11.0f}/s 100 %{base[8]:>11.0f}/s 100 %")

    async def show(name: str, action: Callable[[int], Awaitable[Any]]) -> None:
        figures = [(await rate(seconds, clients, action), base[clients]) for clients in (1, 8)]
        print(f"{name:46}" + "".join(f"{each:>11.0f}/s{each / of:>4.0%}" for each, of in figures))

    sessions = [(await service.acting_as(_learner(n)).start_session(exercise())).session_id for n in range(8)]
    await show("start_session, new content", lambda n: service.acting_as(_learner(n)).start_session(exercise()))
    await show(
        "update_session, time only",
        lambda n: service.acting_as(_learner(n)).update_session(sessions[n], UpdateSession(time_spent_delta=1)),
    )
    await show(
        "update_session, one answer, 100-200 embedded",
        lambda n: service.acting_as(_learner(n)).update_session(sessions[n], answers(1)),
    )
    app = create_app(service, identify=bearer_identity(TokenVerifier(secret=SECRET)))
    async with TestClient(TestServer(app)) as client:
        headers = [
            {
                "Authorization": "Bearer "
                + issue_token(SECRET, str(_learner(n).user_id), now=datetime.now(UTC), ttl_seconds=3600)
            }
            for n in range(8)
        ]

        async def put(number: int) -> None:
            path = f"/api/logger/trackprogress/{sessions[number]}/"
            async with client.put(path, json={"time_spent_delta": 1}, headers=headers[number]) as response:
                assert response.status == 200, await response.text()

        await show("PUT trackprogress, time only", put)


def _learner(number: int) -> Principal:
    return LEARNERS[number % len(LEARNERS)]


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=3.0, help="how long to measure each figure")
    asyncio.run(measure(parser.parse_args().seconds))
