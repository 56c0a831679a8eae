"""What Kolibris of all versions wrote into JSON columns and titles comes in whole, and goes out and in again."""

from __future__ import annotations

import csv
import json
import shutil
import sqlite3
import uuid
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from docservice import DocService, Principal
from docservice.domain.upkeep.consistency import Finding
from docservice.export import CsvWriter, write_export
from docservice.export.backup import export_ndjson, import_ndjson
from docservice.kolibri import import_kolibri
from docservice.kolibri.report import ImportReport
from docservice.store.mapping.schema import SET_ASIDE

from .samples import LEARNER, changing, insert, rows

pytestmark = pytest.mark.slow

OBJECTS = {"logger_contentsummarylog": "extra_fields", "logger_contentsessionlog": "extra_fields"}
TRIES = "logger_masterylog"
ATTEMPTS = "logger_attemptlog"
LOGS = ("content summaries", "mastery logs", "attempts", "content sessions", "user sessions", "exam logs")
NESTED = json.dumps(json.dumps({"a": "b\tc", "d": ["1"]}))
DEEP = json.loads("[" * 120 + "]" * 120)


@pytest.fixture
async def second(mongodb_uri: str, mongo: Any) -> AsyncIterator[DocService]:
    """A service over another empty database."""
    name = f"test_{uuid.uuid4().hex[:12]}"
    async with DocService(mongodb_uri, database=name) as service:
        yield service
    await mongo.drop_database(name)


async def documents(service: DocService) -> dict[str, dict[str, Any]]:
    """All documents by collection and id, without those of the engine itself."""
    found: dict[str, dict[str, Any]] = {}
    for name in (*LOG_COLLECTIONS, "content_nodes", "exams", "lessons", "attempt_overflow", SET_ASIDE):
        found[name] = {document["_id"]: document async for document in service.admin.database[name].find({})}
    return found


LOG_COLLECTIONS = ("content_summary_logs", "content_session_logs", "exam_logs", "user_session_logs")


async def findings(service: DocService, *, repair: bool = False) -> list[Finding]:
    """All that `verify` finds."""
    found: list[Finding] = []
    await service.admin.verify(found.append, repair=repair)
    return found


def require_all_imported(report: ImportReport, path: Path) -> None:
    """Each row of the logs' tables was imported, and none was set aside."""
    for kind in LOGS:
        assert report.counts.get(kind) is None or report.counts[kind].set_aside == 0, (kind, report.reasons)
    for kind, table in zip(LOGS, (*list(OBJECTS)[:1], TRIES, ATTEMPTS, *list(OBJECTS)[1:]), strict=False):
        assert report.counts[kind].new == rows(path, f"SELECT count(*) AS n FROM {table}")[0]["n"] > 0


async def attempts_of(service: DocService) -> dict[str, dict[str, Any]]:
    """The learner's embedded attempts by id."""
    return {
        attempt["id"]: attempt
        async for document in service.admin.database["content_summary_logs"].find({})
        for log in document["mastery_logs"]
        for attempt in log["attempts"]
    }


EMPTY = ('"{}"', r'"\"{}\""', "null", '"null"', "", "[]", '"[]"', '""', "{}")


async def test_an_empty_object_in_many_forms(empty: DocService, part: Path) -> None:
    """Whatever stands for nothing where an object belongs is an empty object, and no row is set aside or noted."""
    with changing(part) as kolibri:
        for table, column in {**OBJECTS, TRIES: "mastery_criterion"}.items():
            for number, text in enumerate(EMPTY):
                kolibri.execute(f"UPDATE {table} SET {column} = ? WHERE rowid % ? = ?", (text, len(EMPTY), number))

    report = await import_kolibri(empty, part)

    require_all_imported(report, part)
    assert report.altered == {}
    for name in LOG_COLLECTIONS[:2]:
        async for document in empty.admin.database[name].find({}):
            assert document["extra_fields"] == {}
            assert all(log["mastery_criterion"] == {} for log in document.get("mastery_logs", ()))


