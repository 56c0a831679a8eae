"""A whole Kolibri, imported: everything arrives, nothing twice, and it comes to its end after a kill."""

from __future__ import annotations

import asyncio
import signal
import sys
import uuid
from collections import defaultdict
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from aiohttp.test_utils import TestClient, TestServer

from docservice import DocService, Principal
from docservice.domain.logs.schema import SESSION_LOG, SUMMARY_LOG, USER_SESSION_LOG, undescribed
from docservice.identity import TokenVerifier, issue_token
from docservice.kolibri import ImportReport, import_kolibri
from docservice.rest import create_app
from docservice.rest.auth import bearer_identity
from docservice.store.mapping.log_documents import log_document, read_log
from tests.support.documents import collections_of
from tests.support.signing import SECRET

from .samples import LEARNER, PACKED, expected, rows, small

TABLES = {
    "content summaries": "logger_contentsummarylog",
    "mastery logs": "logger_masterylog",
    "attempts": "logger_attemptlog",
    "content sessions": "logger_contentsessionlog",
    "user sessions": "logger_usersessionlog",
    "users": "kolibriauth_facilityuser",
    "memberships": "kolibriauth_membership",
    "roles": "kolibriauth_role",
    "datasets": "kolibriauth_facilitydataset",
    "exams": "exams_exam",
    "lessons": "lessons_lesson",
    "channels": "content_channelmetadata",
    "content nodes": "content_contentnode",
}


STANDSTILL = """
import asyncio, sys, time
from docservice import DocService
from docservice.kolibri import import_kolibri
from docservice.service.base.progress import NoWatch

class Standstill(NoWatch):
    def begin(self, part, total=None):
        if part == "user sessions":
            time.sleep(3600)

async def main(path, uri, database):
    async with DocService(uri, database=database) as service:
        await import_kolibri(service, path, watch=Standstill())

asyncio.run(main(*sys.argv[1:]))
"""
"""An import that never gets to the user sessions, so that it can only be killed before its end."""


class Imported:
    """The sample, imported twice.

    Attributes:
        service: over it.
        database: the same as the plain driver sees it.
        first: what the first import did.
        second: what the second did.
        untouched: whether all documents are as the first import left them.
    """

    service: DocService
    database: Any
    first: ImportReport
    second: ImportReport
    untouched: bool


async def everything(database: Any) -> dict[str, dict[Any, Any]]:
    """All documents by collection and id; views hold none of their own."""
    return {
        name: {document["_id"]: document async for document in database[name].find()}
        for name in await collections_of(database)
    }


@pytest.fixture(scope="module")
async def imported(mongodb_uri: str, mongo: Any, dropping: Any) -> AsyncIterator[Imported]:
    """The packed sample in a database of its own."""
    found = Imported()
    found.database = mongo[f"test_{uuid.uuid4().hex[:12]}"]
    async with DocService(mongodb_uri, database=found.database.name) as found.service:
        found.first = await import_kolibri(found.service, PACKED)
        before = await everything(found.database)
        found.second = await import_kolibri(found.service, str(PACKED))
        found.untouched = await everything(found.database) == before
        yield found
    await dropping(found.database)


@pytest.mark.slow
def test_all_rows_arrive(imported: Imported, sample: Path) -> None:
    """Each kind has as many records as the table has rows, all new."""
    for kind, table in TABLES.items():
        number = rows(sample, f"SELECT count(*) AS n FROM {table}")[0]["n"]
        counts = imported.first.counts[kind]
        assert (counts.read, counts.new) == (number, number), kind
        assert number == expected()["rows"][table]
    kinds = ("facilities", "classrooms", "learnergroups")
    assert sum(imported.first.counts[kind].new for kind in kinds) == expected()["rows"]["kolibriauth_collection"]
    assert not imported.first.reasons
    assert not imported.first.notes


@pytest.mark.slow
def test_again_changes_nothing(imported: Imported) -> None:
    """The second import finds every record unchanged and leaves every document as it is."""
    assert imported.second.changes == 0
    for kind, counts in imported.second.counts.items():
        assert (counts.unchanged, counts.kept, counts.set_aside) == (counts.read, 0, 0), kind
        assert counts.read == imported.first.counts[kind].read
    assert imported.untouched


def close(sums: dict[str, float]) -> Any:
    """Sums of floats, added up in another order."""
    return pytest.approx(sums, abs=1e-2, rel=1e-9)


