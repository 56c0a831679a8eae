"""`docservice erase` as a command: what it says, what it leaves, and that it may be killed."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from pymongo import AsyncMongoClient

from docservice import DocService
from tests.support.marked_person import MARKER, PERSON_ID, directory, leave_traces, traces

from .running import COMMAND, environment, run

pytestmark = [pytest.mark.engine, pytest.mark.slow]


@pytest.fixture
async def store(mongodb_uri: str, database: Any, tmp_path: Path) -> tuple[str, ...]:
    """The options that name a database in which a person has left traces, and a data folder."""
    folder = tmp_path / "data"
    async with DocService(mongodb_uri, database=database.name, data_dir=folder, apply_indexes=False) as service:
        await service.import_directory(directory())
        await leave_traces(service, database)
    return ("--mongodb-uri", mongodb_uri, "--database", database.name, "--data-dir", str(folder))


async def test_erase_and_verify(store: tuple[str, ...], database: Any, tmp_path: Path) -> None:
    """A dry run changes nothing; the receipt goes to standard output or a file, and is genuine until it is changed."""
    dry = await run("erase", MARKER, "--dry-run", *store)
    left = await traces(database, tmp_path / "data")
    erased = await run("erase", MARKER, "--reason", "a letter", *store)
    gone = await run("erase", MARKER, *store)
    again = await run("erase", PERSON_ID, "--output", str(tmp_path / "receipt.json"), *store)
    genuine = await run("erase", "verify", str(tmp_path / "receipt.json"), *store)
    piped = await run("erase", "verify", "-", *store, stdin=erased.out.encode())
    changed = await run("erase", "verify", "-", *store, stdin=erased.out.replace("a letter", "nothing").encode())
    elsewhere = await run("erase", "verify", "-", "--data-dir", str(tmp_path / "b"), stdin=erased.out.encode())
    key = json.loads(erased.out)["public_key"]
    named = await run("erase", "verify", "-", "--public-key", key, *store, stdin=erased.out.encode())
    missing = await run("erase", "verify", str(tmp_path / "none.json"), *store)
    nowhere = await run("erase", PERSON_ID, "--output", str(tmp_path / "none" / "receipt.json"), *store)
    aimless = await run("erase", PERSON_ID, "--dry-run", "--output", str(tmp_path / "dry.json"), *store)

    codes = [each.code for each in (dry, erased, gone, again, genuine, piped, changed, elsewhere, named, missing)]
    assert codes == [0, 0, 2, 0, 0, 0, 1, 1, 0, 2], erased.err
    assert (nowhere.code, nowhere.out, aimless.code) == (2, "", 2)
    assert PERSON_ID in erased.err
    assert "content_summary_logs" in dry.out
    assert left != []
    assert await traces(database, tmp_path / "data") == []
    assert json.loads(erased.out)["reason"] == "a letter"
    assert json.loads((tmp_path / "receipt.json").read_text())["removed"] == json.loads(erased.out)["removed"]
    assert "genuine" in genuine.err
    assert "changed after" in changed.err
    assert "--public-key" in elsewhere.err


@pytest.fixture
async def running(tmp_path: Path) -> AsyncIterator[tuple[DocService, Any]]:
    """A service with an engine of its own, in which a person has left traces; and its database."""
    async with (
        DocService(data_dir=tmp_path / "data") as service,
        AsyncMongoClient[dict[str, Any]](service.connection_string, tz_aware=True) as client,
    ):
        await service.import_directory(directory())
        await leave_traces(service, client["docservice"])
        yield service, client["docservice"]


async def test_killed_and_repeated(running: tuple[DocService, Any]) -> None:
    """Killed at any moment beside a running service and run again, the command comes to the same end."""
    service, database = running
    folder = service.data_dir
    wanted = await service.admin.preview_erasure(PERSON_ID)
    kills = 0
    for hundredths in range(100, 400, 15):
        process = await asyncio.create_subprocess_exec(
            *(*COMMAND, "erase", PERSON_ID, "--data-dir", str(folder)),
            env=environment(),
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.DEVNULL,
        )
        try:
            async with asyncio.timeout(hundredths / 100):
                await process.wait()
            break
        except TimeoutError:
            kills += 1
            process.kill()
            await process.wait()

    last = await run("erase", PERSON_ID, "--data-dir", str(folder))

    assert last.code == 0, last.err
    assert kills > 2
    removed = json.loads(last.out)["removed"]
    assert {name: number for name, number in removed.items() if name != "csv_exports"} == wanted.removed
    assert await traces(database, folder) == []


def holding(folder: Path) -> list[str]:
    """Which files below a folder still have the marker or the id of the person, as `grep -r` finds them."""
    wanted = (MARKER.encode(), PERSON_ID.encode())
    files = [path for path in sorted(folder.rglob("*")) if path.is_file()]
    return [str(path.relative_to(folder)) for path in files if any(text in path.read_bytes() for text in wanted)]


async def test_compacted_files_hold_nothing(tmp_path: Path) -> None:
    """With --compact no file of the data folder has the person; all else, indexes and views too, is as it was."""
    folder = tmp_path / "data"
    same_build = {"DOCSERVICE_ENGINE": os.environ["DOCSERVICE_ENGINE"]}
    async with DocService(data_dir=folder) as service:
        async with AsyncMongoClient[dict[str, Any]](service.connection_string, tz_aware=True) as client:
            await service.import_directory(directory())
            await leave_traces(service, client["docservice"])
            await client["another"]["notes"].insert_one({"_id": 1, "text": "kept"})
        in_use = await run("erase", PERSON_ID, "--compact", "--data-dir", str(folder), env=same_build)
    before = holding(folder)
    erased = await run("erase", PERSON_ID, "--compact", "--data-dir", str(folder), env=same_build, seconds=180)
    after = holding(folder)
    checked = await run("verify", "--data-dir", str(folder), env=same_build)
    async with DocService(data_dir=folder, apply_indexes=False) as service:
        indexes = await service.admin.check_indexes()
        counts = await service.admin.collection_counts()
        async with AsyncMongoClient[dict[str, Any]](service.connection_string) as client:
            notes = await client["another"]["notes"].find().to_list()

    assert (in_use.code, erased.code, checked.code) == (1, 0, 0), erased.err
    assert "is running" in in_use.err
    assert in_use.out == ""  # nothing was removed yet
    assert before != []
    assert after == []
    assert (indexes.missing, indexes.outdated, indexes.different) == ([], [], [])
    assert indexes.views.complete
    assert (counts["facility_users"], notes) == (3, [{"_id": 1, "text": "kept"}])
