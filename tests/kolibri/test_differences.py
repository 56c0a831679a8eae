"""What an import does with what is not as it should be, and with what is here already."""

from __future__ import annotations

import json
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from docservice import DocService, Interaction, Principal, StartSession, UpdateSession
from docservice.errors import SettingsInvalid
from docservice.kolibri import import_kolibri
from docservice.store.mapping.schema import SET_ASIDE

from .samples import LEARNER, changing, insert, rows

TRY = """SELECT m.*, s.content_id, s.channel_id FROM logger_masterylog m
         JOIN logger_contentsummarylog s ON s.id = m.summarylog_id
         WHERE m.user_id = ? AND m.mastery_level > 0 AND m.complete = 0 ORDER BY m.id"""
UNUSUAL = {
    "$ref": 1,
    "＄id": 2,
    "a.b": {"$set": -(2**64), "": 10**40},
    "text": "\u0000 ☃ \U0001f600",
    "list": [1.5, None, True, [], {}],
    "escaped": "\u0001$db",
}


def attempt_of(path: Path) -> dict[str, Any]:
    """One attempt of the learner in an open try at an exercise."""
    (found, *_) = rows(
        path, "SELECT * FROM logger_attemptlog WHERE masterylog_id = ?", (rows(path, TRY, (LEARNER,))[0]["id"],)
    )
    return found


async def documents(database: Any, collection: str) -> dict[str, Any]:
    """All documents of a collection by id."""
    return {document["_id"]: document async for document in database[collection].find()}


async def test_nothing_is_dropped(empty: DocService, database: Any, part: Path) -> None:
    """Rows without a parent and rows that are not valid are set aside as they are, with what hangs below them; each row
    of the tables is accounted for; what is whole is imported; a second import changes nothing."""
    (first, second, third) = rows(part, TRY, (LEARNER,))[:3]
    broken = {
        "start_timestamp": "yesterday",
        "end_timestamp": "2024-13-45 00:00:00.000000(UTC)",
        "correct": "mostly",
        "sessionlog_id": "nobody",
    }
    with changing(part) as database_file:
        attempts = [
            row[0]
            for row in database_file.execute("SELECT id FROM logger_attemptlog WHERE masterylog_id = ?", (first["id"],))
        ]
        assert attempts
        template = dict(database_file.execute("SELECT * FROM logger_attemptlog WHERE id = ?", attempts[:1]).fetchone())
        for number, (column, value) in enumerate(broken.items()):
            insert(database_file, "logger_attemptlog", {**template, "id": f"{number:032x}", column: value})
        insert(database_file, "logger_attemptlog", {**template, "id": "a" * 32, "masterylog_id": "f" * 32})
        insert(database_file, "logger_attemptlog", {**template, "id": "b" * 32, "sessionlog_id": "f" * 32})
        insert(
            database_file,
            "logger_attemptlog",
            {**template, "id": "c" * 32, "sessionlog_id": "f" * 32, "masterylog_id": None},
        )
        insert(database_file, "logger_attemptlog", {**template, "id": "d" * 32, "user_id": "f" * 32})
        insert(database_file, "logger_attemptlog", {**template, "id": "e" * 32, "dataset_id": "f" * 32})
        database_file.execute("UPDATE logger_masterylog SET mastery_level = 'x' WHERE id = ?", (second["id"],))
        database_file.execute("DELETE FROM logger_contentsummarylog WHERE id = ?", (third["summarylog_id"],))
        database_file.execute("UPDATE kolibriauth_role SET kind = 'janitor' WHERE kind = 'admin'")

    report = await import_kolibri(empty, part)
    aside = await documents(database, SET_ASIDE)
    again = await import_kolibri(empty, part)

    tables = ("logger_contentsummarylog", "logger_masterylog", "logger_attemptlog", "logger_contentsessionlog")
    for kind, table in zip(("content summaries", "mastery logs", "attempts", "content sessions"), tables, strict=True):
        counts = report.counts[kind]
        assert counts.read == rows(part, f"SELECT count(*) AS n FROM {table}")[0]["n"]
        assert counts.new + counts.set_aside == counts.read
    below = {
        row["id"]
        for row in rows(
            part, "SELECT id FROM logger_attemptlog WHERE masterylog_id IN (?, ?)", (second["id"], third["id"])
        )
    }
    assert below
    expected = {f"attemptlog:{number:032x}" for number in range(len(broken))}
    expected |= {f"attemptlog:{letter * 32}" for letter in "acde"} | {f"attemptlog:{log_id}" for log_id in below}
    tries = {
        row["id"]
        for row in rows(part, "SELECT id FROM logger_masterylog WHERE summarylog_id = ?", (third["summarylog_id"],))
    }
    expected |= {f"masterylog:{log_id}" for log_id in {second["id"], *tries}}
    assert {name for name in aside if not name.startswith("roles:")} == expected
    assert aside["attemptlog:" + "a" * 32]["reason"] == "its mastery log is missing"
    assert aside["attemptlog:" + "c" * 32]["reason"] == "its content session is missing"
    assert aside["attemptlog:" + "d" * 32]["reason"] == "it belongs to another learner than its mastery log"
    assert aside["attemptlog:" + "e" * 32]["reason"] == "it belongs to another facility than its mastery log"
    assert aside[f"attemptlog:{0:032x}"]["reason"] == "start_timestamp is not a Kolibri time"
    assert aside[f"attemptlog:{2:032x}"]["row"]["correct"] == "mostly"
    assert [note.split()[:2] for note in report.notes] == [["2", "attempts"]]
    assert report.counts["roles"].set_aside == len([name for name in aside if name.startswith("roles:")]) > 0
    summary = await database.content_summary_logs.find_one({"_id": first["summarylog_id"]})
    assert "b" * 32 in {attempt["id"] for log in summary["mastery_logs"] for attempt in log["attempts"]}
    assert again.changes == 0
    assert await documents(database, SET_ASIDE) == aside


