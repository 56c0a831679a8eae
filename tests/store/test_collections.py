"""The query API: collection objects of the library."""

from __future__ import annotations

import math
import uuid
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from docservice import DocService, UserSessionLog
from docservice.domain.logs.content_logs import ContentSessionLog
from docservice.domain.logs.exam_logs import ExamLog
from docservice.domain.values.ids import record_id
from docservice.errors import (
    ContentSummaryLogDoesNotExist,
    DoesNotExist,
    InvalidReference,
    LogNotFound,
    MultipleContentSessionLogsReturned,
    MultipleObjectsReturned,
    UnstorableValue,
    ValidationFailed,
)
from docservice.store.logs.overflow import EMBEDDED_ATTEMPTS

START = datetime(2024, 1, 1, tzinfo=UTC)
CONTENT = "c" * 32


@pytest.fixture
def user_of(recorded_directory: dict[str, Any]) -> Callable[[str], str]:
    """The id of an actor of the recorded directory."""
    return lambda actor: str(recorded_directory["actors"][actor]["user"])


@pytest.fixture
def learner(user_of: Callable[[str], str]) -> str:
    """A learner's id."""
    return user_of("learner1")


def attempt(number: int = 0, **fields: Any) -> dict[str, Any]:
    """An attempt as values."""
    moment = START + timedelta(minutes=number)
    known = {"sessionlog_id": "5" * 32, "item": f"q{number}", "correct": 1.0, "morango_source_id": f"{number:032x}"}
    return {**known, "start_timestamp": moment, "end_timestamp": moment, **fields}


def summary_values(user_id: str, *attempts: Mapping[str, Any], **fields: Any) -> dict[str, Any]:
    """A summary with one try as values."""
    attempted = {"mastery_level": 1, "start_timestamp": START, "attempts": list(attempts)}
    known = {"user_id": user_id, "content_id": CONTENT, "kind": "exercise", "start_timestamp": START}
    return {**known, "mastery_logs": [attempted], **fields}


def session_values(user_id: str | None, **fields: Any) -> dict[str, Any]:
    """A visit as values."""
    return {"user_id": user_id, "content_id": CONTENT, "kind": "video", "start_timestamp": START, **fields}


async def test_save_fills_in_what_follows(
    service: DocService, learner: str, database: Any, recorded_directory: dict[str, Any]
) -> None:
    """Dataset, partition, source id, id, parents and counters of a summary and all in it follow from its values."""
    saved = await service.content_summary_logs.save(summary_values(learner, attempt(0), attempt(1, correct=0.0)))

    dataset = recorded_directory["ids"]["dataset"]
    partition = f"{dataset}:user-rw:{learner}"
    assert saved.dataset_id == dataset
    assert saved.id == record_id(partition, CONTENT, "contentsummarylog")
    (mastery,) = saved.mastery_logs
    assert mastery.id == record_id(partition, f"{saved.id}:1", "masterylog")
    assert (mastery.attempt_count, mastery.correct_sum) == (2, 1.0)
    assert [a.masterylog_id for a in mastery.attempts] == [mastery.id] * 2
    document = await database.content_summary_logs.find_one({"_id": saved.id})
    assert document["has_dirty"]
    assert document["attempt_bytes"] > 0
    assert document["_morango_partition"] == partition
    assert await service.content_summary_logs.get(user_id=learner, content_id=CONTENT) == saved


async def test_save_replaces_by_id_and_marks_only_what_changed(
    service: DocService, learner: str, database: Any
) -> None:
    """A log saved again takes the place of the first; embedded records that did not change stay clean."""
    logs = service.content_summary_logs
    saved = await logs.save(summary_values(learner, attempt(0)))
    clean = {
        "_morango_dirty_bit": False,
        "has_dirty": False,
        "mastery_logs.0._morango_dirty_bit": False,
        "mastery_logs.0.attempts.0._morango_dirty_bit": False,
        "of_somebody_else": 1,
    }
    await database.content_summary_logs.update_one({"_id": saved.id}, {"$set": clean})

    again = await logs.save(summary_values(learner, attempt(0), attempt(1), progress=0.5))

    assert await logs.count() == 1
    assert (again.id, again.progress, again.morango_dirty_bit) == (saved.id, 0.5, True)
    assert [a.morango_dirty_bit for a in again.mastery_logs[0].attempts] == [False, True]
    assert (await database.content_summary_logs.find_one({"_id": saved.id}))["of_somebody_else"] == 1


