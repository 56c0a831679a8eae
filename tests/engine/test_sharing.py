"""Several processes and one engine, and what happens when one of them is killed."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from pathlib import Path
from typing import Any

import pytest
from pymongo import AsyncMongoClient, WriteConcern

from docservice.engine import EmbeddedEngine, EngineEvent
from docservice.errors import StoreUnavailable
from docservice.store.database.pymongo_db import PyMongoDatabase

pytestmark = [pytest.mark.engine, pytest.mark.slow]

Client = AsyncMongoClient[dict[str, Any]]
DURABLE = WriteConcern(w="majority", j=True)


def state(data_dir: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((data_dir / "engine" / "state.json").read_text())
    return content


async def test_a_second_process_joins_and_keeps_the_engine(data_dir: Path, hold: Any, processes: Any) -> None:
    """The engine outlives the process that started it, and stops with the last one."""
    first = await hold()
    started = await first.says()
    second = await hold()
    joined = await second.says()
    engine = state(data_dir)["engine_pid"]

    assert not started["joined"]
    assert joined == {"uri": started["uri"], "joined": True}
    assert await first.end() == 0
    async with Client(joined["uri"]) as client:
        await client.admin.command("ping")
    assert state(data_dir)["engine_pid"] == engine
    assert await second.end() == 0
    assert engine not in await processes()


async def test_processes_that_start_at_once_share_one_engine(data_dir: Path, hold: Any) -> None:
    """Four processes start together: one engine, one connection string."""
    holders = await asyncio.gather(*(hold() for _ in range(4)))

    answers = await asyncio.gather(*(holder.says() for holder in holders))

    assert len({answer["uri"] for answer in answers}) == 1
    assert sorted(answer["joined"] for answer in answers) == [False, True, True, True]
    assert await asyncio.gather(*(holder.end() for holder in holders)) == [0, 0, 0, 0]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
async def test_the_engine_stops_when_its_owner_ends(
    data_dir: Path, hold: Any, processes: Any, eventually: Any, number: int
) -> None:
    """However the only process ends, the engine ends too, and in good order: no state file is left."""
    holder = await hold()
    await holder.says()

    await holder.end(number)

    async def gone() -> bool:
        return not await processes()

    await eventually(gone)
    assert not (data_dir / "engine" / "state.json").exists()


async def test_a_start_right_after_a_stop(data_dir: Path, hold: Any) -> None:
    """A process that comes while the engine stops gets a new one."""
    holder = await hold()
    await holder.says()
    await holder.end(signal.SIGKILL)

    async with EmbeddedEngine(data_dir) as engine, Client(engine.uri) as client:
        await client.admin.command("ping")


async def test_a_killed_engine_comes_back_with_all_that_was_acknowledged(data_dir: Path, eventually: Any) -> None:
    """Same connection string, events heard, and no write and no transaction lost that was acknowledged."""
    events: list[EngineEvent] = []
    async with EmbeddedEngine(data_dir, on_event=events.append) as engine:
        uri = engine.uri
        async with Client(uri) as client:
            things = client.things.get_collection("kept", write_concern=DURABLE)
            await things.insert_one({"_id": "first"})
            for number in range(20):
                async with client.start_session() as session, await session.start_transaction(write_concern=DURABLE):
                    await client.things.kept.insert_one({"_id": number}, session=session)
            os.kill(state(data_dir)["engine_pid"], signal.SIGKILL)

            async def restarted() -> bool:
                return engine.restarts == 1

            await eventually(restarted)
            assert await things.count_documents({}) == 21
        assert engine.uri == uri
        assert state(data_dir)["engine_pid"] == events[-1].pid

    assert [(event.name, event.count) for event in events] == [("engine-died", 0), ("engine-restarted", 1)]


async def test_an_engine_started_anew_in_the_middle_of_a_bulk_write_is_noticed(data_dir: Path, eventually: Any) -> None:
    """The engine that answers at the end is not the one that acknowledged the beginning, which may be lost."""
    async with EmbeddedEngine(data_dir) as engine:
        database = PyMongoDatabase.connect(engine.uri, "things", timeout_seconds=60)
        await database.require_transactions()
        if database.traits.keeps_what_it_acknowledges:
            await database.close()
            pytest.skip("this build of the engine keeps what it acknowledges")

        async def restarted() -> bool:
            return engine.restarts == 1

        async def write() -> None:
            async with database.writing():
                await database["kept"].insert_one({"_id": 1})
                os.kill(state(data_dir)["engine_pid"], signal.SIGKILL)
                await eventually(restarted)
                await database["kept"].insert_one({"_id": 2})

        try:
            with pytest.raises(StoreUnavailable, match="failed while it wrote"):
                await write()
        finally:
            await database.close()


async def test_a_killed_supervisor_takes_the_engine_along_and_is_replaced(
    data_dir: Path, processes: Any, eventually: Any, hold: Any
) -> None:
    """The engine of a killed supervisor ends; those who held it get one with the same address and data."""
    events: list[str] = []
    async with EmbeddedEngine(data_dir, on_event=lambda event: events.append(event.name)) as engine:
        other = await hold()
        before, uri = state(data_dir), engine.uri
        assert (await other.says())["uri"] == uri
        async with Client(uri) as client:
            await client.things.get_collection("kept", write_concern=DURABLE).insert_one({})

        os.kill(before["supervisor_pid"], signal.SIGKILL)

        async def recovered() -> bool:
            return "engine-recovered" in events

        await eventually(recovered)
        assert before["engine_pid"] not in await processes()
        assert [(await other.says())["event"] for _ in range(2)] == ["engine-lost", "engine-recovered"]
        assert engine.uri == uri
        async with Client(uri) as client:
            assert await client.things.kept.count_documents({}) == 1
        assert await other.end() == 0

    assert events == ["engine-lost", "engine-recovered"]


async def test_an_engine_that_outlived_its_supervisor_is_ended(data_dir: Path) -> None:
    """Where the kernel does not end the engine of a killed supervisor, the next supervisor does."""
    folder = data_dir / "engine"
    async with EmbeddedEngine(data_dir) as engine:
        uri, before = engine.uri, state(data_dir)
    command = [sys.executable, "-m", "secantus", "--config", str(folder / "secantusd.toml"), "--auth"]
    command += ["--port", str(before["engine_port"]), "--storage-path", str(folder / "data")]
    orphan = await asyncio.create_subprocess_exec(*command, stderr=asyncio.subprocess.DEVNULL)
    async with Client(uri) as client:
        await client.admin.command("ping")
    (folder / "state.json").write_text(json.dumps(before))

    async with EmbeddedEngine(data_dir) as engine, Client(engine.uri) as client:
        await client.admin.command("ping")
        assert await asyncio.wait_for(orphan.wait(), 30) == 0
        assert (engine.uri, engine.joined) == (uri, False)
