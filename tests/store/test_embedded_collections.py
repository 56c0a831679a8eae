"""Mastery logs, attempts and exam attempts as collections of their own, wherever they are stored."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from docservice import AttemptLog, ContentSummaryLog, DocService, ExamAttemptLog, MasteryLog
from docservice.errors import FilterInvalid, ValidationFailed

START = datetime(2024, 1, 1, tzinfo=UTC)
CONTENT, OTHER_CONTENT = "c" * 32, "d" * 32


@pytest.fixture
def learner(recorded_directory: dict[str, Any]) -> str:
    """A learner's id."""
    return str(recorded_directory["actors"]["learner1"]["user"])


@pytest.fixture
def other_learner(recorded_directory: dict[str, Any]) -> str:
    """Another learner's id."""
    return str(recorded_directory["actors"]["learner2"]["user"])


def attempt(number: int, **fields: Any) -> dict[str, Any]:
    """An attempt as values."""
    moment = START + timedelta(minutes=number)
    known = {"item": f"q{number}", "correct": float(number % 2), "sessionlog_id": "5" * 32}
    return {**known, "start_timestamp": moment, "end_timestamp": moment, **fields}


async def summary_of(logs: DocService, user_id: str, *, attempts: int = 3, **fields: Any) -> ContentSummaryLog:
    """A stored summary with two mastery logs, of which the first has the attempts."""
    tries = [
        {"mastery_level": level, "start_timestamp": START, "complete": level == 1, "attempts": answered}
        for level, answered in ((1, [attempt(number) for number in range(attempts)]), (2, []))
    ]
    known = {"user_id": user_id, "content_id": CONTENT, "kind": "exercise", "start_timestamp": START}
    return await logs.content_summary_logs.save({**known, "mastery_logs": tries, **fields})


async def visit_of(logs: DocService, user_id: str | None, **fields: Any) -> Any:
    """A stored content session."""
    known = {"user_id": user_id, "content_id": CONTENT, "kind": "exercise", "start_timestamp": START}
    return await logs.content_session_logs.save({**known, **fields})


async def exam_of(logs: DocService, user_id: str, *, attempts: int = 2) -> Any:
    """A stored exam log."""
    answered = [{**attempt(number), "content_id": CONTENT} for number in range(attempts)]
    for each in answered:
        del each["sessionlog_id"]
    return await logs.exam_logs.save({"user_id": user_id, "exam_id": "e" * 32, "attempts": answered})


async def problems(logs: DocService) -> list[str]:
    """All that `verify` finds wrong: counters, marks, ids, buckets."""
    found: list[str] = []
    await logs.admin.verify(lambda finding: found.append(f"{finding.path}: {finding.message}"))
    return found


async def settle(database: Any) -> None:
    """Take the marks off all logs, as a sync does."""
    for name in ("content_summary_logs", "content_session_logs", "attempt_overflow", "exam_logs"):
        async for document in database[name].find({}):
            records = [document, *document.get("mastery_logs", [])]
            records += [each for record in list(records) for each in record.get("attempts", [])]
            for record in records:
                record["_morango_dirty_bit"] = False
            document["has_dirty"] = False
            if name == "attempt_overflow":
                del document["_morango_dirty_bit"]
            await database[name].replace_one({"_id": document["_id"]}, document)


async def items(found: Any) -> list[str]:
    """The items of attempts, in order of their start."""
    return [each.item for each in sorted([each async for each in found], key=lambda each: each.start_timestamp)]