async def test_attempts_join_what_moved(service: DocService, learner: str, database: Any) -> None:
    """Attempts over the limit move to buckets, `attempts` gives them all, a save of the log as it was read keeps them,
    and a save that brings them counts none twice."""
    logs = service.content_summary_logs
    everything = [attempt(number) for number in range(450)]
    saved = await logs.save(summary_values(learner, *everything))

    assert len(saved.mastery_logs[0].attempts) <= EMBEDDED_ATTEMPTS
    assert saved.mastery_logs[0].attempt_count == 450
    assert [a.item for a in [a async for a in logs.attempts(saved)]] == [f"q{number}" for number in range(450)]

    read = await logs.get(id=saved.id)
    kept = await logs.save(read)
    brought = await logs.save(summary_values(learner, *everything[:300]))
    items = [a.item async for a in logs.attempts(saved.id)]

    assert kept.mastery_logs[0].attempt_count == 450
    # Of those that were embedded none is in the saved log; those that had moved stay, the ones that it brings once.
    moved = 450 - EMBEDDED_ATTEMPTS // 2
    assert brought.mastery_logs[0].attempt_count == moved == len(items)
    assert sorted(items) == sorted(f"q{number}" for number in range(moved))

    await logs.save({**summary_values(learner), "mastery_logs": []})

    assert await database.attempt_overflow.count_documents({}) == 0


async def test_delete_takes_the_buckets_along(service: DocService, learner: str, database: Any) -> None:
    """A deleted log is gone with its buckets; to delete it again is its model's DoesNotExist."""
    logs = service.content_summary_logs
    saved = await logs.save(summary_values(learner, *[attempt(number) for number in range(250)]))
    assert await database.attempt_overflow.count_documents({}) > 0

    await logs.delete(saved)

    assert await database.attempt_overflow.count_documents({}) == 0
    assert await logs.count() == 0
    with pytest.raises(ContentSummaryLogDoesNotExist):
        await logs.delete(saved.id)


async def test_get_says_none_or_several(service: DocService, learner: str) -> None:
    """`get` raises its model's own classes, which are found under common bases and on the collection."""
    sessions, summaries = service.content_session_logs, service.content_summary_logs
    for _ in range(2):
        await sessions.save(session_values(learner))

    with pytest.raises(sessions.MultipleObjectsReturned) as several:
        await sessions.get(user_id=learner)
    with pytest.raises(summaries.DoesNotExist) as none:
        await summaries.get(user_id=learner)

    assert summaries.DoesNotExist is ContentSummaryLogDoesNotExist is not sessions.DoesNotExist
    assert sessions.MultipleObjectsReturned is MultipleContentSessionLogsReturned
    assert isinstance(none.value, DoesNotExist)
    assert isinstance(none.value, LogNotFound)
    assert isinstance(several.value, MultipleObjectsReturned)


async def test_find_and_count(service: DocService, user_of: Callable[[str], str]) -> None:
    """Filters compare fields, with `__in`, `__gte` and `__lt`; unknown ones and operators in values are refused."""
    logs = service.content_session_logs
    one, two = user_of("learner1"), user_of("learner2")
    for number in range(10):
        kind = "video" if number % 2 else "exercise"
        await logs.save(
            session_values([one, two][number % 2], kind=kind, start_timestamp=START + timedelta(days=number))
        )
    await logs.save(session_values(None))

    found = [log async for log in logs.find(user_id=two, kind="video")]
    span = {"start_timestamp__gte": START + timedelta(days=2), "start_timestamp__lt": START + timedelta(days=5)}

    assert len(found) == 5
    assert all(log.user_id == two for log in found)
    assert await logs.count(**span) == 3
    assert await logs.count(user_id__in=[one, two]) == 10
    assert await logs.count(user_id=None) == 1
    assert await logs.count(id__in=[found[0].id, "0" * 32]) == 1
    for bad in ({"usr_id": one}, {"user_id__like": one}, {"user_id": {"$ne": None}}, {"extra_fields": 1}):
        with pytest.raises(ValueError, match=r"filter"):
            await logs.count(**bad)
    with pytest.raises(ValueError, match=r"content_id.*user_id"):
        await logs.count(usr_id=one)


