"""The one reader of attempts: those that are embedded in a document, and those that moved to buckets beside it.

Lists, documents, tables, merging, saving, backup and verification read through it, so that all give the same answers:

- **Which copy counts.** An attempt that is embedded and in a bucket, too, is the embedded one: that is the one that
  tracking changes and that verification keeps. Of two copies in buckets (or in one list) the first in order counts.
- **Order.** By start; of attempts with the same start the one that is stored first: buckets by number, then the
  document. The oldest move first, so the order stays the same when attempts move.
- **What is inherited.** Dataset, learner and partition are those of the log's document, never those of a bucket. A
  bucket of a mastery log that the document does not have holds none of its attempts; `verify` reports it.

Outside a transaction the document is read before its buckets: an attempt that moves meanwhile is then found twice and
given once, not missed.
"""

from __future__ import annotations

import heapq
from collections.abc import AsyncGenerator, Iterable, Mapping, Sequence
from contextlib import aclosing
from datetime import datetime
from typing import Any

from docservice.domain.logs.content_logs import AttemptLog
from docservice.domain.logs.schema import ATTEMPT_LOG
from docservice.store.database.port import Database, Document, Transaction
from docservice.store.mapping.log_documents import inherited_fields, log_values, read_attempt, with_zones
from docservice.store.mapping.schema import OVERFLOW, SESSIONS, SUMMARIES

_BUCKETS_AT_ONCE = 4
"""Buckets that are decoded at a time: each may have 8 MiB."""

_RAW_BUCKETS_AT_ONCE = 32
"""Buckets that are asked for at a time: a server answers with 16 MiB at most."""

_LITTLE_BYTES = 2 * 1024 * 1024
"""Buckets that have no more than this together are merged in memory, without a look at what is still to come."""

_ATTEMPT_DEFAULTS = {
    name: field.get_default(call_default_factory=True, validated_data={})
    for name, field in AttemptLog.model_fields.items()
    if not field.is_required()
}


def joined(moved: Iterable[Document], embedded: Iterable[Document]) -> list[Document]:
    """Return the attempts of one list, each once, in order.

    Args:
        moved: the attempts of its buckets, in the order of the buckets.
        embedded: those of the document.
    """
    embedded = list(embedded)
    embedded_ids = {attempt["id"] for attempt in embedded}
    by_id: dict[str, Document] = {}
    for attempt in sorted([*(each for each in moved if each["id"] not in embedded_ids), *embedded], key=_start):
        by_id.setdefault(attempt["id"], attempt)
    return list(by_id.values())


def in_order(document: Document) -> Document:
    """A summary or session with its embedded attempts in order, as far as they were read; others are left alone."""
    return _with_lists(document, {})


def attempt_logs(owner: Mapping[str, Any], masterylog_id: str | None, attempts: Iterable[Document]) -> list[AttemptLog]:
    """Attempts of a summary or session as logs, with what they inherit from it."""
    inherited = {**inherited_fields(owner), "masterylog_id": masterylog_id}
    return [read_attempt(attempt, **inherited) for attempt in attempts]


def attempt_values(
    owner: Mapping[str, Any], masterylog_id: str | None, attempts: Iterable[Document]
) -> list[dict[str, Any]]:
    """Return the values of all fields of `attempt_logs`, without the models: a long list takes a third of the time."""
    same = {**_ATTEMPT_DEFAULTS, **inherited_fields(owner), "masterylog_id": masterylog_id}
    return [same | log_values(ATTEMPT_LOG, attempt) for attempt in attempts]


