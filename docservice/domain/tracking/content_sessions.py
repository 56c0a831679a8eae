"""Content sessions: what a start and a report change in the logs, by the rules of Kolibri.

Pure functions from the logs as they are, and the request, to the logs as they shall be.
Rule: kolibri/core/logger/api.py, ProgressTrackingViewSet.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, cast

from docservice.domain.logs.content_logs import AttemptLog, ContentSessionLog, ContentSummaryLog, MasteryLog
from docservice.domain.requests.tracking import StartSession, UpdateSession
from docservice.domain.tracking import interactions, mastery, progress
from docservice.domain.tracking.interactions import AttemptChanges
from docservice.domain.values.ids import TestType, unit_test_content_id, unit_test_version
from docservice.errors import InvalidReference


@dataclass(frozen=True)
class TrackedContent:
    """What a start request is about.

    Attributes:
        context: kept in the session's `extra_fields` and given back to the front end.
        mastery_model: None for content that is not assessed.
    """

    content_id: str
    channel_id: str | None
    kind: str
    mastery_model: dict[str, Any] | None
    context: dict[str, Any]


def tracked_content(request: StartSession, user_id: str | None) -> TrackedContent:
    """Return what is visited: a resource, a coach's quiz, or a unit's pre- or post-test.

    Args:
        request: validated.
        user_id: the learner, None for an anonymous visitor (who has no unit tests).
    """
    if request.node_id is not None:
        context = {"node_id": request.node_id}
        for name in ("lesson_id", "course_session_id"):
            if request.has(name):
                context[name] = getattr(request, name)
        model = request.mastery_model
        return TrackedContent(
            content_id=str(request.content_id),
            channel_id=request.channel_id,
            kind=str(request.kind),
            mastery_model=model.model_dump(exclude_unset=True) if model else None,
            context=context,
        )
    if request.quiz_id is not None:
        return TrackedContent(
            content_id=request.quiz_id,
            channel_id=None,
            kind="quiz",
            mastery_model={"type": "quiz", "coach_assigned": True},
            context={"quiz_id": request.quiz_id},
        )
    course, unit = str(request.course_session_id), str(request.unit_id)
    test = cast("TestType", request.test_type)
    return TrackedContent(
        content_id=unit_test_content_id(course, unit, test),
        channel_id=None,
        kind="quiz",
        mastery_model={
            "type": "pre_post_test",
            "version": unit_test_version(str(user_id), course, unit, test),
            "test_type": test,
        },
        context={"unit_id": unit, "course_session_id": course},
    )


@dataclass(frozen=True)
class TrackedPerson:
    """Whose logs are written.

    Attributes:
        dataset_id: of the learner; of the default facility for an anonymous visitor.
        user_id: None for an anonymous visitor.
        visitor_id: an anonymous visitor's browser, if it said which.
    """

    dataset_id: str
    user_id: str | None = None
    visitor_id: str | None = None


@dataclass(frozen=True)
class Start:
    """The logs after a start.

    Attributes:
        session: new.
        summary: new or changed, with all its mastery logs; None for an anonymous visitor.
        current_try: the mastery log of this content session, one of the summary's; None where nothing is assessed.
        mastery_criterion: what decides about mastery; the mastery log's own, or the one sent by an anonymous visitor.
    """

    session: ContentSessionLog
    summary: ContentSummaryLog | None
    current_try: MasteryLog | None
    mastery_criterion: dict[str, Any] | None


def start(
    content: TrackedContent,
    visitor: TrackedPerson,
    summary: ContentSummaryLog | None,
    *,
    repeat: bool,
    now: datetime,
    new_source_id: Callable[[], str],
    random_level: int,
) -> Start:
    """Start a content session.

    Args:
        content: see `tracked_content`.
        visitor: whose visit it is.
        summary: the learner's summary of this content with its mastery logs, None if there is none yet.
        repeat: begin again: progress becomes 0, a finished mastery log is followed by a new one.
        now: UTC, milliseconds.
        new_source_id: makes a random source id, 32 hex characters.
        random_level: -2147483648..-1, for a new mastery log at a quiz.

    Raises:
        PermissionDenied: the mastery log is a finished quiz that a coach assigned.
    """
    context = dict(content.context)
    current, criterion = None, content.mastery_model
    if visitor.user_id is not None:
        summary = _touch(summary, content, repeat, now) if summary else _new_summary(content, visitor, now)
        if content.mastery_model is not None:
            current, opened = mastery.resume_or_open(
                summary, content.mastery_model, repeat=repeat, now=now, random_level=random_level
            )
            if opened:
                summary = summary.model_copy(update={"mastery_logs": [*summary.mastery_logs, current]})
            criterion = current.mastery_criterion
            context["mastery_level"] = current.mastery_level
    session = ContentSessionLog(
        dataset_id=visitor.dataset_id,
        user_id=visitor.user_id,
        visitor_id=visitor.visitor_id if visitor.user_id is None else None,
        content_id=content.content_id,
        channel_id=content.channel_id,
        kind=content.kind,
        start_timestamp=now,
        end_timestamp=now,
        extra_fields={"context": context},
    ).identified(new_source_id())
    return Start(session, summary, current, criterion)


def _new_summary(content: TrackedContent, visitor: TrackedPerson, now: datetime) -> ContentSummaryLog:
    return ContentSummaryLog(
        dataset_id=visitor.dataset_id,
        user_id=str(visitor.user_id),
        content_id=content.content_id,
        channel_id=content.channel_id,
        kind=content.kind,
        start_timestamp=now,
        end_timestamp=now,
    ).identified()


def _touch(summary: ContentSummaryLog, content: TrackedContent, repeat: bool, now: datetime) -> ContentSummaryLog:
    update: dict[str, Any] = {"channel_id": content.channel_id, "end_timestamp": now, "morango_dirty_bit": True}
    if repeat:
        update["progress"] = 0.0
    return summary.model_copy(update=update)


@dataclass(frozen=True)
class Update:
    """The logs after a report.

    Attributes:
        summary: None for an anonymous visitor.
        attempts: what the interactions did; None if the report had none.
        complete: whether the content is now complete.
    """

    session: ContentSessionLog
    summary: ContentSummaryLog | None
    attempts: AttemptChanges | None
    complete: bool


@dataclass(frozen=True)
class SessionLogs:
    """A content session with the logs that a report on it changes.

    Attributes:
        summary: of the same learner and content; None for an anonymous visitor.
        mastery_log: the summary's mastery log that the session belongs to; None if it belongs to none.
    """

    session: ContentSessionLog
    summary: ContentSummaryLog | None
    mastery_log: MasteryLog | None

    @classmethod
    def of(cls, session: ContentSessionLog, summary: ContentSummaryLog | None) -> SessionLogs:
        """Return the logs of a session, with the mastery log that its context names.

        Raises:
            InvalidReference: the summary has no such mastery log.
        """
        level = session.context.get("mastery_level")
        if session.user_id is None or not isinstance(level, int):
            return cls(session, summary, None)
        for log in summary.mastery_logs if summary else ():
            if log.mastery_level == level:
                return cls(session, summary, log)
        raise InvalidReference("Invalid mastery_level value, this session has not been started.")


def update(
    request: UpdateSession,
    logs: SessionLogs,
    known_attempts: Sequence[AttemptLog],
    *,
    now: datetime,
    new_source_id: Callable[[], str],
) -> Update:
    """Report on a content session.

    Args:
        request: validated.
        logs: of the session.
        known_attempts: stored attempts that the interactions may choose, see `interactions.record`.
        now: UTC, milliseconds.
        new_source_id: makes a random source id, 32 hex characters.

    Raises:
        InvalidReference: an attempt that the report names is not there.
        PermissionDenied: the mastery log is a finished quiz that a coach assigned.
        ValidationFailed: a sum passes what a number can hold.
    """
    session = logs.session.model_copy(update=_reported(logs.session, request, now))
    summary = _update_summary(logs.summary, request, now) if logs.summary else None
    complete = progress.is_complete((summary or session).progress)
    mastery_log = _update_mastery_log(logs.mastery_log, request, complete, now) if logs.mastery_log else None
    attempts = None
    if request.interactions is not None:
        attempts = interactions.record(
            request.interactions,
            known_attempts,
            session=session,
            masterylog_id=mastery_log.id if mastery_log else None,
            now=now,
            new_source_id=new_source_id,
        )
        if mastery_log is not None:
            counts = {
                "attempt_count": mastery_log.attempt_count + len(attempts.created),
                "correct_sum": mastery_log.correct_sum + attempts.correct_delta,
            }
            mastery_log = mastery_log.model_copy(update=counts)
    if summary is not None and mastery_log is not None:
        masteries = [mastery_log if log is logs.mastery_log else log for log in summary.mastery_logs]
        summary = summary.model_copy(update={"mastery_logs": masteries})
    return Update(session, summary, attempts, complete)


def _reported(log: ContentSessionLog | ContentSummaryLog, request: UpdateSession, now: datetime) -> dict[str, Any]:
    changed: dict[str, Any] = {"end_timestamp": now, "morango_dirty_bit": True}
    changed["progress"] = progress.advance(
        log.progress, progress=request.progress, progress_delta=request.progress_delta
    )
    if request.time_spent_delta is not None:
        changed["time_spent"] = progress.add_time(log.time_spent, request.time_spent_delta)
    return changed


def _update_summary(summary: ContentSummaryLog, request: UpdateSession, now: datetime) -> ContentSummaryLog:
    changed = _reported(summary, request, now)
    if progress.is_complete(changed["progress"]) and not progress.is_complete(summary.progress):
        changed["completion_timestamp"] = now
    if request.extra_fields is not None:
        changed["extra_fields"] = request.extra_fields
    return summary.model_copy(update=changed)


def _update_mastery_log(log: MasteryLog, request: UpdateSession, complete: bool, now: datetime) -> MasteryLog:
    changed: dict[str, Any] = {}
    if request.time_spent_delta:
        changed["time_spent"] = progress.add_time(log.time_spent, request.time_spent_delta)
    if complete and not log.complete:
        changed |= {"complete": True, "completion_timestamp": now}
    else:
        mastery.refuse_finished_coach_quiz(log)
    if changed:
        changed |= {"end_timestamp": now, "morango_dirty_bit": True}
    return log.model_copy(update=changed)
