"""Tables of imported Kolibris that upgraded, lost people, or moved them: every try once, in the facility of its log."""

from __future__ import annotations

import csv
import json
import sqlite3
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow.parquet
import pytest

from docservice import DocService, Principal
from docservice.domain.exports.tables import TABLES, TableName
from docservice.domain.values.ids import record_id
from docservice.export import CsvWriter, ParquetWriter, write_export
from docservice.kolibri import import_kolibri

from .samples import LEARNER, changing, insert, rows

VECTORS = json.loads((Path(__file__).parents[1] / "data" / "vectors" / "exam-migration.json").read_text())
EXAM_LOGS, MIGRATED, ELSEWHERE = (VECTORS[name] for name in ("exam_logs", "migrated", "migrated_elsewhere"))
"""Two exam logs of one learner with two attempts each, one of another without any; what Kolibri 0.19.5's own
`migrate_from_exam_logs` added on one device; the same on another device."""

EXAM_IDS = [row["id"] for row in EXAM_LOGS["logger_examlog"]]
OLD_QUIZZES = {row["exam_id"] for row in EXAM_LOGS["logger_examlog"]}
ATTEMPTS = "logger_attemptlog"
OF_LOGS = [name for name in TABLES if name not in ("learner", "item")]
"""The tables whose rows are of the logs of one person."""

NEW_DATASET, NEW_FACILITY = "d" * 32, "f" * 32


def put(database: sqlite3.Connection, *contents: dict[str, list[dict[str, Any]]]) -> None:
    """Add rows, those that are there already aside."""
    for content in contents:
        for table, listed in content.items():
            for row in listed:
                if not database.execute(f"SELECT 1 FROM {table} WHERE id = ?", (row["id"],)).fetchone():
                    insert(database, table, row)


def without_attempts(content: dict[str, list[dict[str, Any]]], kept: int) -> dict[str, list[dict[str, Any]]]:
    """What was migrated, with so many of its attempts."""
    return {**content, ATTEMPTS: content[ATTEMPTS][:kept]}


def facility_of(path: Path) -> str:
    """Id of the sample's facility."""
    return str(rows(path, "SELECT id FROM kolibriauth_collection WHERE name LIKE 'Riverside%'")[0]["id"])


async def table(service: DocService, name: TableName, facility: str, folder: Path) -> list[dict[str, Any]]:
    """All rows of a table, typed, by column."""
    path = folder / f"{name}.parquet"
    await write_export(service, name, facility, path, ParquetWriter)
    found: list[dict[str, Any]] = pyarrow.parquet.read_table(path).to_pylist()
    return found


async def old_quizzes(service: DocService, path: Path, folder: Path) -> tuple[list[dict[str, Any]], ...]:
    """The rows of `exam` and `attempt` that are about quizzes with exam logs."""
    facility = facility_of(path)
    tries = [row for row in await table(service, "exam", facility, folder) if row["exam_id"] in OLD_QUIZZES]
    attempts = [row for row in await table(service, "attempt", facility, folder) if row["content_id"] in OLD_QUIZZES]
    return tries, attempts


def answers(attempts: Sequence[dict[str, Any]]) -> list[tuple[Any, ...]]:
    """What was answered, and when, whichever records hold it."""
    names = ("content_id", "start_timestamp", "end_timestamp", "time_spent", "correct", "simple_answer", "try_number")
    return sorted(tuple(row[name] for name in names) for row in attempts)


async def test_a_migrated_quiz_counts_once(empty: DocService, part: Path, tmp_path: Path) -> None:
    """An upgraded Kolibri has the same tries and attempts as before its upgrade, as often and with the same numbers."""
    with changing(part) as database:
        put(database, EXAM_LOGS)
    await import_kolibri(empty, part)
    tries_before, attempts_before = await old_quizzes(empty, part, tmp_path)
    with changing(part) as database:
        put(database, MIGRATED)

    await import_kolibri(empty, part)
    tries, attempts = await old_quizzes(empty, part, tmp_path)

    assert (len(tries), len(attempts)) == (3, 4)
    moved = ("masterylog_id", "end_timestamp")  # the copy ends when it was handed in
    assert [
        [{name: value for name, value in row.items() if name not in moved} for row in sorted(found, key=_by_exam_log)]
        for found in (tries_before, tries)
    ] == [[{name: row[name] for name in row if name not in moved} for row in sorted(tries, key=_by_exam_log)]] * 2
    assert answers(attempts) == answers(attempts_before)
    assert [row["masterylog_id"] for row in tries_before] == [None] * 3
    assert sorted(row["masterylog_id"] for row in tries) == sorted(row["id"] for row in MIGRATED["logger_masterylog"])
    assert sorted(row["examlog_id"] for row in tries) == sorted(EXAM_IDS)
    assert {row["try_number"] for row in [*tries, *attempts]} == {1}
    of_first = next(row for row in tries if row["attempt_count"] and row["closed"])
    assert (of_first["correct_sum"], of_first["time_spent"], of_first["attempt_count"]) == (1.0, 50.75, 2)


