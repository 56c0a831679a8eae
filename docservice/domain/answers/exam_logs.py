"""Exam logs and their attempts as the API of Kolibri up to 0.14 shows them.

Rule: kolibri 0.14, core/logger/serializers.py (ExamLogSerializer, ExamAttemptLogSerializer).
"""

from __future__ import annotations

from typing import Any

from docservice.domain.answers.lists import shown_time
from docservice.domain.answers.tracking import Answer
from docservice.domain.logs.content_logs import AnyJson
from docservice.domain.logs.exam_logs import ExamAttemptLog, ExamLog
from docservice.domain.values.rounding import rounded_sum


class ExamLogRow(Answer):
    """An exam log; `exam` and `user` are ids.

    Attributes:
        progress: how many questions have an attempt.
        score: sum of `correct` over the attempts; None without attempts.
    """

    id: str
    exam: str
    user: str
    closed: bool
    progress: int
    score: float | None
    completion_timestamp: str | None

    @classmethod
    def of(cls, log: ExamLog) -> ExamLogRow:
        """Return the shown part of an exam log, which was read with its attempts."""
        return cls(
            id=log.id,
            exam=log.exam_id,
            user=log.user_id,
            closed=log.closed,
            progress=len({attempt.item for attempt in log.attempts}),
            score=rounded_sum(sum(attempt.correct for attempt in log.attempts)) if log.attempts else None,
            completion_timestamp=shown_time(log, "completion_timestamp"),
        )


class ExamLogSaved(Answer):
    """An exam log after a request to begin it.

    Attributes:
        created: False if it was there already; it is then as it was.
    """

    created: bool
    log: ExamLogRow


class ExamAttemptRow(Answer):
    """An attempt at a question of an exam; `examlog` and `user` are ids."""

    id: str
    examlog: str
    start_timestamp: str | None
    content_id: str
    end_timestamp: str | None
    completion_timestamp: str | None
    item: str
    time_spent: float
    user: str | None
    complete: bool
    correct: float
    hinted: bool
    answer: AnyJson
    simple_answer: str | None
    interaction_history: list[Any]
    error: bool

    @classmethod
    def of(cls, attempt: ExamAttemptLog) -> ExamAttemptRow:
        """Return the shown part of an attempt."""
        same = ("id", "content_id", "item", "time_spent", "complete", "correct", "hinted", "error")
        loose = ("answer", "simple_answer", "interaction_history")
        times = ("start_timestamp", "end_timestamp", "completion_timestamp")
        return cls(
            examlog=attempt.examlog_id,
            user=attempt.user_id,
            **{name: getattr(attempt, name) for name in (*same, *loose)},
            **{name: shown_time(attempt, name) for name in times},
        )
