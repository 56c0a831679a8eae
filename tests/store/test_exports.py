"""Exports of a real school equal the files of the real server; all attempts come; files appear whole or not at all."""

from __future__ import annotations

import asyncio
import csv
import gzip
import os
import sqlite3
import uuid
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow.parquet
import pytest

from docservice import DocService, Principal, StartSession, UpdateSession
from docservice.domain.exports.tables import TABLES, TableName
from docservice.domain.logs.migrated_quizzes import migrated_level
from docservice.errors import ExportError, InvalidReference
from docservice.export import CsvWriter, ParquetWriter, write_export
from docservice.kolibri import import_kolibri
from tests.support.large_facility import FACILITY, directory, session

ON_A_SERVER = bool(os.environ.get("DOCSERVICE_TEST_MONGODB_URI"))
MANY = 250
NAMING: tuple[TableName, ...] = ("attempt", "exam", "mastery", "learner", "activity")
"""The tables that name the learner."""

SMALL = Path(__file__).parent.parent / "data" / "kolibri-small"


@pytest.fixture(scope="module")
async def school(mongodb_uri: str, mongo: Any) -> AsyncIterator[DocService]:
    """A service with the imported sample school; no test here changes it."""
    name = f"test_{uuid.uuid4().hex[:12]}"
    async with DocService(mongodb_uri, database=name) as service:
        await import_kolibri(service, SMALL / "kolibri-small.sqlite3.gz")
        yield service
    if ON_A_SERVER:  # the run's own engine goes as a whole, and would take most of a minute to drop this
        await mongo.drop_database(name)


@pytest.fixture(scope="module")
def tables(tmp_path_factory: pytest.TempPathFactory) -> Iterator[sqlite3.Connection]:
    """The sample database itself."""
    path = tmp_path_factory.mktemp("kolibri") / "db.sqlite3"
    path.write_bytes(gzip.decompress((SMALL / "kolibri-small.sqlite3.gz").read_bytes()))
    with closing(sqlite3.connect(path)) as connection:
        yield connection


@pytest.fixture(scope="module")
def facility(tables: sqlite3.Connection) -> str:
    """Id of the sample school."""
    (found,) = tables.execute("SELECT id FROM kolibriauth_collection WHERE kind = 'facility'").fetchone()
    return str(found)


def parsed(path: Path) -> list[tuple[str, ...]]:
    """The rows of a CSV file, the header first."""
    with path.open(encoding="utf-8-sig", newline="") as file:
        return [tuple(row) for row in csv.reader(file)]


def put(path: Path, text: str) -> None:
    """A file that was there before."""
    path.write_text(text)


def names_in(folder: Path) -> list[str]:
    """What a folder holds."""
    return sorted(entry.name for entry in folder.iterdir())


def day(number: int) -> datetime:
    """A day of September 2024."""
    return datetime(2024, 9, number, tzinfo=UTC)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("table", "real", "start", "end"),
    [
        ("session", "kolibri-small-session.csv", day(1), datetime(2024, 10, 31, tzinfo=UTC)),
        ("summary", "kolibri-small-summary.csv", day(1), datetime(2024, 10, 31, tzinfo=UTC)),
        ("summary", "kolibri-small-summary-2024-09-10-to-2024-09-12.csv", day(10), day(12)),
    ],
)
async def test_exports_equal_the_real_ones(
    school: DocService, facility: str, tmp_path: Path, table: TableName, real: str, start: datetime, end: datetime
) -> None:
    """Every column of every row is the real server's; rows that it writes for each role of a user come once."""
    path = tmp_path / "export.csv"

    written = await write_export(school, table, facility, path, CsvWriter, start=start, end=end)

    ours, theirs = parsed(path), parsed(SMALL / real)
    assert ours[0] == theirs[0]
    assert Counter(ours) == dict.fromkeys(theirs, 1)
    assert (written.rows, written.bytes) == (len(ours) - 1, path.stat().st_size)