def _by_exam_log(row: dict[str, Any]) -> str:
    return str(row["examlog_id"])


@pytest.mark.slow
@pytest.mark.parametrize("kept", [0, 1, 3])
async def test_a_migration_that_was_interrupted(empty: DocService, part: Path, tmp_path: Path, kept: int) -> None:
    """Attempts that are not copied yet come from the exam log."""
    with changing(part) as database:
        put(database, EXAM_LOGS, without_attempts(MIGRATED, kept))

    await import_kolibri(empty, part)
    tries, attempts = await old_quizzes(empty, part, tmp_path)

    assert (len(tries), len(attempts)) == (3, 4)
    assert sum(row["attempt_count"] for row in tries) == 4
    assert len({row["item"] for row in attempts if row["examlog_id"] == EXAM_IDS[0]}) == 2


@pytest.mark.slow
async def test_two_devices_that_migrated(empty: DocService, part: Path, tmp_path: Path) -> None:
    """Both made the same mastery logs and attempts of their own; each answer is one row."""
    with changing(part) as database:
        put(database, EXAM_LOGS, MIGRATED)
    await import_kolibri(empty, part)
    with changing(part) as database:
        put(database, ELSEWHERE)

    await import_kolibri(empty, part)
    tries, attempts = await old_quizzes(empty, part, tmp_path)

    assert (len(tries), len(attempts)) == (3, 4)
    assert sum(row["correct_sum"] for row in tries) == 3


@pytest.mark.slow
async def test_copies_of_two_devices_are_merged(empty: DocService, database: Any, part: Path, tmp_path: Path) -> None:
    """Both devices' copies of an answer are stored, as in Kolibri, until they are consolidated: then documents count
    each answer once, too, the tables are as before, and another import brings nothing back."""
    with changing(part) as kolibri:
        put(kolibri, EXAM_LOGS, MIGRATED, ELSEWHERE)
    await import_kolibri(empty, part)
    tables_before = await old_quizzes(empty, part, tmp_path)
    stored = await counted(database)

    done = await empty.admin.consolidate(["quiz-attempts"])
    again = await empty.admin.consolidate(["quiz-attempts"])
    imported_again = await import_kolibri(empty, part)
    tries, attempts = await old_quizzes(empty, part, tmp_path)

    assert (stored, await counted(database)) == ((3, 8, 6), (3, 4, 3))
    assert (done.mended_records.total(), again.mended_records.total(), imported_again.changes) == (4, 0, 0)
    assert answers(attempts) == answers(tables_before[1])
    assert sorted(map(repr, tries)) == sorted(map(repr, tables_before[0]))


async def counted(database: Any) -> tuple[int, int, float]:
    """Mastery logs of the old quizzes, and the sums of their counters, as the Mongo shell shows them."""
    found = [log async for log in database.mastery_logs.find({"content_id": {"$in": sorted(OLD_QUIZZES)}})]
    return len(found), sum(log["attempt_count"] for log in found), sum(log["correct_sum"] for log in found)


@pytest.mark.slow
async def test_a_migrated_quiz_without_its_exam_log(empty: DocService, part: Path, tmp_path: Path) -> None:
    """A device of one learner gets the mastery log alone; it is the same try, with the time of its attempts."""
    with changing(part) as database:
        put(database, MIGRATED)

    await import_kolibri(empty, part)
    tries, attempts = await old_quizzes(empty, part, tmp_path)

    assert (len(tries), len(attempts)) == (3, 4)
    assert {row["examlog_id"] for row in [*tries, *attempts]} == {None}
    assert sorted(row["time_spent"] for row in tries) == [0, 22, 50.75]
    assert {row["try_number"] for row in [*tries, *attempts]} == {1}


