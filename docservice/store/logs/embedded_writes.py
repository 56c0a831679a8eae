"""Writes and removes embedded logs by their own ids, with counters and dirty marks.

As in Kolibri, where each is a row of its own, this changes the one record, and not the progress, times or marks of the
logs around it.
"""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass
from typing import Any

from docservice.domain.logs.schema import SUMMARY_LOG
from docservice.store.database.port import Database, Document, Transaction
from docservice.store.database.writes import DeleteMany
from docservice.store.logs.collections import require_room
from docservice.store.logs.overflow import OverflowStore, move_oldest
from docservice.store.mapping.counters import attempt_bytes, attempt_size, is_dirty
from docservice.store.mapping.embedded_kinds import EmbeddedRecord
from docservice.store.mapping.schema import DOCUMENT_SCHEMAS, EXAMS, OVERFLOW, SESSIONS, SUMMARIES


@dataclass(frozen=True)
class AttemptPlace:
    """The list that an attempt is in, with the overflow buckets of that list.

    Attributes:
        collection: of the document.
        log_id: the summary, content session or exam log.
        partition: of all of it.
        masterylog_id: the mastery log in a summary; None in others.
    """

    collection: str
    log_id: str
    partition: str
    masterylog_id: str | None = None

    @classmethod
    def of(cls, record: EmbeddedRecord) -> AttemptPlace:
        """Return the place of a record that was read."""
        document, masterylog_id = record.document, record.mastery.get("id")
        collection = EXAMS if "exam_id" in document else SESSIONS if masterylog_id is None else SUMMARIES
        return cls(collection, document["_id"], document["_morango_partition"], masterylog_id)

    @property
    def key(self) -> Document:
        """What finds the document."""
        return {"_id": self.log_id, "_morango_partition": self.partition}

    def bucket_with(self, attempt_id: str) -> Document:
        """Return what finds the bucket that holds an attempt."""
        query = {"_morango_partition": self.partition, "masterylog_id": self.masterylog_id, "attempts.id": attempt_id}
        return query if self.masterylog_id else {**query, "log_id": self.log_id}

    def holder(self, document: Document) -> Document | None:
        """Return the part of the document that has the list; None if it was removed."""
        if self.masterylog_id is None:
            return document
        return next((log for log in document.get("mastery_logs", ()) if log["id"] == self.masterylog_id), None)