@pytest.mark.slow
async def test_every_attempt_is_exported(
    school: DocService, facility: str, tables: sqlite3.Connection, tmp_path: Path
) -> None:
    """Attempts of exercises, quizzes and anonymous visitors come once each, with their answers and tries."""
    path = tmp_path / "export.csv"

    await write_export(school, "attempt", facility, path, CsvWriter)

    header, *rows = parsed(path)
    at = {label: position for position, label in enumerate(header)}
    query = "SELECT id, masterylog_id, sessionlog_id, simple_answer, correct FROM logger_attemptlog"
    columns = ("Attempt id", "Try id", "Session id", "Answer", "Correct (0-1)")
    ours = sorted(tuple(row[at[column]] for column in columns) for row in rows)
    theirs = sorted((i, t or "", s, a, f"{c:g}") for i, t, s, a, c in tables.execute(query))
    assert ours == theirs
    assert all(row[at["Content title"]] for row in rows)
    assert {row[at["Try number"]] for row in rows if row[at["Try id"]]} >= {"1", "2"}


async def test_tries_at_quizzes_are_exported(
    school: DocService, facility: str, tables: sqlite3.Connection, tmp_path: Path
) -> None:
    """Each try at a quiz is a row with its title and score."""
    path = tmp_path / "export.parquet"

    await write_export(school, "exam", facility, path, ParquetWriter)

    rows = pyarrow.parquet.read_table(path).to_pylist()
    query = """
        SELECT mastery.id, exam.title, mastery.complete, (
            SELECT sum(correct) FROM logger_attemptlog WHERE masterylog_id = mastery.id
        )
        FROM logger_masterylog AS mastery
        JOIN logger_contentsummarylog AS summary ON summary.id = mastery.summarylog_id
        JOIN exams_exam AS exam ON exam.id = summary.content_id
    """
    theirs = sorted((i, title, bool(done), score) for i, title, done, score in tables.execute(query))
    ours = [(r["masterylog_id"], r["exam_title"], r["closed"], r["correct_sum"]) for r in rows]
    assert sorted(ours) == theirs
    assert len(theirs) > 0


async def rows_of(school: DocService, table: TableName, facility: str, path: Path, **filters: Any) -> list[Any]:
    """The rows of a table, typed, by column."""
    await write_export(school, table, facility, path, ParquetWriter, **filters)
    found: list[Any] = pyarrow.parquet.read_table(path).to_pylist()
    return found


async def test_learners_are_named(
    school: DocService, facility: str, tables: sqlite3.Connection, tmp_path: Path
) -> None:
    """Tables for analysts say of each learner the id, the full name, and the names of classes and groups."""
    people = tables.execute("SELECT id, username, full_name FROM kolibriauth_facilityuser")
    known = {user_id: (username, full_name) for user_id, username, full_name in people}
    query = """SELECT m.user_id, c.kind, c.name FROM kolibriauth_membership m
        JOIN kolibriauth_collection c ON c.id = m.collection_id ORDER BY c.name"""
    held: dict[tuple[str, str], list[str]] = {}
    for user_id, kind, name in tables.execute(query):
        held.setdefault((user_id, kind), []).append(name)

    classroom = await school.admin.classroom_called("class 1")
    in_class = await school.admin.people_in(classroom_id=classroom.id)

    found = {
        name: await rows_of(
            school, name, facility, tmp_path / name, people=None if name in ("learner", "exam") else in_class
        )
        for name in NAMING
    }

    for rows in found.values():
        for row in rows:
            user_id = row["user_id"]
            assert (row["username"], row["full_name"]) == known.get(user_id, (None, None))
            if user_id is not None:
                assert row["classes"] == "; ".join(held.get((user_id, "classroom"), []))
                assert row["groups"] == "; ".join(held.get((user_id, "learnergroup"), []))
    assert {row["user_id"] for row in found["learner"]} == known.keys()
    assert any(row["groups"] for row in found["attempt"])