async def test_all_seven_models_are_found_by_their_own_ids(service: DocService, learner: str) -> None:
    """Each model of Kolibri's logger has a collection that finds a log by its id, as the log around it holds it."""
    summary = await summary_of(service, learner)
    visit = await visit_of(service, learner, attempts=[attempt(7)])
    exam = await exam_of(service, learner)
    seat = await service.user_session_logs.save({"user_id": learner, "start_timestamp": START})
    wanted: list[tuple[Any, Any]] = [
        (service.content_summary_logs, summary),
        (service.content_session_logs, visit),
        (service.mastery_logs, summary.mastery_logs[0]),
        (service.attempt_logs, summary.mastery_logs[0].attempts[1]),
        (service.attempt_logs, visit.attempts[0]),
        (service.user_session_logs, seat),
        (service.exam_logs, exam),
        (service.exam_attempt_logs, exam.attempts[1]),
    ]

    for collection, log in wanted:
        assert await collection.get(id=log.id) == log
        assert type(log).DoesNotExist is collection.DoesNotExist
        with pytest.raises(type(log).DoesNotExist):
            await collection.get(id="0" * 32)
    for collection, model in ((service.mastery_logs, MasteryLog), (service.attempt_logs, AttemptLog)):
        with pytest.raises(model.MultipleObjectsReturned):
            await collection.get(user_id=learner)


async def test_filters_of_the_log_and_of_the_logs_around_it(
    service: DocService, learner: str, other_learner: str
) -> None:
    """Embedded logs are filtered by their own fields and, as in Django, by those of the logs that they belong to."""
    summary = await summary_of(service, learner)
    await summary_of(service, other_learner, attempts=1, channel_id="a" * 32)
    visit = await visit_of(service, None, attempts=[attempt(9)])
    exam = await exam_of(service, learner)
    masteries, attempts, exams = service.mastery_logs, service.attempt_logs, service.exam_attempt_logs
    first, second = summary.mastery_logs

    assert [log async for log in masteries.find(summarylog_id=summary.id, complete=False)] == [second]
    assert await masteries.count(summarylog__channel_id="a" * 32) == 2
    assert await masteries.count(mastery_level__in=[2, 3], user_id=learner) == 1
    assert await masteries.count(attempt_count__gte=1) == 2
    assert await items(attempts.find(masterylog_id=first.id)) == ["q0", "q1", "q2"]
    assert await items(attempts.find(masterylog_id=first.id, correct=1)) == ["q1"]
    assert await items(attempts.find(user_id=learner, start_timestamp__gte=START + timedelta(minutes=1))) == [
        "q1",
        "q2",
    ]
    assert await items(attempts.find(masterylog__complete=True, masterylog__summarylog__user_id=learner)) == [
        "q0",
        "q1",
        "q2",
    ]
    assert await items(attempts.find(masterylog_id=None)) == await items(attempts.find(user_id=None)) == ["q9"]
    assert await items(attempts.find(id__in=[visit.attempts[0].id, first.attempts[0].id], item="q0")) == ["q0"]
    assert await items(attempts.find(sessionlog_id="5" * 32, user_id=None)) == ["q9"]
    assert await items(exams.find(examlog_id=exam.id, examlog__closed=False)) == ["q0", "q1"]
    assert await exams.count(examlog__closed=True) == 0
    assert (await masteries.count(), await attempts.count(), await exams.count()) == (4, 5, 2)
    assert await attempts.count(masterylog_id=first.id) == 3
    assert await attempts.count(masterylog_id=None) == 1
    for collection, wrong in ((masteries, "summarylog__nothing"), (attempts, "kind"), (exams, "masterylog_id")):
        with pytest.raises(FilterInvalid, match=wrong):
            await collection.count(**{wrong: 1})


async def test_attempts_of_a_session(service: DocService, learner: str) -> None:
    """The attempts that a content session made are found in the learner's summaries, too."""
    visit = await visit_of(service, learner)
    summary = await summary_of(service, learner)
    mastery = summary.mastery_logs[1]
    await service.attempt_logs.save(attempt(8, sessionlog_id=visit.id, masterylog_id=mastery.id))

    assert await items(service.attempt_logs.find(sessionlog_id=visit.id)) == ["q8"]
    assert await items(service.attempt_logs.find(sessionlog_id__in=[visit.id, "5" * 32], item__in=["q0", "q8"])) == [
        "q0",
        "q8",
    ]


