"""Records the logs of one person by the rules of tracking, with a clock of its own."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from random import Random
from typing import Any

from docservice.domain.logs.content_logs import AttemptLog, ContentSessionLog, ContentSummaryLog
from docservice.domain.logs.exam_logs import ExamLog
from docservice.domain.logs.user_sessions import UserSessionLog, current_user_session
from docservice.domain.requests.tracking import StartSession, UpdateSession
from docservice.domain.tracking import content_sessions as tracking

_LEVELS = 2**31
_TELLS_EVERY = timedelta(minutes=1)
"""How often a front end says that its user is still there."""


@dataclass
class Logs:
    """All logs of one person, each with everything embedded in it."""

    summaries: list[ContentSummaryLog] = field(default_factory=list)
    sessions: list[ContentSessionLog] = field(default_factory=list)
    user_sessions: list[UserSessionLog] = field(default_factory=list)
    exams: list[ExamLog] = field(default_factory=list)


class Recorder:
    """Takes what one person does, as the service takes it from a front end.

    Attributes:
        now: UTC; set by the caller, and moved on by reports.
        device: what the person sits at.
    """

    def __init__(self, visitor: tracking.TrackedPerson, chance: Random, now: datetime, device: str = "") -> None:
        """Begin with nothing.

        Args:
            visitor: whose logs they are.
            chance: gives source ids and the levels of quizzes.
            now: when it begins.
            device: what the person sits at.
        """
        self.now = now
        self.device = device
        self.visitor = visitor
        self._chance = chance
        self._sessions: list[ContentSessionLog] = []
        self._summaries: dict[str, ContentSummaryLog] = {}
        self._attempts: dict[str, dict[str, AttemptLog]] = {}
        self._user_sessions: list[UserSessionLog] = []
        self._exams: list[ExamLog] = []

    def random_id(self) -> str:
        """Return a random source id: 32 hex characters of a UUID4, by this person's chance."""
        return uuid.UUID(int=self._chance.getrandbits(128), version=4).hex

    def progress(self, content_id: str) -> float | None:
        """How far the person is with a content; None if it was never opened."""
        summary = self._summaries.get(content_id)
        return summary.progress if summary else None

    def start(self, request: StartSession) -> None:
        """Open a content; reports are about it until the next one is opened.

        Raises:
            PermissionDenied: it is a finished quiz.
        """
        content = tracking.tracked_content(request, self.visitor.user_id)
        started = tracking.start(
            content,
            self.visitor,
            self._summaries.get(content.content_id),
            repeat=request.repeat,
            now=self.now,
            new_source_id=self.random_id,
            random_level=-1 - self._chance.randrange(_LEVELS),
        )
        self._sessions.append(started.session)
        if started.summary is not None:
            self._summaries[content.content_id] = started.summary
        self._continue_user_session()

    def report(self, seconds: float, **changes: Any) -> None:
        """Let time pass and report on the open content.

        Args:
            seconds: how long it took.
            changes: `progress`, `progress_delta`, `interactions`, `extra_fields` of a report.
        """
        self.now += timedelta(seconds=seconds)
        session = self._sessions[-1]
        summary = self._summaries.get(session.content_id)
        logs = tracking.SessionLogs.of(session, summary)
        book = self._attempts.setdefault(logs.mastery_log.id if logs.mastery_log else session.id, {})
        request = UpdateSession(time_spent_delta=seconds, **changes)
        replaced = {interaction.item for interaction in request.interactions or () if interaction.replace}
        known = [attempt for attempt in book.values() if attempt.item in replaced] if replaced else []
        updated = tracking.update(request, logs, known, now=self.now, new_source_id=self.random_id)
        self._sessions[-1] = updated.session
        if updated.summary is not None:
            self._summaries[session.content_id] = updated.summary
        if updated.attempts is not None:
            book |= updated.attempts.changed | updated.attempts.created
        self._continue_user_session()

    def keep_exam(self, log: ExamLog) -> None:
        """Add an exam of the old kind."""
        self._exams.append(log)
        self._continue_user_session()

    def logs(self) -> Logs:
        """Return all that was recorded."""
        return Logs(list(self._whole_summaries()), list(self._whole_sessions()), self._user_sessions, self._exams)

    def _whole_summaries(self) -> Iterator[ContentSummaryLog]:
        for summary in self._summaries.values():
            tries = [
                log.model_copy(update={"attempts": list(self._attempts.get(log.id, {}).values())})
                for log in summary.mastery_logs
            ]
            yield summary.model_copy(update={"mastery_logs": tries})

    def _whole_sessions(self) -> Iterator[ContentSessionLog]:
        for session in self._sessions:
            loose = self._attempts.get(session.id)
            yield session.model_copy(update={"attempts": list(loose.values())}) if loose else session

    def _continue_user_session(self) -> None:
        if self.visitor.user_id is None:
            return
        latest = self._user_sessions[-1] if self._user_sessions else None
        last = latest.last_interaction_timestamp if latest else None
        if last is not None and timedelta(0) <= self.now - last < _TELLS_EVERY:
            return
        log = current_user_session(
            latest,
            dataset_id=self.visitor.dataset_id,
            user_id=self.visitor.user_id,
            device_info=self.device,
            now=self.now,
            random_source_id=self.random_id(),
        )
        if latest is not None and log.id == latest.id:
            self._user_sessions[-1] = log
        else:
            self._user_sessions.append(log)