async def test_each_learners_sums(imported: Imported, sample: Path) -> None:
    """Counts and sums of each learner are those of the tables, and those that came with the sample."""
    sums: dict[str, defaultdict[str, float]] = defaultdict(lambda: defaultdict(float))
    async for summary in imported.database.content_summary_logs.find():
        mine = sums[summary["user_id"]]
        mine["summaries"] += 1
        mine["summary_progress_sum"] += summary["progress"]
        mine["summary_time_spent"] += summary["time_spent"]
        for log in summary["mastery_logs"]:
            mine["tries"] += 1
            mine["tries_complete"] += log["complete"]
            mine["tries_time_spent"] += log["time_spent"]
            mine["tries_negative_level"] += log["mastery_level"] < 0
            assert log["attempt_count"] == len(log["attempts"])
            for attempt in log["attempts"]:
                mine["attempts"] += 1
                mine["attempts_correct_sum"] += attempt["correct"]
                mine["attempts_time_spent"] += attempt["time_spent"]
                mine["attempts_hinted"] += attempt["hinted"]
                mine["interactions"] += len(attempt["interaction_history"])
    async for session in imported.database.content_session_logs.find({"user_id": {"$ne": None}}):
        sums[session["user_id"]]["sessions"] += 1
        sums[session["user_id"]]["session_time_spent"] += session["time_spent"]
    async for sitting in imported.database.user_session_logs.find():
        sums[sitting["user_id"]]["user_sessions"] += 1

    compared = 0
    for learner in expected()["learners"].values():
        mine = sums[learner["id"]]
        assert dict(mine) == close({name: learner[name] for name in mine})
        compared += len(mine)
    assert compared > 600
    for user_id, mine in sums.items():
        (table,) = rows(
            sample,
            "SELECT count(*) AS attempts, total(correct) AS attempts_correct_sum,"
            " total(time_spent) AS attempts_time_spent, total(hinted) AS attempts_hinted,"
            " total(json_array_length(interaction_history)) AS interactions"
            " FROM logger_attemptlog WHERE user_id = ?",
            (user_id,),
        )
        assert {name: mine[name] for name in table} == close(table)


async def test_anonymous_visits(imported: Imported) -> None:
    """Attempts without a try are in their session, which has no learner."""
    found = [document async for document in imported.database.content_session_logs.find({"user_id": None})]
    attempts = [attempt for session in found for attempt in session.get("attempts", ())]

    assert {
        "sessions": len(found),
        "session_time_spent": sum(session["time_spent"] for session in found),
        "visitors": len({session["visitor_id"] for session in found} - {None}),
        "sessions_without_visitor": sum(session["visitor_id"] is None for session in found),
        "attempts": len(attempts),
        "attempts_correct_sum": sum(attempt["correct"] for attempt in attempts),
    } == close(expected()["anonymous"])
    assert all(session["_morango_partition"].endswith(":anonymous") for session in found)


async def test_points_of_each_learner(imported: Imported) -> None:
    """GET userprogress has the number that the real server gave."""
    for learner in list(expected()["learners"].values())[::6]:
        principal = Principal(user_id=learner["id"])
        assert await imported.service.acting_as(principal).user_progress(learner["id"]) == learner["userprogress"]


async def test_documents_are_those_that_the_service_writes(imported: Imported) -> None:
    """An imported document is, field by field and in order, what the service makes of the same log."""
    schemas: tuple[Any, ...] = (SUMMARY_LOG, SESSION_LOG, USER_SESSION_LOG)
    for schema in schemas:
        async for document in imported.database[schema.collection].find(limit=300):
            again = log_document(schema, read_log(schema, document))
            assert undescribed(schema, document) == []
            assert again == document
            assert list(again) == list(document)
            for mine, theirs in zip(again.get("mastery_logs", ()), document.get("mastery_logs", ()), strict=True):
                assert list(mine) == list(theirs)
                assert [list(attempt) for attempt in mine["attempts"]] == [list(a) for a in theirs["attempts"]]


async def test_morango_fields_are_kept(imported: Imported, sample: Path) -> None:
    """Partition, source id and dirty bit are those of the row; nothing waits for sync, as in the Kolibri."""
    summaries = [document async for document in imported.database.content_summary_logs.find()]
    attempts = {a["id"]: a for d in summaries for log in d["mastery_logs"] for a in log["attempts"]}

    for row in rows(sample, "SELECT * FROM logger_contentsummarylog"):
        (document,) = [d for d in summaries if d["_id"] == row["id"]]
        assert (document["_morango_partition"], document["_morango_source_id"], document["has_dirty"]) == (
            *(row["_morango_partition"], row["_morango_source_id"]),
            False,
        )
    for row in rows(sample, "SELECT * FROM logger_attemptlog WHERE masterylog_id IS NOT NULL"):
        assert attempts[row["id"]]["_morango_source_id"] == row["_morango_source_id"]
        assert attempts[row["id"]]["_morango_dirty_bit"] is False