async def test_content_lookups(service: DocService, learner: str) -> None:
    """Contents and topics narrow each model by the field that the lookup names; others are refused."""
    await summary_of(service, learner)
    await summary_of(service, learner, content_id=OTHER_CONTENT)
    await visit_of(service, None, attempts=[attempt(9)])
    await exam_of(service, learner)
    place = {"channel_id": "e" * 32}
    topic = {"id": "a" * 32, "content_id": "a" * 32, "parent": None, "kind": "topic", **place}
    node = {"id": "b" * 32, "content_id": CONTENT, "parent": "a" * 32, "kind": "exercise", **place}
    await service.import_directory({"content_nodes": [topic, node]})

    async def count(collection: Any, *lookup: str, **filters: Any) -> int:
        by_content = [log async for log in collection.filter_by_content_ids([CONTENT], *lookup, **filters)]
        by_topic = [log async for log in collection.filter_by_topic("a" * 32, *lookup, **filters)]
        assert {log.id for log in by_content} == {log.id for log in by_topic}
        return len(by_content)

    assert await count(service.content_summary_logs) == 1
    assert await count(service.mastery_logs) == await count(service.mastery_logs, "summarylog__content_id") == 2
    assert await count(service.mastery_logs, complete=True) == 1
    assert await count(service.attempt_logs) == await count(service.attempt_logs, "sessionlog__content_id") == 4
    assert await count(service.attempt_logs, "masterylog__summarylog__content_id") == 3
    assert await count(service.exam_attempt_logs) == 2
    assert await count(service.exam_logs, "exam_id") == 0
    assert [log async for log in service.exam_logs.filter_by_content_ids(["e" * 32], "exam_id")] != []
    assert [log async for log in service.exam_attempt_logs.filter_by_content_ids(["e" * 32], "examlog__exam_id")] != []
    for collection, lookup in (
        (service.mastery_logs, "sessionlog__content_id"),
        (service.exam_logs, "content_id"),
        (service.user_session_logs, "content_id"),
        (service.content_session_logs, "kind"),
    ):
        with pytest.raises(FilterInvalid, match="content_id_lookup"):
            await count(collection, lookup)


async def test_saved_attempts_keep_the_counters(service: DocService, learner: str, database: Any) -> None:
    """An attempt that is saved, changed or deleted changes the counters and marks of what holds it, nothing else."""
    summary = await summary_of(service, learner, progress=0.5)
    visit = await visit_of(service, learner)
    mastery = summary.mastery_logs[1]
    await settle(database)

    saved = await service.attempt_logs.save(
        attempt(5, sessionlog_id=visit.id, masterylog_id=mastery.id, correct=0.5, answer={"a.b": "$1"})
    )
    changed = await service.attempt_logs.save(saved.model_copy(update={"correct": 0.75, "morango_dirty_bit": False}))
    stored = await service.content_summary_logs.get(id=summary.id)

    assert (saved.user_id, saved.dataset_id) == (learner, summary.dataset_id)
    assert changed.id == saved.id
    assert await service.attempt_logs.get(id=saved.id) == changed
    assert changed.morango_dirty_bit
    assert (stored.mastery_logs[1].attempt_count, stored.mastery_logs[1].correct_sum) == (1, 0.75)
    assert stored.progress == 0.5
    assert not stored.morango_dirty_bit
    assert not stored.mastery_logs[1].morango_dirty_bit
    assert (await database.content_summary_logs.find_one({"_id": summary.id}))["has_dirty"]
    assert await problems(service) == []

    await service.attempt_logs.delete(changed)

    assert not (await database.content_summary_logs.find_one({"_id": summary.id}))["has_dirty"]
    assert (await service.mastery_logs.get(id=mastery.id)).attempt_count == 0
    assert await problems(service) == []
    with pytest.raises(AttemptLog.DoesNotExist):
        await service.attempt_logs.delete(changed.id)


