"""What is wrong in a database is found, and repaired where it follows from the rest."""

from __future__ import annotations

import asyncio
import copy
import uuid
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from docservice import ANONYMOUS, DocService, Principal, StartSession, UpdateSession
from docservice.domain.requests.exam_logs import SaveExamAttempt, SaveExamLog
from docservice.domain.upkeep.comparison import Difference, difference
from docservice.domain.upkeep.consistency import Finding
from docservice.store.logs.overflow import EMBEDDED_ATTEMPTS
from tests.support.documents import collections_of

pytestmark = pytest.mark.without_indexes

CONTENT = {"node_id": "e" * 32, "content_id": "c" * 32, "channel_id": "b" * 32}
QUIZ = {**CONTENT, "kind": "exercise", "mastery_model": {"type": "quiz"}}
SUMMARIES, SESSIONS, OVERFLOW = "content_summary_logs", "content_session_logs", "attempt_overflow"
OTHER_ID = "0" * 32
MOVED = {"overflow_buckets": {"$gt": 0}}


def answers(count: int, **more: Any) -> UpdateSession:
    """A report with so many answered questions."""
    made = [
        {"item": f"q{number}", "correct": number % 2, "time_spent": 1 + number, "answer": {"v": number}, **more}
        for number in range(count)
    ]
    return UpdateSession.parse({"interactions": made, "time_spent_delta": 1})


@pytest.fixture(scope="module")
async def documents(
    mongo: Any, mongodb_uri: str, recorded_directory: dict[str, Any]
) -> dict[str, list[dict[str, Any]]]:
    """A bit of everything, recorded by tracking: 250 attempts in one try, so that most have moved to buckets."""
    name = f"test_{uuid.uuid4().hex[:12]}"
    learner = Principal(user_id=recorded_directory["ids"]["learner1"])
    async with DocService(mongodb_uri, database=name) as logs:
        await logs.import_directory(recorded_directory)
        await record(logs, learner, recorded_directory["ids"]["quiz01"])
    found = await everything(mongo[name])
    await mongo.drop_database(name)
    return found


@pytest.fixture
async def recorded(
    mongodb_uri: str, database: Any, documents: dict[str, list[dict[str, Any]]]
) -> AsyncIterator[DocService]:
    """A service over a database of the test's own with these documents."""
    await fill(database, documents)
    async with DocService(mongodb_uri, database=database.name, apply_indexes=False) as service:
        yield service


async def fill(database: Any, documents: dict[str, list[dict[str, Any]]]) -> None:
    """Insert documents by collection."""
    for collection, listed in documents.items():
        if listed:
            await database[collection].insert_many(listed)


async def record(logs: DocService, learner: Principal, exam_id: str) -> None:
    """Do a bit of everything."""
    started = await logs.acting_as(learner).start_session(StartSession.parse(QUIZ))
    for _ in range(5):
        await logs.acting_as(learner).update_session(started.session_id, answers(50))
    started = await logs.acting_as(ANONYMOUS).start_session(StartSession.parse(QUIZ))
    await logs.acting_as(ANONYMOUS).update_session(started.session_id, answers(3))
    await logs.acting_as(learner).start_session(
        StartSession.parse({**CONTENT, "kind": "video", "content_id": "d" * 32})
    )
    await logs.acting_as(learner).update_user_session()
    saved = await logs.acting_as(learner).save_exam_log(SaveExamLog.parse({"exam": exam_id, "user": learner.user_id}))
    now = datetime(2024, 9, 2, tzinfo=UTC).isoformat()
    await logs.acting_as(learner).save_exam_attempt(
        SaveExamAttempt.parse(
            {
                "examlog": saved.log.id,
                "user": learner.user_id,
                "item": "q",
                "content_id": "c" * 32,
                "correct": 1,
                "start_timestamp": now,
                "end_timestamp": now,
            }
        ),
    )


async def findings(service: DocService, *, repair: bool = False) -> list[Finding]:
    """All that `verify` finds."""
    found: list[Finding] = []
    await service.admin.verify(found.append, repair=repair)
    return found


async def everything(database: Any) -> dict[str, list[dict[str, Any]]]:
    """All documents, by collection."""
    names = await collections_of(database)
    return {name: sorted(await database[name].find({}).to_list(None), key=lambda d: str(d["_id"])) for name in names}


