"""`docservice import kolibri` and `docservice consolidate`, as a person runs them."""

from __future__ import annotations

import gzip
import re
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from .running import Finished, run

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
            "UPDATE logger_attemptlog SET correct = 2 WHERE id IN (SELECT id FROM logger_attemptlog LIMIT 1)"
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
    assert "set aside: 1 attempts: correct is out of range" in first.err
    assert all(row[1:3] == [0, 0] for row in table(second).values())
    assert table(dry) == table(done) == {"progress": [1, 1, 2]}
    assert "nothing was changed" in dry.err
    assert "records to put right" in dry.out
    assert "records put right" not in dry.out
    assert "records put right" in done.out
    assert left == 1
    assert table(again) == {"progress": [0, 0, 0]}


async def test_a_path_without_a_kolibri(mongodb_uri: str, database: Any, tmp_path: Path) -> None:
    """One line that says what to give, exit code 2."""
    options = ("--mongodb-uri", mongodb_uri, "--database", database.name)

    ended = await run("import", "kolibri", str(tmp_path), *options)

    assert (ended.code, ended.out) == (2, "")
    assert "Give a Kolibri home folder" in ended.err
    assert "Traceback" not in ended.err
