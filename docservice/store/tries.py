"""Mastery logs as a list of their own, read out of the summaries that hold them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Any

from docservice.domain.filters import LogFilters
from docservice.domain.logs import MasteryLog
from docservice.store.attempts import SUMMARIES
from docservice.store.documents import inherited_fields, read_mastery
from docservice.store.port import Database, Document
from docservice.store.selection import Selection

_LATEST_FIRST = {"mastery_logs.end_timestamp": -1, "mastery_logs.id": 1}


class TryStore:
    """Reads mastery logs; those without an end come last."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def find(
        self, selection: Selection, filters: LogFilters, *, skip: int = 0, limit: int | None = None
    ) -> AsyncIterator[MasteryLog]:
        """The tries that match, latest end first, without their attempts."""
        pipeline = [*_matching(selection, filters), {"$sort": _LATEST_FIRST}]
        if skip:
            pipeline.append({"$skip": skip})
        if limit is not None:
            pipeline.append({"$limit": limit})
        async with aclosing(self._database.aggregate(SUMMARIES, pipeline)) as rows:
            async for row in rows:
                yield read_mastery(row["mastery_logs"], summarylog_id=row["_id"], **inherited_fields(row))

    async def count(self, selection: Selection, filters: LogFilters) -> int:
        """How many tries match."""
        pipeline = [*_matching(selection, filters), {"$count": "tries"}]
        return sum([int(row["tries"]) async for row in self._database.aggregate(SUMMARIES, pipeline)])

    async def points(self, user_id: str) -> int:
        """What Kolibri counts as a learner's progress: complete tries, and finished content without tries."""
        found = self._database.stream(SUMMARIES, {"user_id": user_id}, {"progress": 1, "mastery_logs.complete": 1})
        return sum([_points(summary) async for summary in found])

    async def exists(self, masterylog_id: str) -> bool:
        """Whether there is a try with this id, whoever's it is."""
        with self._database.guarded():
            return await self._database[SUMMARIES].find_one({"mastery_logs.id": masterylog_id}, {"_id": 1}) is not None


def _points(summary: Document) -> int:
    tries = summary.get("mastery_logs")
    if tries:
        return sum(bool(log["complete"]) for log in tries)
    return int(summary["progress"] == 1)


def _matching(selection: Selection, filters: LogFilters) -> list[dict[str, Any]]:
    summaries = selection.query()
    if filters.content is not None:
        summaries["content_id"] = filters.content
    if filters.masterylog is not None:
        summaries["mastery_logs.id"] = filters.masterylog
    stages: list[dict[str, Any]] = [
        {"$match": summaries},
        {"$project": {"dataset_id": 1, "user_id": 1, "_morango_partition": 1, "mastery_logs": 1}},
        {"$project": {"mastery_logs.attempts": 0}},
        {"$unwind": "$mastery_logs"},
    ]
    tries: dict[str, Any] = {}
    if filters.masterylog is not None:
        tries["mastery_logs.id"] = filters.masterylog
    if filters.complete is not None:
        tries["mastery_logs.complete"] = filters.complete
    if filters.quiz is not None:
        tries["mastery_logs.mastery_level"] = {"$lt": 0} if filters.quiz else {"$gte": 0}
    if tries:
        stages.append({"$match": tries})
    return stages
