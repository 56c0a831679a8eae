"""Starts and reports as pure functions."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from docservice.domain.logs.content_logs import ContentSummaryLog
from docservice.domain.requests.tracking import StartSession, UpdateSession
from docservice.domain.tracking import content_sessions as tracking
from docservice.domain.tracking.content_sessions import Start, TrackedPerson, Update
from docservice.errors import InvalidReference, PermissionDenied

NOW = datetime(2024, 9, 2, 5, 0, tzinfo=UTC)
LATER = NOW + timedelta(minutes=1)
DATASET, USER, CONTENT, CHANNEL = "d" * 32, "a" * 32, "c" * 32, "b" * 32
LEARNER, ANONYMOUS = TrackedPerson(DATASET, USER, "f" * 32), TrackedPerson(DATASET, visitor_id="f" * 32)
VIDEO = {"node_id": "e" * 32, "content_id": CONTENT, "channel_id": CHANNEL, "kind": "video"}
EXERCISE = {**VIDEO, "kind": "exercise", "mastery_model": {"type": "m_of_n", "m": 3, "n": 5}}
QUIZ = {"quiz_id": "9" * 32}
numbers = itertools.count(1)


def source_id() -> str:
    """A source id that was not used before."""
    return f"{next(numbers):032x}"


def start(
    body: dict[str, Any],
    summary: ContentSummaryLog | None = None,
    visitor: TrackedPerson = LEARNER,
    now: datetime = NOW,
) -> Start:
    """Start a visit."""
    request = StartSession.parse(body)
    content = tracking.tracked_content(request, visitor.user_id)
    return tracking.start(
        content, visitor, summary, repeat=request.repeat, now=now, new_source_id=source_id, random_level=-77
    )


def update(started: Start, body: dict[str, Any], summary: ContentSummaryLog | None = None) -> Update:
    """Report on a visit."""
    logs = tracking.SessionLogs.of(started.session, summary or started.summary)
    return tracking.update(UpdateSession.parse(body), logs, [], now=LATER, new_source_id=source_id)


def test_first_start() -> None:
    """A learner's first visit makes a summary and a session with the same times; a video has no try."""
    started = start({**VIDEO, "lesson_id": "8" * 32})

    assert started.summary is not None
    assert started.current_try is None
    assert started.summary.start_timestamp == started.session.end_timestamp == NOW
    assert (started.summary.content_id, started.summary.user_id, started.summary.progress) == (CONTENT, USER, 0)
    assert started.session.context == {"node_id": "e" * 32, "lesson_id": "8" * 32}
    assert started.session.visitor_id is None


def test_start_of_an_exercise() -> None:
    """An exercise opens try 1, whose level is in the visit's context."""
    started = start(EXERCISE)

    assert started.summary is not None
    assert [log.mastery_level for log in started.summary.mastery_logs] == [1]
    assert started.session.context["mastery_level"] == 1
    assert started.mastery_criterion == {"type": "m_of_n", "m": 3, "n": 5}


def test_anonymous_start() -> None:
    """An anonymous visit has no summary and no try, but keeps the visitor's id."""
    started = start(EXERCISE, visitor=ANONYMOUS)

    assert (started.summary, started.current_try) == (None, None)
    assert started.session.visitor_id == "f" * 32
    assert started.session.context == {"node_id": "e" * 32}
    assert started.mastery_criterion == EXERCISE["mastery_model"]


def test_second_start() -> None:
    """A later visit takes the summary along: channel and end are new, progress stays unless `repeat` asks for it."""
    first = start(VIDEO)
    summary = update(first, {"progress": 1, "time_spent_delta": 7, "extra_fields": {"p": 1}}).summary

    second = start({**VIDEO, "channel_id": "1" * 32, "kind": "html5"}, summary, now=LATER)
    third = start({**VIDEO, "repeat": True}, summary, now=LATER)

    assert second.summary is not None
    assert third.summary is not None
    assert (second.summary.channel_id, second.summary.kind, second.summary.progress) == ("1" * 32, "video", 1)
    assert (third.summary.progress, third.summary.time_spent, third.summary.extra_fields) == (0, 7, {"p": 1})
    assert third.summary.completion_timestamp == LATER