@pytest.mark.slow
@pytest.mark.parametrize("migrated", [True, False], ids=["migrated", "not migrated"])
async def test_a_new_try_after_the_old_one(empty: DocService, part: Path, tmp_path: Path, migrated: bool) -> None:
    """A quiz that was taken before the upgrade and again after it has two tries, the second with number 2."""
    contents = MIGRATED if migrated else {**MIGRATED, "logger_masterylog": [], ATTEMPTS: []}
    [copy] = [row for row in MIGRATED["logger_masterylog"] if row["start_timestamp"].startswith("2019-05-06 06:01")]
    source_id = f"{copy['summarylog_id']}:-55"
    new = {
        **copy,
        "id": record_id(copy["_morango_partition"], source_id, "masterylog"),
        "_morango_source_id": source_id,
        "mastery_level": -55,
        "start_timestamp": "2024-01-01 06:00:00.000000(UTC)",
        "end_timestamp": "2024-01-01 06:05:00.000000(UTC)",
    }
    with changing(part) as database:
        put(database, EXAM_LOGS, contents, {"logger_masterylog": [new]})

    await import_kolibri(empty, part)
    tries, attempts = await old_quizzes(empty, part, tmp_path)

    assert (len(tries), len(attempts)) == (4, 4)
    numbers = {row["masterylog_id"] or row["examlog_id"]: row["try_number"] for row in tries}
    assert numbers[new["id"]] == 2
    assert Counter(numbers.values()) == {1: 3, 2: 1}


@pytest.mark.slow
@pytest.mark.parametrize("newer", ["copy", "original"])
async def test_the_version_that_was_worked_on_later_counts(
    empty: DocService, part: Path, tmp_path: Path, newer: str
) -> None:
    """An answer that was changed in the copy, or in an exam log that synced later, is shown as it was changed."""
    changed = ATTEMPTS if newer == "copy" else "logger_examattemptlog"
    with changing(part) as database:
        put(database, EXAM_LOGS, MIGRATED)
        database.execute(
            f"UPDATE {changed} SET correct = 0.5, end_timestamp = '2019-05-06 06:08:00.000000(UTC)'"
            " WHERE user_id = ? AND start_timestamp LIKE '2019-05-06 06:01%'",
            (LEARNER,),
        )

    await import_kolibri(empty, part)
    tries, attempts = await old_quizzes(empty, part, tmp_path)

    assert sorted(row["correct"] for row in attempts) == [0, 0.5, 1, 1]
    assert sorted(row["correct_sum"] for row in tries) == [0, 0.5, 2]


async def test_people_that_are_missing_keep_their_logs(
    empty: DocService, database: Any, part: Path, tmp_path: Path
) -> None:
    """Every table has the rows of somebody whose directory record is gone, without a name, as the real server writes
    visits of such people; anonymous visitors are anonymous in the tables that the real server does not have."""
    with changing(part) as kolibri:
        put(kolibri, EXAM_LOGS)
    await import_kolibri(empty, part)
    expected = {name: len(await table(empty, name, facility_of(part), tmp_path)) for name in OF_LOGS}

    await database.facility_users.delete_many({})
    found = {name: await table(empty, name, facility_of(part), tmp_path) for name in OF_LOGS}

    assert {name: len(listed) for name, listed in found.items()} == expected
    assert all(expected.values())
    types = {name: {row["user_type"] for row in listed} for name, listed in found.items()}
    assert types.pop("attempt") == {"Learner", "Anonymous"}
    assert list(types.values()) == [{"Learner"}] * 5
    assert all(row["username"] is row["facility_name"] is None for listed in found.values() for row in listed)


@pytest.mark.slow
async def test_rows_belong_to_the_facility_of_the_log(empty: DocService, part: Path, tmp_path: Path) -> None:
    """A learner who moves to another facility leaves all rows behind, under the name of the new facility, as the real
    server writes it; the new facility has nothing of it."""
    with changing(part) as database:
        put(database, EXAM_LOGS)
    await import_kolibri(empty, part)
    old = facility_of(part)
    expected = {name: len(await table(empty, name, old, tmp_path)) for name in OF_LOGS}
    with changing(part) as database:
        move(database)

    await import_kolibri(empty, part)
    kept = {name: await table(empty, name, old, tmp_path) for name in OF_LOGS}
    moved = {name: await table(empty, name, NEW_FACILITY, tmp_path) for name in OF_LOGS}

    assert {name: len(listed) for name, listed in kept.items()} == expected
    assert moved == {name: [] for name in OF_LOGS}
    for listed in kept.values():
        names = {row["facility_name"] for row in listed if row["username"] == "learner005"}
        assert names == {"Second"}


