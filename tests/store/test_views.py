"""The views of the Mongo shell hold what the library reads, and are made, repaired and left alone as they should be."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from docservice import ANONYMOUS, DocService, Principal, StartSession, UpdateSession
from docservice.domain.logs.content_logs import AttemptLog
from docservice.store.indexes.views import described_views

CONTENT = {"node_id": "e" * 32, "content_id": "c" * 32, "channel_id": "b" * 32}
QUIZ = {**CONTENT, "kind": "exercise", "mastery_model": {"type": "quiz"}}
EXERCISE = {**CONTENT, "content_id": "d" * 32, "kind": "exercise", "mastery_model": {"type": "m_of_n", "m": 1, "n": 2}}
VIDEO = {**CONTENT, "content_id": "9" * 32, "kind": "video"}


async def visit(service: DocService, who: Principal, body: dict[str, Any], answers: int) -> None:
    """A visit in which so many questions are answered, every third one wrong."""
    started = await service.acting_as(who).start_session(StartSession.parse(body))
    for first in range(0, answers, 60):
        numbers = range(first, min(first + 60, answers))
        interactions = [
            {
                "item": f"q{n}",
                "correct": int(n % 3 > 0),
                "time_spent": n + 1,
                "answer": {"$set": n},
                "hinted": n % 7 == 0,
            }
            for n in numbers
        ]
        await service.acting_as(who).update_session(
            started.session_id, UpdateSession.parse({"interactions": interactions, "progress": 1})
        )


@pytest.fixture
async def learners(service: DocService, recorded_directory: dict[str, Any]) -> list[Principal]:
    """Two learners and a visitor who have answered: in tries and in visits, some of it moved to buckets."""
    people = [Principal(user_id=recorded_directory["ids"][name]) for name in ("learner1", "learner2")]
    for person, answers in zip(people, (230, 5), strict=True):
        await visit(service, person, QUIZ, answers)
        await visit(service, person, EXERCISE, 3)
        await visit(service, person, {**EXERCISE, "repeat": True}, 4)
    await visit(service, people[0], VIDEO, 230)
    await visit(service, ANONYMOUS, VIDEO, 6)
    return people


def row(attempt: AttemptLog, log: Any, levels: dict[str, int]) -> dict[str, Any]:
    """What the view should show of an attempt."""
    return {
        **attempt.model_dump(exclude={"id", "recorded", "morango_source_id", "morango_partition", "morango_dirty_bit"}),
        "_id": attempt.id,
        "content_id": log.content_id,
        "channel_id": log.channel_id,
        "kind": log.kind,
        "mastery_level": levels.get(attempt.masterylog_id or ""),
        "summarylog_id": log.id if attempt.masterylog_id else None,
        "_morango_source_id": attempt.morango_source_id,
        "_morango_partition": attempt.morango_partition,
        "_morango_dirty_bit": attempt.morango_dirty_bit,
    }


async def joined(service: DocService) -> list[dict[str, Any]]:
    """All attempts as the library joins them."""
    found = []
    collections: tuple[Any, ...] = (service.content_summary_logs, service.content_session_logs)
    for collection in collections:
        async for log in collection.find():
            levels = {each.id: each.mastery_level for each in getattr(log, "mastery_logs", ())}
            found += [row(attempt, log, levels) async for attempt in collection.attempts(log)]
    return found


def by_id(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The rows in one order."""
    return sorted(rows, key=lambda found: str(found["_id"]))


async def test_attempt_logs_are_what_the_library_joins(
    service: DocService, database: Any, learners: list[Principal]
) -> None:
    """All attempts, embedded, loose and moved, come once each with the same fields; a filter picks the right ones."""
    expected = by_id(await joined(service))
    moved = await database["attempt_overflow"].count_documents({})

    everything = by_id(await database["attempt_logs"].find({}).to_list(None))

    assert moved >= 4
    assert everything == expected
    assert len(expected) == 230 + 5 + 2 * 7 + 230 + 6
    for user_id in (*(person.user_id for person in learners), None):
        rows = by_id(await database["attempt_logs"].find({"user_id": user_id}).to_list(None))
        assert rows == [found for found in expected if found["user_id"] == user_id]
    wrong = await database["attempt_logs"].find({"kind": "exercise", "correct": 0, "mastery_level": 2}).to_list(None)
    assert by_id(wrong) == [
        found for found in expected if (found["kind"], found["correct"], found["mastery_level"]) == ("exercise", 0, 2)
    ]
    assert wrong