def test_quiz() -> None:
    """A coach's quiz is its own content, whatever else was sent, with a random level."""
    started = start({**QUIZ, "content_id": CONTENT, "kind": "video"})

    assert started.session.content_id == QUIZ["quiz_id"]
    assert (started.session.kind, started.session.channel_id) == ("quiz", None)
    assert started.session.context == {"quiz_id": QUIZ["quiz_id"], "mastery_level": -77}
    assert started.mastery_criterion == {"type": "quiz", "coach_assigned": True}


def test_unit_test() -> None:
    """A unit's test names its version and which of the two it is."""
    body = {"unit_id": "1" * 32, "course_session_id": "2" * 32, "test_type": "post"}

    started = start(body)

    assert started.mastery_criterion is not None
    assert started.mastery_criterion.keys() == {"type", "version", "test_type"}
    assert started.session.context.keys() == {"unit_id", "course_session_id", "mastery_level"}


def test_update() -> None:
    """A report changes visit, summary and try, each by its own old values."""
    started = start(EXERCISE)

    updated = update(started, {"progress_delta": 0.25, "time_spent_delta": 3})

    assert not updated.complete
    assert updated.attempts is None
    assert updated.summary is not None
    assert (updated.session.progress, updated.summary.progress) == (0.25, 0.25)
    times = (updated.session.time_spent, updated.summary.time_spent, updated.summary.mastery_logs[0].time_spent)
    assert times == (3, 3, 3)


def test_completion() -> None:
    """Progress 1 completes summary and try at that moment; both keep it when progress falls again."""
    started = start(EXERCISE)
    done = update(started, {"progress": 1})

    fallen = update(started, {"progress": 0.5}, done.summary)

    assert done.complete
    assert not fallen.complete
    assert fallen.summary is not None
    assert fallen.summary.completion_timestamp == LATER
    assert fallen.summary.mastery_logs[0].complete


def test_interactions_are_counted() -> None:
    """New attempts and their correctness are counted in the try in the same step."""
    interactions = [{"item": item, "correct": 0.5, "time_spent": 1, "answer": {}} for item in "ab"]

    updated = update(start(EXERCISE), {"interactions": interactions})

    assert updated.summary is not None
    log = updated.summary.mastery_logs[0]
    assert (log.attempt_count, log.correct_sum) == (2, 1)


def test_end_of_a_try_moves_only_with_it() -> None:
    """A report of interactions alone does not move the end of the try, as on the real server."""
    updated = update(start(EXERCISE), {"interactions": []})

    assert updated.summary is not None
    assert updated.summary.mastery_logs[0].end_timestamp == NOW
    assert updated.summary.end_timestamp == LATER


def test_finished_coach_quiz() -> None:
    """Nothing, not even an empty report, can be added to a coach's quiz that is finished."""
    started = start(QUIZ)
    done = update(started, {"progress": 1})

    with pytest.raises(PermissionDenied):
        update(started, {}, done.summary)


def test_missing_try() -> None:
    """A visit whose try is not there is told so in the real server's words."""
    started = start(EXERCISE)
    assert started.summary is not None

    with pytest.raises(InvalidReference, match="Invalid mastery_level value, this session has not been started"):
        update(started, {}, started.summary.model_copy(update={"mastery_logs": []}))


def test_anonymous_update() -> None:
    """An anonymous visit has its own progress; extra fields are dropped."""
    started = start(VIDEO, visitor=ANONYMOUS)

    updated = update(started, {"progress": 1, "extra_fields": {"a": 1}})

    assert updated.complete
    assert updated.summary is None
    assert updated.session.extra_fields == started.session.extra_fields


def test_nothing_is_changed_in_place() -> None:
    """The logs that came in stay as they were: a transaction may run the rules again."""
    started = start(EXERCISE)
    assert started.summary is not None
    before = started.session.model_copy(deep=True), started.summary.model_copy(deep=True)

    update(started, {"progress": 1, "time_spent_delta": 5, "interactions": [], "extra_fields": {"a": 1}})

    assert (started.session, started.summary) == before