async def test_tries_and_days_are_exported(
    school: DocService, facility: str, tables: sqlite3.Connection, tmp_path: Path
) -> None:
    """Each mastery log is a row of `mastery`; the days of `activity` hold each learner's visits and completions."""
    tries = await rows_of(school, "mastery", facility, tmp_path / "mastery")
    days = await rows_of(school, "activity", facility, tmp_path / "activity")

    logs = tables.execute("SELECT id, complete, mastery_level FROM logger_masterylog")
    assert sorted((row["masterylog_id"], row["complete"], row["mastery_level"]) for row in tries) == sorted(
        (log_id, bool(complete), level) for log_id, complete, level in logs
    )
    assert all(row["content_title"] and row["mastery_model"] for row in tries)
    [(visits,)] = tables.execute("SELECT count(*) FROM logger_contentsessionlog WHERE user_id IS NOT NULL")
    [(completed,)] = tables.execute(
        "SELECT count(*) FROM logger_contentsummarylog WHERE completion_timestamp IS NOT NULL"
    )
    assert sum(row["visits"] for row in days) == visits
    assert sum(row["completions"] for row in days) == completed
    assert len({(row["user_id"], row["day"]) for row in days}) == len(days)


async def test_questions_are_exported(
    school: DocService, facility: str, tables: sqlite3.Connection, tmp_path: Path
) -> None:
    """Each question that somebody answered in a try is a row of `item`, with the share of right first answers."""
    query = """SELECT s.content_id, a.item, a.correct FROM logger_attemptlog a
        JOIN logger_masterylog m ON m.id = a.masterylog_id JOIN logger_contentsummarylog s ON s.id = m.summarylog_id
        WHERE m.mastery_level > 0 GROUP BY s.content_id, a.item, a.user_id
        HAVING a.start_timestamp = min(a.start_timestamp)"""
    firsts: dict[tuple[str, str], list[float]] = {}
    for content_id, item, correct in tables.execute(query):
        firsts.setdefault((content_id, item), []).append(correct)

    rows = await rows_of(school, "item", facility, tmp_path / "item")

    exercises = {(row["content_id"], row["item"]): row for row in rows if row["kind"] == "exercise"}
    assert exercises.keys() <= firsts.keys()
    assert len(exercises) > 100
    for key, row in exercises.items():
        assert row["facility_index"] == pytest.approx(100 * sum(firsts[key]) / len(firsts[key]), abs=1e-5)
        assert row["learners"] == len(firsts[key])


@pytest.mark.slow
@pytest.mark.parametrize("table", ["session", "attempt", "activity", "item", "learner"])
async def test_people_can_be_chosen(
    school: DocService, facility: str, tables: sqlite3.Connection, tmp_path: Path, table: TableName
) -> None:
    """A class, by its name, leaves the rows of its learners and no others."""
    classroom = await school.admin.classroom_called("class 1")
    group = await school.admin.record_called("group", "RED GROUP", classroom=classroom)
    query = "SELECT username FROM kolibriauth_membership m JOIN kolibriauth_facilityuser u ON u.id = m.user_id"
    members = {name for (name,) in tables.execute(f"{query} WHERE m.collection_id IN (?, ?)", [classroom.id, group.id])}

    people = await school.admin.people_in(classroom_id=classroom.id)
    both = await school.admin.people_in(classroom_id=classroom.id, group_id=group.id)
    rows = await rows_of(school, table, facility, tmp_path / "export", people=people)

    assert rows
    if table != "item":
        assert {row["username"] for row in rows} <= members
    else:
        assert max(row["learners"] for row in rows) <= len(members)
    assert both is not None
    assert people is not None
    assert both < people
    with pytest.raises(InvalidReference, match="There are several: group 'red group'"):
        await school.admin.record_called("group", "red group")