@pytest.mark.slow
async def test_a_quiz_that_moved_with_its_learner(empty: DocService, part: Path, tmp_path: Path) -> None:
    """A Kolibri that upgrades after the move makes the copies in the new facility; there the try counts, and only
    there."""
    with changing(part) as database:
        put(database, EXAM_LOGS, MIGRATED)
        move(database)
        for name in ("logger_contentsessionlog", "logger_contentsummarylog", "logger_masterylog", ATTEMPTS):
            ids = [row["id"] for row in MIGRATED[name] if row["user_id"] == LEARNER]
            for log_id in ids:
                database.execute(f"UPDATE {name} SET dataset_id = ? WHERE id = ?", (NEW_DATASET, log_id))

    await import_kolibri(empty, part)
    tries, attempts = await old_quizzes(empty, part, tmp_path)
    moved = await table(empty, "exam", NEW_FACILITY, tmp_path)
    moved_attempts = await table(empty, "attempt", NEW_FACILITY, tmp_path)

    assert (len(tries), len(attempts)) == (1, 0)
    assert (len(moved), len(moved_attempts)) == (2, 4)
    assert {row["username"] for row in moved} == {"learner005"}


def move(database: sqlite3.Connection) -> None:
    """Let the learner change to another facility."""
    [facility] = database.execute("SELECT * FROM kolibriauth_collection WHERE kind = 'facility'").fetchall()
    [dataset] = database.execute("SELECT * FROM kolibriauth_facilitydataset").fetchall()
    insert(database, "kolibriauth_facilitydataset", {**dict(dataset), "id": NEW_DATASET})
    values = {"id": NEW_FACILITY, "dataset_id": NEW_DATASET, "name": "Second"}
    insert(database, "kolibriauth_collection", {**dict(facility), **values})
    database.execute(
        "UPDATE kolibriauth_facilityuser SET dataset_id = ?, facility_id = ? WHERE id = ?",
        (NEW_DATASET, NEW_FACILITY, LEARNER),
    )


@pytest.mark.slow
async def test_logs_without_a_channel(empty: DocService, part: Path, tmp_path: Path) -> None:
    """A summary without a channel has no title, as in Kolibri, whose query finds no visit of it; a visit has that of
    its node."""
    with changing(part) as database:
        for name in ("logger_contentsummarylog", "logger_contentsessionlog"):
            database.execute(f"UPDATE {name} SET channel_id = NULL")

    await import_kolibri(empty, part)
    summaries = await table(empty, "summary", facility_of(part), tmp_path)
    sessions = await table(empty, "session", facility_of(part), tmp_path)

    shown = ("channel_name", "content_title", "folders")
    assert {tuple(map(repr, (row[name] for name in shown))) for row in summaries} == {("''", "''", "[]")}
    assert {bool(row["content_title"]) for row in sessions} == {True}


async def test_sums_have_no_dust(empty: DocService, database: Any, part: Path, tmp_path: Path) -> None:
    """Parquet files and answers round sums to microseconds; what is stored is the device's, and so are CSV files."""
    dusty = 1462.4999999999998
    with changing(part) as kolibri:
        put(kolibri, MIGRATED)
        for name in ("logger_contentsummarylog", "logger_contentsessionlog", "logger_masterylog"):
            kolibri.execute(f"UPDATE {name} SET time_spent = ?", (dusty,))
    await import_kolibri(empty, part)

    summaries = await table(empty, "summary", facility_of(part), tmp_path)
    exams = await table(empty, "exam", facility_of(part), tmp_path)
    await write_export(empty, "summary", facility_of(part), tmp_path / "summary.csv", CsvWriter)
    learner = Principal(user_id=LEARNER)
    documents = await empty.acting_as(learner).document_page("contentsummarylog")
    tries = await empty.acting_as(learner).mastery_log_page()

    assert {row["time_spent"] for row in summaries} == {row["time_spent"] for row in exams} == {1462.5}
    assert {log["time_spent"] for log in documents.results} == {row.time_spent for row in tries.rows} == {1462.5}
    assert {log["time_spent"] for one in documents.results for log in one["mastery_logs"]} == {1462.5}
    assert await database.content_summary_logs.distinct("time_spent") == [dusty]
    with (tmp_path / "summary.csv").open(encoding="utf-8-sig", newline="") as file:
        assert {row["Time Spent (sec)"] for row in csv.DictReader(file)} == {f"{round(dusty, 1):.1f}"}