async def test_json_inside_of_text(empty: DocService, second: DocService, part: Path, tmp_path: Path) -> None:
    """JSON columns of all tables, encoded one to three times more, give the same documents as plain ones."""
    plain = shutil.copy(part, tmp_path / "plain.sqlite3")
    columns = {
        **dict.fromkeys(OBJECTS, ("extra_fields",)),
        TRIES: ("mastery_criterion",),
        ATTEMPTS: ("answer", "interaction_history"),
        "exams_exam": ("question_sources",),
        "lessons_lesson": ("resources",),
        "content_contentnode": ("ancestors", "options"),
        "content_assessmentmetadata": ("assessment_item_ids", "mastery_model"),
        "kolibriauth_facilitydataset": ("extra_fields",),
        "kolibriauth_facilityuser": ("extra_demographics",),
    }
    with changing(part) as kolibri:
        kolibri.create_function("encoded", 1, lambda text: text if text is None else json.dumps(text))
        for table, names in columns.items():
            for name in names:
                for times in range(3):
                    kolibri.execute(f"UPDATE {table} SET {name} = encoded({name}) WHERE rowid % 3 >= ?", (times,))

    await import_kolibri(empty, Path(plain))
    report = await import_kolibri(second, part)

    require_all_imported(report, part)
    assert await documents(second) == await documents(empty)


ANSWERS: dict[str | None, Any] = {
    NESTED: {"a": "b\tc", "d": ["1"]},
    '"text"': "text",
    '"5"': "5",
    "5": 5,
    "true": True,
    "[1, 2]": [1, 2],
    "null": None,
    '"null"': None,
    None: None,
    "": {},
    "not json": "not json",
    "{'a': 1}": "{'a': 1}",
    '{"a": "b\tc"}': {"a": "b\tc"},
    '"{bad"': "{bad",
    str(10**30): 10**30,
    "1.5": 1.5,
}
"""Answers as they are in the table, and as they are read: without JSON inside of text, as Kolibri reads them."""


async def test_answers_of_any_kind(empty: DocService, part: Path) -> None:
    """An answer may be any JSON value, or a text; none is a reason to set an attempt aside."""
    found = rows(part, "SELECT id FROM logger_attemptlog WHERE user_id = ? ORDER BY id", (LEARNER,))
    ids = [row["id"] for row in found][: len(ANSWERS)]
    with changing(part) as kolibri:
        for attempt_id, text in zip(ids, ANSWERS, strict=True):
            kolibri.execute("UPDATE logger_attemptlog SET answer = ? WHERE id = ?", (text, attempt_id))

    report = await import_kolibri(empty, part)

    require_all_imported(report, part)
    for attempt_id, answer in zip(ids, ANSWERS.values(), strict=True):
        shown = (await empty.acting_as(Principal(user_id=LEARNER)).attempt_log(attempt_id)).answer
        assert (shown, type(shown)) == (answer, type(answer))
    assert await findings(empty) == []


HISTORIES: dict[str, list[Any]] = {
    "{}": [],
    "": [],
    "null": [],
    '"[]"': [],
    '"{}"': [],
    r'"\"[]\""': [],
    '{"type": "answer", "correct": 1}': [{"type": "answer", "correct": 1}],
    '"[{\\"type\\": \\"hint\\"}]"': [{"type": "hint"}],
    '"text"': ["text"],
    "not json": ["not json"],
}


async def test_histories_of_any_kind(empty: DocService, part: Path) -> None:
    """An empty object is an empty history, and what is not a list is the only entry of one."""
    found = rows(part, "SELECT id FROM logger_attemptlog WHERE user_id = ? ORDER BY id", (LEARNER,))
    ids = [row["id"] for row in found][: len(HISTORIES)]
    with changing(part) as kolibri:
        for attempt_id, text in zip(ids, HISTORIES, strict=True):
            kolibri.execute("UPDATE logger_attemptlog SET interaction_history = ? WHERE id = ?", (text, attempt_id))

    report = await import_kolibri(empty, part)

    require_all_imported(report, part)
    attempts = await attempts_of(empty)
    assert [attempts[attempt_id]["interaction_history"] for attempt_id in ids] == list(HISTORIES.values())
    assert await findings(empty) == []


