"""`docservice import kolibri` and `docservice consolidate`, as a person runs them."""

from __future__ import annotations

import asyncio
import gzip
import re
import shutil
import signal
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from .running import COMMAND, Finished, environment, eventually, names_in, run

pytestmark = [pytest.mark.engine, pytest.mark.slow]

PACKED = Path(__file__).parents[1] / "data" / "kolibri-small" / "kolibri-small.sqlite3.gz"


def table(ended: Finished) -> dict[str, list[int]]:
    """The rows of the table on standard output, by their first column."""
    assert ended.code == 0, ended.err
    found = re.findall(r"^│ (\S[^│]*?) +│(.*)│$", ended.out, re.MULTILINE)
    return {name: [int(number) for number in numbers.split("│")] for name, numbers in found}


@pytest.fixture
def classless(tmp_path: Path) -> Path:
    """The sample's directory with two learners' logs, one of them with progress that stopped just short of 1."""
    target = tmp_path / "db.sqlite3"
    with gzip.open(PACKED) as source, target.open("wb") as sink:
        shutil.copyfileobj(source, sink)
    with closing(sqlite3.connect(target)) as database:
        learners = "SELECT id FROM kolibriauth_facilityuser WHERE username IN ('learner005', 'learner006')"
        for name in ("attemptlog", "masterylog", "contentsummarylog", "contentsessionlog", "usersessionlog"):
            database.execute(f"DELETE FROM logger_{name} WHERE user_id IS NULL OR user_id NOT IN ({learners})")  # noqa: S608
        database.execute(
            "UPDATE logger_contentsummarylog SET progress = 0.9995 WHERE id IN"
            " (SELECT summarylog_id FROM logger_masterylog ORDER BY id LIMIT 1)"
        )
        database.execute(
            "UPDATE logger_attemptlog SET start_timestamp = 'soon'"
            " WHERE id IN (SELECT id FROM logger_attemptlog LIMIT 1)"
        )
        database.commit()
    return target


@pytest.mark.slow
async def test_import_and_consolidate(mongodb_uri: str, database: Any, classless: Path) -> None:
    """The tables say what was done; what was set aside is named with its reason; a dry run leaves all as it is."""
    options = ("--mongodb-uri", mongodb_uri, "--database", database.name)

    first = await run("import", "kolibri", str(classless), *options, env={"COLUMNS": "120"})
    second = await run("import", "kolibri", str(classless), *options, env={"COLUMNS": "120"})
    dry = await run("consolidate", "progress", "--dry-run", *options)
    left = await database.content_summary_logs.count_documents({"progress": 0.9995})
    done = await run("consolidate", "progress", *options)
    again = await run("consolidate", "progress", *options)

    read, new, *_, set_aside = table(first)["attempts"]
    assert read == new + set_aside > 100
    assert set_aside == 1
    assert "set aside: 1 attempts: start_timestamp is not a Kolibri time" in first.err
    assert all(row[1:3] == [0, 0] for row in table(second).values())
    assert table(dry) == table(done) == {"progress": [1, 1, 2]}
    assert "nothing was changed" in dry.err
    assert "records to put right" in dry.out
    assert "records put right" not in dry.out
    assert "records put right" in done.out
    assert left == 1
    assert table(again) == {"progress": [0, 0, 0]}


async def test_what_is_gone_is_counted(mongodb_uri: str, database: Any, classless: Path) -> None:
    """The table says how many roles were withdrawn, with `--keep-missing` none; a line says what was read."""
    options = ("--mongodb-uri", mongodb_uri, "--database", database.name)
    with closing(sqlite3.connect(classless)) as file:
        file.execute("DELETE FROM logger_contentsessionlog")
        file.execute("DELETE FROM content_contentnode")
        file.commit()

    first = await run("import", "kolibri", str(classless), *options)
    with closing(sqlite3.connect(classless)) as file:
        file.execute("DELETE FROM kolibriauth_role")
        file.commit()
    kept = await run("import", "kolibri", str(classless), "--keep-missing", *options)
    done = await run("import", "kolibri", str(classless), *options, env={"COLUMNS": "120"})

    assert f"A private copy of {classless} was read, as of 20" in first.err
    assert "roles" not in table(kept)
    assert "withdrawn" not in kept.out
    assert table(done)["roles"] == [0, 0, 0, 0, 0, 9, 0]


async def test_stopped_while_it_waits(mongodb_uri: str, database: Any, classless: Path, tmp_path: Path) -> None:
    """SIGTERM ends an import that waits for another program, and leaves no copy."""
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    with closing(sqlite3.connect(classless, isolation_level=None)) as busy:
        busy.execute("PRAGMA journal_mode = DELETE")
        busy.execute("BEGIN EXCLUSIVE")
        process = await asyncio.create_subprocess_exec(
            *(*COMMAND, "import", "kolibri", str(classless), "--mongodb-uri", mongodb_uri),
            *("--database", database.name),
            env=environment({"TMPDIR": str(temporary)}),
            stderr=asyncio.subprocess.PIPE,
        )
        try:
            await eventually(lambda: names_in(temporary), "the folder of a copy")
            process.terminate()
            async with asyncio.timeout(20):
                _, err = await process.communicate()
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()

    assert process.returncode == 128 + signal.SIGTERM
    assert b"stopped" in err
    assert names_in(temporary) == []


async def test_a_path_without_a_kolibri(mongodb_uri: str, database: Any, tmp_path: Path) -> None:
    """One line that says what to give, exit code 2."""
    options = ("--mongodb-uri", mongodb_uri, "--database", database.name)

    ended = await run("import", "kolibri", str(tmp_path), *options)

    assert (ended.code, ended.out) == (2, "")
    assert "Give a Kolibri home folder" in ended.err
    assert "Traceback" not in ended.err