async def test_attempts_stand_by_their_start(service: DocService, learner: str) -> None:
    """An attempt that is saved later and started earlier is before those that started after it."""
    summary = await summary_of(service, learner, attempts=4)
    mastery, visit = summary.mastery_logs[0], await visit_of(service, learner)

    await service.attempt_logs.save(attempt(1, item="earlier", sessionlog_id=visit.id, masterylog_id=mastery.id))

    stored = await service.mastery_logs.get(id=mastery.id)
    assert [each.item for each in stored.attempts] == ["q0", "q1", "earlier", "q2", "q3"]


@pytest.mark.slow
async def test_moved_attempts_are_changed_where_they_are(service: DocService, learner: str, database: Any) -> None:
    """Attempts in buckets are found, counted, changed and deleted by their own ids; an empty bucket is removed."""
    summary = await summary_of(service, learner, attempts=310)
    mastery = summary.mastery_logs[0]
    logs = service.attempt_logs
    await settle(database)
    oldest = await logs.get(item="q0", masterylog_id=mastery.id)
    assert oldest.id not in {each.id for each in mastery.attempts}

    await logs.save(oldest.model_copy(update={"correct": 1.0}))

    assert (await logs.get(id=oldest.id)).correct == 1.0
    assert await logs.count(masterylog_id=mastery.id) == 310
    assert (await service.mastery_logs.get(id=mastery.id)).correct_sum == 156
    assert await items(logs.find(masterylog_id=mastery.id)) == [f"q{number}" for number in range(310)]
    assert not (await database.content_summary_logs.find_one({"_id": summary.id}))["has_dirty"]
    buckets = [bucket async for bucket in database.attempt_overflow.find({})]
    holds_it = [oldest.id in {each["id"] for each in bucket["attempts"]} for bucket in buckets]
    assert [bucket["has_dirty"] for bucket in buckets] == holds_it
    assert any(holds_it)
    assert await problems(service) == []

    smallest = min([bucket async for bucket in database.attempt_overflow.find({})], key=lambda b: len(b["attempts"]))
    for each in smallest["attempts"]:
        await logs.delete(each["id"])

    assert await database.attempt_overflow.find_one({"_id": smallest["_id"]}) is None
    assert await logs.count(masterylog_id=mastery.id) == 310 - len(smallest["attempts"])
    assert await problems(service) == []


async def test_a_full_summary_overflows(service: DocService, learner: str, database: Any) -> None:
    """Attempts saved one by one move to buckets like those that are tracked."""
    summary, visit = await summary_of(service, learner, attempts=200), await visit_of(service, learner)
    mastery = summary.mastery_logs[0]

    await service.attempt_logs.save(attempt(500, sessionlog_id=visit.id, masterylog_id=mastery.id))

    assert await database.attempt_overflow.count_documents({}) > 0
    assert await service.attempt_logs.count() == 201
    assert await problems(service) == []


async def test_loose_attempts(service: DocService, learner: str, database: Any) -> None:
    """Attempts without a mastery log are kept in their session, of a learner or of nobody."""
    logs = service.attempt_logs
    for user_id in (learner, None):
        visit = await visit_of(service, user_id)
        plain = await database.content_session_logs.find_one({"_id": visit.id})

        saved = [await logs.save(attempt(number, sessionlog_id=visit.id)) for number in range(3)]

        assert [each.user_id for each in saved] == [user_id] * 3
        assert [each.masterylog_id for each in saved] == [None] * 3
        assert await items(logs.find(sessionlog_id=visit.id)) == ["q0", "q1", "q2"]
        assert await problems(service) == []
        for each in saved:
            await logs.delete(each)
        assert await database.content_session_logs.find_one({"_id": visit.id}) == plain