async def test_what_no_document_can_hold(empty: DocService, part: Path) -> None:
    """Of a value that cannot be kept as it is, the nearest one is imported, and the row is kept beside it."""
    answers = {
        '{"a": NaN, "b": [Infinity]}': {"a": None, "b": [None]},
        r'{"a": "half \ud83d"}': {"a": "half \N{REPLACEMENT CHARACTER}"},
        r'{"a\u0000": 1}': {"a\N{REPLACEMENT CHARACTER}": 1},
        json.dumps({"deep": DEEP}): None,
    }
    found = rows(part, "SELECT id FROM logger_attemptlog WHERE user_id = ? ORDER BY id", (LEARNER,))
    ids = [row["id"] for row in found][: len(answers)]
    with changing(part) as kolibri:
        for attempt_id, text in zip(ids, answers, strict=True):
            kolibri.execute("UPDATE logger_attemptlog SET answer = ? WHERE id = ?", (text, attempt_id))
        kolibri.execute("UPDATE logger_contentsessionlog SET extra_fields = 'broken' WHERE user_id = ?", (LEARNER,))

    report = await import_kolibri(empty, part)
    stored = await documents(empty)
    again = await import_kolibri(empty, part)

    require_all_imported(report, part)
    attempts = await attempts_of(empty)
    for attempt_id, (text, answer) in zip(ids, answers.items(), strict=True):
        aside = stored[SET_ASIDE][f"attemptlog:{attempt_id}"]
        assert aside["row"]["answer"] == text
        assert "imported without" in aside["reason"]
        assert answer is None or attempts[attempt_id]["answer"] == answer
    sessions = rows(part, "SELECT count(*) AS n FROM logger_contentsessionlog WHERE user_id = ?", (LEARNER,))[0]["n"]
    assert report.altered == {("attempts", "answer"): len(answers), ("content sessions", "extra_fields"): sessions}
    assert (again.changes, await documents(empty)) == (0, stored)
    assert await findings(empty) == []


SHOWN: dict[str, dict[str, dict[Any, Any]]] = {
    "logger_contentsummarylog": {
        "time_spent": {-5: -5.0, -1e-9: -1e-9},
        "progress": {-0.25: -0.25, 7: 7.0},
        "kind": {"": "", b"video": "video"},
        "channel_id": {"": None, "{0F9B2B55-6C3B-4F1A-9C7E-6A1C7B3D2E10}": "0f9b2b556c3b4f1a9c7e6a1c7b3d2e10"},
        "start_timestamp": {
            "2024-9-2 5:12:4.1582934 (africa/nairobi)": datetime(2024, 9, 2, 5, 12, 4, 158000, UTC),
            "999-01-02 05:12:24(UTC)": datetime(999, 1, 2, 5, 12, 24, tzinfo=UTC),
        },
    },
    "logger_masterylog": {"time_spent": {-1: -1.0}},
    "logger_attemptlog": {
        "time_spent": {-3: -3.0},
        "correct": {2: 2.0, -1: -1.0},
        "item": {"": "", b"q1": "q1"},
        "simple_answer": {b"seven": "seven", "\x00": "\x00"},
    },
}
"""What a Kolibri shows although it would not write it: by table and column the values in SQLite and in documents."""

IN_PART: dict[str, dict[str, dict[Any, Any]]] = {
    "logger_contentsummarylog": {
        "time_spent": {float("inf"): 0.0},
        "kind": {b"vid\xffeo": "vid\N{REPLACEMENT CHARACTER}eo", "k" * 300: "k" * 200},
        "completion_timestamp": {"soon": None, "2024-02-30 00:00:00(UTC)": None},
        "channel_id": {"elsewhere": None},
    },
    "logger_masterylog": {"complete": {7: True}, "end_timestamp": {"late": None}},
    "logger_attemptlog": {
        "time_spent": {"long": 0.0},
        "hinted": {"often": True},
        "simple_answer": {b"\xff7": "\N{REPLACEMENT CHARACTER}7"},
        "completion_timestamp": {"2024-09-02T05:12:24Z": None},
    },
}
"""What is lost is not worth a log: the same, with the nearest value that a document can hold."""


