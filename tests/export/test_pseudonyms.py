"""Exports under pseudonyms: nobody is in them, tables still join, and a file with a person in it is not kept."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from docservice import DocService
from docservice.domain.exports.pseudonyms import COLLECTIONS, Pseudonyms
from docservice.domain.exports.tables import TABLES
from docservice.errors import ExportError, SettingsInvalid
from docservice.export import CsvWriter, ParquetWriter, write_export
from docservice.export.backup import export_ndjson, import_ndjson
from tests.support.databases import drop, new_name
from tests.support.marked_person import MARKER, PERSON_ID, SCHOOL, directory, leave_traces

PSEUDONYMS = Pseudonyms(b"a key of the tests, long enough for it")


@pytest.fixture(scope="module")
async def logs(mongo: Any, mongodb_uri: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[DocService]:
    """A school with a person whose every text has a marker."""
    database = mongo[new_name()]
    folder = tmp_path_factory.mktemp("data")
    async with DocService(mongodb_uri, database=database.name, data_dir=folder, apply_indexes=False) as service:
        await service.import_directory(directory())
        await leave_traces(service, database)
        yield service
    await drop(database)


def names_in(folder: Path) -> list[str]:
    """What a folder holds."""
    return sorted(each.name for each in folder.iterdir())


def cells_of(path: Path) -> list[dict[str, str]]:
    """The rows of a CSV file."""
    with path.open(encoding="utf-8-sig", newline="") as file:
        return list(csv.DictReader(file))


async def test_tables_join_and_hold_nobody(logs: DocService, tmp_path: Path) -> None:
    """All tables have the same pseudonym of the person; no file has an id, a username, a name or an answer."""
    people = {str(SCHOOL.admin.user_id), str(SCHOOL.coach.user_id), PERSON_ID, SCHOOL.facility_id, SCHOOL.quiz_id}
    for table in TABLES:
        for writer, suffix in ((CsvWriter, "csv"), (ParquetWriter, "parquet")):
            path = tmp_path / f"{table}.{suffix}"
            await write_export(logs, table, SCHOOL.facility_id, path, writer, pseudonyms=PSEUDONYMS)

    pseudonym = PSEUDONYMS.id(PERSON_ID)
    for table in TABLES:
        rows = cells_of(tmp_path / f"{table}.csv")
        typed = pq.read_table(tmp_path / f"{table}.parquet").to_pylist()
        if table == "learner":  # all accounts of the facility
            assert pseudonym in {row["Username"] for row in rows} & {row["username"] for row in typed}
        elif table != "item":  # over all learners
            assert {row["Username"] for row in rows} == {row["username"] for row in typed} == {pseudonym}
        assert len(rows) == len(typed) > 0
        text = (tmp_path / f"{table}.csv").read_text(encoding="utf-8-sig") + str(typed)
        if table not in ("attempt", "item"):
            assert MARKER not in text  # there it is what the question is called
        assert not any(person in text for person in people)
    attempts = pq.read_table(tmp_path / "attempt.parquet").to_pylist()
    assert {row["simple_answer"] for row in attempts} == {None}
    assert len({row["attempt_id"] for row in attempts}) == len(attempts)


async def test_times_move_together(logs: DocService, tmp_path: Path) -> None:
    """With shifted times every attempt of the person is moved by the same."""
    moved = Pseudonyms(PSEUDONYMS.key, shift_days=100)
    for name, pseudonyms in (("plain", PSEUDONYMS), ("moved", moved)):
        await write_export(logs, "attempt", SCHOOL.facility_id, tmp_path / name, ParquetWriter, pseudonyms=pseudonyms)

    found = [
        {row["attempt_id"]: row["start_timestamp"] for row in pq.read_table(tmp_path / name).to_pylist()}
        for name in ("plain", "moved")
    ]
    assert len({found[1][attempt] - moment for attempt, moment in found[0].items()}) == 1
    assert found[0] != found[1]


async def test_documents_hold_nobody_and_are_no_backup(logs: DocService, tmp_path: Path) -> None:
    """The file says what it is, has the same pseudonyms, and an import refuses it."""
    path = tmp_path / "school.ndjson.gz"
    plain = tmp_path / "school.ndjson"
    report = await export_ndjson(logs, path, pseudonyms=PSEUDONYMS)
    await export_ndjson(logs, plain, pseudonyms=PSEUDONYMS)
    lines = [json.loads(line) for line in plain.read_text(encoding="utf-8").splitlines()]

    assert lines[0]["docservice"]["pseudonymised"] is True
    assert {line["collection"] for line in lines[1:-1]} <= set(COLLECTIONS)
    assert {"import_set_aside", "erased_people", "csv_log_requests"} <= report.left_out.keys()
    users = [line["document"] for line in lines[1:-1] if line["collection"] == "facility_users"]
    assert PSEUDONYMS.id(PERSON_ID) in {user["_id"] for user in users}
    text = re.sub(r'"item":\s*"[^"]*"', "", plain.read_text(encoding="utf-8"))  # what questions are called
    assert not any(secret in text for secret in (MARKER, PERSON_ID, SCHOOL.facility_id, "user-rw"))
    with pytest.raises(SettingsInvalid, match="pseudonyms"):
        await import_ndjson(logs, path)


@pytest.mark.parametrize("kind", ["csv", "parquet", "ndjson"])
async def test_a_file_with_a_person_in_it_is_not_kept(logs: DocService, tmp_path: Path, kind: str) -> None:
    """Answers that are kept and have a username are found; the error names the place and not the value."""
    kept = Pseudonyms(PSEUDONYMS.key, frozenset({"answers"}))
    path = tmp_path / "exports" / "file"
    path.parent.mkdir()
    export: Any = partial(export_ndjson, logs, path, pseudonyms=kept)
    if kind != "ndjson":
        writer = CsvWriter if kind == "csv" else ParquetWriter
        export = partial(write_export, logs, "attempt", SCHOOL.facility_id, path, writer, pseudonyms=kept)

    with pytest.raises(ExportError, match="username of the directory") as error:
        await export()

    assert MARKER not in str(error.value)
    assert names_in(path.parent) == []