@pytest.mark.slow
async def test_work_done_here_since_is_kept(empty: DocService, database: Any, part: Path) -> None:
    """A learner goes on with an imported try; the next import of the old copy takes nothing of it back."""
    await import_kolibri(empty, part)
    learner = Principal(user_id=LEARNER)
    log = rows(part, TRY, (LEARNER,))[0]
    start = StartSession(
        node_id=log["content_id"],
        content_id=log["content_id"],
        channel_id=log["channel_id"],
        kind="exercise",
        mastery_model={"type": "m_of_n", "m": 8, "n": 10},
    )
    old = attempt_of(part)

    visit = await empty.acting_as(learner).start_session(start)
    change = Interaction(
        id=old["id"], item=old["item"], correct=1, answer={"changed": 1}, complete=True, replace=True, time_spent=1
    )
    new = Interaction(item="a new question", correct=1, answer={"n": 1}, complete=True, time_spent=1)
    await empty.acting_as(learner).update_session(
        visit.session_id, UpdateSession(time_spent_delta=5, interactions=[change, new])
    )
    before = await documents(database, "content_summary_logs")
    report = await import_kolibri(empty, part)
    after = await documents(database, "content_summary_logs")

    assert after == before
    assert report.changes == 0
    assert report.counts["content summaries"].kept == 1
    assert report.counts["mastery logs"].kept == 1
    assert report.counts["attempts"].kept == 1
    worked = after[log["summarylog_id"]]
    (mine,) = [found for found in worked["mastery_logs"] if found["id"] == log["id"]]
    assert mine["attempts"][-1]["item"] == "a new question"
    shown = await empty.acting_as(learner).attempt_log(old["id"])
    assert shown.answer == {"changed": 1}
    assert shown.start_timestamp is not None
    assert shown.start_timestamp.endswith("+03:00")
    assert shown.end_timestamp is not None
    assert shown.end_timestamp.endswith("Z")