@pytest.mark.slow
@pytest.mark.parametrize("table", list(TABLES))
async def test_parquet_has_the_rows_of_csv(school: DocService, facility: str, tmp_path: Path, table: TableName) -> None:
    """Both formats hold the same set of rows."""
    written = [
        await write_export(school, table, facility, tmp_path / f"export.{name}", writer)
        for name, writer in (("csv", CsvWriter), ("parquet", ParquetWriter))
    ]

    read = pyarrow.parquet.read_table(tmp_path / "export.parquet")
    assert written[0].rows == written[1].rows == read.num_rows > 0
    assert read.column_names == [column.name for column in TABLES[table].columns]


@pytest.mark.skipif(not Path("/dev/full").is_char_device(), reason="needs a device that is always full")
@pytest.mark.parametrize("writer", [CsvWriter, ParquetWriter])
async def test_an_export_onto_a_full_disk_leaves_nothing(
    school: DocService, facility: str, tmp_path: Path, writer: type[CsvWriter] | type[ParquetWriter]
) -> None:
    """The error says where and why, the old file stays, and nothing half-written is beside it."""
    path = tmp_path / "export"
    path.write_text("old")

    with pytest.raises(ExportError, match="No space left on device"):
        await write_export(school, "attempt", facility, path, lambda _, table: writer(Path("/dev/full"), table))

    assert os.listdir(tmp_path) == ["export"]  # noqa: PTH208
    assert path.read_text() == "old"


async def test_attempts_that_moved_to_buckets_come(
    service: DocService, recorded_directory: dict[str, Any], database: Any, tmp_path: Path
) -> None:
    """A learner with more attempts than a document embeds has them all in the export, those of old exam logs too."""
    ids = recorded_directory["ids"]
    learner, content = Principal(user_id=ids["learner1"]), uuid.uuid4().hex
    started = await service.acting_as(learner).start_session(
        StartSession(
            node_id=content,
            content_id=content,
            channel_id=content,
            kind="exercise",
            mastery_model={"type": "m_of_n", "m": 3, "n": 5},
        ),
    )
    for some in range(0, 240, 80):
        answers = [
            {"item": f"q{number}", "correct": 1, "time_spent": 1, "answer": {}} for number in range(some, some + 80)
        ]
        await service.acting_as(learner).update_session(started.session_id, UpdateSession(interactions=answers))
    times = {"start_timestamp": day(1), "end_timestamp": day(2)}
    answered = {"item": "old", "correct": 0.5, "content_id": content, **times}
    await service.exam_logs.save({"user_id": ids["learner1"], "exam_id": ids["quiz01"], "attempts": [answered]})
    paths = {name: tmp_path / f"{name}.csv" for name in ("attempt", "exam")}

    await write_export(service, "attempt", ids["facility"], paths["attempt"], CsvWriter)
    await write_export(service, "exam", ids["facility"], paths["exam"], CsvWriter)

    header, *rows = parsed(paths["attempt"])
    assert await database["attempt_overflow"].count_documents({}) > 0
    assert sorted(row[header.index("Question")] for row in rows) == sorted(["old", *(f"q{n}" for n in range(240))])
    header, exam = parsed(paths["exam"])
    assert exam[header.index("Questions correct")] == "0.5"


async def test_a_long_migrated_quiz_counts_once(
    service: DocService, recorded_directory: dict[str, Any], database: Any, tmp_path: Path
) -> None:
    """A copy with more attempts than a document embeds is joined with its exam log in whole."""
    ids, content = recorded_directory["ids"], uuid.uuid4().hex
    times = {"start_timestamp": day(1), "end_timestamp": day(2)}
    answered = [{"item": f"q{number}", "correct": 1, "time_spent": 0.1, **times} for number in range(240)]
    originals = [{**answer, "content_id": content} for answer in answered]
    copies: list[dict[str, Any]] = [
        {**a, "item": f"{content}:{a['item']}", "sessionlog_id": "e" * 32} for a in answered
    ]
    level = migrated_level(ids["quiz01"])
    copied = {"mastery_level": level, "start_timestamp": day(1), "attempts": copies}
    summary = {"user_id": ids["learner1"], "content_id": ids["quiz01"], "kind": "quiz", "start_timestamp": day(1)}
    await service.exam_logs.save({"user_id": ids["learner1"], "exam_id": ids["quiz01"], "attempts": originals})
    await service.content_summary_logs.save({**summary, "mastery_logs": [copied]})
    paths = {name: tmp_path / f"{name}.parquet" for name in ("attempt", "exam")}

    await write_export(service, "attempt", ids["facility"], paths["attempt"], ParquetWriter)
    await write_export(service, "exam", ids["facility"], paths["exam"], ParquetWriter)

    attempts, tries = (pyarrow.parquet.read_table(path).to_pylist() for path in paths.values())
    assert await database["attempt_overflow"].count_documents({}) > 0
    assert sorted(row["item"] for row in attempts) == sorted(copy["item"] for copy in copies)
    assert [(row["attempt_count"], row["correct_sum"], row["time_spent"]) for row in tries] == [(240, 240, 24)]


