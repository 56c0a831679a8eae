"""A document that grows too large gives its oldest attempts away, and nothing is lost by it."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import bson
import pytest

from docservice import ANONYMOUS, AttemptAnswer, DocService, Principal, StartSession, UpdateSession
from docservice.store.logs.overflow import EMBEDDED_ATTEMPTS

LARGEST_DOCUMENT = 16 * 1024 * 1024
CONTENT = {"node_id": "e" * 32, "content_id": "c" * 32, "channel_id": "b" * 32}
QUIZ = {**CONTENT, "kind": "exercise", "mastery_model": {"type": "quiz"}}
VIDEO = {**CONTENT, "kind": "video"}


@dataclass
class Clock:
    """A clock that moves a second each time it is read."""

    moment: datetime = datetime(2024, 9, 2, 5, 0, tzinfo=UTC)

    def __call__(self) -> datetime:
        self.moment += timedelta(seconds=1)
        return self.moment


@dataclass
class Visit:
    """A visit, and what was answered in it.

    Attributes:
        answered: the last known state of each attempt, by id, in the order they were made.
        starts: when each attempt began.
    """

    logs: DocService
    clock: Clock
    who: Principal
    session_id: str
    answered: dict[str, AttemptAnswer] = field(default_factory=dict)
    starts: dict[str, datetime] = field(default_factory=dict)

    @classmethod
    async def begin(
        cls, service: DocService, who: Principal, body: dict[str, Any], clock: Clock | None = None
    ) -> Visit:
        """Start a visit."""
        clock = clock or Clock()
        logs = service.with_clock(clock)
        started = await logs.acting_as(who).start_session(StartSession.parse(body))
        return cls(logs, clock, who, started.session_id)

    async def report(self, interactions: Sequence[dict[str, Any]]) -> list[AttemptAnswer]:
        """Report interactions; the answers."""
        updated = await self.logs.acting_as(self.who).update_session(
            self.session_id, UpdateSession.parse({"interactions": list(interactions)})
        )
        for answer in updated.attempts:
            self.starts.setdefault(answer.id, self.clock.moment - timedelta(seconds=answer.time_spent))
            self.answered[answer.id] = answer
        return updated.attempts

    def newest_first(self) -> list[AttemptAnswer]:
        """All attempts as a start should show them."""
        order = list(self.starts)
        ids = sorted(order, key=lambda id_: (self.starts[id_], order.index(id_)), reverse=True)
        return [self.answered[id_] for id_ in ids]


def interaction(item: str, **fields: Any) -> dict[str, Any]:
    """An answer to a question."""
    return {"item": item, "correct": 1, "time_spent": 1, "answer": {"v": item}, **fields}


async def stored(database: Any) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """All attempts embedded in summaries and sessions, and all in buckets."""
    embedded: list[dict[str, Any]] = []
    async for summary in database["content_summary_logs"].find({}):
        assert len(bson.encode(summary)) < LARGEST_DOCUMENT
        embedded += [attempt for log in summary["mastery_logs"] for attempt in log["attempts"]]
    async for session in database["content_session_logs"].find({}):
        assert len(bson.encode(session)) < LARGEST_DOCUMENT
        embedded += session.get("attempts", [])
    moved: list[dict[str, Any]] = []
    async for bucket in database["attempt_overflow"].find({}):
        assert len(bson.encode(bucket)) < LARGEST_DOCUMENT
        assert bucket["last_start_timestamp"] == max(attempt["start_timestamp"] for attempt in bucket["attempts"])
        moved += bucket["attempts"]
    return embedded, moved


@pytest.fixture
def learner(recorded_directory: dict[str, Any]) -> Principal:
    """A learner of the recorded directory."""
    return Principal(user_id=recorded_directory["ids"]["learner1"])


async def answer_a_thousand(visit: Visit, seed: int = 7) -> None:
    """1,000 answers that took from a second to an hour, so that starts do not follow the order of arrival."""
    chance = random.Random(seed)
    for batch in range(10):
        await visit.report(
            [
                interaction(
                    f"q{batch}-{number}",
                    # No two begin in the same millisecond, so that there is one right order.
                    time_spent=chance.randint(1, 3600) + (batch * 100 + number) / 1000,
                    correct=number % 2,
                )
                for number in range(100)
            ]
        )


async def test_a_thousand_attempts(service: DocService, database: Any, learner: Principal) -> None:
    """1,000 attempts in one try: all counted, all kept once, few embedded, the newest ones."""
    visit = await Visit.begin(service, learner, QUIZ)

    await answer_a_thousand(visit)

    embedded, moved = await stored(database)
    ids = [attempt["id"] for attempt in (*embedded, *moved)]
    assert len(embedded) <= EMBEDDED_ATTEMPTS
    assert sorted(ids) == sorted(visit.answered)
    log = (await database["content_summary_logs"].find_one({}))["mastery_logs"][0]
    assert (log["attempt_count"], log["correct_sum"]) == (1000, 500)


async def test_past_attempts_across_documents(service: DocService, learner: Principal) -> None:
    """The next start of a quiz shows all 1,000, newest start first, wherever they are stored."""
    visit = await Visit.begin(service, learner, QUIZ)
    await answer_a_thousand(visit)

    again = await service.acting_as(learner).start_session(StartSession.parse(QUIZ))

    assert again.totalattempts == 1000
    assert again.pastattempts == visit.newest_first()


async def test_attempts_that_begin_together(service: DocService, learner: Principal) -> None:
    """Of attempts with the same start, the one that came later is shown first, wherever each is stored."""
    visit = await Visit.begin(service, learner, QUIZ)
    clock = Clock()
    for number in range(5):
        clock.moment = datetime(2024, 9, 2, 6, 0, tzinfo=UTC)
        visit.logs, visit.clock = service.with_clock(clock), clock
        await visit.report([interaction(f"q{number}-{item}") for item in range(60)])

    again = await service.acting_as(learner).start_session(StartSession.parse(QUIZ))

    assert [answer.item for answer in again.pastattempts] == [answer.item for answer in visit.newest_first()]


@pytest.mark.slow
@pytest.mark.parametrize("wanted", [1, 150, 5000])
async def test_some_past_attempts_across_documents(service: DocService, learner: Principal, wanted: int) -> None:
    """An exercise shows the newest n, also where some of them have moved away."""
    body = {**CONTENT, "kind": "exercise", "mastery_model": {"type": "m_of_n", "m": 1, "n": wanted}}
    visit = await Visit.begin(service, learner, body)
    await answer_a_thousand(visit)

    again = await service.acting_as(learner).start_session(StartSession.parse(body))

    assert again.totalattempts == 1000
    assert again.pastattempts == visit.newest_first()[:wanted]


@pytest.mark.slow
@pytest.mark.parametrize("by", ["id", "item"])
async def test_change_of_a_moved_attempt(service: DocService, database: Any, learner: Principal, by: str) -> None:
    """An attempt that has moved is changed where it stands, by id and by item; counts follow, nothing is doubled."""
    visit = await Visit.begin(service, learner, QUIZ)
    await answer_a_thousand(visit)
    _, moved = await stored(database)
    target = next(attempt for attempt in moved if attempt["correct"] == 0)
    chosen = {"id": target["id"]} if by == "id" else {}

    (answer,) = await visit.report([interaction(target["item"], replace=True, answer={"new": 1}, **chosen)])

    assert answer.id == target["id"]
    _, after = await stored(database)
    changed = next(attempt for attempt in after if attempt["id"] == target["id"])
    assert (changed["correct"], changed["answer"], len(changed["interaction_history"])) == (1, {"new": 1}, 2)
    assert changed["start_timestamp"] == target["start_timestamp"]
    assert len(after) == len(moved)
    log = (await database["content_summary_logs"].find_one({}))["mastery_logs"][0]
    assert (log["attempt_count"], log["correct_sum"]) == (1000, 501)
    again = await service.acting_as(learner).start_session(StartSession.parse(QUIZ))
    assert again.pastattempts == visit.newest_first()


async def test_moved_and_embedded_changes_in_one_report(service: DocService, database: Any, learner: Principal) -> None:
    """One report may change a moved attempt and an embedded one, and make a new one."""
    visit = await Visit.begin(service, learner, QUIZ)
    await answer_a_thousand(visit)
    embedded, moved = await stored(database)

    answers = await visit.report(
        [
            interaction(moved[0]["item"], id=moved[0]["id"], hinted=True, correct=0),
            interaction(embedded[0]["item"], replace=True, answer={"new": 2}),
            interaction("new one"),
        ]
    )

    assert [answer.id for answer in answers[:2]] == [moved[0]["id"], embedded[0]["id"]]
    again = await service.acting_as(learner).start_session(StartSession.parse(QUIZ))
    assert again.totalattempts == 1001
    assert again.pastattempts == visit.newest_first()


@pytest.mark.slow
@pytest.mark.parametrize("size", [60_000, 1_200_000])
async def test_large_answers(service: DocService, database: Any, learner: Principal, size: int) -> None:
    """Attempts move when their bytes pass 1 MiB in all, a single one that is larger too; nothing is lost."""
    visit = await Visit.begin(service, learner, QUIZ)
    for number in range(24):
        await visit.report([interaction(f"q{number}", answer={"text": f"{number}" + "x" * (size // 2)})])

    summary = await database["content_summary_logs"].find_one({})
    embedded, moved = await stored(database)

    assert len(bson.encode(summary)) <= 1024 * 1024 + 100_000
    assert moved
    assert sorted(attempt["id"] for attempt in (*embedded, *moved)) == sorted(visit.answered)
    again = await service.acting_as(learner).start_session(StartSession.parse(QUIZ))
    assert again.pastattempts == visit.newest_first()


async def test_attempt_that_grows(service: DocService, database: Any, learner: Principal) -> None:
    """An attempt that grows by its history moves the others, or itself, when the limit is passed."""
    visit = await Visit.begin(service, learner, QUIZ)
    (answer,) = await visit.report([interaction("a")])
    for number in range(12):
        await visit.report([interaction("a", id=answer.id, answer={"text": f"{number}" + "x" * 100_000})])

    embedded, moved = await stored(database)

    assert [len(attempt["interaction_history"]) for attempt in (*embedded, *moved)] == [13]
    assert len(bson.encode(await database["content_summary_logs"].find_one({}))) <= 1024 * 1024 + 100_000


async def test_tries_share_the_limit(service: DocService, database: Any, learner: Principal) -> None:
    """The limit is that of the document: many tries together keep no more attempts embedded than one."""
    body = {**CONTENT, "kind": "exercise", "mastery_model": {"type": "num_correct_in_a_row_10"}, "repeat": True}
    clock = Clock()
    for number in range(12):
        visit = await Visit.begin(service, learner, body, clock)
        await visit.report([interaction(f"q{number}-{item}") for item in range(30)])
        await visit.logs.acting_as(learner).update_session(visit.session_id, UpdateSession.parse({"progress": 1}))

    embedded, moved = await stored(database)

    summary = await database["content_summary_logs"].find_one({})
    assert len(embedded) <= EMBEDDED_ATTEMPTS
    assert len({attempt["id"] for attempt in (*embedded, *moved)}) == 360
    assert [log["mastery_level"] for log in summary["mastery_logs"]] == list(range(1, 13))
    assert [log["attempt_count"] for log in summary["mastery_logs"]] == [30] * 12
    assert summary["overflow_buckets"] == await database["attempt_overflow"].count_documents({})


async def test_anonymous_attempts(service: DocService, database: Any) -> None:
    """1,000 attempts of an anonymous visit are kept once each, and can still be chosen by id and by item."""
    visit = await Visit.begin(service, ANONYMOUS, QUIZ)
    await answer_a_thousand(visit)
    embedded, moved = await stored(database)

    by_id = await visit.report([interaction("x", id=moved[0]["id"], hinted=True)])
    by_item = await visit.report([interaction(moved[1]["item"], replace=True, answer={"new": 1})])

    assert len(embedded) <= EMBEDDED_ATTEMPTS
    assert sorted(attempt["id"] for attempt in (*embedded, *moved)) == sorted(visit.answered)
    assert [answer.id for answer in (*by_id, *by_item)] == [moved[0]["id"], moved[1]["id"]]
    after = await stored(database)
    assert (len(after[0]), len(after[1])) == (len(embedded), len(moved))


async def test_an_attempt_of_another_visit(service: DocService) -> None:
    """A visitor's report that changes attempts of an earlier visit, twice, leaves that visit's counters right."""
    visitor, body = service.acting_as(ANONYMOUS), StartSession.parse(QUIZ)
    first = await visitor.start_session(body)
    made = await visitor.update_session(first.session_id, UpdateSession.parse({"interactions": [interaction("q1")]}))
    second = await visitor.start_session(body)
    longer = [interaction("q1", id=made.attempts[0].id, answer={"v": "x" * 50 * number}) for number in (1, 2)]
    await visitor.update_session(second.session_id, UpdateSession.parse({"interactions": longer}))

    found: list[object] = []
    await service.admin.verify(found.append)

    assert found == []


async def test_anonymous_replace_stays_in_its_visit(service: DocService, database: Any) -> None:
    """An anonymous `replace` by item never reaches the moved attempts of another visit."""
    first = await Visit.begin(service, ANONYMOUS, QUIZ)
    await answer_a_thousand(first)
    _, moved = await stored(database)
    second = await Visit.begin(service, ANONYMOUS, QUIZ)
    await answer_a_thousand(second, seed=8)

    (answer,) = await second.report([interaction(moved[0]["item"], replace=True)])

    assert answer.id not in first.answered
    assert answer.id in second.starts


async def test_loose_attempts_of_a_learner(service: DocService, database: Any, learner: Principal) -> None:
    """A learner's attempts without a try move from their visit, and another visit can still choose them."""
    first = await Visit.begin(service, learner, VIDEO)
    await answer_a_thousand(first)
    embedded, moved = await stored(database)
    second = await Visit.begin(service, learner, VIDEO)

    by_id = await second.report([interaction("x", id=moved[0]["id"])])
    by_item = await second.report([interaction(moved[1]["item"], replace=True)])
    in_visit = await second.report([interaction(embedded[0]["item"], replace=True)])

    chosen = [answer.id for answer in (*by_id, *by_item, *in_visit)]
    assert chosen == [moved[0]["id"], moved[1]["id"], embedded[0]["id"]]
    after = await stored(database)
    assert sorted(attempt["id"] for part in after for attempt in part) == sorted(first.answered)


async def test_nothing_moves_without_need(service: DocService, database: Any, learner: Principal) -> None:
    """Up to the limit all attempts stay in the document."""
    visit = await Visit.begin(service, learner, QUIZ)

    await visit.report([interaction(f"q{number}") for number in range(EMBEDDED_ATTEMPTS)])

    embedded, moved = await stored(database)
    assert (len(embedded), len(moved)) == (EMBEDDED_ATTEMPTS, 0)