async def test_moved_loose_attempts(service: DocService, database: Any) -> None:
    """Attempts of nobody overflow into buckets of their session, and are found, changed and deleted there."""
    visit, logs = await visit_of(service, None), service.attempt_logs
    loose = [attempt(number, sessionlog_id=visit.id) for number in range(200)]
    await service.content_session_logs.save({**visit.model_dump(), "attempts": loose})

    await logs.save(attempt(300, sessionlog_id=visit.id))
    oldest = await logs.get(item="q0")
    await logs.save(oldest.model_copy(update={"hinted": True}))

    assert await database.attempt_overflow.count_documents({}) > 0
    assert (await logs.get(id=oldest.id)).hinted
    assert await logs.count(user_id=None) == 201
    assert await problems(service) == []
    await logs.delete(oldest)
    assert await logs.count(user_id=None) == 200
    assert await problems(service) == []


async def test_an_attempt_moves_to_the_log_that_it_names(service: DocService, learner: str) -> None:
    """An attempt that names another mastery log, or none, is taken from where it was; each counts right."""
    summary, visit = await summary_of(service, learner), await visit_of(service, learner)
    first, second = summary.mastery_logs
    one = first.attempts[1].model_copy(update={"sessionlog_id": visit.id, "masterylog_id": second.id})

    moved = await service.attempt_logs.save(one)
    counts = [log.attempt_count for log in (await service.content_summary_logs.get(id=summary.id)).mastery_logs]
    loose = await service.attempt_logs.save(moved.model_copy(update={"masterylog_id": None}))

    assert counts == [2, 1]
    assert loose.id == moved.id == one.id
    assert [each.id for each in (await service.content_session_logs.get(id=visit.id)).attempts] == [one.id]
    assert await service.attempt_logs.count() == 3
    assert await problems(service) == []


async def test_saved_mastery_logs(service: DocService, learner: str, database: Any) -> None:
    """A mastery log is added to its summary, changed in it with its moved attempts kept, and deleted with all."""
    summary = await summary_of(service, learner, attempts=310)
    logs = service.mastery_logs
    await settle(database)

    third = await logs.save({"summarylog_id": summary.id, "mastery_level": 3, "start_timestamp": START})
    first = await logs.get(summarylog_id=summary.id, mastery_level=1)
    changed = await logs.save(first.model_copy(update={"complete": False, "time_spent": 5.0}))

    assert (third.user_id, third.attempt_count, third.morango_dirty_bit) == (learner, 0, True)
    assert (changed.attempt_count, changed.correct_sum, changed.complete) == (310, 155.0, False)
    assert not any(each.morango_dirty_bit for each in changed.attempts)
    stored = await service.content_summary_logs.get(id=summary.id)
    assert [log.morango_dirty_bit for log in (stored, *stored.mastery_logs)] == [False, True, False, True]
    assert await problems(service) == []

    await logs.delete(changed)
    await logs.delete(third.id)

    assert await database.attempt_overflow.count_documents({}) == 0
    assert await service.attempt_logs.count() == 0
    assert [log.mastery_level async for log in logs.find()] == [2]
    assert not (await database.content_summary_logs.find_one({"_id": summary.id}))["has_dirty"]
    assert await problems(service) == []
    with pytest.raises(MasteryLog.DoesNotExist):
        await logs.delete(third)


async def test_saved_exam_attempts(service: DocService, learner: str, database: Any) -> None:
    """An exam attempt is added to its exam log, changed and deleted; the exam log counts."""
    exam = await exam_of(service, learner)
    logs = service.exam_attempt_logs
    await settle(database)
    values = {name: value for name, value in attempt(2).items() if name != "sessionlog_id"}

    saved = await logs.save({**values, "content_id": CONTENT, "examlog_id": exam.id})
    await logs.save(saved.model_copy(update={"hinted": True}))
    document = await database.exam_logs.find_one({"_id": exam.id})

    assert saved.user_id == learner
    assert saved.morango_partition == exam.dataset_id
    assert (document["attempt_count"], document["has_dirty"]) == (3, True)
    assert [each.hinted for each in (await service.exam_logs.get(id=exam.id)).attempts] == [False, False, True]
    assert await problems(service) == []
    for each in exam.attempts:
        await logs.delete(each)
    assert [each.id async for each in logs.find()] == [saved.id]
    assert await problems(service) == []
    with pytest.raises(ExamAttemptLog.DoesNotExist):
        await logs.delete(exam.attempts[0])


