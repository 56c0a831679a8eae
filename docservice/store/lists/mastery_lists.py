"""Lists of mastery logs, read from the summaries that embed them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from docservice.domain.logs.content_logs import MasteryLog
from docservice.domain.logs.schema import MASTERY_LOG, OWNER_FIELDS
from docservice.domain.requests.lists import LogFilters
from docservice.store.database.port import Database, Document
from docservice.store.lists.logs_without_attempts import summaries_without_attempts
from docservice.store.lists.scope import Selection
from docservice.store.mapping.log_documents import inherited_fields, read_mastery
from docservice.store.mapping.schema import SUMMARIES

_OF_A_TRY = sorted(field.stored for field in MASTERY_LOG.own)
_WITHOUT_ATTEMPTS = dict.fromkeys(
    [*(field.stored for field in OWNER_FIELDS), *(f"mastery_logs.{name}" for name in _OF_A_TRY)], 1
)
_LONG_AGO = datetime.min.replace(tzinfo=UTC)
_SLACK = 1000
"""How many more mastery logs than needed may pile up before they are sorted and cut."""


@dataclass(frozen=True)
class MasteryListPart:
    """Part of a list of mastery logs.

    Attributes:
        logs: those asked for, without their attempts.
        count: how many there are in all.
    """

    logs: list[MasteryLog]
    count: int


class MasteryListStore:
    """Reads mastery logs."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def find(
        self, selection: Selection, filters: LogFilters, *, skip: int = 0, limit: int | None = None
    ) -> MasteryListPart:
        """Return the mastery logs that match, latest end first, those without an end last.

        The order goes across documents, so all that match are looked at; about `skip + limit` are kept in memory.
        """
        wanted = None if limit is None else skip + limit
        logs: list[MasteryLog] = []
        count = 0
        async for summary in summaries_without_attempts(self._database, selection, filters, _WITHOUT_ATTEMPTS):
            inherited = inherited_fields(summary)
            for document in summary.get("mastery_logs", ()):
                if _matches(document, filters):
                    count += 1
                    logs.append(read_mastery(document, summarylog_id=summary["_id"], **inherited))
            if wanted is not None and len(logs) > 2 * wanted + _SLACK:
                logs = sorted(logs, key=_latest_first)[:wanted]
        return MasteryListPart(sorted(logs, key=_latest_first)[skip:wanted], count)

    async def points(self, user_id: str) -> int:
        """Return a learner's points: complete mastery logs, and finished content without mastery logs."""
        summaries = self._database.stream(SUMMARIES, {"user_id": user_id}, {"progress": 1, "mastery_logs.complete": 1})
        return sum([_points(summary) async for summary in summaries])

    async def exists(self, masterylog_id: str) -> bool:
        """Whether there is a mastery log with this id, of any learner."""
        with self._database.guarded():
            return await self._database[SUMMARIES].find_one({"mastery_logs.id": masterylog_id}, {"_id": 1}) is not None


def _points(summary: Document) -> int:
    tries = summary.get("mastery_logs")
    if tries:
        return sum(bool(log["complete"]) for log in tries)
    return int(summary["progress"] == 1)


def _matches(log: Document, filters: LogFilters) -> bool:
    return (
        (filters.masterylog is None or log["id"] == filters.masterylog)
        and (filters.complete is None or log["complete"] == filters.complete)
        and (filters.quiz is None or (log["mastery_level"] < 0) == filters.quiz)
    )


def _latest_first(log: MasteryLog) -> tuple[bool, float, str]:
    ended = log.end_timestamp
    return (ended is None, -((ended or _LONG_AGO) - _LONG_AGO).total_seconds(), log.id)