async def test_mastery_logs_are_what_the_library_reads(
    service: DocService, database: Any, learners: list[Principal]
) -> None:
    """One row a try, with the counts of all its attempts, and what the summary around it says."""
    expected = [
        {
            **log.model_dump(include={"dataset_id", "user_id", "summarylog_id", "mastery_level", "mastery_criterion"}),
            **log.model_dump(include={"start_timestamp", "end_timestamp", "completion_timestamp", "complete"}),
            **log.model_dump(include={"time_spent", "attempt_count", "correct_sum"}),
            "_id": log.id,
            **summary.model_dump(include={"content_id", "channel_id", "kind"}),
            "_morango_source_id": log.morango_source_id,
            "_morango_partition": log.morango_partition,
            "_morango_dirty_bit": log.morango_dirty_bit,
        }
        async for summary in service.content_summary_logs.find()
        for log in summary.mastery_logs
    ]

    rows = await database["mastery_logs"].find({}).to_list(None)
    own = await database["mastery_logs"].find({"user_id": learners[0].user_id}).sort("attempt_count", -1).to_list(None)

    assert by_id(rows) == by_id(expected)
    assert [found["attempt_count"] for found in own] == [230, 4, 3]
    assert {found["user_id"] for found in own} == {learners[0].user_id}


async def test_views_are_there_after_entering(service: DocService) -> None:
    """A service that was entered has made the described views."""
    report = await service.admin.check_indexes()

    assert [view.name for view in report.views.present] == ["attempt_logs", "mastery_logs"]
    assert report.complete


@pytest.mark.parametrize("replaced", [None, [], [{"$match": {"kind": "video"}}]], ids=["missing", "empty", "other"])
async def test_missing_and_different_views(service: DocService, database: Any, replaced: Any) -> None:
    """A view that is gone, or that an older version made otherwise, is reported and made as described."""
    await database.drop_collection("mastery_logs")
    if replaced is not None:
        await database.command({"create": "mastery_logs", "viewOn": "content_summary_logs", "pipeline": replaced})

    before = await service.admin.check_indexes()
    await service.admin.apply_indexes()
    after = await service.admin.check_indexes()

    found = before.views.missing if replaced is None else before.views.different
    assert [view.name for view in found] == ["mastery_logs"]
    assert not before.complete
    assert after.complete


async def test_a_collection_in_the_way_is_left_alone(mongodb_uri: str, new_database: Any) -> None:
    """Data under the name of a view stays; the service still starts and says that the view lacks."""
    await new_database["attempt_logs"].insert_one({"_id": "own"})

    async with DocService(mongodb_uri, database=new_database.name) as logs:
        await logs.admin.apply_indexes(rebuild=True)
        report = await logs.admin.check_indexes()

    assert [view.name for view in report.views.taken] == ["attempt_logs"]
    assert not report.complete
    assert await new_database["attempt_logs"].find({}).to_list(None) == [{"_id": "own"}]


def test_views_union_collections_only() -> None:
    """No view reads a view, which the embedded engine would read as empty."""
    names = {view.name for view in described_views()}

    for view in described_views():
        assert view.about
        read = {view.on} | {str(stage["$unionWith"]["coll"]) for stage in view.pipeline if "$unionWith" in stage}
        assert not read & names
        assert not any(f'"from": "{name}"' in json.dumps(view.pipeline) for name in names)


def test_the_wheel_ships_the_folder() -> None:
    """What the shell applies is beside the files, in the folder that the wheel takes whole."""
    root = Path(__file__).parents[2]

    assert '"indexes" = "docservice/indexes"' in (root / "pyproject.toml").read_text(encoding="utf-8")
    assert (root / "indexes" / "apply.mongosh.js").is_file()