@pytest.mark.slow
async def test_newer_work_of_the_kolibri_arrives(empty: DocService, database: Any, part: Path) -> None:
    """A later copy of the device updates what went on there and adds what is new; all else is unchanged."""
    await import_kolibri(empty, part)
    old = attempt_of(part)
    later = "2031-01-01 00:00:00.000001(Africa/Nairobi)"
    with changing(part) as file:
        file.execute(
            "UPDATE logger_attemptlog SET end_timestamp = ?, simple_answer = 'later' WHERE id = ?", (later, old["id"])
        )
        file.execute(
            "UPDATE logger_masterylog SET end_timestamp = ?, time_spent = 1 WHERE id = ?", (later, old["masterylog_id"])
        )
        insert(file, "logger_attemptlog", {**old, "id": "a" * 32, "start_timestamp": later, "end_timestamp": later})

    report = await import_kolibri(empty, part)

    assert (report.counts["attempts"].updated, report.counts["attempts"].new) == (1, 1)
    assert report.counts["mastery logs"].updated == 1
    assert report.changes == 3
    summary = await database.content_summary_logs.find_one({"mastery_logs.id": old["masterylog_id"]})
    (log,) = [log for log in summary["mastery_logs"] if log["id"] == old["masterylog_id"]]
    assert log["attempts"][-1]["id"] == "a" * 32
    assert log["attempt_count"] == len(log["attempts"])
    (changed,) = [attempt for attempt in log["attempts"] if attempt["id"] == old["id"]]
    assert (changed["simple_answer"], changed["_recorded"]["end_timestamp"]) == ("later", later)
    assert (await import_kolibri(empty, part)).changes == 0


@pytest.mark.slow
async def test_what_a_document_outgrows_moves(empty: DocService, database: Any, part: Path) -> None:
    """Of 450 attempts at one try and of 250 in one anonymous session the oldest are in buckets; a list shows them
    all, the second import finds them, and one more attempt arrives alone."""
    log = rows(part, TRY, (LEARNER,))[0]
    old = attempt_of(part)
    loose = rows(part, "SELECT * FROM logger_attemptlog WHERE masterylog_id IS NULL ORDER BY id")[0]
    with changing(part) as file:
        for number in range(450):
            moment = f"2024-09-20 {number // 60:02}:{number % 60:02}:00.000123(Africa/Nairobi)"
            fields = {"id": f"{number:032x}", "start_timestamp": moment, "end_timestamp": moment}
            insert(file, "logger_attemptlog", {**old, **fields})
            if number < 250:
                insert(file, "logger_attemptlog", {**loose, **fields, "id": f"{number + 1000:032x}"})
    there = rows(part, "SELECT id FROM logger_attemptlog WHERE user_id = ?", (LEARNER,))

    await import_kolibri(empty, part)
    again = await import_kolibri(empty, part)
    found = (await empty.acting_as(Principal(user_id=LEARNER)).attempt_log_page()).rows
    summary = await database.content_summary_logs.find_one({"_id": log["summarylog_id"]})
    with changing(part) as file:
        insert(file, "logger_attemptlog", {**old, "id": "a" * 32})
    third = await import_kolibri(empty, part)

    assert again.changes == 0
    assert {row.id for row in found} == {row["id"] for row in there}
    assert len(found) == len(there)
    assert sum(len(one["attempts"]) for one in summary["mastery_logs"]) <= 200
    assert (
        summary["overflow_buckets"] == await database.attempt_overflow.count_documents({"log_id": summary["_id"]}) > 0
    )
    assert await database.attempt_overflow.count_documents({"log_id": loose["sessionlog_id"]}) > 0
    assert (third.changes, third.counts["attempts"].new) == (1, 1)


async def test_json_comes_back_equal(empty: DocService, part: Path) -> None:
    """Answers with dollars, dots, huge integers and odd texts are read as they were."""
    old = attempt_of(part)
    text = json.dumps(UNUSUAL).replace("$db", "\\u0024db")
    with changing(part) as file:
        file.execute("UPDATE logger_attemptlog SET answer = ? WHERE id = ?", (text, old["id"]))

    await import_kolibri(empty, part)

    assert (await empty.acting_as(Principal(user_id=LEARNER)).attempt_log(old["id"])).answer == UNUSUAL
    assert (await import_kolibri(empty, part)).changes == 0


