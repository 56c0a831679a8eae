"""How far learners are with the lessons and quizzes of their class, as Kolibri's coach pages show it.

Logs are read by their stored names. Statuses are Kolibri's words.
Rule: kolibri/plugins/coach/class_summary_api.py, kolibri/core/notifications/api.py, and of the coach's frontend
modules/classSummary/index.js.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import accumulate
from typing import Any, Literal

from docservice.domain.values.times import exact_moment

Fields = Mapping[str, Any]
ReportRow = dict[str, Any]

ProgressStatus = Literal["NotStarted", "Started", "HelpNeeded", "Completed"]

WRONG_INTERACTIONS = 4
"""So many wrong answers and hints in one try mean that a learner needs help.

Rule: kolibri/core/notifications/api.py, NEEDS_HELP_NOTIFICATION_THRESHOLD.
"""

EXERCISE = "exercise"


@dataclass(frozen=True)
class Resource:
    """A content in a lesson."""

    content_id: str
    title: str = ""
    kind: str = ""


@dataclass(frozen=True)
class AssignedWork:
    """A lesson or a quiz of a class.

    Attributes:
        id: of the lesson or quiz.
        title: as its coach calls it.
        learner_ids: whom it is assigned to.
        resources: of a lesson, in order.
        question_count: of a quiz; None if it is not known.
    """

    id: str
    title: str
    learner_ids: frozenset[str]
    resources: tuple[Resource, ...] = ()
    question_count: int | None = None


@dataclass(frozen=True)
class ClassLearner:
    """A learner of a class.

    Attributes:
        id: 32 hex characters.
        name: full name, or username.
        groups: the names of the learner's groups in the class.
    """

    id: str
    name: str
    groups: tuple[str, ...] = ()


@dataclass
class ClassLogs:
    """The logs of the learners of a class that its progress follows from.

    Attributes:
        summaries: by learner and content, without attempts but for quizzes.
        needing_help: learners and contents: where one of `sessions_in_need` is part of a lesson.
    """

    summaries: dict[tuple[str, str], Fields] = field(default_factory=dict)
    needing_help: set[tuple[str, str]] = field(default_factory=set)


def may_need_help(summary: Fields) -> bool:
    """Whether a learner may need help: an exercise with attempts that was never completed."""
    return (
        summary["kind"] == EXERCISE
        and summary["progress"] < 1
        and summary["completion_timestamp"] is None
        and any(log["attempt_count"] for log in summary.get("mastery_logs", ()))
    )


def help_candidates(summaries: Iterable[Fields], lessons: Iterable[AssignedWork]) -> list[Fields]:
    """Return the summaries of learners who may need help with a resource of a lesson that is assigned to them."""
    assigned = {
        (learner_id, resource.content_id)
        for lesson in lessons
        for resource in lesson.resources
        for learner_id in lesson.learner_ids
    }
    return [
        summary
        for summary in summaries
        if (summary["user_id"], summary["content_id"]) in assigned and may_need_help(summary)
    ]


def sessions_in_need(tries: Iterable[Sequence[Fields]]) -> set[str]:
    """Return the content sessions in which a learner had trouble: if one is part of a lesson, the learner needs help.

    Kolibri keeps a notification, which is made when an attempt in a lesson is reported while its try holds four wrong
    answers and hints. The logs say the same: such an attempt is there, and so many were wrong when it ended.

    Args:
        tries: the attempts of each mastery log, in order; of a summary that `may_need_help` has let through.
    """
    found: set[str] = set()
    for attempts in tries:
        starts = [attempt["start_timestamp"] for attempt in attempts]
        wrong = list(accumulate(wrong_interactions(attempt) for attempt in attempts))
        for attempt in attempts:
            begun = bisect_right(starts, attempt["end_timestamp"])
            if begun and wrong[begun - 1] >= WRONG_INTERACTIONS:
                found.add(attempt["sessionlog_id"])
    return found


def wrong_interactions(attempt: Fields) -> int:
    """Return how many entries of an attempt's history are not right: wrong answers, hints and errors."""
    history = attempt.get("interaction_history") or ()
    return sum(1 for entry in history if isinstance(entry, Mapping) and not entry.get("correct", 0))


