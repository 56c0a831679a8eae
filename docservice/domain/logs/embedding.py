"""Which logs a log embeds: Kolibri's tables of tries and attempts are lists here."""

from __future__ import annotations

from typing import NamedTuple

from docservice.domain.logs.content_logs import (
    AttemptLog,
    ContentSessionLog,
    ContentSummaryLog,
    MasteryLog,
    SyncableLog,
)
from docservice.domain.logs.exam_logs import ExamAttemptLog, ExamLog


class Embedded(NamedTuple):
    """What a log embeds.

    Attributes:
        field: the list.
        model: of its items.
        parent_field: their field that names the log; None: none does.
    """

    field: str
    model: type[SyncableLog]
    parent_field: str | None


EMBEDDED: dict[type[SyncableLog], Embedded] = {
    ContentSummaryLog: Embedded("mastery_logs", MasteryLog, "summarylog_id"),
    MasteryLog: Embedded("attempts", AttemptLog, "masterylog_id"),
    ContentSessionLog: Embedded("attempts", AttemptLog, None),
    ExamLog: Embedded("attempts", ExamAttemptLog, "examlog_id"),
}
"""By the log's model; other logs embed nothing."""
