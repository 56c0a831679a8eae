"""Lists of attempts: embedded, moved to buckets, or without a mastery log in sessions.

The list is in the order of `_id` of the documents, then of the mastery logs, then of `store.logs.attempts`. Each
mastery log has a counter of its attempts, so a page reads only the documents that it shows.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any

from docservice.domain.logs.content_logs import AttemptLog
from docservice.domain.requests.lists import LogFilters
from docservice.store.database.port import Database, Document
from docservice.store.lists.logs_without_attempts import sessions_with_attempts, summaries_without_attempts
from docservice.store.lists.scope import Selection
from docservice.store.logs.attempts import AttemptReader, attempt_values
from docservice.store.mapping.schema import OVERFLOW, SESSIONS, SUMMARIES

AttemptValues = dict[str, Any]
"""The values of the fields of an `AttemptLog`; in lists a time may have no zone, and is in UTC then."""

_OWNER_FIELDS = {
    "dataset_id": 1,
    "user_id": 1,
    "_morango_partition": 1,
    "mastery_logs.id": 1,
    "mastery_logs.mastery_level": 1,
    "mastery_logs.attempt_count": 1,
    "loose_attempt_count": 1,
}


@dataclass(frozen=True)
class AttemptHolder:
    """What a run of attempts belongs to: a mastery log, or a session with attempts of its own.

    Attributes:
        owner: the summary or session, without its attempts.
        masterylog_id: None for loose attempts.
        count: how many there are, wherever they are stored.
    """

    owner: Document
    masterylog_id: str | None
    count: int


class AttemptListStore:
    """Reads attempts for lists."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._reader = AttemptReader(database)

    async def page(
        self, selection: Selection, filters: LogFilters, *, skip: int, limit: int
    ) -> tuple[list[AttemptValues], int]:
        """Return some of the attempts that match, and how many there are in all.

        First the counters are read; then only documents that hold attempts of the page. A filter that
        looks at the attempts themselves has all of them read, a document at a time.
        """
        if _looks_inside(filters):
            return await self._page_of_all(selection, filters, skip, limit)
        count, passed = 0, 0
        shown: list[AttemptHolder] = []
        async with aclosing(self._holders(selection, filters)) as holders:
            async for holder in holders:
                if count < skip + limit and skip < count + holder.count:
                    passed = passed if shown else skip - count
                    shown.append(holder)
                count += holder.count
        found: list[AttemptValues] = []
        for holder in shown:
            async with aclosing(self._attempts(holder, filters)) as parts:
                async for part in parts:
                    found += part[passed : passed + limit - len(found)]
                    passed = max(0, passed - len(part))
        return found, count

    async def _page_of_all(
        self, selection: Selection, filters: LogFilters, skip: int, limit: int
    ) -> tuple[list[AttemptValues], int]:
        found: list[AttemptValues] = []
        count = 0
        async with aclosing(self.find(selection, filters)) as parts:
            async for part in parts:
                found += part[max(0, skip - count) : max(0, skip + limit - count)]
                count += len(part)
        return found, count

    async def find(self, selection: Selection, filters: LogFilters) -> AsyncGenerator[list[AttemptValues], None]:
        """Yield the attempts that match, document by document; one document at a time is in memory."""
        async with aclosing(self._holders(selection, filters)) as holders:
            async for holder in holders:
                async with aclosing(self._attempts(holder, filters)) as parts:
                    async for part in parts:
                        yield part

    async def one(self, selection: Selection, attempt_id: str) -> AttemptValues | None:
        """Return the attempt with this id, if it is among the selected people's."""
        for collection, query in (
            (SUMMARIES, {"mastery_logs.attempts.id": attempt_id}),
            (SESSIONS, {"attempts.id": attempt_id}),
            (OVERFLOW, {"attempts.id": attempt_id}),
        ):
            with self._database.guarded():
                # Nothing but fields of the index: some engines use it only then.
                document = await self._database[collection].find_one(query)
            if document is not None:
                owner = document if collection != OVERFLOW else await self._reader.owner(document)
                return _pick(owner, document, attempt_id) if owner is not None and selection.admits(owner) else None
        return None

    async def of_mastery_log(self, log_id: str, masterylog_id: str) -> list[AttemptLog]:
        """Return all attempts of a mastery log."""
        with self._database.guarded():
            owner = await self._database[SUMMARIES].find_one({"_id": log_id}, _OWNER_FIELDS)
        if owner is None:
            return []
        holder = AttemptHolder(owner, masterylog_id, 0)
        parts = self._attempts(holder, LogFilters(), zones=True)
        return [AttemptLog.model_construct(**values) async for part in parts for values in part]

    async def _holders(self, selection: Selection, filters: LogFilters) -> AsyncGenerator[AttemptHolder, None]:
        async with aclosing(
            summaries_without_attempts(self._database, selection, filters, _OWNER_FIELDS)
        ) as found_summaries:
            async for summary in found_summaries:
                for log in summary.get("mastery_logs", ()):
                    if log["attempt_count"] and _is_wanted(log, filters):
                        yield AttemptHolder(summary, log["id"], log["attempt_count"])
        if filters.content is None and filters.masterylog is None and filters.mastery_level is None:
            async with aclosing(sessions_with_attempts(self._database, selection, _OWNER_FIELDS)) as sessions:
                async for session in sessions:
                    yield AttemptHolder(session, None, session["loose_attempt_count"])

    async def _attempts(
        self, holder: AttemptHolder, filters: LogFilters, *, zones: bool = False
    ) -> AsyncGenerator[list[AttemptValues], None]:
        owner, embedded = await self._embedded(holder)
        if owner is None:
            return
        parts = self._reader.of_list(owner, holder.masterylog_id, embedded, item=filters.item, zones=zones)
        async with aclosing(parts) as chunks:
            async for part in chunks:
                matching = [attempt for attempt in part if _matches(attempt, filters)]
                yield attempt_values(holder.owner, holder.masterylog_id, matching)

    async def _embedded(self, holder: AttemptHolder) -> tuple[Document | None, list[Document]]:
        """Return the log's document, None if it was removed, and its embedded attempts; both of the same moment."""
        key = {"_id": holder.owner["_id"], "_morango_partition": holder.owner["_morango_partition"]}
        wanted: Document = {"overflow_buckets": 1, "_morango_partition": 1}
        if holder.masterylog_id is None:
            collection, wanted["attempts"] = SESSIONS, 1
        else:
            collection, wanted["mastery_logs"] = SUMMARIES, {"$elemMatch": {"id": holder.masterylog_id}}
        with self._database.guarded():
            owner = await self._database[collection].find_one(key, wanted)
        if owner is None:
            return None, []
        records = [owner] if holder.masterylog_id is None else owner.get("mastery_logs", [])
        return owner, [attempt for record in records for attempt in record.get("attempts", ())]


def _looks_inside(filters: LogFilters) -> bool:
    return filters.item is not None or filters.complete is not None


def _is_wanted(log: Document, filters: LogFilters) -> bool:
    return (filters.masterylog is None or log["id"] == filters.masterylog) and (
        filters.mastery_level is None or log["mastery_level"] == filters.mastery_level
    )


def _matches(attempt: Document, filters: LogFilters) -> bool:
    return (filters.item is None or attempt["item"] == filters.item) and (
        filters.complete is None or attempt["complete"] == filters.complete
    )


def _pick(owner: Document, document: Document, attempt_id: str) -> AttemptValues:
    """Return the attempt of a document (a log or one of its buckets), with what it inherits from its log."""
    lists = [(log["id"], log["attempts"]) for log in document.get("mastery_logs", ())] or [
        (document.get("masterylog_id"), document["attempts"])
    ]
    return next(
        values
        for masterylog_id, attempts in lists
        for values in attempt_values(owner, masterylog_id, [each for each in attempts if each["id"] == attempt_id])
    )