async def test_the_directory_is_usable(imported: Imported, sample: Path) -> None:
    """Assignments are with what is assigned, superusers are marked, nobody's password came along."""
    superuser = rows(sample, "SELECT user_id FROM device_devicepermissions WHERE is_superuser")[0]["user_id"]
    users = [document async for document in imported.database.facility_users.find()]
    device = await imported.database.device_settings.find_one({"_id": "device"})

    assert [user["_id"] for user in users if user["is_superuser"]] == [superuser]
    assert not any("password" in name for user in users for name in user)
    assert (
        device["default_facility_id"] == rows(sample, "SELECT * FROM device_devicesettings")[0]["default_facility_id"]
    )
    for kind, table, key in (("exams", "examassignment", "exam_id"), ("lessons", "lessonassignment", "lesson_id")):
        async for document in imported.database[kind].find():
            assigned = rows(sample, f"SELECT collection_id FROM {kind}_{table} WHERE {key} = ?", (document["_id"],))
            assert document["assignments"] == sorted(row["collection_id"] for row in assigned)
            assert assigned
            assert isinstance(document.get("question_sources", document.get("resources")), list)
    node = await imported.database.content_nodes.find_one({"kind": "exercise"})
    assert node["assessment"]["mastery_model"]["type"]
    assert [set(ancestor) for ancestor in node["ancestors"]] == [{"id", "title"}] * node["level"]


@pytest.fixture
async def asking(imported: Imported) -> AsyncIterator[TestClient[Any, Any]]:
    """A client of the API over the imported sample, signed in as the learner."""
    app = create_app(imported.service, identify=bearer_identity(TokenVerifier(secret=SECRET)))
    token = issue_token(SECRET, LEARNER, now=datetime.now(UTC), ttl_seconds=3600)
    async with TestClient(TestServer(app), headers={"Authorization": f"Bearer {token}"}) as client:
        yield client


def shown(text: str | None) -> str | None:
    """A stored time as the real API shows it."""
    if text is None:
        return None
    assert text.endswith("(Africa/Nairobi)")
    moment = datetime.fromisoformat(text[:26]).replace(tzinfo=UTC)
    return moment.astimezone(ZoneInfo("Africa/Nairobi")).isoformat()


@pytest.mark.slow
async def test_answers_show_the_recorded_times(asking: TestClient[Any, Any], sample: Path) -> None:
    """Attempts, tries and documents show microseconds and zone as the device recorded them."""
    times = ("start_timestamp", "end_timestamp", "completion_timestamp")
    (attempts, tries, summaries) = (
        {row["id"]: row for row in rows(sample, f"SELECT * FROM {table} WHERE user_id = ?", (LEARNER,))}
        for table in ("logger_attemptlog", "logger_masterylog", "logger_contentsummarylog")
    )

    async with asking.get("/api/logger/attemptlog/") as response:
        shown_attempts = await response.json()
    async with asking.get("/api/logger/masterylog/", params={"user": LEARNER, "content": ""}) as response:
        shown_tries = await response.json()
    async with asking.get("/api/logger/contentsummarylog/", params={"page_size": "500"}) as response:
        shown_summaries = (await response.json())["results"]

    for listed, known in ((shown_attempts, attempts), (shown_tries, tries), (shown_summaries, summaries)):
        assert {record["id"] for record in listed} == set(known)
        for record in listed:
            assert [record[name] for name in times] == [shown(known[record["id"]][name]) for name in times]
    embedded = [a for s in shown_summaries for log in s["mastery_logs"] for a in log["attempts"]]
    assert len(embedded) == len(attempts)
    for attempt in embedded:
        assert attempt["start_timestamp"] == shown(attempts[attempt["id"]]["start_timestamp"])


@pytest.mark.slow
async def test_a_killed_import_is_completed_by_the_next(
    imported: Imported, mongodb_uri: str, database: Any, sample: Path, tmp_path: Path
) -> None:
    """Killed half-way (SIGKILL), it has left a part; run again it leaves what an undisturbed import leaves."""
    third = small(sample, tmp_path / "db.sqlite3", users="< '5'")
    there = {
        table: rows(third, f"SELECT count(*) AS n FROM logger_{table}")[0]["n"]
        for table in ("contentsummarylog", "usersessionlog")
    }
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", STANDSTILL, str(third), mongodb_uri, database.name
    )
    try:
        while await database.content_summary_logs.find_one({}, {"_id": 1}) is None:
            assert process.returncode is None
    finally:
        if process.returncode is None:
            process.kill()
    assert await process.wait() == -signal.SIGKILL
    left = await database.user_session_logs.count_documents({})

    async with DocService(mongodb_uri, database=database.name) as service:
        report = await import_kolibri(service, third)

    assert left < there["usersessionlog"]
    assert report.counts["content summaries"].unchanged > 0
    assert report.counts["content summaries"].read == there["contentsummarylog"]
    undisturbed = await everything(imported.database)
    for collection in ("content_summary_logs", "content_session_logs", "user_session_logs"):
        undisturbed[collection] = {
            log_id: log for log_id, log in undisturbed[collection].items() if (log["user_id"] or "") < "5"
        }
    assert await everything(database) == undisturbed
