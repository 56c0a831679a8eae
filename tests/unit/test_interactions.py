"""Interactions become attempts as on a real Kolibri."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from docservice.domain.logs.content_logs import AttemptLog, ContentSessionLog
from docservice.domain.requests.tracking import Interaction
from docservice.domain.tracking import interactions
from docservice.domain.tracking.interactions import AttemptChanges
from docservice.errors import InvalidReference, ValidationFailed

NOW = datetime(2024, 9, 2, 5, 0, tzinfo=UTC)
LATER = NOW + timedelta(minutes=1)
TRY = "7" * 32


def visit(user_id: str | None = "a" * 32, source_id: str = "1" * 32) -> ContentSessionLog:
    """A visit of a learner, or of an anonymous visitor."""
    return ContentSessionLog(
        dataset_id="d" * 32, user_id=user_id, content_id="c" * 32, kind="exercise", start_timestamp=NOW
    ).identified(source_id)


def did(item: str, **fields: Any) -> Interaction:
    """An interaction with a question."""
    return Interaction.parse({"item": item, "correct": 1, "time_spent": 5, "answer": {"v": 1}, **fields})


def record(
    *sent: Interaction,
    known: Sequence[AttemptLog] = (),
    session: ContentSessionLog | None = None,
    now: datetime = NOW,
) -> AttemptChanges:
    """What the interactions do."""
    numbers = itertools.count(1000)
    return interactions.record(
        sent,
        known,
        session=session or visit(),
        masterylog_id=TRY,
        now=now,
        new_source_id=lambda: f"{next(numbers):032x}",
    )


def attempt(item: str = "a", **fields: Any) -> AttemptLog:
    """A stored attempt."""
    return next(iter(record(did(item, **fields)).created.values()))


def test_new_attempt() -> None:
    """A first interaction makes an attempt that began `time_spent` ago and keeps the interaction in its history."""
    changes = record(did("a", correct=0.5, complete=True, simple_answer="x"))

    (made,) = changes.created.values()
    assert made.start_timestamp == NOW - timedelta(seconds=5)
    assert made.end_timestamp == made.completion_timestamp == NOW
    assert (made.correct, made.time_spent, made.complete, made.simple_answer) == (0.5, 5, True, "x")
    assert (made.sessionlog_id, made.masterylog_id, made.user_id) == (visit().id, TRY, "a" * 32)
    assert made.interaction_history == [{"type": "answer", "answer": {"v": 1}, "correct": 0.5}]
    assert changes.correct_delta == 0.5


@pytest.mark.parametrize(
    ("items", "runs"),
    [("a", ["a"]), ("aa", ["a"]), ("aab", ["a", "b"]), ("aba", ["a", "b", "a"]), ("abba", ["a", "b", "a"])],
)
def test_runs(items: str, runs: list[str]) -> None:
    """Neighbours with the same item are one attempt; the same item later is another one."""
    changes = record(*(did(item) for item in items))

    assert [made.item for made in changes.answered] == runs
    assert len(changes.created) == len(runs)


def test_later_answers_do_not_count() -> None:
    """Without `replace` the first answer stays; time is the latest, the start stays, the history grows."""
    changes = record(did("a", correct=0, time_spent=5), did("a", correct=1, time_spent=9, answer={"v": 2}))

    (made,) = changes.created.values()
    assert (made.correct, made.answer, made.time_spent) == (0, {"v": 1}, 9)
    assert made.start_timestamp == NOW - timedelta(seconds=5)
    assert [entry["correct"] for entry in made.interaction_history] == [0, 1]


def test_replace() -> None:
    """`replace` changes the attempt at the same item, and only what was sent of it."""
    old = attempt("a", correct=0, simple_answer="old")

    changes = record(did("a", replace=True, answer={"v": 2}), known=[attempt("b"), old], now=LATER)

    (changed,) = changes.changed.values()
    assert not changes.created
    assert (changed.id, changed.correct, changed.answer, changed.simple_answer) == (old.id, 1, {"v": 2}, "old")
    assert (changed.end_timestamp, changed.start_timestamp) == (LATER, old.start_timestamp)
    assert changes.correct_delta == 1


def test_replace_without_one_is_new() -> None:
    """`replace` where there is nothing to replace makes an attempt."""
    changes = record(did("a", replace=True), known=[attempt("b")])

    assert (len(changes.created), len(changes.changed)) == (1, 0)


def test_replace_of_several_means_the_latest() -> None:
    """Where several attempts fit, the one touched last is meant."""
    first = record(did("a"), now=NOW).answered[0].model_copy(update={"id": "1" * 32})
    last = record(did("a"), now=LATER).answered[0].model_copy(update={"id": "2" * 32})

    changes = record(did("a", replace=True), known=[last, first])

    assert set(changes.changed) == {last.id}


def test_anonymous_replace_stays_in_its_visit() -> None:
    """An anonymous visitor replaces attempts of the same visit only; by id any will do."""
    other, own = visit(None, "2" * 32), visit(None, "3" * 32)
    old = record(did("a", correct=0), session=other).answered[0]

    replaced = record(did("a", replace=True), known=[old], session=own)
    by_id = record(did("a", replace=True, id=old.id), known=[old], session=own)

    assert (len(replaced.created), len(by_id.changed)) == (1, 1)


def test_by_id() -> None:
    """An id chooses the attempt, whose item stays; only the first of a run may choose."""
    old = attempt("a")

    changes = record(did("b", id=old.id), did("b", id="9" * 32), known=[old])

    (changed,) = changes.changed.values()
    assert (changed.id, changed.item, len(changed.interaction_history)) == (old.id, "a", 3)


def test_unknown_id() -> None:
    """An id that is not there is an error."""
    with pytest.raises(InvalidReference, match="Invalid attemptlog id specified"):
        record(did("a", id="9" * 32), known=[attempt()])


def test_attempt_made_in_the_same_report_can_be_replaced() -> None:
    """a, b, then a with `replace`: the third changes the first, which is answered twice."""
    changes = record(did("a", correct=0), did("b"), did("a", replace=True))

    assert changes.answered[0].id == changes.answered[2].id
    assert (len(changes.created), len(changes.changed)) == (2, 0)
    assert changes.correct_delta == 2
    assert changes.created[changes.answered[0].id].correct == 1


@pytest.mark.parametrize(
    ("before", "fields", "hinted"),
    [
        (0, {"hinted": True}, True),
        (1, {"hinted": True}, False),
        (0.5, {"hinted": True}, False),
        (0, {"hinted": True, "replace": True}, True),
        (0, {"hinted": False}, False),
    ],
)
def test_hint(before: float, fields: dict[str, Any], hinted: bool) -> None:
    """A hint counts only while the attempt is wrong, judged before the interaction replaces its answer."""
    old = attempt("a", correct=before)

    changes = record(did("a", id=old.id, **fields), known=[old])

    assert changes.answered[0].hinted is hinted
    assert record(did("a", id=old.id), known=changes.answered).answered[0].hinted is hinted


def test_error() -> None:
    """An error needs no answer, marks the attempt for good, and is in the history without one."""
    changes = record(
        Interaction.parse({"item": "a", "correct": 0, "time_spent": 1, "error": True}), did("a"), did("a", hinted=True)
    )

    (made,) = changes.created.values()
    assert (made.error, made.answer) == (True, {})
    assert [entry["type"] for entry in made.interaction_history] == ["error", "answer", "hint"]
    assert made.interaction_history[0] == {"type": "error"}


def test_completion() -> None:
    """An attempt is completed once, at that time, and never opened again."""
    old = attempt("a")
    done = record(did("a", id=old.id, complete=True), known=[old], now=LATER).answered[0]

    again = record(did("a", id=old.id, complete=True), known=[done], now=LATER + timedelta(hours=1)).answered[0]
    after = record(did("a", id=old.id, complete=False), known=[again]).answered[0]

    assert (old.complete, old.completion_timestamp) == (False, None)
    assert done.completion_timestamp == again.completion_timestamp == after.completion_timestamp == LATER
    assert after.complete


def test_time_before_the_calendar() -> None:
    """A time that reaches back before the calendar is refused with its field, in the place where it was sent."""
    with pytest.raises(ValidationFailed) as caught:
        record(did("a"), did("b", time_spent=1e15))

    assert [error.pointer for error in caught.value.errors] == ["/interactions/1/time_spent"]


def test_the_first_of_each_run_chooses() -> None:
    """Which attempts have to be read follows from the first interaction of each run."""
    sent = [did("a"), did("a", id="1" * 32), did("b", id="2" * 32), did("a", replace=True)]

    assert interactions.selecting(sent) == [sent[0], sent[2], sent[3]]


def test_nothing_is_changed_in_place() -> None:
    """The attempts that came in stay as they were."""
    old = attempt("a", correct=0)
    before = old.model_copy(deep=True)

    record(did("a", replace=True), did("a", hinted=True), known=[old])

    assert old == before