@pytest.mark.parametrize("exact", [True, False], ids=["shown", "in part"])
async def test_a_value_is_no_reason_to_lose_a_log(
    empty: DocService, second: DocService, part: Path, tmp_path: Path, exact: bool
) -> None:
    """Whatever is in a column that a log can do without, the log and all below it are imported; rows of which a
    document cannot hold all are kept beside; verify finds nothing, and a backup comes back."""
    ids: dict[tuple[str, str, Any], str] = {}
    expected = SHOWN if exact else IN_PART
    with changing(part) as kolibri:
        for table, columns in expected.items():
            where = "mastery_level > 0" if table == TRIES else "user_id IS NOT NULL"
            found = iter(kolibri.execute(f"SELECT id FROM {table} WHERE {where} ORDER BY id").fetchall())
            for column, values in columns.items():
                for value in values:
                    ids[table, column, value] = next(found)[0]
                    kolibri.execute(f"UPDATE {table} SET {column} = ? WHERE id = ?", (value, ids[table, column, value]))

    report = await import_kolibri(empty, part)
    stored_documents = await documents(empty)
    await export_ndjson(empty, tmp_path / "all.ndjson")
    restored = await import_ndjson(second, tmp_path / "all.ndjson")

    require_all_imported(report, part)
    assert len(stored_documents[SET_ASIDE]) == (0 if exact else len(ids))
    summaries = stored_documents["content_summary_logs"]
    logs = {
        "logger_contentsummarylog": summaries,
        TRIES: {log["id"]: log for one in summaries.values() for log in one["mastery_logs"]},
        ATTEMPTS: await attempts_of(empty),
    }
    for (table, column, value), log_id in ids.items():
        held = expected[table][column][value]
        assert (column, logs[table][log_id][column]) == (column, held)
    assert await findings(empty) == []
    assert (restored.flaws, restored.refused) == ([], 0)
    assert await documents(second) == stored_documents


async def test_a_source_id_that_is_missing_follows_from_the_rest(empty: DocService, part: Path) -> None:
    """Without source ids, or with ones that are too long, and with foreign partitions all logs are imported, and those
    whose id follows from the rest are in order."""
    with changing(part) as kolibri:
        for table in ("logger_contentsummarylog", TRIES):
            kolibri.execute(f"UPDATE {table} SET _morango_source_id = '', _morango_partition = ''")
            kolibri.execute(f"UPDATE {table} SET _morango_source_id = ? WHERE rowid % 2", ("x" * 97,))
        kolibri.execute("UPDATE logger_attemptlog SET _morango_partition = 'x' WHERE rowid % 2")

    report = await import_kolibri(empty, part)

    require_all_imported(report, part)
    assert await findings(empty) == []


async def test_tables_without_types(empty: DocService, second: DocService, part: Path, tmp_path: Path) -> None:
    """In a database that was copied without its types and rules, numbers and NULL where text belongs lose no log."""
    odd: dict[str, dict[str, Any]] = {
        "logger_usersessionlog": {"channels": None, "pages": 7, "device_info": 2.5},
        ATTEMPTS: {"item": 8, "simple_answer": 7.5},
        "logger_contentsummarylog": {"kind": None},
    }
    with changing(part) as kolibri:
        for table, values in odd.items():
            kolibri.execute(f"CREATE TABLE untyped AS SELECT * FROM {table}")
            kolibri.execute(f"DROP TABLE {table}")
            names = [row["name"] for row in kolibri.execute("PRAGMA table_info(untyped)")]
            kolibri.execute(f"CREATE TABLE {table} ({', '.join(names)})")
            kolibri.execute(f"INSERT INTO {table} SELECT * FROM untyped")
            kolibri.execute("DROP TABLE untyped")
            for column, value in values.items():
                kolibri.execute(f"UPDATE {table} SET {column} = ?", (value,))

    report = await import_kolibri(empty, part)
    await export_ndjson(empty, tmp_path / "all.ndjson")
    restored = await import_ndjson(second, tmp_path / "all.ndjson")

    require_all_imported(report, part)
    stored = await documents(empty)
    user_session = next(iter(stored["user_session_logs"].values()))
    assert [user_session[name] for name in odd["logger_usersessionlog"]] == ["", "7", "2.5"]
    assert {(one["item"], one["simple_answer"]) for one in (await attempts_of(empty)).values()} == {("8", "7.5")}
    assert {summary["kind"] for summary in stored["content_summary_logs"].values()} == {""}
    assert len(stored[SET_ASIDE]) == sum(report.counts[kind].read for kind in (LOGS[0], LOGS[2], LOGS[4]))
    assert await findings(empty) == []
    assert (restored.flaws, restored.refused) == ([], 0)
    assert await documents(second) == stored