class AttemptReader:
    """Reads the attempts that moved, and joins them with those that are embedded."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def of_list(
        self,
        owner: Document,
        masterylog_id: str | None,
        embedded: Sequence[Document],
        *,
        item: str | None = None,
        zones: bool = True,
    ) -> AsyncGenerator[list[Document], None]:
        """Yield all attempts of a mastery log, or the loose ones of a session, in order; some at a time.

        What is in memory is little, or one bucket and what of those before begins after attempts of a bucket that is
        not read yet.

        Args:
            owner: the summary or session, with `_id`, `_morango_partition` and `overflow_buckets`.
            masterylog_id: None for loose attempts.
            embedded: the attempts of the list that the document holds.
            item: skip buckets without an attempt at this item.
            zones: whether the times of attempts in buckets get their zone, UTC. That takes as long as all the rest of
                reading them; a text of the time can do without.
        """
        merge = _Merge(embedded)
        if owner.get("overflow_buckets"):
            query = {**_of_log(owner), "masterylog_id": masterylog_id}
            if item is not None:
                query["attempts.item"] = item
            bytes_read, is_little = 0, True
            # In the order of an index: an engine that reads it need not sort the buckets.
            order = [("last_start_timestamp", 1)]
            found = self._database.raw_batches(OVERFLOW, query, size=_RAW_BUCKETS_AT_ONCE, sort=order)
            async with aclosing(found) as batches:
                async for batch in batches:
                    for bucket in batch:
                        bytes_read += bucket.size
                        if is_little and bytes_read > _LITTLE_BYTES:
                            await self._read_first_starts(query, merge)
                            is_little = False
                        document = bucket.decoded()
                        merge.add(with_zones(document) if zones else document)
                        if not is_little and (ready := merge.ready()):
                            yield ready
        if rest := merge.rest():
            yield rest

    async def _read_first_starts(self, query: Document, merge: _Merge) -> None:
        first = {"first": {"$min": "$attempts.start_timestamp"}}
        async with aclosing(
            self._database.aggregate(OVERFLOW, [{"$match": query}, {"$project": first}])
        ) as first_attempts:
            async for bucket in first_attempts:
                merge.expect(bucket["_id"], bucket["first"])

    async def whole(self, document: Document, tx: Transaction | None = None) -> Document:
        """Return a summary or session with all its attempts in its lists; `document` is not changed."""
        moved: dict[str | None, list[Document]] = {}
        if document.get("overflow_buckets"):
            async with aclosing(self.buckets(document, tx)) as buckets:
                async for bucket in buckets:
                    moved.setdefault(bucket["masterylog_id"], []).extend(bucket["attempts"])
        return _with_lists(document, moved)

    async def buckets(self, log: Document, tx: Transaction | None = None) -> AsyncGenerator[Document, None]:
        """Yield the buckets of a summary or session as they are stored, by their numbers.

        Args:
            log: its document.
            tx: a transaction to read in; None for none.
        """
        if tx is not None:
            async for bucket in self._database[OVERFLOW].find(_of_log(log), sort=[("_id", 1)], session=tx.session):
                yield bucket
            return
        found = self._database.batches(OVERFLOW, _of_log(log), size=_BUCKETS_AT_ONCE, sort=[("_id", 1)])
        async with aclosing(found) as batches:
            async for batch in batches:
                for bucket in batch:
                    yield bucket

    async def owner(self, bucket: Document) -> Document | None:
        """Return the summary or session that a bucket belongs to, without its attempts.

        Returns:
            None if there is none, or if it does not have the mastery log of the bucket.
        """
        masterylog_id = bucket["masterylog_id"]
        key = {"_id": bucket["log_id"], "_morango_partition": bucket["_morango_partition"]}
        without = {"mastery_logs.attempts": 0} if masterylog_id else {"attempts": 0}
        with self._database.guarded():
            owner = await self._database[SUMMARIES if masterylog_id else SESSIONS].find_one(key, without)
        if owner is None or masterylog_id not in {None, *(log["id"] for log in owner.get("mastery_logs", ()))}:
            return None
        return owner


class _Merge:
    """Puts the attempts of buckets and document in order while the buckets come in.

    What begins before everything that is still to come is ready.
    """

    def __init__(self, embedded: Sequence[Document]) -> None:
        self._here = {attempt["id"] for attempt in embedded}
        self._given: set[str] = set()
        # Start, whether embedded, bucket, position: what decides the order; two entries never have all in common.
        self._waiting = [(_start(each), True, "", number, each) for number, each in enumerate(embedded)]
        self._expected: list[tuple[datetime, str]] = []
        self._read: set[str] = set()
        heapq.heapify(self._waiting)

    def expect(self, bucket_id: str, first_start: object) -> None:
        """Wait for a bucket whose first attempt began at this time."""
        heapq.heappush(self._expected, (_time(first_start), bucket_id))

    def add(self, bucket: Document) -> None:
        """Take the attempts of a bucket."""
        self._read.add(bucket["_id"])
        for number, attempt in enumerate(bucket["attempts"]):
            if attempt["id"] not in self._here:
                heapq.heappush(self._waiting, (_start(attempt), False, bucket["_id"], number, attempt))

    def ready(self) -> list[Document]:
        """Return the attempts, each once, that no bucket still to come has anything before."""
        while self._expected and self._expected[0][1] in self._read:
            heapq.heappop(self._expected)
        return self._before(self._expected[0][0]) if self._expected else self.rest()

    def rest(self) -> list[Document]:
        """Return all that was not given yet."""
        return self._before(None)

    def _before(self, moment: datetime | None) -> list[Document]:
        earlier = []
        while self._waiting and (moment is None or self._waiting[0][0] < moment):
            *_, attempt = heapq.heappop(self._waiting)
            if attempt["id"] not in self._given:
                self._given.add(attempt["id"])
                earlier.append(attempt)
        return earlier


def _with_lists(document: Document, moved: Mapping[str | None, Sequence[Document]]) -> Document:
    if "mastery_logs" in document:
        logs = [_with_list(log, moved.get(log["id"], ()) if moved else ()) for log in document["mastery_logs"]]
        return {**document, "mastery_logs": logs}
    return _with_list(document, moved.get(None, ()))


def _with_list(holder: Document, moved: Sequence[Document]) -> Document:
    if "attempts" not in holder and not moved:
        return holder
    return {**holder, "attempts": joined(moved, holder.get("attempts", ()))}


def _of_log(log: Document) -> Document:
    return {"_morango_partition": log.get("_morango_partition"), "log_id": log["_id"]}


def _start(attempt: Document) -> datetime:
    return _time(attempt.get("start_timestamp"))


def _time(value: object) -> datetime:
    """A time without its zone, UTC.

    What is not a time was not written by this service; it comes first, and `verify` reports it.
    """
    if not isinstance(value, datetime):
        return datetime.min  # noqa: DTZ901 (compared with others without a zone)
    return value if value.tzinfo is None else value.replace(tzinfo=None)
