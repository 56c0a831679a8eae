"""`docservice generate` and `docservice verify` as a person calls them."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import signal
from functools import partial
from typing import Any

import pytest
from pymongo import AsyncMongoClient

from docservice import demo
from docservice.engine import running_uri
from tests.support.documents import collections_of

from .running import COMMAND, START_SECONDS, Services, environment, eventually, interruptible, run

pytestmark = pytest.mark.slow

Client = AsyncMongoClient[dict[str, Any]]

REAL_SCHOOL = {"_id": "f" * 32, "name": "Real School", "dataset_id": "d" * 32, "kind": "facility"}
SMALL = ("--learners", "2", "--weeks", "1", "--channels", "1", "--until", "2026-06-28")


def here(mongodb_uri: str, database: Any) -> tuple[str, ...]:
    """The options that name a database."""
    return ("--mongodb-uri", mongodb_uri, "--database", database.name)


async def test_generate_then_verify_then_break_and_repair(mongodb_uri: str, database: Any) -> None:
    """The whole story: loaded, again nothing, broken and said so with 1, repaired with 0, clean."""
    store = here(mongodb_uri, database)

    first = await run("generate", *SMALL, *store)
    again = await run("generate", *SMALL, *store)
    summary = await database.content_summary_logs.find_one({"kind": "exercise"})
    await database.content_summary_logs.update_one(
        {"_id": summary["_id"]}, {"$set": {"mastery_logs.0.attempt_count": 99}}
    )
    broken = await run("verify", *store)
    mended = await run("verify", "--repair", *store)
    after = await run("verify", *store)

    assert (first.code, again.code, mended.code, after.code) == (0, 0, 0, 0), first.err + after.out
    assert re.search(r"content_session_logs +│ +\d+ │ +\d+", first.out)
    assert "nothing was changed" in again.err
    assert after.out == ""
    assert "0 wrong" in after.err
    assert broken.code == 1
    assert f"content_summary_logs {summary['_id']} mastery_logs.0.attempt_count: counter: It is 99" in broken.out
    assert "can be repaired" in broken.out
    assert "(repaired)" in mended.out
    assert await database.content_summary_logs.find_one({"_id": summary["_id"]}) == summary


async def test_against_another_database(mongodb_uri: str, database: Any, mongo: Any) -> None:
    """A copy is equal; one changed attempt is found, exit code 1; nothing is changed."""
    store = here(mongodb_uri, database)
    await run("generate", *SMALL, *store)
    copy = mongo[f"{database.name}_copy"]
    try:
        for name in await collections_of(database):
            documents = await database[name].find({}).to_list(None)
            if documents:
                await copy[name].insert_many(documents)
        same = await run("verify", "--against", mongodb_uri, "--against-database", copy.name, *store)
        summary = await copy.content_summary_logs.find_one({"kind": "exercise"})
        await copy.content_summary_logs.update_one(
            {"_id": summary["_id"]}, {"$set": {"mastery_logs.0.attempts.0.correct": 0.5}}
        )
        other = await run("verify", "--against-database", copy.name, *store)
    finally:
        await mongo.drop_database(copy.name)

    assert (same.code, same.out) == (0, ""), same.out
    assert other.code == 1
    assert f"content_summary_logs {summary['_id']}: different mastery_logs.0.attempts.0.correct\n" in other.out


async def at_terminal(*arguments: str, answer: bytes, number: int | None = None) -> tuple[int, str]:
    """Run a command with a terminal; what is typed, or a signal sent, at its question; exit code and what it showed."""
    ours, theirs = os.openpty()
    shown = bytearray()

    def read() -> bool:
        with contextlib.suppress(BlockingIOError, OSError):
            shown.extend(os.read(ours, 65536))
        return b"[y/N]" in shown or process.returncode is not None

    os.set_blocking(ours, False)
    with interruptible():
        process = await asyncio.create_subprocess_exec(
            *(*COMMAND, *arguments), stdin=theirs, stdout=theirs, stderr=theirs, env=environment({"TERM": "dumb"})
        )
    os.close(theirs)
    try:
        await eventually(read, "it asks", START_SECONDS)
        if number is not None:
            process.send_signal(number)
        elif process.returncode is None:
            os.write(ours, answer)
        await eventually(lambda: (read(), process.returncode is not None)[1], "it ends", START_SECONDS)
        read()
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()
        os.close(ours)
    assert process.returncode is not None
    return process.returncode, shown.decode()


async def test_a_large_school_is_asked_about_at_a_terminal(mongodb_uri: str, new_database: Any) -> None:
    """It says how much it is; with no, an empty line and Ctrl-C nothing is written."""
    large = ("generate", "--learners", "2000", "--weeks", "12", *here(mongodb_uri, new_database))

    declined = [
        await at_terminal(*large, answer=b"n\n"),
        await at_terminal(*large, answer=b"\n"),
        await at_terminal(*large, answer=b"", number=signal.SIGINT),
    ]

    assert [code for code, _ in declined] == [1, 1, 130]
    for _, shown in declined:
        assert "1,080,000 logs" in " ".join(shown.split())
        assert "40 minutes and 8.9 GB" in " ".join(shown.split())
    assert await new_database.list_collection_names() == []


async def test_other_data_is_asked_about_at_a_terminal(mongodb_uri: str, database: Any) -> None:
    """A small school beside another one: asked, loaded after yes; with --yes, and the same again, it is not asked."""
    store = here(mongodb_uri, database)
    await database.facility_collections.insert_one(REAL_SCHOOL)

    refused = await at_terminal("generate", *SMALL, *store, answer=b"no\n")
    agreed = await at_terminal("generate", *SMALL, *store, answer=b"y\n")
    again = await at_terminal("generate", *SMALL, *store, answer=b"")
    told = await at_terminal("generate", *SMALL, "--seed", "2", "--yes", *store, answer=b"")

    assert (refused[0], agreed[0], again[0], told[0]) == (1, 0, 0, 0), (refused, agreed, again, told)
    assert "Real School" in refused[1]
    assert "nothing was loaded" in refused[1]
    assert "[y/N]" not in again[1] + told[1]
    assert "Real School" in told[1]


async def test_where_nobody_can_be_asked_it_is_said_and_done(mongodb_uri: str, database: Any) -> None:
    """In a script it is announced on standard error, other data too, and goes on."""
    await database.facility_collections.insert_one(REAL_SCHOOL)

    ended = await run("generate", *SMALL, *here(mongodb_uri, database))

    assert ended.code == 0
    assert "about 90 logs with 270 attempts, less than a minute and 11 MB" in ended.err
    assert "Real School" in ended.err
    assert "[y/N]" not in ended.err


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["generate", "--learners", "0"], "learners"),
        (["generate", "--until", "yesterday"], "yesterday"),
        (["verify", "--repair", "--against-database", "x"], "--repair"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
async def test_what_makes_no_sense(tmp_path: Any, arguments: list[str], named: str) -> None:
    """One line that names it, exit code 2, and no engine is started."""
    ended = await run(*arguments, "--data-dir", str(tmp_path / "data"))

    assert (ended.code, ended.out, len(ended.err.splitlines())) == (2, "", 1)
    assert named in ended.err
    assert not (tmp_path / "data").exists()


@pytest.mark.engine
async def test_a_demo_that_was_killed_is_completed(services: Services) -> None:
    """Killed while it loads, it is not a demo yet; the next start loads the rest, and then everything is there."""
    for attempt in range(5):
        folder = services.folder / f"data{attempt}"
        killed = await services.spawn("--demo", data_dir=folder)
        async with Client(await eventually(partial(running_uri, folder), "the engine runs", 60)) as client:
            summaries = client.docservice.content_summary_logs
            await eventually(partial(summaries.find_one, {}), "some logs are there", 60)
        killed.process.send_signal(signal.SIGKILL)
        await killed.process.wait()

        service = await services.start("--demo", data_dir=folder)

        async with Client(service.mongodb_uri) as client:
            notes = await client.docservice.generated_data_sets.find_one({"_id": demo.PLAN.dataset_id})
            assert notes
            for name in ("content_session_logs", "content_summary_logs", "user_session_logs", "exam_logs"):
                assert await client.docservice[name].count_documents({}) == notes["written"][name]
        if re.findall(r"The demo class is ([a-z ]+)\.", service.err) == ["loaded"]:
            break
        await service.stop()  # This test was held up, and all was there before it killed.
    else:
        pytest.fail("the demo was always loaded before it was killed")
    assert "The demo class" not in killed.err