ODD = (
    *ANSWERS,
    *HISTORIES,
    '{"a": NaN}',
    r'["\ud83d"]',
    json.dumps(DEEP),
    '{"$ref": 1, "＄id": {"$db": 2}}',
    r'{"\u0000": "\u0000"}',
    b"\xff{",
    b'{"blob": 1}',
)


async def test_odd_values_of_every_kind(empty: DocService, second: DocService, part: Path, tmp_path: Path) -> None:
    """With odd values in all JSON columns at once every log is imported; verify finds nothing; a backup comes back as
    the same documents; again, nothing changes, neither by the backup nor by the Kolibri."""
    (exam,) = rows(part, "SELECT * FROM exams_exam ORDER BY id LIMIT 1")
    with changing(part) as kolibri:
        add_exam_log(kolibri, part, exam["id"])
        for table, columns in {
            **dict.fromkeys(OBJECTS, ("extra_fields",)),
            TRIES: ("mastery_criterion",),
            ATTEMPTS: ("answer", "interaction_history"),
            "logger_examattemptlog": ("answer", "interaction_history"),
            "lessons_lesson": ("resources",),
            "exams_exam": ("question_sources",),
            "content_contentnode": ("ancestors", "options"),
            "content_assessmentmetadata": ("mastery_model", "assessment_item_ids"),
        }.items():
            for number, (rowid,) in enumerate(kolibri.execute(f"SELECT rowid FROM {table}").fetchall()):
                for shift, column in enumerate(columns):
                    value = ODD[(number + 3 * shift) % len(ODD)]
                    if value is not None or column == "answer":
                        kolibri.execute(f"UPDATE {table} SET {column} = ? WHERE rowid = ?", (value, rowid))
        kolibri.execute("UPDATE logger_usersessionlog SET device_info = ? WHERE rowid % 2", ("x" * 300,))
        kolibri.execute("UPDATE logger_contentsummarylog SET _morango_partition = 'x' WHERE rowid % 5 = 0")
        kolibri.execute(
            "UPDATE logger_masterylog SET _morango_partition = 'x' WHERE summarylog_id IN"
            " (SELECT id FROM logger_contentsummarylog WHERE rowid % 5 = 0)"
        )
        kolibri.execute(
            "UPDATE logger_attemptlog SET _morango_partition = 'x' WHERE masterylog_id IN"
            " (SELECT id FROM logger_masterylog WHERE _morango_partition = 'x')"
        )

    report = await import_kolibri(empty, part)
    found = await findings(empty)
    await export_ndjson(empty, tmp_path / "all.ndjson")
    restored = await import_ndjson(second, tmp_path / "all.ndjson")
    restored_again = await import_ndjson(second, tmp_path / "all.ndjson")
    imported_again = await import_kolibri(second, part)

    require_all_imported(report, part)
    assert report.counts["exam attempts"].new == len(ODD)
    assert report.counts["content nodes"].set_aside == report.counts["exams"].set_aside == 0
    assert [one for one in found if one.document_id not in HAND_MADE] == []
    assert (restored.flaws, restored.refused, restored_again.refused) == ([], 0, 0)
    assert sum(counts.written for counts in restored_again.counts.values()) == 0
    assert imported_again.changes == 0
    assert await documents(second) == await documents(empty)