class EmbeddedWriteStore:
    """Writes and removes embedded logs; every call is for a transaction."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._overflow = OverflowStore(database)

    async def put_attempt(self, tx: Transaction, place: AttemptPlace, attempt: Document) -> bool:
        """Write an attempt in the place of the one with its id, or as a new one among the others by its start.

        Returns:
            False if the log is not there.

        Raises:
            DocumentTooLarge: the exam log has no room for it.
        """
        document = await self._database[place.collection].find_one(place.key, session=tx.session)
        holder = place.holder(document) if document else None
        if document is None or holder is None:
            return False
        attempts = holder.setdefault("attempts", [])
        position = _position(attempts, attempt["id"])
        if position is not None:
            _count(document, holder, attempts[position], attempt, place.collection)
            attempts[position] = attempt
        else:
            moved = await self._put_into_bucket(tx, place, document, attempt)
            _count(document, holder, moved, attempt, place.collection, embedded=moved is None)
            if moved is None:
                attempts.insert(bisect_right(attempts, attempt["start_timestamp"], key=_start), attempt)
        await self._replace(tx, place, document)
        return True

    async def remove_attempt(self, tx: Transaction, place: AttemptPlace, attempt_id: str) -> bool:
        """Remove an attempt.

        Returns:
            Whether it was there.
        """
        document = await self._database[place.collection].find_one(place.key, session=tx.session)
        holder = place.holder(document) if document else None
        if document is None or holder is None:
            return False
        attempts = holder.get("attempts", [])
        position = _position(attempts, attempt_id)
        if position is not None:
            _count(document, holder, attempts.pop(position), None, place.collection)
            await self._take_from_bucket(tx, place, document, attempt_id)  # a second copy would come to light now
        else:
            moved = await self._take_from_bucket(tx, place, document, attempt_id)
            if moved is None:
                return False
            _count(document, holder, moved, None, place.collection, embedded=False)
        await self._replace(tx, place, document)
        return True

    async def remove_mastery_log(self, tx: Transaction, summary: Document, masterylog_id: str) -> bool:
        """Remove a mastery log with all its attempts.

        Args:
            tx: the transaction.
            summary: with `_id` and `_morango_partition`.
            masterylog_id: the log.

        Returns:
            Whether it was there.
        """
        key = {"_id": summary["_id"], "_morango_partition": summary["_morango_partition"]}
        document = await self._database[SUMMARIES].find_one(key, session=tx.session)
        logs = (document or {}).get("mastery_logs", [])
        kept = [log for log in logs if log["id"] != masterylog_id]
        if document is None or len(kept) == len(logs):
            return False
        document["mastery_logs"] = kept
        document["attempt_bytes"] = attempt_bytes(SUMMARY_LOG, document)
        if document.get("overflow_buckets"):
            buckets = {
                "_morango_partition": key["_morango_partition"],
                "log_id": key["_id"],
                "masterylog_id": masterylog_id,
            }
            await self._database[OVERFLOW].bulk_write([DeleteMany(buckets)], session=tx.session)
        document["has_dirty"] = is_dirty(SUMMARY_LOG, document)
        await self._database[SUMMARIES].replace_one(key, document, session=tx.session)
        return True

    async def _put_into_bucket(
        self, tx: Transaction, place: AttemptPlace, document: Document, attempt: Document
    ) -> Document | None:
        """Write an attempt over the one in a bucket; the one before, None if no bucket has it."""
        bucket = await self._bucket(tx, place, document, attempt["id"])
        if bucket is None:
            return None
        position = _position(bucket["attempts"], attempt["id"])
        if position is None:
            return None
        old: Document = bucket["attempts"][position]
        bucket["attempts"][position] = attempt
        await self._write_bucket(tx, bucket)
        return old

    async def _take_from_bucket(
        self, tx: Transaction, place: AttemptPlace, document: Document, attempt_id: str
    ) -> Document | None:
        bucket = await self._bucket(tx, place, document, attempt_id)
        position = None if bucket is None else _position(bucket["attempts"], attempt_id)
        if bucket is None or position is None:
            return None
        old: Document = bucket["attempts"].pop(position)
        await self._write_bucket(tx, bucket)
        return old

    async def _bucket(
        self, tx: Transaction, place: AttemptPlace, document: Document, attempt_id: str
    ) -> Document | None:
        if not document.get("overflow_buckets"):
            return None
        return await self._database[OVERFLOW].find_one(place.bucket_with(attempt_id), session=tx.session)

    async def _write_bucket(self, tx: Transaction, bucket: Document) -> None:
        key = {"_id": bucket["_id"], "_morango_partition": bucket["_morango_partition"]}
        if not bucket["attempts"]:
            await self._database[OVERFLOW].delete_one(key, session=tx.session)
            return
        bucket["last_start_timestamp"] = max(map(_start, bucket["attempts"]))
        bucket["has_dirty"] = any(attempt["_morango_dirty_bit"] for attempt in bucket["attempts"])
        await self._database[OVERFLOW].replace_one(key, bucket, session=tx.session)

    async def _replace(self, tx: Transaction, place: AttemptPlace, document: Document) -> None:
        made: list[Document] = []
        if place.collection == EXAMS:
            require_room(document)
        else:
            made = move_oldest(document)
        if place.collection == SESSIONS and not document.get("loose_attempt_count"):
            for name in ("attempts", "attempt_bytes", "loose_attempt_count"):
                document.pop(name, None)  # as in a session that never had one
        document["has_dirty"] = is_dirty(DOCUMENT_SCHEMAS[place.collection], document)
        await self._overflow.insert(tx, made)
        await self._database[place.collection].replace_one(place.key, document, session=tx.session)


def _position(attempts: list[Document], attempt_id: str) -> int | None:
    return next((position for position, each in enumerate(attempts) if each["id"] == attempt_id), None)


def _start(attempt: Document) -> Any:
    return attempt["start_timestamp"]


def _count(
    document: Document,
    holder: Document,
    old: Document | None,
    after: Document | None,
    collection: str,
    *,
    embedded: bool = True,
) -> None:
    """Let counters follow when an attempt is added (nothing before), changed, or removed (nothing after)."""
    number = (after is not None) - (old is not None)
    counter = "loose_attempt_count" if collection == SESSIONS else "attempt_count"
    holder[counter] = holder.get(counter, 0) + number
    if collection == SUMMARIES:
        change = (after["correct"] if after else 0.0) - (old["correct"] if old else 0.0)
        # Without attempts the sum is zero, whatever rounding has left of it.
        holder["correct_sum"] = float(holder["correct_sum"] + change) if holder[counter] else 0.0
    if embedded:
        size = (attempt_size(after) if after else 0) - (attempt_size(old) if old else 0)
        document["attempt_bytes"] = document.get("attempt_bytes", 0) + size
