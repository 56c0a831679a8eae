"""The answers to a start and a report, with the fields of Kolibri's API."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pydantic import BaseModel, ConfigDict

from docservice.domain.logs.content_logs import AnyJson, AttemptLog
from docservice.domain.tracking.content_sessions import Start, Update
from docservice.domain.tracking.progress import is_complete
from docservice.domain.values.rounding import rounded_sum


class Answer(BaseModel):
    """An answer; `as_json` leaves out the fields that do not apply."""

    model_config = ConfigDict(frozen=True)

    def as_json(self) -> dict[str, Any]:
        """Return the JSON object that REST clients get."""
        return self.model_dump(exclude_unset=True)


class AttemptAnswer(Answer):
    """An attempt as answers show it."""

    id: str
    correct: float
    complete: bool
    hinted: bool
    error: bool
    item: str
    answer: AnyJson
    time_spent: float

    @classmethod
    def of(cls, attempt: AttemptLog) -> AttemptAnswer:
        """Return the shown part of an attempt."""
        return cls(**{name: getattr(attempt, name) for name in cls.model_fields})


class SessionStarted(Answer):
    """A content session has begun.

    Attributes:
        progress: of all the learner's visits to the content, 0..1.
        time_spent: seconds; of the mastery log where there is one, else of all content sessions.
        complete: of the try where there is one, else whether progress is 1.
        context: the ids that apply (`node_id`, `quiz_id`, `lesson_id`, `mastery_level` ...).
        mastery_criterion, pastattempts, totalattempts: only for assessments.
    """

    progress: float
    extra_fields: dict[str, Any]
    time_spent: float
    complete: bool
    mastery_criterion: dict[str, Any] = {}
    pastattempts: list[AttemptAnswer] = []
    totalattempts: int = 0
    session_id: str
    context: dict[str, Any]

    @classmethod
    def of(cls, start: Start, past_attempts: Sequence[AttemptLog]) -> SessionStarted:
        """Return the answer to a start.

        Args:
            start: the logs after it.
            past_attempts: the attempts of the mastery log to show, newest first.
        """
        summary, current = start.summary, start.current_try
        fields: dict[str, Any] = {
            "progress": summary.progress if summary else 0,
            "extra_fields": summary.extra_fields if summary else {},
            "time_spent": rounded_sum(summary.time_spent) if summary else 0,
            "complete": summary is not None and is_complete(summary.progress),
            "session_id": start.session.id,
            "context": start.session.context,
        }
        if start.mastery_criterion is not None:
            fields |= {
                "mastery_criterion": start.mastery_criterion,
                "pastattempts": [AttemptAnswer.of(attempt) for attempt in past_attempts],
                "totalattempts": current.attempt_count if current else 0,
            }
        if current is not None:
            fields |= {"complete": current.complete, "time_spent": rounded_sum(current.time_spent or 0)}
        return cls(**fields)


class SessionUpdated(Answer):
    """A report was taken.

    Attributes:
        complete: whether the content is now complete.
        attempts: one for each run of interactions; only if interactions were sent.
    """

    complete: bool
    attempts: list[AttemptAnswer] = []

    @classmethod
    def of(cls, update: Update) -> SessionUpdated:
        """Return the answer to a report."""
        if update.attempts is None:
            return cls(complete=update.complete)
        answered = [AttemptAnswer.of(attempt) for attempt in update.attempts.answered]
        return cls(complete=update.complete, attempts=answered)