HAND_MADE = {"a" * 32}
"""The exam log of `add_exam_log`, whose ids no Kolibri has computed."""


def add_exam_log(kolibri: sqlite3.Connection, path: Path, exam_id: str) -> None:
    """An exam log of old with as many attempts as there are odd values."""
    (old, *_) = rows(path, "SELECT * FROM logger_attemptlog WHERE user_id = ? ORDER BY id", (LEARNER,))
    syncable = {"dataset_id": old["dataset_id"], "user_id": LEARNER, "_morango_dirty_bit": 1}
    syncable["_morango_partition"] = old["dataset_id"]
    log = {"id": "a" * 32, "_morango_source_id": "x", "exam_id": exam_id, "closed": 1}
    insert(kolibri, "logger_examlog", {**syncable, **log, "completion_timestamp": old["end_timestamp"]})
    kept = {name: value for name, value in old.items() if name not in ("masterylog_id", "sessionlog_id")}
    for number in range(len(ODD)):
        fields = {"id": f"{number:032x}", "examlog_id": "a" * 32, "content_id": "e" * 32}
        insert(kolibri, "logger_examattemptlog", {**kept, **syncable, **fields})


async def test_histories_that_were_stored_as_objects(
    empty: DocService, second: DocService, part: Path, tmp_path: Path
) -> None:
    """Documents of the version before, in which a history may be an object: reads show a list, a backup of them comes
    back, and verify repairs them."""
    await import_kolibri(empty, part)
    log = {"mastery_logs.0.attempts.1": {"$exists": True}}
    summary = await empty.admin.database["content_summary_logs"].find_one(log)
    assert summary is not None
    first, other = summary["mastery_logs"][0]["attempts"][:2]
    at = "mastery_logs.0.attempts"
    entry = {"type": "answer", "correct": 1}
    await empty.admin.database["content_summary_logs"].update_one(
        {"_id": summary["_id"]},
        {"$set": {f"{at}.0.interaction_history": {}, f"{at}.1.interaction_history": entry}},
    )

    shown = [
        await empty.acting_as(Principal(user_id=summary["user_id"])).attempt_log(each["id"]) for each in (first, other)
    ]
    await export_ndjson(empty, tmp_path / "all.ndjson")
    restored = await import_ndjson(second, tmp_path / "all.ndjson")
    same = await documents(second) == await documents(empty)
    found = await findings(second, repair=True)

    assert [row.interaction_history for row in shown] == [[], [entry]]
    assert (restored.refused, same) == (0, True)
    assert {(one.path, one.mended) for one in found if one.rule == "invalid"} == {
        (f"{at}.0.interaction_history", True),
        (f"{at}.1.interaction_history", True),
    }
    assert all(one.mended for one in found)
    assert await findings(second) == []
    repaired = await attempts_of(second)
    assert [repaired[each["id"]]["interaction_history"] for each in (first, other)] == [[], [entry]]


async def tables(service: DocService, folder: Path) -> list[bytes]:
    """The rows of both of Kolibri's own tables as CSV, sorted."""
    (facility,) = [d async for d in service.admin.database["facility_collections"].find({"kind": "facility"})]
    found = []
    for table in ("session", "summary"):
        await write_export(service, table, facility["_id"], folder / "rows.csv", CsvWriter)
        found.append(b"".join(sorted((folder / "rows.csv").read_bytes().splitlines(keepends=True))))
    return found


UNREADABLE = (None, "[]", "", r'[{"id": "a\b"', "{}", "[1]", "null", f"[{'{},' * 200}{{}}]", "not json", '"[]"')


