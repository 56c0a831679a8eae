"""Actions that wait together share a transaction, and each of them gets what it would have got alone."""

from __future__ import annotations

import asyncio
import uuid
from datetime import UTC, datetime
from typing import Any

import pytest
from pymongo import AsyncMongoClient, monitoring

from docservice import DocService, Principal, ReportActivity, StartSession, UpdateSession
from docservice.domain.upkeep.consistency import Finding
from docservice.errors import DocumentTooLarge, IdempotencyMismatch, InvalidReference, LogNotFound, Unauthenticated
from tests.support.clocks import stopped_at

SESSIONS, SUMMARIES = "content_session_logs", "content_summary_logs"


class Commits(monitoring.CommandListener):
    """How many transactions the clients of this process have committed."""

    def __init__(self) -> None:
        self.count = 0

    def started(self, event: monitoring.CommandStartedEvent) -> None:
        """Nothing is kept yet."""

    def succeeded(self, event: monitoring.CommandSucceededEvent) -> None:
        """Count commits."""
        self.count += event.command_name == "commitTransaction"

    def failed(self, event: monitoring.CommandFailedEvent) -> None:
        """Nothing was kept."""


@pytest.fixture(scope="module", autouse=True)
def commits() -> Commits:
    """Counts for every client made from now on."""
    listener = Commits()
    monitoring.register(listener)
    return listener


@pytest.fixture
def learners(recorded_directory: dict[str, Any]) -> list[Principal]:
    """Three learners of the recorded directory."""
    return [Principal(user_id=recorded_directory["ids"][name]) for name in ("learner1", "learner2", "learner3")]


def exercise() -> StartSession:
    """A start of an exercise of its own."""
    content = uuid.uuid4().hex
    model = {"type": "m_of_n", "m": 5, "n": 7}
    return StartSession.parse(
        {"node_id": content, "content_id": content, "channel_id": content, "kind": "exercise", "mastery_model": model}
    )


async def visit(service: DocService, learner: Principal) -> str:
    """The id of a new content session."""
    return (await service.acting_as(learner).start_session(exercise())).session_id


def answer(item: str, **fields: Any) -> UpdateSession:
    """A report of one answer."""
    question = {"item": item, "correct": 1, "time_spent": 1, "answer": {}, **fields}
    return UpdateSession.parse({"time_spent_delta": 1, "interactions": [question]})


async def test_a_refused_report_in_a_full_group(
    service: DocService, database: Any, learners: list[Principal], commits: Commits
) -> None:
    """Of 64 reports at once those that are wrong fail, each with its own error; all others are kept, in few commits."""
    sessions = [await visit(service, learner) for learner in learners]
    reports: list[Any] = [
        service.acting_as(learners[number % 3]).update_session(sessions[number % 3], answer(f"q{number}"))
        for number in range(60)
    ]
    unknown, foreign = uuid.uuid4().hex, sessions[1]
    reports[7:7] = [
        service.acting_as(learners[0]).update_session(unknown, answer("q")),
        service.acting_as(learners[0]).update_session(foreign, answer("q")),
        service.acting_as(learners[0]).update_session(sessions[0], answer("q", id=uuid.uuid4().hex)),
        service.acting_as(Principal(user_id=uuid.uuid4().hex)).update_session(sessions[0], answer("q")),
    ]
    before = commits.count

    outcomes = await asyncio.gather(*reports, return_exceptions=True)

    errors = [type(outcome) for outcome in outcomes if isinstance(outcome, BaseException)]
    assert errors == [LogNotFound, LogNotFound, InvalidReference, Unauthenticated]
    counts = [summary["mastery_logs"][0]["attempt_count"] async for summary in database[SUMMARIES].find()]
    assert counts == [20, 20, 20]
    assert 1 <= commits.count - before <= 8


async def test_a_report_that_cannot_be_stored_in_a_group(
    service: DocService, database: Any, learners: list[Principal]
) -> None:
    """One that only the database refuses, a document beyond 16 MiB, takes none of the others with it."""
    sessions = [await visit(service, learner) for learner in learners]
    reports: list[Any] = [
        service.acting_as(learners[number % 3]).update_session(sessions[number % 3], answer(f"q{number}"))
        for number in range(30)
    ]
    huge = UpdateSession.parse({"extra_fields": {"text": "x" * 17_000_000}})
    reports[11:11] = [service.acting_as(learners[1]).update_session(sessions[1], huge)]

    outcomes = await asyncio.gather(*reports, return_exceptions=True)

    assert [number for number, outcome in enumerate(outcomes) if isinstance(outcome, BaseException)] == [11]
    assert isinstance(outcomes[11], DocumentTooLarge)
    counts = [summary["mastery_logs"][0]["attempt_count"] async for summary in database[SUMMARIES].find()]
    assert counts == [10, 10, 10]


