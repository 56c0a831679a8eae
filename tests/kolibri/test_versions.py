"""Kolibris of other versions come in whole, go out again, and answer their learners as a Kolibri does.

How the databases and the recorded answers were made: `tests/data/kolibri-versions/README.md`.
"""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

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

pytestmark = [pytest.mark.without_indexes, pytest.mark.slow]

VERSIONS = ("0.7", "0.10", "0.12", "0.14", "0.15.12", "0.16.2", "0.17.5", "0.18.0")
FOLDER = Path(__file__).parents[1] / "data" / "kolibri-versions"


@dataclass
class School:
    """A Kolibri of some version, imported twice.

    Attributes:
        path: its database.
        service: over what was imported.
        database: the same as the plain driver sees it.
        judge: what the real Kolibri says of it.
        first: what the first import did.
        second: what the second did.
        before: all documents after the first import.
        after: all documents after the second.
    """

    path: Path
    service: DocService
    database: Any
    judge: Recorded
    first: ImportReport
    second: ImportReport
    before: dict[str, dict[Any, Any]] = field(default_factory=dict)
    after: dict[str, dict[Any, Any]] = field(default_factory=dict)


@pytest.fixture(scope="module", params=VERSIONS)
async def school(
    request: pytest.FixtureRequest,
    mongodb_uri: str,
    mongo: Any,
    dropping: Any,
    tmp_path_factory: pytest.TempPathFactory,
) -> AsyncIterator[School]:
    """Each of the databases, in a database of its own."""
    path = unpacked_to(FOLDER / f"{request.param}.sqlite3.gz", tmp_path_factory.mktemp("home") / "db.sqlite3")
    database = mongo[f"test_{uuid.uuid4().hex[:12]}"]
    async with DocService(mongodb_uri, database=database.name, apply_indexes=False) as service:
        first = await import_kolibri(service, path)
        before = await everything(database)
        second = await import_kolibri(service, path)
        judge = recorded(FOLDER / f"{request.param}-kolibri.json.gz")
        yield School(path, service, database, judge, first, second, before, await everything(database))
    await dropping(database)


async def test_everything_arrives(school: School) -> None:
    """No row is set aside, and the counts and sums of each table are those that SQLite finds."""
    assert not school.first.reasons
    assert not school.first.notes
    for kind, counts in school.first.counts.items():
        assert (counts.new, counts.set_aside) == (counts.read, 0), kind
    assert await sums_of_documents(school.database) == sums_of_tables(school.path)


async def test_again_changes_nothing(school: School) -> None:
    """A second import finds all unchanged and leaves every document as it is."""
    assert school.second.changes == 0
    assert school.after == school.before


async def test_verify_finds_nothing(school: School) -> None:
    """What came in is in order."""
    wrong: list[Any] = []

    await school.service.admin.verify(wrong.append)

    assert wrong == []


async def test_a_backup_comes_back(school: School, mongodb_uri: str, database: Any, tmp_path: Path) -> None:
    """A backup that is restored elsewhere refuses nothing, gives the same documents, and equal tables."""
    await export_ndjson(school.service, tmp_path / "all.ndjson.gz")
    async with DocService(mongodb_uri, database=database.name, apply_indexes=False) as other:
        restored = await import_ndjson(other, tmp_path / "all.ndjson.gz")
        compared: list[Any] = []
        await school.service.admin.compare(other.admin, compared.append)
        ours, theirs = [
            {table: await exported(service, table, school.judge.facilities, tmp_path) for table in TABLES}
            for service in (school.service, other)
        ]

    assert (restored.flaws, restored.refused, compared) == ([], 0, [])
    assert await everything(database) == school.after
    assert ours == theirs
    assert all(ours.values())


@pytest.mark.parametrize("table", ["session", "summary"])
async def test_tables_are_those_of_kolibri(school: School, table: str, tmp_path: Path) -> None:
    """The rows of a table are those that Kolibri 0.19.5 writes once it has upgraded the same database."""
    ours = await exported(school.service, table, school.judge.facilities, tmp_path)

    assert ours == school.judge.tables[table]
    assert len(ours) > 1


async def test_answers_are_those_of_kolibri(school: School, mongodb_uri: str, database: Any) -> None:
    """Consolidated, each person reads what Kolibri 0.19.5 answers once it has upgraded the same database."""
    async with DocService(mongodb_uri, database=database.name, apply_indexes=False) as service:
        await import_kolibri(service, school.path, consolidate=True)
        ours = await replayed(service, school.judge)

    assert len(ours) > 20
    assert differences(ours, school.judge) == {}
