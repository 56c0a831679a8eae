"""Transactions that nobody ends: their clients died, were halted, or gave up."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from docservice import DocService
from docservice.engine import EmbeddedEngine
from docservice.errors import StoreTimeout
from docservice.store.database.port import Transaction
from docservice.store.database.pymongo_db import PyMongoDatabase

from .conftest import ROOT

pytestmark = [pytest.mark.engine, pytest.mark.slow, pytest.mark.skipif(sys.platform == "win32", reason="uses signals")]

GOES_ON_SECONDS = 5.0

WRITER = """
import asyncio, sys
from pathlib import Path
from docservice.engine import EmbeddedEngine
from docservice.store.database.pymongo_db import PyMongoDatabase

async def main():
    async with EmbeddedEngine(Path(sys.argv[1])) as engine:
        database = PyMongoDatabase.connect(
            engine.uri, "things", timeout_seconds=60, transaction_lock=engine.turn, on_session=engine.name_session
        )
        await database.require_transactions()

        async def write(tx):
            await database["kept"].update_one({"_id": 1}, {"$inc": {"theirs": 1}}, session=tx.session)
            print("has written", flush=True)
            await asyncio.sleep(600)

        await database.transact(write)

asyncio.run(main())
"""


@asynccontextmanager
async def in_a_transaction(data_dir: Path) -> AsyncIterator[asyncio.subprocess.Process]:
    """A program that has written the document in a transaction, and does not end it; killed at the end."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", WRITER, str(data_dir)),
        stdout=asyncio.subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    try:
        assert process.stdout
        assert await asyncio.wait_for(process.stdout.readline(), 60) == b"has written\n"
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


@asynccontextmanager
async def database_of(engine: EmbeddedEngine, timeout_seconds: float) -> AsyncIterator[PyMongoDatabase]:
    database = PyMongoDatabase.connect(
        engine.uri,
        "things",
        timeout_seconds=timeout_seconds,
        transaction_lock=engine.turn,
        on_session=engine.name_session,
    )
    await database.require_transactions()
    yield database
    await database.close()


async def write(database: PyMongoDatabase) -> None:
    async def action(tx: Transaction) -> None:
        await database["kept"].update_one({"_id": 1}, {"$inc": {"ours": 1}}, session=tx.session)

    await database.transact(action)


async def stored(database: PyMongoDatabase) -> Any:
    [document] = [each async for each in database.stream("kept", {})]
    return document


@pytest.mark.parametrize("fault", [signal.SIGKILL, signal.SIGSTOP])
async def test_the_transaction_of_a_process_that_is_gone_holds_up_nobody(data_dir: Path, fault: int) -> None:
    """Killed or halted in a transaction, a process keeps others from its documents for some seconds at most."""
    async with EmbeddedEngine(data_dir) as engine, database_of(engine, GOES_ON_SECONDS) as database:
        await database["kept"].insert_one({"_id": 1, "theirs": 0, "ours": 0})
        async with in_a_transaction(data_dir) as process:
            process.send_signal(fault)

            await write(database)

        assert await stored(database) == {"_id": 1, "theirs": 0, "ours": 1}


async def test_a_transaction_that_was_given_up_holds_up_nobody(data_dir: Path) -> None:
    """Past its deadline, a transaction is ended in the engine, too; others of this process get through at once."""
    async with EmbeddedEngine(data_dir) as engine, database_of(engine, 0.5) as database:
        await database["kept"].insert_one({"_id": 1, "theirs": 0, "ours": 0})

        async def linger(tx: Transaction) -> None:
            await database["kept"].update_one({"_id": 1}, {"$inc": {"theirs": 1}}, session=tx.session)
            await asyncio.sleep(1)
            await database["kept"].find_one({"_id": 1}, session=tx.session)

        with pytest.raises(StoreTimeout):
            await database.transact(linger)

        async with database_of(engine, GOES_ON_SECONDS) as patient:
            await write(patient)
        assert await stored(database) == {"_id": 1, "theirs": 0, "ours": 1}


def _state_of(pid: int) -> str:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]


async def has_halted(pid: int) -> bool:
    """Whether a process does nothing any more, which a signal alone does not say; elsewhere than on Linux it is so."""
    return sys.platform != "linux" or _state_of(pid) == "T"


async def test_after_a_halt_of_the_engine_others_get_through(data_dir: Path, eventually: Any) -> None:
    """Clients that gave up while the engine was halted leave no transaction open in it when it goes on."""
    async with EmbeddedEngine(data_dir) as engine, database_of(engine, 1) as database:
        await database["kept"].insert_one({"_id": 1, "theirs": 0, "ours": 0})
        pid = json.loads((data_dir / "engine" / "state.json").read_text())["engine_pid"]

        async def halted(tx: Transaction) -> None:
            await database["kept"].update_one({"_id": 1}, {"$inc": {"theirs": 1}}, session=tx.session)
            os.kill(pid, signal.SIGSTOP)
            await eventually(lambda: has_halted(pid))
            await database["kept"].update_one({"_id": 1}, {"$inc": {"theirs": 1}}, session=tx.session)

        try:
            with pytest.raises(StoreTimeout):
                await database.transact(halted)
        finally:
            os.kill(pid, signal.SIGCONT)

        async with database_of(engine, GOES_ON_SECONDS) as patient:
            await write(patient)
        assert await stored(database) == {"_id": 1, "theirs": 0, "ours": 1}


BY_ADDRESS = """
import asyncio, sys
from docservice import DocService

async def main():
    def named(session_id):
        print(session_id.hex(), flush=True)

    async with DocService(sys.argv[1], database=sys.argv[2], apply_indexes=False, on_session=named) as logs:
        database = logs.admin.database

        async def write(tx):
            await database["kept"].update_one({"_id": 1}, {"$inc": {"theirs": 1}}, session=tx.session)
            print("has written", flush=True)
            await asyncio.sleep(600)

        await database.transact(write)

asyncio.run(main())
"""


async def test_a_program_ends_what_a_process_of_its_own_left(mongodb_uri: str, database: Any) -> None:
    """Named by `on_session` before its first transaction, a session is ended by `admin.end_sessions` of another one."""
    await database.kept.insert_one({"_id": 1, "theirs": 0, "ours": 0})
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", BY_ADDRESS, mongodb_uri, database.name),
        stdout=asyncio.subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert process.stdout
    named, written = [await asyncio.wait_for(process.stdout.readline(), 60) for _ in range(2)]
    process.kill()
    await process.wait()

    async with DocService(mongodb_uri, database=database.name, timeout_seconds=GOES_ON_SECONDS) as logs:
        ending = asyncio.create_task(logs.admin.end_sessions([bytes.fromhex(named.decode())]))

        async def action(tx: Transaction) -> None:
            await logs.admin.database["kept"].update_one({"_id": 1}, {"$inc": {"ours": 1}}, session=tx.session)

        await logs.admin.database.transact(action)
        await ending

    assert written == b"has written\n"
    assert await database.kept.find_one() == {"_id": 1, "theirs": 0, "ours": 1}
