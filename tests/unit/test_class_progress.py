"""The rules of `class-progress` and of the reports made of it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from docservice.domain.reports.class_progress import (
    AssignedWork,
    ClassLearner,
    ClassLogs,
    ProgressStatus,
    Resource,
    class_progress_rows,
    help_candidates,
    learners_needing_help_rows,
    lesson_progress_rows,
    lesson_status,
    quiz_result,
    resource_status,
    sessions_in_need,
)

START = datetime(2024, 9, 2, 8, tzinfo=UTC)
LESSON_SESSION, OTHER_SESSION = "in a lesson", "elsewhere"


def at(minute: float) -> datetime:
    """A moment of the lesson."""
    return START + timedelta(minutes=minute)


def attempt(minute: int = 0, *, wrong: int = 0, session: str = LESSON_SESSION, **fields: Any) -> dict[str, Any]:
    """An attempt with so many wrong entries in its history, and then a right one."""
    history = [{"type": "answer", "correct": 0}] * wrong + [{"type": "answer", "correct": 1}]
    times = {"start_timestamp": at(minute), "end_timestamp": at(minute + 0.5)}
    own = {"item": f"q{minute}", "sessionlog_id": session, "correct": 1.0, "interaction_history": history}
    return {**own, **times, **fields}


def mastery_log(*attempts: dict[str, Any], level: int = 1, **fields: Any) -> dict[str, Any]:
    """A try with these attempts."""
    own = {"id": "log", "mastery_level": level, "attempt_count": len(attempts), "attempts": list(attempts)}
    return {**own, "complete": False, "end_timestamp": at(9), "completion_timestamp": None, **fields}


def summary(*tries: dict[str, Any], **fields: Any) -> dict[str, Any]:
    """A summary of an exercise."""
    own = {"user_id": "anna", "content_id": "exercise", "kind": "exercise", "progress": 0.5, "time_spent": 60.0}
    times = {"completion_timestamp": None, "end_timestamp": at(9)}
    return {**own, **times, "mastery_logs": list(tries), **fields}


@pytest.mark.parametrize(
    ("log", "status"),
    [
        (None, "NotStarted"),
        (summary(), "NotStarted"),
        (summary(mastery_log()), "NotStarted"),
        (summary(mastery_log(attempt())), "Started"),
        (summary(progress=1.0), "Completed"),
        (summary(progress=1.01), "NotStarted"),  # Kolibri compares with 1
        (summary(kind="video", progress=0.0), "Started"),
    ],
)
def test_status_of_a_resource(log: dict[str, Any] | None, status: str) -> None:
    """An exercise begins with its first attempt, other content when it is opened; progress 1 is completed."""
    assert resource_status(log, help_needed=False) == status


def test_completed_goes_before_help() -> None:
    """Who has completed the exercise needs no help with it."""
    assert resource_status(summary(mastery_log(attempt())), help_needed=True) == "HelpNeeded"
    assert resource_status(summary(progress=1.0), help_needed=True) == "Completed"


@pytest.mark.parametrize(
    ("attempts", "needed"),
    [
        ([attempt(0, wrong=4)], True),
        ([attempt(0, wrong=3)], False),
        ([attempt(0, wrong=2), attempt(1, wrong=2)], True),
        ([attempt(0, wrong=4, session=OTHER_SESSION)], False),
        # Elsewhere they count, but only an attempt in a lesson tells the coach.
        ([attempt(0, wrong=4, session=OTHER_SESSION), attempt(1)], True),
        ([attempt(0), attempt(1, wrong=4, session=OTHER_SESSION)], False),
        # A hint counts as wrong.
        ([attempt(0, interaction_history=[{"type": "hint", "answer": {}}] * 4)], True),
        ([attempt(0, interaction_history=None)], False),
        ([], False),
    ],
)
def test_four_wrong_answers_in_a_lesson_need_help(attempts: list[dict[str, Any]], needed: bool) -> None:
    """Wrong answers and hints of a try are counted when an attempt in a lesson ends."""
    assert (LESSON_SESSION in sessions_in_need([attempts])) == needed


def test_tries_are_counted_apart() -> None:
    """Two wrong answers in each of two tries are not four."""
    assert sessions_in_need([[attempt(0, wrong=2)], [attempt(1, wrong=2)]]) == set()


def test_who_may_need_help() -> None:
    """Only exercises of an assigned lesson that were never completed are looked at."""
    lesson = AssignedWork("lesson", "Lesson", frozenset({"anna"}), (Resource("exercise"), Resource("video")))
    tried = mastery_log(attempt())
    logs = [
        summary(tried),
        summary(tried, user_id="ben"),
        summary(tried, content_id="elsewhere"),
        summary(tried, completion_timestamp=at(3)),
        summary(tried, progress=1.0),
        summary(tried, kind="video", content_id="video"),
        summary(),
    ]

    assert help_candidates(logs, [lesson]) == logs[:1]


@pytest.mark.parametrize(
    ("statuses", "status"),
    [
        ([], "NotStarted"),
        (["NotStarted", "NotStarted"], "NotStarted"),
        (["Completed", "Completed"], "Completed"),
        (["Completed", "NotStarted"], "Started"),
        (["Completed", "HelpNeeded"], "HelpNeeded"),
        (["Started"], "Started"),
    ],
)
def test_status_of_a_lesson(statuses: list[ProgressStatus], status: str) -> None:
    """Help goes first; then all completed, all not started, else started."""
    assert lesson_status(statuses) == status


def test_the_latest_try_at_a_quiz_counts() -> None:
    """The result is of the try that ended last, compared with the one before it."""
    first = mastery_log(attempt(0), attempt(1, correct=0.0), attempt(1), level=-5, end_timestamp=at(2), complete=True)
    second = mastery_log(attempt(5), level=-7, end_timestamp=at(6))
    practice = mastery_log(attempt(8), level=1)

    result = quiz_result(summary(first, second, practice))

    assert result == {
        "status": "Started",
        "last_activity": at(5.5),
        "num_correct": 1.0,
        "num_answered": 1,
        "previous_num_correct": 2,
    }
    assert quiz_result(summary(practice)) == {}
    assert quiz_result(summary(mastery_log(level=-1, end_timestamp=None)))["num_answered"] is None


def test_rows_of_a_class() -> None:
    """Each learner has the assigned lessons with their resources and the assigned quizzes, and what else was done."""
    learners = [ClassLearner("anna", "Anna", ("Red",)), ClassLearner("ben", "Ben")]
    lesson = AssignedWork("lesson", "Lesson", frozenset({"anna"}), (Resource("exercise", "Adding", "exercise"),))
    quiz = AssignedWork("quiz", "Quiz", frozenset({"anna", "ben"}), question_count=2)
    answered = mastery_log(attempt(2), attempt(3), level=-1, complete=True)
    logs = ClassLogs(
        {
            ("anna", "exercise"): summary(mastery_log(attempt())),
            ("ben", "exercise"): summary(mastery_log(attempt()), user_id="ben"),
            ("ben", "quiz"): summary(answered, user_id="ben", content_id="quiz", kind="quiz"),
        },
        {("anna", "exercise")},
    )

    rows = list(class_progress_rows(learners, [lesson], [quiz], logs))

    shown = [
        (row["learner"], row["unit"], row["assigned"], row["status"], row["tries"]) for row in rows if "tries" in row
    ]
    assert [row["unit"] for row in rows if row["learner"] == "Anna"] == ["lesson", "resource", "quiz"]
    assert shown == [
        ("Anna", "resource", True, "HelpNeeded", 1),
        ("Anna", "quiz", True, "NotStarted", 0),
        ("Ben", "resource", False, "Started", 1),
        ("Ben", "quiz", True, "Completed", 1),
    ]
    assert rows[0]["groups"] == "Red"
    assert [row["learner"] for row in learners_needing_help_rows(rows)] == ["Anna"]
    [progress] = lesson_progress_rows(rows, [lesson])
    assert (progress["learners"], progress["help_needed"], progress["started"]) == (1, 1, 0)