async def test_the_same_key_in_one_group(service: DocService, database: Any, learners: list[Principal]) -> None:
    """A request that comes five times at once under its key is carried out once; another one under it is refused."""
    session = await visit(service, learners[0])
    me = service.acting_as(learners[0])

    *same, other = await asyncio.gather(
        *(me.update_session(session, answer("q"), idempotency_key="key") for _ in range(5)),
        me.update_session(session, answer("another"), idempotency_key="key"),
        return_exceptions=True,
    )

    assert not [outcome for outcome in same if isinstance(outcome, BaseException)]
    assert len({outcome.attempts[0].id for outcome in same}) == 1  # type: ignore[union-attr]
    assert isinstance(other, IdempotencyMismatch)
    [log] = (await database[SUMMARIES].find_one({}))["mastery_logs"]
    assert (log["attempt_count"], len(log["attempts"])) == (1, 1)


async def test_actions_of_a_learner_keep_their_order(
    service: DocService, database: Any, learners: list[Principal]
) -> None:
    """What is reported last counts last, also when all of it waits together."""
    session = await visit(service, learners[0])
    me = service.acting_as(learners[0])

    await asyncio.gather(
        *(me.update_session(session, UpdateSession.parse({"extra_fields": {"n": n}})) for n in range(40)),
        *(me.update_session(session, answer("q", replace=n > 0, simple_answer=str(n))) for n in range(10)),
    )

    summary = await database[SUMMARIES].find_one({})
    assert summary["extra_fields"] == {"n": 39}
    [attempt] = summary["mastery_logs"][0]["attempts"]
    assert attempt["simple_answer"] == "9"


async def test_another_tab_chooses_what_was_just_added(
    service: DocService, database: Any, learners: list[Principal]
) -> None:
    """A start and reports of two tabs on one content see in one group what those before them left."""
    start, me = exercise(), service.acting_as(learners[0])
    first = (await me.start_session(start)).session_id

    second, *_ = await asyncio.gather(
        me.start_session(start),
        me.update_session(first, answer("a")),
        me.update_session(first, answer("a", replace=True, correct=0)),
        me.update_session(first, answer("b")),
        me.start_session(start),
    )
    again = await me.start_session(start)

    assert [attempt.item for attempt in again.pastattempts] == ["b", "a"]
    assert [attempt.correct for attempt in again.pastattempts] == [1, 0]
    assert again.totalattempts == 2
    assert await database[SESSIONS].count_documents({}) == 4
    assert await database[SESSIONS].count_documents({"_id": second.session_id}) == 1


async def test_a_summary_that_was_deleted_is_started_again_in_a_group(
    service: DocService, database: Any, learners: list[Principal]
) -> None:
    """A report on an old session finds the summary that a start of the same group has just made, and stays whole."""
    start, me = exercise(), service.acting_as(learners[0])
    first = (await me.start_session(start)).session_id
    await database[SUMMARIES].delete_many({})

    await asyncio.gather(
        me.start_session(start), *(me.update_session(first, answer(f"q{number}")) for number in range(60))
    )

    assert (await me.start_session(start)).totalattempts == 60
    findings: list[Finding] = []
    await service.admin.verify(findings.append)
    assert findings == []


async def test_each_learner_has_the_time_of_the_own_service(
    service: DocService, database: Any, learners: list[Principal]
) -> None:
    """Services with different clocks, as for loading the past, share groups and not the time."""
    moments = [datetime(2024, 9, day, 5, tzinfo=UTC) for day in (2, 3, 1)]
    active = ReportActivity.model_validate({"active": True})

    await asyncio.gather(
        *(
            service.with_clock(stopped_at(moment)).acting_as(learner).update_user_session(active)
            for learner, moment in zip(learners, moments, strict=True)
        )
    )

    found = {log["user_id"]: log async for log in database["user_session_logs"].find()}
    for learner, moment in zip(learners, moments, strict=True):
        log = found[learner.user_id]
        assert log["start_timestamp"] == log["last_interaction_timestamp"] == moment


async def test_a_learner_whose_log_is_held_stops_nobody_else(
    service: DocService, database: Any, learners: list[Principal], mongodb_uri: str
) -> None:
    """While another client holds a learner's session in a transaction, others report; then the learner goes on too."""
    sessions = [await visit(service, learner) for learner in learners]
    async with AsyncMongoClient[dict[str, Any]](mongodb_uri) as other, other.start_session() as holding:
        await holding.start_transaction()
        held = other[database.name][SESSIONS]
        await held.update_one({"_id": sessions[0]}, {"$set": {"progress": 0.9}}, session=holding)
        waiting = [
            asyncio.ensure_future(service.acting_as(learners[0]).update_session(sessions[0], answer(f"q{number}")))
            for number in range(3)
        ]
        for round_ in range(3):
            await asyncio.gather(
                *(
                    service.acting_as(learner).update_session(session, answer(f"q{round_}"))
                    for learner, session in zip(learners[1:], sessions[1:], strict=True)
                )
            )
        assert not any(task.done() for task in waiting)
        await holding.abort_transaction()

    answers = await asyncio.gather(*waiting)

    assert [outcome.attempts[0].item for outcome in answers] == ["q0", "q1", "q2"]
    counts = [summary["mastery_logs"][0]["attempt_count"] async for summary in database[SUMMARIES].find()]
    assert counts == [3, 3, 3]
    session = await database[SESSIONS].find_one({"_id": sessions[0]})
    assert (session["progress"], session["time_spent"]) == (0, 3)
