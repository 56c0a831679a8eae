"""Mastery and attempt logs as Kolibri's lists show them.

Rule: kolibri/core/logger/api.py (MasteryLogViewSet, AttemptLogViewSet) and evaluation.py (attempts_diff).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Generic, Self, TypeVar

from pydantic import BaseModel

from docservice.domain.logs.content_logs import AnyJson, AttemptLog, MasteryLog, SyncableLog
from docservice.domain.requests.lists import Page
from docservice.domain.values.rounding import finite, rounded_sum
from docservice.domain.values.times import exact_time, iso_text


def shown_time(log: SyncableLog, field: str) -> str | None:
    """A time of a log as answers print it: with the microseconds and zone that its device recorded, if it did."""
    moment = getattr(log, field)
    return None if moment is None else time_text(moment, log.recorded.get(field))


def time_text(moment: datetime, recorded_text: str | None) -> str:
    """A time as answers print it, with the microseconds and zone of the text that its device kept, if that is it.

    Args:
        moment: as it is stored; without a zone it is in UTC.
        recorded_text: what the device kept beside it; None: nothing.
    """
    if moment.tzinfo is None:
        if recorded_text is None:
            return moment.isoformat() + "Z"
        moment = moment.replace(tzinfo=UTC)
    return iso_text(exact_time(moment, recorded_text))


class MasteryRow(BaseModel):
    """A mastery log; `correct` is the sum over its attempts, cut to an integer."""

    id: str
    mastery_criterion: dict[str, Any]
    start_timestamp: str | None
    end_timestamp: str | None
    completion_timestamp: str | None
    complete: bool
    correct: int
    time_spent: float | None

    @classmethod
    def of(cls, log: MasteryLog) -> MasteryRow:
        """Return the shown part of a mastery log."""
        return cls(
            id=log.id,
            mastery_criterion=log.mastery_criterion,
            start_timestamp=shown_time(log, "start_timestamp"),
            end_timestamp=shown_time(log, "end_timestamp"),
            completion_timestamp=shown_time(log, "completion_timestamp"),
            complete=log.complete,
            correct=int(round(finite(log.correct_sum), 9)),
            time_spent=None if log.time_spent is None else rounded_sum(log.time_spent),
        )


class AttemptRow(BaseModel):
    """An attempt; `user`, `masterylog` and `sessionlog` are ids."""

    id: str
    item: str
    start_timestamp: str | None
    end_timestamp: str | None
    completion_timestamp: str | None
    time_spent: float
    complete: bool
    correct: float
    hinted: bool
    answer: AnyJson
    simple_answer: str | None
    interaction_history: list[Any]
    user: str | None
    error: bool
    masterylog: str | None
    sessionlog: str

    @classmethod
    def of(cls, log: AttemptLog, **more: Any) -> Self:
        """Return the shown part of an attempt; `more` fills what a subclass adds."""
        # mypy takes `Self` for the class itself here.
        return cls.model_construct(**shown_attempt(vars(log)), **more)  # type: ignore[return-value]


def shown_attempt(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields of `AttemptRow` for an attempt.

    Args:
        values: of the fields of `AttemptLog`, valid.
    """
    recorded = values["recorded"]
    completion = values.get("completion_timestamp")
    return {
        "id": values["id"],
        "item": values["item"],
        "start_timestamp": time_text(values["start_timestamp"], recorded.get("start_timestamp")),
        "end_timestamp": time_text(values["end_timestamp"], recorded.get("end_timestamp")),
        "completion_timestamp": completion and time_text(completion, recorded.get("completion_timestamp")),
        "time_spent": values["time_spent"],
        "complete": values["complete"],
        "correct": values["correct"],
        "hinted": values["hinted"],
        "answer": values["answer"],
        "simple_answer": values["simple_answer"],
        "interaction_history": values["interaction_history"],
        "user": values["user_id"],
        "error": values["error"],
        "masterylog": values["masterylog_id"],
        "sessionlog": values["sessionlog_id"],
    }


Row = TypeVar("Row")


class RowPage(BaseModel, Generic[Row]):
    """A page of a list, in Kolibri's envelope.

    Attributes:
        page: its number, from 1.
        count: rows in all pages.
    """

    page: int
    count: int
    total_pages: int
    results: list[Row]


@dataclass(frozen=True)
class Rows(Generic[Row]):
    """A list, or one page of it.

    Attributes:
        rows: those asked for.
        count: how many there are in all.
        page: which page this is; None for the whole list.
    """

    rows: Sequence[Row]
    count: int
    page: Page | None = None

    @property
    def total_pages(self) -> int:
        """How many pages there are; an empty list has one."""
        return 1 if self.page is None else max(1, -(-self.count // self.page.size))


class CorrectnessDiff(BaseModel):
    """How much more correct an answer is than in the mastery log before; None if there was none."""

    correct: int | None


class TryDiff(BaseModel):
    """How much more correct and how much longer a mastery log is than the one before."""

    correct: int
    time_spent: float | None


class AttemptDiffRow(AttemptRow):
    """An attempt beside the newest one at the same item in the mastery log before."""

    diff: CorrectnessDiff


class MasteryDiffRow(MasteryRow):
    """A mastery log beside the one before; `diff` is None if there is none."""

    diff: TryDiff | None
    attemptlogs: list[AttemptDiffRow]


def mastery_diff(
    target: MasteryLog,
    previous: MasteryLog | None,
    attempts: Sequence[AttemptLog],
    previous_attempts: Sequence[AttemptLog],
) -> MasteryDiffRow:
    """Return a mastery log beside the one before it.

    Args:
        target: the mastery log.
        previous: the one before; None if there is none.
        attempts: all of `target`.
        previous_attempts: all of `previous`.
    """
    newest: dict[str, AttemptLog] = {}
    for attempt in sorted(previous_attempts, key=lambda attempt: attempt.end_timestamp):
        newest[attempt.item] = attempt
    shown = MasteryRow.of(target)
    diff = None
    if previous is not None:
        previous_row = MasteryRow.of(previous)
        times = (shown.time_spent, previous_row.time_spent)
        diff = TryDiff(
            correct=shown.correct - previous_row.correct,
            # A try from before the field existed has no time; the real server fails on it.
            time_spent=None if times[0] is None or times[1] is None else rounded_sum(times[0] - times[1]),
        )
    rows = []
    for attempt in attempts:
        older = newest.get(attempt.item)
        change = None if older is None else int(round(attempt.correct - older.correct, 9))
        rows.append(AttemptDiffRow.of(attempt, diff=CorrectnessDiff(correct=change)))
    return MasteryDiffRow(**shown.model_dump(), diff=diff, attemptlogs=rows)