async def test_tries_of_each_kind_are_numbered_from_one(
    service: DocService, recorded_directory: dict[str, Any], tmp_path: Path
) -> None:
    """A content that was tried as an exercise and then as a practice quiz has a first and a second try of each."""
    ids = recorded_directory["ids"]
    learner, content = Principal(user_id=ids["learner1"]), uuid.uuid4().hex
    models = ({"type": "m_of_n", "m": 1, "n": 1}, {"type": "quiz"})
    for number, model in enumerate([*models, *models]):
        moment = day(1 + number)
        then = service.with_clock(lambda moment=moment: moment)  # type: ignore[misc]
        nodes = dict.fromkeys(("node_id", "content_id", "channel_id"), content)
        start = StartSession.parse({**nodes, "kind": "exercise", "mastery_model": model, "repeat": True})
        started = await then.acting_as(learner).start_session(start)
        answer = {"item": f"q{number}", "correct": 1, "time_spent": 1, "answer": {}, "complete": True}
        report = UpdateSession.parse({"interactions": [answer], "progress": 1})
        await then.acting_as(learner).update_session(started.session_id, report)
    path = tmp_path / "attempt.csv"

    await write_export(service, "attempt", ids["facility"], path, CsvWriter)

    header, *rows = parsed(path)
    numbers = {row[header.index("Question")]: row[header.index("Try number")] for row in rows}
    assert numbers == {"q0": "1", "q1": "1", "q2": "2", "q3": "2"}


async def test_a_failed_export_leaves_the_old_file(service: DocService, tmp_path: Path) -> None:
    """Without such a facility, or cancelled, an export leaves the file that was there and nothing else."""
    path = tmp_path / "export.csv"
    put(path, "old")

    with pytest.raises(InvalidReference):
        await write_export(service, "session", "f" * 32, path, CsvWriter)
    with pytest.raises(ExportError):
        await write_export(service, "session", "f" * 32, tmp_path / "none" / "export.csv", CsvWriter)

    assert parsed(path) == [("old",)]
    assert names_in(tmp_path) == ["export.csv"]


async def test_a_cancelled_export_leaves_nothing(school: DocService, facility: str, tmp_path: Path) -> None:
    """An export that is cancelled in the middle removes its unfinished file."""

    class Stopping:
        """Cancels the export when it is on its way."""

        def begin(self, part: str, total: int | None = None) -> None:
            assert total == 100

        def advance(self, part: str, steps: int = 1) -> None:
            export.cancel()

    export = asyncio.create_task(
        write_export(school, "summary", facility, tmp_path / "export.csv", CsvWriter, watch=Stopping())
    )

    with pytest.raises(asyncio.CancelledError):
        await export

    assert names_in(tmp_path) == []


@pytest.mark.slow
async def test_an_export_cancelled_at_its_beginning_leaves_nothing(
    school: DocService, facility: str, tmp_path: Path
) -> None:
    """At whichever step it is cancelled, also while a thread makes its file."""
    path = tmp_path / "export.csv"
    for steps in range(40):
        export = asyncio.create_task(write_export(school, "summary", facility, path, CsvWriter))
        for _ in range(steps):
            await asyncio.sleep(0.0005)
        export.cancel()
        await asyncio.wait([export])

        # The driver loses a few cancellations in Python 3.11, and that export is whole.
        assert names_in(tmp_path) == ([] if export.cancelled() else ["export.csv"])
        path.unlink(missing_ok=True)