@pytest.mark.parametrize("without", ["column", "content"])
async def test_folders_follow_from_parents(
    empty: DocService, second: DocService, part: Path, tmp_path: Path, without: str
) -> None:
    """Where `ancestors` is not there (up to 0.14) or cannot be read, the parents of a node give the folders: all tables
    and nodes are as with them."""
    plain = shutil.copy(part, tmp_path / "plain.sqlite3")
    with changing(part) as kolibri:
        if without == "column":
            kolibri.execute("ALTER TABLE content_contentnode DROP COLUMN ancestors")
        else:
            query = "UPDATE content_contentnode SET ancestors = ? WHERE rowid % ? = ?"
            kolibri.executemany(query, [(text, len(UNREADABLE), n) for n, text in enumerate(UNREADABLE)])

    await import_kolibri(empty, Path(plain))
    report = await import_kolibri(second, part)

    assert report.counts["content nodes"].new == 62
    assert report.altered == {}
    assert (await documents(second))["content_nodes"] == (await documents(empty))["content_nodes"]
    assert await tables(second, tmp_path) == await tables(empty, tmp_path)


TITLES = ("tab\there", "line\nbreak", "\x01\x1f", 'a "quote"', "back\\slash", "end\\", "\r\n", "☃ ü", "'", "=1+1")


async def test_titles_are_text(empty: DocService, part: Path) -> None:
    """Whatever is in the title of a topic, and so, written by Kolibri's SQL, in the `ancestors` of what is below,
    all nodes are imported and the title is a folder's name."""
    with changing(part) as kolibri:
        topics = kolibri.execute("SELECT id FROM content_contentnode WHERE kind = 'topic' AND level > 0").fetchall()
        titles = {row[0]: TITLES[number % len(TITLES)] for number, row in enumerate(topics)}
        for topic_id, title in titles.items():
            kolibri.execute("UPDATE content_contentnode SET title = ? WHERE id = ?", (title, topic_id))
        for level in range(1, 5):
            kolibri.execute(ANCESTORS, (level,))

    report = await import_kolibri(empty, part)

    assert len(titles) >= len(TITLES)
    assert (report.counts["content nodes"].new, report.altered) == (62, {})
    nodes = (await documents(empty))["content_nodes"]
    assert {node["_id"]: node["title"] for node in nodes.values() if node["_id"] in titles} == titles
    folders = {topic["id"]: topic["title"] for node in nodes.values() for topic in node["ancestors"][1:]}
    assert folders == {topic_id: title for topic_id, title in titles.items() if topic_id in folders}
    assert set(folders.values()) == set(titles.values())


ANCESTORS = """
    UPDATE content_contentnode AS node SET ancestors = (
        SELECT substr(parent.ancestors, 1, length(parent.ancestors) - 1)
            || CASE parent.ancestors WHEN '[]' THEN '' ELSE ',' END
            || '{"id": "' || parent.id || '","title": "' || replace(parent.title, '"', '\\"') || '"}]'
        FROM content_contentnode AS parent WHERE parent.id = node.parent_id
    ) WHERE level = ?
"""
"""How Kolibri fills a level of the tree: of all characters it escapes the quote alone."""


def node(number: int, parent: int | None, title: str, **more: Any) -> dict[str, Any]:
    """A node of a directory that names its parent and nothing else of where it stands."""
    place = {} if parent is None else {"parent": f"{parent:032x}"}
    fields = {"id": f"{number:032x}", "content_id": f"{number + 100:032x}", "channel_id": "c" * 32}
    return {**fields, **place, "title": title, "kind": "topic", **more}