async def test_content_filters(service: DocService, learner: str) -> None:
    """Logs of a list of contents, longer than a query takes, and of everything below a topic."""
    logs = service.content_session_logs
    contents = [uuid.UUID(int=number).hex for number in range(4)]
    for content_id in contents:
        await logs.save(session_values(learner, content_id=content_id))
    place = {"channel_id": "e" * 32}
    nodes = [
        {"id": "a" * 32, "content_id": "a" * 32, "parent": None, "kind": "topic", **place},
        {"id": "b" * 32, "content_id": "b" * 32, "parent": "a" * 32, "kind": "topic", **place},
        {"id": "c" * 32, "content_id": contents[0], "parent": "a" * 32, "kind": "video", **place},
        {"id": "d" * 32, "content_id": contents[1], "parent": "b" * 32, "kind": "video", **place},
    ]
    await service.import_directory({"content_nodes": nodes})
    many = [*contents[:3], *(uuid.UUID(int=number).hex for number in range(100, 2200))]

    listed = {log.content_id async for log in logs.filter_by_content_ids(many, user_id=learner)}
    below = {log.content_id async for log in logs.filter_by_topic("a" * 32)}
    lower = {log.content_id async for log in logs.filter_by_topic("b" * 32, kind="video")}

    assert listed == set(contents[:3])
    assert below == set(contents[:2])
    assert lower == {contents[1]}
    assert [log async for log in logs.filter_by_content_ids([])] == []
    with pytest.raises(InvalidReference):
        [log async for log in logs.filter_by_topic("f" * 32)]
    with pytest.raises(ValueError, match="no content"):
        [log async for log in service.user_session_logs.filter_by_content_ids(contents)]


async def test_save_refuses_what_is_not_right(
    service: DocService, learner: str, database: Any, recorded_directory: dict[str, Any]
) -> None:
    """Nothing is written of a log that is invalid, contradicts itself or the directory, or cannot be stored."""
    logs = service.content_summary_logs
    good = summary_values(learner, attempt())
    deep: Any = {}
    for _ in range(100):
        deep = {"a": deep}
    wrong: list[tuple[str, dict[str, Any]]] = [
        ("/progress", {**good, "progress": 2}),
        ("/progress", {**good, "progress": math.nan}),
        ("/nothing", {**good, "nothing": 1}),
        ("/user_id", {**good, "user_id": "f" * 32}),
        ("/user_id", {**good, "user_id": None}),
        ("/dataset_id", {**good, "dataset_id": recorded_directory["ids"]["other_dataset"]}),
        ("/id", {**good, "id": "f" * 32}),
        ("/mastery_logs/0/user_id", {**good, "mastery_logs": [{**good["mastery_logs"][0], "user_id": "f" * 32}]}),
        ("/mastery_logs/1", {**good, "mastery_logs": good["mastery_logs"] * 2}),
        ("/mastery_logs/0/attempts/0/correct", summary_values(learner, attempt(correct=2))),
        ("/_recorded/start_timestamp", {**good, "_recorded": {"start_timestamp": "noon"}}),
    ]

    for pointer, values in wrong:
        with pytest.raises(ValidationFailed) as refused:
            await logs.save(values)
        assert pointer in [error.pointer for error in refused.value.errors], pointer
    for value in (deep, {"a": "\ud800"}, {"a\x00": 1}, {"a": math.inf}):
        with pytest.raises(UnstorableValue):
            await logs.save({**good, "extra_fields": value})
    with pytest.raises(TypeError):
        await logs.save(await service.content_session_logs.save(session_values(learner)))  # type: ignore[arg-type]

    assert await database.content_summary_logs.count_documents({}) == 0


async def test_a_changed_model_is_validated(service: DocService, learner: str) -> None:
    """A log that was read and changed without checks is checked when it is saved."""
    logs = service.content_summary_logs
    saved = await logs.save(summary_values(learner))
    saved.progress = -1

    with pytest.raises(ValidationFailed):
        await logs.save(saved)

    assert (await logs.get(id=saved.id)).progress == 0


async def test_every_kind_is_saved_and_found(
    service: DocService, learner: str, recorded_directory: dict[str, Any]
) -> None:
    """User sessions, exam logs and anonymous visits come back as they were saved."""
    sitting = await service.user_session_logs.save(
        UserSessionLog(dataset_id=recorded_directory["ids"]["dataset"], user_id=learner, start_timestamp=START)
    )
    answered = {k: v for k, v in attempt().items() if k != "sessionlog_id"} | {"content_id": CONTENT}
    exam = await service.exam_logs.save({"user_id": learner, "exam_id": "e" * 32, "attempts": [answered]})
    visit = await service.content_session_logs.save(session_values(None, attempts=[attempt()]))

    assert await service.user_session_logs.get(user_id=learner) == sitting
    assert isinstance(sitting, UserSessionLog)
    assert isinstance(exam, ExamLog)
    assert isinstance(visit, ContentSessionLog)
    assert await service.exam_logs.get(exam_id="e" * 32) == exam
    assert exam.morango_partition == recorded_directory["ids"]["dataset"]
    assert await service.content_session_logs.get(user_id=None) == visit
    assert visit.dataset_id == recorded_directory["ids"]["default_dataset"]
    assert [a.item async for a in service.content_session_logs.attempts(visit)] == ["q0"]