async def test_many_names_are_found_at_a_time(service: DocService, database: Any, tmp_path: Path) -> None:
    """Each of many visits has its own learner and content; contents that nobody visited make no folder columns."""
    content = directory()
    content["users"] = content["users"][:MANY]
    content["content_nodes"] = [
        *content["content_nodes"][: MANY + 1],
        {**content["content_nodes"][MANY + 1], "level": 9},
    ]
    await service.import_directory(content)
    # All ids in one part of the id space, so that all of them are read at a time.
    visits = [{**session(number), "_id": f"f{number:031x}"} for number in range(MANY)]
    await database["content_session_logs"].insert_many(visits)
    path = tmp_path / "export.csv"

    await write_export(service, "session", FACILITY, path, CsvWriter)

    header, *rows = parsed(path)
    assert [label for label in header if label.startswith("Folder level")] == ["Folder level 1", "Folder level 2"]
    at = [header.index(label) for label in ("Username", "Folder level 2", "Content title")]
    found = {tuple(row[column] for column in at) for row in rows}
    assert len(rows) == MANY
    assert found == {(f"learner{number}", str(number % 40), f"Exercise {number}") for number in range(MANY)}


@pytest.mark.slow
@pytest.mark.parametrize("school_is", ["small", "large", "one of two"])
async def test_each_visit_comes_once(mongodb_uri: str, database: Any, tmp_path: Path, school_is: str) -> None:
    """However a school's visits are read: from its index or as they are stored, at any edge of the id space."""
    edges = ["0" * 32, "00" + "f" * 30, "01" + "0" * 30, "f" * 32]
    ids = [*edges, *(session(number)["_id"] for number in range(len(edges), MANY))]
    if school_is == "large":  # so many in the first 256th of the id space look like 25,600 in all
        ids[100:200] = [f"00{number:030x}" for number in range(1, 101)]
    content = directory()
    content["users"] = content["users"][:MANY]
    if school_is == "one of two":
        content["datasets"].append({"id": "a" * 32})
        content["facilities"].append({"id": "b" * 32, "name": "Other", "dataset": "a" * 32})
    visits = [{**session(number), "_id": visit_id} for number, visit_id in enumerate(ids)]
    others = [{**session(number), "_id": uuid.uuid4().hex, "dataset_id": "a" * 32} for number in range(50)]
    await database["content_session_logs"].insert_many([*visits, *others])
    path = tmp_path / "export.csv"

    async with DocService(mongodb_uri, database=database.name) as service:
        await service.import_directory(content)
        await write_export(service, "session", FACILITY, path, CsvWriter)

    header, *rows = parsed(path)
    names = sorted(row[header.index("Username")] for row in rows)
    assert names == sorted(f"learner{number}" for number in range(MANY))


def test_wider_rows(tmp_path: Path) -> None:
    """A file that gets more folder columns keeps its cells, the longest too, and stays its owner's alone."""
    table = TABLES["attempt"]
    kinds = [column.kind for column in table.columns]
    row: list[Any] = [["one"] if kind == "folders" else None for kind in kinds]
    row[[column.name for column in table.columns].index("simple_answer")] = "x" * 200_000
    wider = [["one", "two"] if kind == "folders" else None for kind in kinds]
    path = tmp_path / "a.csv"

    writer = CsvWriter(path, table)
    writer.write([tuple(row)], 1)
    writer.write([tuple(wider)], 2)
    writer.close()

    header, first, second = parsed(path)
    assert "x" * 200_000 in first
    assert len(header) == len(first) == len(second) == len(kinds) + 1
    assert path.stat().st_mode & 0o077 == 0
    assert names_in(tmp_path) == ["a.csv"]