@pytest.mark.slow
async def test_exam_logs_of_old(empty: DocService, database: Any, part: Path) -> None:
    """An exam log has its attempts in it, in the order in which they came."""
    (exam,) = rows(part, "SELECT * FROM exams_exam ORDER BY id LIMIT 1")
    old = attempt_of(part)
    syncable = {"dataset_id": old["dataset_id"], "user_id": LEARNER, "_morango_dirty_bit": 1}
    partition = {"_morango_partition": old["dataset_id"]}
    with changing(part) as file:
        fields = {"id": "a" * 32, "_morango_source_id": "x", "exam_id": exam["id"], "closed": 1}
        insert(
            file, "logger_examlog", {**syncable, **partition, **fields, "completion_timestamp": old["end_timestamp"]}
        )
        kept = {name: value for name, value in old.items() if name not in ("masterylog_id", "sessionlog_id")}
        for letter in "dcb":
            fields = {"id": letter * 32, "examlog_id": "a" * 32, "content_id": "e" * 32}
            insert(file, "logger_examattemptlog", {**kept, **syncable, **partition, **fields})
        insert(
            file,
            "logger_examattemptlog",
            {**kept, **syncable, **partition, **fields, "id": "f" * 32, "examlog_id": "0" * 32},
        )

    report = await import_kolibri(empty, part)
    (document,) = (await documents(database, "exam_logs")).values()

    assert [attempt["id"] for attempt in document["attempts"]] == [letter * 32 for letter in "dcb"]
    assert (document["closed"], document["attempt_count"], document["has_dirty"]) == (True, 3, True)
    assert report.counts["exam attempts"].set_aside == 1
    assert (await import_kolibri(empty, part)).changes == 0


@pytest.mark.slow
async def test_a_home_folder_in_use(empty: DocService, database: Any, part: Path, tmp_path: Path) -> None:
    """A home folder is imported with what its write-ahead log holds and the channels beside it; a damaged channel is
    reported, and the files stay as they were."""
    home = tmp_path / "home"
    channels = home / "content" / "databases"
    channels.mkdir(parents=True)
    shutil.copy(part, home / "db.sqlite3")
    channel = channels / f"{'c' * 32}.sqlite3"
    (channels / f"{'d' * 32}.sqlite3").write_bytes(b"damaged")
    with closing(sqlite3.connect(channel)) as made:
        node = {"id": "b" * 32, "content_id": "e" * 32, "channel_id": "c" * 32, "kind": "video", "title": "old channel"}
        insert_into_new(made, "content_contentnode", node)
        insert_into_new(made, "content_channelmetadata", {"id": "c" * 32, "name": "Old", "root_id": "b" * 32})
        made.commit()
    with closing(sqlite3.connect(home / "db.sqlite3")) as running:
        running.execute("PRAGMA journal_mode = WAL")
        running.execute("PRAGMA wal_autocheckpoint = 0")
        running.execute("UPDATE kolibriauth_facilityuser SET full_name = 'just now' WHERE id = ?", (LEARNER,))
        running.commit()
        main = (home / "db.sqlite3").read_bytes()

        report = await import_kolibri(empty, home)

        assert (home / "db.sqlite3").read_bytes() == main
    assert (await database.facility_users.find_one({"_id": LEARNER}))["full_name"] == "just now"
    assert (await database.content_nodes.find_one({"_id": "b" * 32}))["title"] == "old channel"
    assert (await database.channels.find_one({"_id": "c" * 32}))["root_id"] == "b" * 32
    assert [note for note in report.notes if "is not an SQLite database" in note]
    assert sorted(path.name for path in channels.iterdir()) == [f"{'c' * 32}.sqlite3", f"{'d' * 32}.sqlite3"]


def insert_into_new(database: sqlite3.Connection, table: str, row: dict[str, Any]) -> None:
    """Make a table of these columns with this row."""
    database.execute(f"CREATE TABLE {table} ({', '.join(row)})")
    insert(database, table, row)


async def test_what_is_no_kolibri_is_refused(empty: DocService, tmp_path: Path) -> None:
    """Nothing there, no database, another program's one, a broken archive: each has a message that says so."""
    (tmp_path / "text").write_text("hello")
    (tmp_path / "half.gz").write_bytes(b"\x1f\x8b\x08\x00broken")
    with closing(sqlite3.connect(tmp_path / "other.sqlite3")) as other:
        other.execute("CREATE TABLE t (a)")
    for name, message in (
        ("nothing", "Give a Kolibri home folder"),
        ("", "Give a Kolibri home folder"),
        ("text", "is not an SQLite database"),
        ("half.gz", "cannot be unpacked"),
        ("other.sqlite3", "is not a Kolibri database"),
    ):
        with pytest.raises(SettingsInvalid, match=message):
            await import_kolibri(empty, tmp_path / name)