async def test_what_is_not_right_is_refused(
    service: DocService, learner: str, other_learner: str, recorded_directory: dict[str, Any]
) -> None:
    """Nothing is written of an embedded log that is invalid, or names what does not exist or is another learner's."""
    summary, visit = await summary_of(service, learner), await visit_of(service, other_learner)
    own, mastery = await visit_of(service, learner), summary.mastery_logs[0]
    good = attempt(8, sessionlog_id=own.id, masterylog_id=mastery.id)
    masteries, attempts, exams = service.mastery_logs, service.attempt_logs, service.exam_attempt_logs
    plain = {name: value for name, value in attempt(8).items() if name != "sessionlog_id"} | {"content_id": CONTENT}
    other_dataset = recorded_directory["ids"]["other_dataset"]
    wrong: list[tuple[Any, str, dict[str, Any]]] = [
        (attempts, "/masterylog_id", {**good, "masterylog_id": "0" * 32}),
        (attempts, "/masterylog_id", {**good, "masterylog_id": 5}),
        (attempts, "/sessionlog_id", {**good, "sessionlog_id": "0" * 32}),
        (attempts, "/sessionlog_id", {**good, "sessionlog_id": visit.id}),
        (attempts, "/sessionlog_id", attempt(8)),
        (attempts, "/user_id", {**good, "user_id": other_learner}),
        (attempts, "/dataset_id", {**good, "dataset_id": other_dataset}),
        (attempts, "/correct", {**good, "correct": 2}),
        (attempts, "/id", {**good, "id": "0" * 32}),
        (masteries, "/summarylog_id", {"summarylog_id": "0" * 32, "mastery_level": 3, "start_timestamp": START}),
        (masteries, "/summarylog_id", {"mastery_level": 3, "start_timestamp": START}),
        (masteries, "/mastery_level", {"summarylog_id": summary.id, "mastery_level": 2**31, "start_timestamp": START}),
        (exams, "/examlog_id", {**plain, "examlog_id": "0" * 32}),
        (exams, "/examlog_id", plain),
    ]

    for collection, pointer, values in wrong:
        with pytest.raises(ValidationFailed) as refused:
            await collection.save(values)
        assert pointer in [error.pointer for error in refused.value.errors], (pointer, values)
    not_a_mastery_log: Any = summary
    with pytest.raises(TypeError, match="MasteryLog"):
        await masteries.save(not_a_mastery_log)

    assert await attempts.count() == 3
    assert await problems(service) == []


async def test_dataset_of_an_anonymous_log(service: DocService, recorded_directory: dict[str, Any]) -> None:
    """An anonymous log keeps the dataset of a facility that it names, and else goes to the default facility."""
    ids = recorded_directory["ids"]

    named = await visit_of(service, None, dataset_id=ids["other_dataset"])
    unnamed = await visit_of(service, None)

    assert named.dataset_id == ids["other_dataset"]
    assert unnamed.dataset_id == ids["default_dataset"]
    with pytest.raises(ValidationFailed):
        await visit_of(service, None, dataset_id="9" * 32)


async def test_many_at_once(service: DocService, learner: str) -> None:
    """Attempts that are saved at the same moment are all there and all counted."""
    summary, visit = await summary_of(service, learner), await visit_of(service, learner)
    mastery = summary.mastery_logs[0]

    await asyncio.gather(
        *(
            service.attempt_logs.save(attempt(number, sessionlog_id=visit.id, masterylog_id=mastery.id))
            for number in range(10, 20)
        )
    )

    assert (await service.mastery_logs.get(id=mastery.id)).attempt_count == 13
    assert await problems(service) == []