def resource_status(summary: Fields | None, *, help_needed: bool) -> ProgressStatus:
    """Return the status of a learner with a resource.

    Args:
        summary: the learner's, None if there is none.
        help_needed: whether the learner needs help with it, in a lesson that is assigned.
    """
    if summary is None:
        return "NotStarted"
    if summary["progress"] == 1:
        return "Completed"
    if help_needed:
        return "HelpNeeded"
    tries = summary.get("mastery_logs", ())
    if summary["kind"] == EXERCISE and not any(log["attempt_count"] for log in tries):
        return "NotStarted"
    return "Started"


def lesson_status(statuses: Collection[ProgressStatus]) -> ProgressStatus:
    """Return the status of a lesson from those of its resources."""
    if "HelpNeeded" in statuses:
        return "HelpNeeded"
    different = set(statuses) or {"NotStarted"}
    return different.pop() if len(different) == 1 else "Started"


def quiz_tries(summary: Fields) -> list[Fields]:
    """Return the tries at a quiz of a summary, latest end first, those without an end last."""
    tries = [log for log in summary.get("mastery_logs", ()) if log["mastery_level"] < 0]
    ended = [log for log in tries if log["end_timestamp"] is not None]
    ended.sort(key=lambda log: exact_moment(log, "end_timestamp"), reverse=True)
    return [*ended, *(log for log in tries if log["end_timestamp"] is None)]


def quiz_result(summary: Fields) -> ReportRow:
    """Return what is shown of the latest try at a quiz; empty if there is none.

    Args:
        summary: of a quiz, with the attempts of its tries.
    """
    tries = quiz_tries(summary)
    if not tries:
        return {}
    latest = tries[0]
    attempts = latest.get("attempts", ())
    end = latest["end_timestamp"]
    earlier = [log for log in tries[1:] if end is not None and log["end_timestamp"] is not None]
    earlier = [log for log in earlier if exact_moment(log, "end_timestamp") < exact_moment(latest, "end_timestamp")]
    right = {each["item"] for each in earlier[0].get("attempts", ()) if each["correct"] == 1} if earlier else set()
    return {
        "status": "Completed" if latest["complete"] else "Started",
        "last_activity": _latest_end(attempts),
        "num_correct": sum(each["correct"] for each in attempts) if attempts else None,
        "num_answered": len(attempts) or None,
        "previous_num_correct": len(right),
    }


def _latest_end(attempts: Collection[Fields]) -> datetime | None:
    if not attempts:
        return None
    latest = max(attempt["end_timestamp"] for attempt in attempts)
    # Only of these the microseconds decide.
    return max(exact_moment(attempt, "end_timestamp") for attempt in attempts if attempt["end_timestamp"] == latest)


def class_progress_rows(
    learners: Sequence[ClassLearner],
    lessons: Sequence[AssignedWork],
    quizzes: Sequence[AssignedWork],
    logs: ClassLogs,
) -> Iterator[ReportRow]:
    """Yield the rows of `class-progress`: of each learner all lessons, each with its resources, then all quizzes.

    What is not assigned to a learner has a row only if the learner has worked on it.

    Args:
        learners: of the class, in order.
        lessons: of the class, in order.
        quizzes: of the class, in order.
        logs: of the learners.
    """
    for learner in learners:
        for lesson in lessons:
            yield from _lesson_rows(learner, lesson, logs)
        for quiz in quizzes:
            summary, assigned = logs.summaries.get((learner.id, quiz.id)), learner.id in quiz.learner_ids
            result = quiz_result(summary) if summary else {}
            if assigned or result:
                tries = len(quiz_tries(summary)) if summary else 0
                yield {
                    **_row(learner, "quiz", assigned=assigned),
                    "content_id": quiz.id,
                    "title": quiz.title,
                    "kind": "quiz",
                    "tries": tries,
                    "status": "NotStarted",
                    "question_count": quiz.question_count,
                    "time_spent": summary["time_spent"] if summary else 0.0,
                    **result,
                }