async def test_folders_of_a_directory_with_parents_alone(empty: DocService, part: Path, tmp_path: Path) -> None:
    """Nodes that name their parents, sent in any order, have the topics above them as folders, below the root; a
    circle of parents ends."""
    with changing(part) as kolibri:
        kolibri.execute("DELETE FROM content_contentnode")
        visits = [row[0] for row in kolibri.execute("SELECT id FROM logger_contentsessionlog ORDER BY id LIMIT 4")]
        for number, session_id in enumerate(visits):
            kolibri.execute(
                "UPDATE logger_contentsessionlog SET content_id = ?, channel_id = ?, extra_fields = '{}' WHERE id = ?",
                (f"{110 + number:032x}", "c" * 32, session_id),
            )
    await import_kolibri(empty, part)
    await empty.import_directory(
        {
            "content_nodes": [
                node(10, 3, "deep", kind="video"),
                node(3, 2, "Topic of topics"),
                node(2, 1, "Topic"),
                node(1, None, "Root"),
                node(11, 1, "below the root", kind="video"),
                node(12, 9, "root is not known", kind="video"),
                node(13, 4, "circle", kind="video"),
                node(4, None, "One"),
                node(5, 4, "Other"),
            ]
        }
    )
    # A circle is refused today, but an earlier version took it.
    one, other = f"{4:032x}", f"{5:032x}"
    await empty.admin.database["content_nodes"].update_one({"_id": one}, {"$set": {"parent_id": other}})

    await tables(empty, tmp_path)
    (facility,) = [d async for d in empty.admin.database["facility_collections"].find({"kind": "facility"})]
    await write_export(empty, "session", facility["_id"], tmp_path / "rows.csv", CsvWriter)
    with (tmp_path / "rows.csv").open(encoding="utf-8-sig", newline="") as file:
        listed = list(csv.DictReader(file))

    found = {row["Content title"]: (row["Folder level 1"], row["Folder level 2"]) for row in listed}
    assert found["deep"] == ("Topic", "Topic of topics")
    assert found["below the root"] == found["root is not known"] == ("", "")
    assert found["circle"][0] == "One"
    assert {(each.collection, each.rule) for each in await findings(empty)} == {("content_nodes", "impossible")}


async def test_nodes_that_are_not_whole(empty: DocService, part: Path) -> None:
    """A node is kept without what it can do without, and its row is kept beside it."""
    with changing(part) as kolibri:
        ids = [row[0] for row in kolibri.execute("SELECT id FROM content_contentnode ORDER BY id LIMIT 3")]
        for node_id, column, value in zip(ids, ("level", "title", "kind"), (10**6, b"\xff\xfe", ""), strict=True):
            kolibri.execute(f"UPDATE content_contentnode SET {column} = ? WHERE id = ?", (value, node_id))

    report = await import_kolibri(empty, part)
    stored = await documents(empty)

    assert report.counts["content nodes"].new == 62
    assert stored["content_nodes"][ids[0]]["level"] is None
    assert stored["content_nodes"][ids[1]]["title"] == "\N{REPLACEMENT CHARACTER}\N{REPLACEMENT CHARACTER}"
    assert stored["content_nodes"][ids[2]]["kind"] == ""
    assert set(stored[SET_ASIDE]) == {f"content nodes:{node_id}" for node_id in ids[:2]}
    assert await findings(empty) == []


async def test_what_was_set_aside_and_is_imported_now(empty: DocService, part: Path) -> None:
    """A row that an earlier import set aside is not kept beside its log any more; rows of other Kolibris are."""
    with changing(part) as kolibri:
        log_id, started = kolibri.execute(
            "SELECT id, start_timestamp FROM logger_contentsummarylog WHERE id IN"
            " (SELECT summarylog_id FROM logger_masterylog WHERE mastery_level > 0) ORDER BY id"
        ).fetchone()
        change = "UPDATE logger_contentsummarylog SET start_timestamp = ? WHERE id = ?"
        kolibri.execute(change, ("yesterday", log_id))
    other = {"_id": "attemptlog:other", "model_name": "attemptlog", "reason": "x", "row": {}}
    await empty.admin.database[SET_ASIDE].insert_one(other)
    first = await import_kolibri(empty, part)
    aside = (await documents(empty))[SET_ASIDE]
    with changing(part) as kolibri:
        kolibri.execute(change, (started, log_id))

    second_time = await import_kolibri(empty, part)

    assert first.counts["content summaries"].set_aside == 1
    assert first.counts["attempts"].set_aside > 0
    assert len(aside) == 1 + sum(counts.set_aside for counts in first.counts.values())
    assert second_time.counts["attempts"].new == first.counts["attempts"].set_aside
    assert (await documents(empty))[SET_ASIDE] == {"attemptlog:other": other}
