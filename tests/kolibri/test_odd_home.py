"""A home with odd data of every kind at once is judged by the Kolibri 0.19.5 that it was made with.

What is odd in it, and how Kolibri's tables and answers were recorded: `tests/data/kolibri-odd/README.md`.
"""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from docservice import DocService
from docservice.domain.exports.tables import TABLES
from docservice.export.backup import export_ndjson, import_ndjson
from docservice.kolibri import ImportReport, import_kolibri

from .judging import (
    Recorded,
    differences,
    everything,
    exported,
    recorded,
    replayed,
    sums_of_documents,
    sums_of_tables,
    unpacked_to,
)
from .samples import rows

pytestmark = pytest.mark.without_indexes

FOLDER = Path(__file__).parents[1] / "data" / "kolibri-odd"
USERNAME, CONTENT_ID = "Username", "Content id"
MISSING = """SELECT content_id FROM logger_contentsummarylog AS log WHERE kind <> 'quiz'
             AND NOT EXISTS (SELECT 1 FROM kolibriauth_facilityuser AS person WHERE person.id = log.user_id)"""


class Home(NamedTuple):
    """The home, imported.

    Attributes:
        path: its database.
        service: over what was imported.
        database: the same as the plain driver sees it.
        judge: what the real Kolibri says of it.
        report: of the import.
    """

    path: Path
    service: DocService
    database: Any
    judge: Recorded
    report: ImportReport


@pytest.fixture(scope="module")
async def home(
    mongodb_uri: str, mongo: Any, dropping: Any, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Home]:
    """The home in a database of its own; no test here changes it."""
    path = unpacked_to(FOLDER / "odd.sqlite3.gz", tmp_path_factory.mktemp("odd") / "db.sqlite3")
    database = mongo[f"test_{uuid.uuid4().hex[:12]}"]
    async with DocService(mongodb_uri, database=database.name) as service:
        report = await import_kolibri(service, path)
        yield Home(path, service, database, recorded(FOLDER / "odd-kolibri.json.gz"), report)
    await dropping(database)


async def test_counts_and_sums_are_those_of_sqlite(home: Home) -> None:
    """No row is set aside; each learner has as many rows of each kind as in the tables, with the same sums."""
    assert not home.report.reasons
    assert await sums_of_documents(home.database) == sums_of_tables(home.path)


async def test_sessions_are_those_of_kolibri(home: Home, tmp_path: Path) -> None:
    """The rows of `session` are Kolibri's own, of both facilities."""
    assert await exported(home.service, "session", home.judge.facilities, tmp_path) == home.judge.tables["session"]


async def test_summaries_are_those_of_kolibri_and_of_missing_people(home: Home, tmp_path: Path) -> None:
    """The rows of `summary` are Kolibri's, and those of a learner whose row is missing, which Kolibri leaves out."""
    ours = await exported(home.service, "summary", home.judge.facilities, tmp_path)
    theirs = home.judge.tables["summary"]
    (header,) = {row for row in ours if USERNAME in row}
    missing = [row for row in ours if row not in theirs]

    assert [row for row in ours if row in theirs] == theirs
    assert {row[header.index(USERNAME)] for row in missing} == {""}
    of_missing = sorted(row["content_id"] for row in rows(home.path, MISSING))
    assert sorted(row[header.index(CONTENT_ID)] for row in missing) == of_missing
    assert len(of_missing) > 0


async def test_answers_are_those_of_kolibri(home: Home) -> None:
    """Each person reads what Kolibri answers."""
    ours = await replayed(home.service, home.judge)

    assert len(ours) > 50
    assert differences(ours, home.judge) == {}


async def test_a_migrated_quiz_counts_once(home: Home, tmp_path: Path) -> None:
    """Of exam logs and the mastery logs that Kolibri made of them, each quiz and each answer is one row."""
    exam_ids = [row["exam_id"] for row in rows(home.path, "SELECT DISTINCT exam_id FROM logger_examlog")]
    logs = rows(home.path, "SELECT count(*) AS n FROM logger_examlog")[0]["n"]
    answers = rows(home.path, "SELECT count(*) AS n FROM logger_examattemptlog")[0]["n"]
    exams = await exported(home.service, "exam", home.judge.facilities, tmp_path)
    attempts = await exported(home.service, "attempt", home.judge.facilities, tmp_path)

    (quiz_id,) = exam_ids
    assert (len([row for row in exams if quiz_id in row]), len([row for row in attempts if quiz_id in row])) == (
        logs,
        answers,
    )


async def test_again_verify_and_backup(home: Home, mongodb_uri: str, database: Any, tmp_path: Path) -> None:
    """A second import changes nothing, verify finds nothing, a restored backup has the same documents and tables."""
    before = await everything(home.database)
    wrong: list[Any] = []

    again = await import_kolibri(home.service, home.path)
    await home.service.admin.verify(wrong.append)
    await export_ndjson(home.service, tmp_path / "all.ndjson.gz")
    async with DocService(mongodb_uri, database=database.name, apply_indexes=False) as other:
        restored = await import_ndjson(other, tmp_path / "all.ndjson.gz")
        ours, theirs = [
            {table: await exported(service, table, home.judge.facilities, tmp_path) for table in TABLES}
            for service in (home.service, other)
        ]

    assert again.changes == 0
    assert await everything(home.database) == before
    assert (wrong, restored.flaws, restored.refused) == ([], [], 0)
    assert await everything(database) == before
    assert ours == theirs