def _lesson_rows(learner: ClassLearner, lesson: AssignedWork, logs: ClassLogs) -> Iterator[ReportRow]:
    assigned = learner.id in lesson.learner_ids
    rows = [_resource_row(learner, lesson, resource, logs) for resource in lesson.resources]
    if not assigned and all(row["last_activity"] is None for row in rows):
        return
    times = [row["last_activity"] for row in rows if row["last_activity"] is not None]
    yield {
        **_row(learner, "lesson", assigned=assigned),
        "lesson_id": lesson.id,
        "lesson": lesson.title,
        "title": lesson.title,
        "status": lesson_status([row["status"] for row in rows]),
        "last_activity": max(times, default=None),
        "time_spent": sum(row["time_spent"] for row in rows),
    }
    yield from (row for row in rows if assigned or row["last_activity"] is not None)


def _resource_row(learner: ClassLearner, lesson: AssignedWork, resource: Resource, logs: ClassLogs) -> ReportRow:
    key = (learner.id, resource.content_id)
    summary, assigned = logs.summaries.get(key), learner.id in lesson.learner_ids
    # A notification is made for each lesson that is assigned; the status then holds for the content in all lessons.
    help_needed = key in logs.needing_help
    result = quiz_result(summary) if summary is not None else {}
    result.pop("status", None)
    return {
        **_row(learner, "resource", assigned=assigned),
        "lesson_id": lesson.id,
        "lesson": lesson.title,
        "content_id": resource.content_id,
        "title": resource.title,
        "kind": resource.kind,
        "status": resource_status(summary, help_needed=help_needed),
        "last_activity": _end(summary),
        "time_spent": summary["time_spent"] if summary else 0.0,
        "tries": len(summary.get("mastery_logs", ())) if summary else 0,
        **result,
    }


def _row(learner: ClassLearner, unit: str, *, assigned: bool) -> ReportRow:
    return {
        "learner_id": learner.id,
        "learner": learner.name,
        "groups": ", ".join(learner.groups),
        "unit": unit,
        "assigned": assigned,
    }


def _end(summary: Fields | None) -> datetime | None:
    return None if summary is None or summary["end_timestamp"] is None else exact_moment(summary, "end_timestamp")


def lesson_progress_rows(rows: Iterable[ReportRow], lessons: Sequence[AssignedWork]) -> Iterator[ReportRow]:
    """Yield the rows of `lesson-progress` from those of `class-progress`."""
    counts: dict[tuple[str, str], dict[str, int]] = {}
    for row in rows:
        if row["unit"] == "resource" and row["assigned"]:
            by_status = counts.setdefault((row["lesson_id"], row["content_id"]), {})
            by_status[row["status"]] = by_status.get(row["status"], 0) + 1
    for lesson in lessons:
        for resource in lesson.resources:
            by_status = counts.get((lesson.id, resource.content_id), {})
            if by_status:
                yield {
                    "lesson_id": lesson.id,
                    "lesson": lesson.title,
                    "content_id": resource.content_id,
                    "title": resource.title,
                    "kind": resource.kind,
                    "learners": sum(by_status.values()),
                    "completed": by_status.get("Completed", 0),
                    "started": by_status.get("Started", 0),
                    "help_needed": by_status.get("HelpNeeded", 0),
                    "not_started": by_status.get("NotStarted", 0),
                }


def learners_needing_help_rows(rows: Iterable[ReportRow]) -> list[ReportRow]:
    """Return the rows of `learners-needing-help` from those of `class-progress`, latest activity first."""
    found = [row for row in rows if row["unit"] == "resource" and row["assigned"] and row["status"] == "HelpNeeded"]
    return sorted(found, key=lambda row: row["last_activity"], reverse=True)