async def test_what_tracking_recorded_is_clean(recorded: DocService) -> None:
    """Nothing is wrong with what the service writes itself, and every kind of document was looked at."""
    found: list[Finding] = []

    checked = await recorded.admin.verify(found.append)

    assert found == []
    for name in (SUMMARIES, SESSIONS, OVERFLOW, "exam_logs", "user_session_logs", "facility_users", "memberships"):
        assert checked[name] >= 1, name


MENDABLE: dict[str, tuple[str, dict[str, Any], dict[str, Any], tuple[str, str]]] = {
    "attempt_count": (SUMMARIES, {}, {"$set": {"mastery_logs.0.attempt_count": 7}}, ("counter", "attempt_count")),
    "correct_sum": (SUMMARIES, {}, {"$inc": {"mastery_logs.0.correct_sum": 0.5}}, ("counter", "correct_sum")),
    "no counter": (SUMMARIES, {}, {"$unset": {"mastery_logs.0.attempt_count": 1}}, ("counter", "attempt_count")),
    "attempt_bytes": (SUMMARIES, {}, {"$inc": {"attempt_bytes": 1}}, ("counter", "attempt_bytes")),
    "overflow_buckets": (SUMMARIES, {}, {"$set": {"overflow_buckets": 0}}, ("bucket", "_id")),
    "has_dirty": (SUMMARIES, {}, {"$set": {"has_dirty": False}}, ("has_dirty", "has_dirty")),
    "has_dirty of a user session": (
        "user_session_logs",
        {},
        {"$set": {"has_dirty": False}},
        ("has_dirty", "has_dirty"),
    ),
    "has_dirty of a bucket": (OVERFLOW, {}, {"$set": {"has_dirty": False}}, ("has_dirty", "has_dirty")),
    "partition": (SUMMARIES, {}, {"$set": {"_morango_partition": "x"}}, ("partition", "_morango_partition")),
    "no partition": (SESSIONS, {}, {"$unset": {"_morango_partition": 1}}, ("partition", "_morango_partition")),
    "source id": (SUMMARIES, {}, {"$set": {"_morango_source_id": "x"}}, ("source id", "_morango_source_id")),
    "source id of a try": (
        SUMMARIES,
        {},
        {"$set": {"mastery_logs.0._morango_source_id": "x"}},
        ("source id", "mastery_logs.0._morango_source_id"),
    ),
    "source id of an exam log": (
        "exam_logs",
        {},
        {"$set": {"_morango_source_id": "x"}},
        ("source id", "_morango_source_id"),
    ),
    "loose_attempt_count": (
        SESSIONS,
        {"attempts": {"$exists": True}},
        {"$set": {"loose_attempt_count": 9}},
        ("counter", "loose_attempt_count"),
    ),
    "exam attempt_count": ("exam_logs", {}, {"$set": {"attempt_count": 9}}, ("counter", "attempt_count")),
    "bucket's log": (OVERFLOW, {}, {"$set": {"log_id": OTHER_ID}}, ("bucket", "log_id")),
    "bucket's partition": (OVERFLOW, {}, {"$set": {"_morango_partition": "x"}}, ("bucket", "_morango_partition")),
    "bucket's learner": (OVERFLOW, {}, {"$set": {"user_id": OTHER_ID}}, ("bucket", "user_id")),
    "bucket's span": (
        OVERFLOW,
        {},
        {"$set": {"last_start_timestamp": datetime(2020, 1, 1, tzinfo=UTC)}},
        ("bucket", "last_start_timestamp"),
    ),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", MENDABLE)
async def test_what_can_be_mended(recorded: DocService, database: Any, name: str) -> None:
    """It is found where it is, nothing is changed without `repair`, and a repair brings back what was there."""
    collection, query, change, (rule, path) = MENDABLE[name]
    before = await everything(database)
    result = await database[collection].update_one(query, change)
    assert result.modified_count == 1
    broken = await everything(database)

    found = await findings(recorded)
    after_reading = await everything(database)
    mended = await findings(recorded, repair=True)

    assert any(each.rule == rule and each.path.endswith(path) and each.mendable for each in found), found
    assert not any(each.mended for each in found)
    assert after_reading == broken != before
    assert mended
    assert all(each.mended for each in mended)
    assert await everything(database) == before
    assert await findings(recorded) == []


async def test_an_attempt_that_stands_twice(recorded: DocService, database: Any) -> None:
    """In a bucket and in the log, the same: the one in the bucket goes; a bucket that is empty then goes, too."""
    before = await everything(database)
    summary = before[SUMMARIES][0] if before[SUMMARIES][0]["mastery_logs"] else before[SUMMARIES][1]
    embedded = summary["mastery_logs"][0]["attempts"][:2]
    bucket = before[OVERFLOW][0]
    twin = {**bucket, "_id": f"{summary['_id']}:{summary['overflow_buckets']:06d}", "attempts": embedded}
    twin["last_start_timestamp"] = max(attempt["start_timestamp"] for attempt in embedded)
    await database[OVERFLOW].insert_one(twin)
    await database[SUMMARIES].update_one({"_id": summary["_id"]}, {"$inc": {"overflow_buckets": 1}})
    await database[OVERFLOW].update_one({"_id": bucket["_id"]}, {"$push": {"attempts": embedded[0]}})

    found = await findings(recorded, repair=True)

    assert {(each.rule, each.mended) for each in found} >= {("duplicate", True)}
    assert sum(each.rule == "duplicate" for each in found) == 3
    assert await findings(recorded) == []
    assert (await everything(database))[OVERFLOW] == before[OVERFLOW]


async def test_a_history_that_is_an_object(recorded: DocService, database: Any) -> None:
    """As versions before kept it: it becomes a list, in the log and in a bucket, and the counted bytes follow."""
    entry = {"type": "answer", "correct": 1}
    await database[SUMMARIES].update_one(MOVED, {"$set": {"mastery_logs.0.attempts.0.interaction_history": entry}})
    await database[OVERFLOW].update_one({}, {"$set": {"attempts.1.interaction_history": {}}})

    found = await findings(recorded, repair=True)

    paths = {each.path for each in found if each.rule == "invalid"}
    assert paths == {"mastery_logs.0.attempts.0.interaction_history", "attempts.1.interaction_history"}
    assert all(each.mended for each in found)
    assert await findings(recorded) == []
    summary = await database[SUMMARIES].find_one(MOVED)
    assert summary["mastery_logs"][0]["attempts"][0]["interaction_history"] == [entry]
    assert (await database[OVERFLOW].find_one({}))["attempts"][1]["interaction_history"] == []


async def test_two_versions_of_an_attempt_are_reported_and_kept(recorded: DocService, database: Any) -> None:
    """Nobody can say which one counts: both stay."""
    summary = await database[SUMMARIES].find_one(MOVED)
    other = {**summary["mastery_logs"][0]["attempts"][0], "simple_answer": "another"}
    await database[OVERFLOW].update_one({}, {"$push": {"attempts": other}})
    broken = await everything(database)

    found = [each for each in await findings(recorded, repair=True) if each.rule == "duplicate"]

    assert [each.mendable for each in found] == [False]
    assert [d["attempts"] for d in (await everything(database))[OVERFLOW]] == [d["attempts"] for d in broken[OVERFLOW]]


UNMENDABLE: dict[str, tuple[str, dict[str, Any], tuple[str, str]]] = {
    "dataset": (SESSIONS, {"$set": {"dataset_id": OTHER_ID}}, ("partition", "_morango_partition")),
    "random source id": (SESSIONS, {"$set": {"_morango_source_id": OTHER_ID}}, ("id", "_id")),
    "attempt's source id": (
        SUMMARIES,
        {"$set": {"mastery_logs.0.attempts.0._morango_source_id": OTHER_ID}},
        ("id", "mastery_logs.0.attempts.0.id"),
    ),
    "type": (SUMMARIES, {"$set": {"progress": "half"}}, ("invalid", "progress")),
    "range": (SUMMARIES, {"$set": {"time_spent": float("inf")}}, ("invalid", "time_spent")),
    "missing field": (SUMMARIES, {"$unset": {"kind": 1}}, ("invalid", "kind")),
    "attempt's field": (
        SUMMARIES,
        {"$set": {"mastery_logs.0.attempts.1.correct": "yes"}},
        ("invalid", "mastery_logs.0.attempts.1.correct"),
    ),
    "no list": (SUMMARIES, {"$set": {"mastery_logs": {"0": 1}}}, ("invalid", "mastery_logs")),
    "no attempt": (SUMMARIES, {"$set": {"mastery_logs.0.attempts.0": 5}}, ("invalid", "mastery_logs.0.attempts.0")),
    "a date in an answer": (
        SUMMARIES,
        {"$set": {"mastery_logs.0.attempts.0.answer": {"x": [datetime(2024, 9, 2, tzinfo=UTC)]}}},
        ("invalid", "mastery_logs.0.attempts.0.answer"),
    ),
    "a number that is not finite": (
        SUMMARIES,
        {"$set": {"extra_fields": {"x": float("inf")}}},
        ("invalid", "extra_fields"),
    ),
    "version": (SUMMARIES, {"$set": {"schema_version": 99}}, ("invalid", "schema_version")),
    "bucket of no try": (OVERFLOW, {"$set": {"masterylog_id": OTHER_ID}}, ("orphan", "masterylog_id")),
    "name in the directory": ("facility_users", {"$set": {"username": 5}}, ("invalid", "username")),
    "reference in the directory": ("memberships", {"$set": {"user_id": "nobody"}}, ("invalid", "user_id")),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", UNMENDABLE)
async def test_what_cannot_be_mended(recorded: DocService, database: Any, name: str) -> None:
    """It is found and said to be so; a repair leaves the value alone and finds it again, without its value."""
    collection, change, (rule, path) = UNMENDABLE[name]
    target = await database[collection].find_one(MOVED if collection == SUMMARIES else {})
    await database[collection].update_one({"_id": target["_id"]}, change)

    await findings(recorded, repair=True)
    left = await findings(recorded)

    assert any(
        (each.collection, each.document_id, each.rule, each.path) == (collection, target["_id"], rule, path)
        for each in left
    ), left
    assert not any(each.mendable for each in left)
    assert not any("half" in each.message or "yes" in each.message for each in left)
    now = await database[collection].find_one({"_id": target["_id"]})
    for operator, fields in change.items():
        for field, value in fields.items():
            place: Any = now
            *parts, last = field.split(".")
            for part in parts:
                place = place[int(part) if part.isdecimal() else part]
            if operator == "$unset":
                assert last not in place
            else:
                assert place[int(last) if last.isdecimal() else last] == value


async def test_a_bucket_without_a_log(recorded: DocService, database: Any) -> None:
    """The buckets of a summary that is gone are reported and stay."""
    await database[SUMMARIES].delete_one(MOVED)
    buckets = await database[OVERFLOW].count_documents({})

    found = await findings(recorded, repair=True)

    assert [(each.collection, each.rule, each.mended) for each in found] == [(OVERFLOW, "orphan", False)] * buckets
    assert await database[OVERFLOW].count_documents({}) == buckets > 1


async def test_a_bucket_with_a_strange_name(recorded: DocService, database: Any) -> None:
    """A name that is not that of a log with a number is reported."""
    bucket = await database[OVERFLOW].find_one({})
    await database[OVERFLOW].insert_one({**bucket, "_id": "lost", "attempts": []})

    found = await findings(recorded)

    assert ("lost", "bucket", False) in {(each.document_id, each.rule, each.mendable) for each in found}


async def test_more_attempts_than_a_document_may_have(recorded: DocService, database: Any) -> None:
    """A repair moves the oldest to buckets, and all are still counted and read."""
    summary = await database[SUMMARIES].find_one(MOVED)
    moved = [attempt for bucket in await database[OVERFLOW].find({}).to_list(None) for attempt in bucket["attempts"]]
    whole = copy.deepcopy(summary)
    log = whole["mastery_logs"][0]
    log["attempts"] = [*moved, *log["attempts"]]
    await database[OVERFLOW].delete_many({})
    await database[SUMMARIES].replace_one({"_id": summary["_id"]}, whole)

    found = await findings(recorded, repair=True)

    assert "overfull" in {each.rule for each in found}
    assert await findings(recorded) == []
    now = await database[SUMMARIES].find_one({"_id": summary["_id"]})
    assert len(now["mastery_logs"][0]["attempts"]) <= EMBEDDED_ATTEMPTS
    assert now["mastery_logs"][0]["attempt_count"] == 250
    read = [attempt.id async for attempt in recorded.content_summary_logs.attempts(summary["_id"])]
    assert sorted(read) == sorted(attempt["id"] for attempt in log["attempts"])


@pytest.mark.slow
async def test_a_repair_beside_a_writer(
    recorded: DocService, database: Any, recorded_directory: dict[str, Any]
) -> None:
    """A learner who answers while repairs run loses nothing, and nothing is wrong afterwards."""
    learner = Principal(user_id=recorded_directory["ids"]["learner1"])
    started = await recorded.acting_as(learner).start_session(StartSession.parse(QUIZ))

    async def answer() -> None:
        for _ in range(20):
            await recorded.acting_as(learner).update_session(started.session_id, answers(10))

    writing = asyncio.create_task(answer())
    false_alarms: list[Finding] = []
    while not writing.done():
        await recorded.admin.verify(false_alarms.append, repair=True)
        await database[SUMMARIES].update_one(MOVED, {"$set": {"has_dirty": False}})
    await writing
    await findings(recorded, repair=True)

    assert {each.rule for each in false_alarms} <= {"has_dirty"}
    assert await findings(recorded) == []
    summary = await database[SUMMARIES].find_one(MOVED)
    assert summary["mastery_logs"][0]["attempt_count"] == 450


@pytest.fixture
async def copied(recorded: DocService, mongo: Any, database: Any, mongodb_uri: str) -> AsyncIterator[DocService]:
    """A service over a copy of the database."""
    name = f"test_{uuid.uuid4().hex[:12]}"
    await fill(mongo[name], await everything(database))
    async with DocService(mongodb_uri, database=name, apply_indexes=False) as service:
        yield service
    await mongo.drop_database(name)


async def differences(one: DocService, other: DocService) -> list[Difference]:
    """All that `compare` finds."""
    found: list[Difference] = []
    await one.admin.compare(other.admin, found.append)
    return found


async def test_a_copy_is_equal(recorded: DocService, copied: DocService, mongo: Any) -> None:
    """Also if a field is elsewhere or a whole number has another type."""
    summaries = mongo[copied.admin.database.name][SUMMARIES]
    summary = await summaries.find_one(MOVED)
    await summaries.replace_one(
        {"_id": summary["_id"]}, {**dict(reversed(summary.items())), "progress": int(summary["progress"])}
    )

    assert await differences(recorded, copied) == []
    assert await differences(copied, recorded) == []


async def test_one_changed_attempt_is_found(recorded: DocService, copied: DocService, database: Any) -> None:
    """By document and path; also one in a bucket, a document more and a document less."""
    summary = await database[SUMMARIES].find_one(MOVED)
    await database[SUMMARIES].update_one(
        {"_id": summary["_id"]}, {"$set": {"mastery_logs.0.attempts.3.answer.v": "changed"}}
    )
    bucket = await database[OVERFLOW].find_one({})
    await database[OVERFLOW].update_one({"_id": bucket["_id"]}, {"$pop": {"attempts": 1}})
    exam = await database["exam_logs"].find_one({})
    await database["exam_logs"].delete_one({})
    user = await database["facility_users"].find_one({})
    await database["facility_users"].insert_one({**user, "_id": OTHER_ID})

    found = await differences(recorded, copied)

    last = len(bucket["attempts"]) - 1
    assert sorted((each.collection, each.document_id, each.kind, each.paths) for each in found) == [
        (OVERFLOW, bucket["_id"], "different", (f"attempts.{last}",)),
        (SUMMARIES, summary["_id"], "different", ("mastery_logs.0.attempts.3.answer.v",)),
        ("exam_logs", exam["_id"], "extra", ()),
        ("facility_users", OTHER_ID, "missing", ()),
    ]


def test_true_is_not_one() -> None:
    """Whether an answer was 1 or true matters."""
    assert difference("c", {"_id": "a", "answer": [1]}, {"_id": "a", "answer": [True]}) is not None
    assert difference("c", {"_id": "a", "answer": [1]}, {"_id": "a", "answer": [1.0]}) is None
    moment = datetime(2024, 9, 2, tzinfo=UTC)
    assert difference("c", {"_id": "a", "t": moment}, {"_id": "a", "t": moment + timedelta(milliseconds=1)}) is not None
