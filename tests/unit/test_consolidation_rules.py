"""What is repaired of what old Kolibris recorded wrongly, rule by rule; test_consolidation has whole summaries."""

from __future__ import annotations

import copy
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from docservice.domain.upkeep.consolidation import mastery_times, progress, quiz_attempts, with_time
from docservice.domain.values.times import exact_moment

START = datetime(2024, 9, 2, tzinfo=UTC)


def at(minute: float) -> datetime:
    """So many minutes after the start."""
    return START + timedelta(minutes=minute)


def attempt(name: str, item: str, start: float, end: float, **more: Any) -> dict[str, Any]:
    """An attempt of one minute's work, with an interaction of its own."""
    times = {"start_timestamp": at(start), "end_timestamp": at(end)}
    return {"id": name, "item": item, "time_spent": 60.0, "interaction_history": [{"by": name}], **times, **more}


def mastery_log(*attempts: dict[str, Any], level: int = -1, end: float | None = 9, **more: Any) -> dict[str, Any]:
    """A mastery log from minute 0 on."""
    times = {"start_timestamp": at(0), "end_timestamp": None if end is None else at(end), "completion_timestamp": None}
    return {"id": f"log{level}", "mastery_level": level, "attempts": list(attempts), "complete": False} | times | more


def summary(*logs: dict[str, Any], **more: Any) -> dict[str, Any]:
    """A summary with these mastery logs."""
    return {
        "kind": "exercise",
        "progress": 0.5,
        "end_timestamp": at(10),
        "completion_timestamp": None,
        "mastery_logs": list(logs),
        **more,
    }


def test_attempts_at_one_question_become_one() -> None:
    """The newest stays with its answer; it starts with the oldest and has the interactions and the time of all."""
    log = mastery_log(
        attempt("new", "q1", 5, 6, answer="b"), attempt("old", "q1", 1, 2, answer="a"), attempt("x", "q2", 3, 4)
    )

    repaired, records = quiz_attempts(summary(log))

    (kept,) = repaired["mastery_logs"]
    merged, other = kept["attempts"]
    assert records == 1
    assert kept["merged_attempt_ids"] == ["old"]
    assert (merged["id"], merged["answer"], merged["time_spent"]) == ("new", "b", 120.0)
    assert (merged["start_timestamp"], merged["end_timestamp"]) == (at(1), at(6))
    assert merged["interaction_history"] == [{"by": "old"}, {"by": "new"}]
    assert merged["_morango_dirty_bit"] is True
    assert other == attempt("x", "q2", 3, 4)


@pytest.mark.parametrize(
    "log",
    [
        mastery_log(),
        mastery_log(attempt("a", "q1", 1, 2), attempt("b", "q2", 1, 2)),
        mastery_log(attempt("a", "q1", 1, 2), attempt("b", "q1", 3, 4), level=1),
    ],
    ids=["no attempts", "each question once", "not a quiz"],
)
def test_attempts_that_are_right(log: dict[str, Any]) -> None:
    """A practice exercise may ask a question again, and a quiz that asked each once stays."""
    given = summary(log)

    assert quiz_attempts(given) == (given, 0)


@pytest.mark.parametrize(("value", "records"), [(0.999, 0), (0.9991, 2), (0.9999999, 2), (1.0, 0), (0.0, 0)], ids=str)
def test_progress_that_came_near_to_all(value: float, records: int) -> None:
    """Between 0.999 and 1 it is completed, with the latest mastery log, at the ends that they have."""
    given = summary(mastery_log(level=1, end=3), mastery_log(level=2, end=7), progress=value)

    repaired, count = progress(given)

    assert count == records
    if records:
        first, latest = repaired["mastery_logs"]
        assert (repaired["progress"], repaired["completion_timestamp"]) == (1.0, at(10))
        assert (latest["complete"], latest["completion_timestamp"]) == (True, at(7))
        assert first == mastery_log(level=1, end=3)
    else:
        assert repaired == given


def test_progress_without_mastery_logs() -> None:
    """The summary alone is completed."""
    repaired, records = progress({"progress": 0.9995, "end_timestamp": at(10), "completion_timestamp": None})

    assert (repaired["progress"], repaired["completion_timestamp"], records) == (1.0, at(10), 1)


@pytest.mark.parametrize(
    ("log", "end"),
    [
        (mastery_log(attempt("a", "q1", 1, 2), attempt("b", "q2", 3, 8), end=0), 8),
        (mastery_log(end=0), 10),
        (mastery_log(end=0, completion_timestamp=at(1)), None),
        (mastery_log(attempt("a", "q1", 1, 2), end=5), None),
        (mastery_log(attempt("a", "q1", 0, 0), end=0), None),
        (mastery_log(end=None), None),
    ],
    ids=["latest attempt", "summary", "complete", "has an end", "all at once", "no end"],
)
def test_the_end_of_a_mastery_log(log: dict[str, Any], end: float | None) -> None:
    """One that ends where it starts gets the end of its latest attempt, or that of the summary if it has none."""
    given = summary(log)

    repaired, records = mastery_times(given)

    assert records == (end is not None)
    if end is None:
        assert repaired == given
    else:
        (found,) = repaired["mastery_logs"]
        assert found == {**log, "end_timestamp": at(end), "_morango_dirty_bit": True}


@pytest.mark.parametrize("rule", [quiz_attempts, progress, mastery_times])
def test_what_was_given_stays_as_it_was(rule: Any) -> None:
    """A rule changes a copy, and finds nothing in what it has repaired."""
    log = mastery_log(attempt("a", "q1", 1, 2), attempt("b", "q1", 3, 4), end=0)
    given = summary(log, progress=0.9995)
    before = copy.deepcopy(given)

    once = rule(given)

    assert given == before
    assert once.records > 0
    assert rule(once.summary) == (once.summary, 0)


TEXT = "2024-09-02 00:00:00.000400(Africa/Nairobi)"
"""The start, with microseconds that milliseconds do not hold."""


def test_times_are_as_exact_as_the_device_recorded_them() -> None:
    """As long as the time was not changed since."""
    recorded = {"_recorded": {"t": TEXT}}

    assert exact_moment({"t": START, **recorded}, "t") == START + timedelta(microseconds=400)
    assert exact_moment({"t": at(1), **recorded}, "t") == at(1)
    assert exact_moment({"t": START}, "t") == START


def test_a_time_takes_its_text_along() -> None:
    """The text of the time that was there before is gone, other texts stay."""
    record = {"end": at(1), "_recorded": {"end": "old text", "start": "other text"}}

    assert with_time(record, "end", {"t": START, "_recorded": {"t": TEXT}}, "t") == {
        "end": START,
        "_recorded": {"end": TEXT, "start": "other text"},
    }
    assert with_time(record, "end", {"t": START}, "t") == {"end": START, "_recorded": {"start": "other text"}}
    assert with_time({"end": at(1)}, "end", {"t": START}, "t") == {"end": START}
