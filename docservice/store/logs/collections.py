"""Finds, writes and removes whole logs for the trusted collections."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterable, Mapping
from contextlib import aclosing
from typing import Any

from docservice.domain.logs.content_logs import MasteryLog
from docservice.domain.logs.record_schema import FieldRole, Log, LogSchema
from docservice.domain.logs.schema import SUMMARY_LOG
from docservice.errors import DocumentTooLarge
from docservice.store.database.port import Database, Document, Transaction
from docservice.store.database.writes import DeleteMany
from docservice.store.logs.attempts import AttemptReader
from docservice.store.logs.exam_logs import MAX_EXAM_ATTEMPTS, MAX_EXAM_BYTES
from docservice.store.logs.overflow import OverflowStore, move_oldest
from docservice.store.mapping.counters import attempt_bytes
from docservice.store.mapping.log_documents import (
    inherited_fields,
    mastery_document,
    read_mastery,
)
from docservice.store.mapping.log_kinds import EXAM_LOGS, LogKind
from docservice.store.mapping.schema import OVERFLOW, SUMMARIES


class CollectionStore:
    """Finds, writes and removes logs of any kind; each write is for a transaction."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._attempts = AttemptReader(database)
        self._overflow = OverflowStore(database)

    async def find(self, kind: LogKind[Log], query: Mapping[str, Any], limit: int = 0) -> AsyncGenerator[Log, None]:
        """Yield the logs that a query finds, with their embedded attempts, in no order."""
        async with aclosing(self._database.stream(kind.collection, query, limit=limit)) as documents:
            async for document in documents:
                yield kind.read(document)

    async def count(self, kind: LogKind[Any], query: Mapping[str, Any]) -> int:
        """Return how many logs a query finds."""
        with self._database.guarded():
            return await self._database[kind.collection].count_documents(query)

    async def partition(self, kind: LogKind[Any], log_id: str) -> str | None:
        """Return the partition of a log, None if there is no log with this id."""
        with self._database.guarded():
            document = await self._database[kind.collection].find_one({"_id": log_id}, {"_morango_partition": 1})
        return document["_morango_partition"] if document else None

    async def save(self, tx: Transaction, kind: LogKind[Log], log: Log) -> Log:
        """Insert a log or replace the one with its id; return the log as stored.

        Attempts that had moved to buckets stay, unless the log brings them itself or no longer has their try.

        Raises:
            DocumentTooLarge: an exam log has more attempts than it may.
        """
        key = {"_id": log.id, "_morango_partition": log.morango_partition}
        collection = self._database[kind.collection]
        stored = await collection.find_one(key, session=tx.session)
        document = kind.write(log)
        _mark_dirty(kind.schema, stored or {}, document)
        if kind.overflows:
            await self._overflowing(tx, stored or {}, document)
        elif kind is EXAM_LOGS:
            require_room(document)
        document["has_dirty"] = True
        # Notes of the store, and what other programs have put into the document.
        written = kind.schema.names.difference(kind.schema.named(FieldRole.NOTE))
        kept = {name: value for name, value in (stored or {}).items() if name not in written}
        await collection.replace_one(key, {**document, **kept}, upsert=True, session=tx.session)
        return kind.read(document)

    async def save_mastery_log(self, tx: Transaction, summary_id: str, log: MasteryLog) -> MasteryLog | None:
        """Write a mastery log into its summary, in the place of the one with its id, if there is one.

        Attempts that had moved to buckets stay, unless the log brings them itself. The summary itself is not marked: a
        mastery log is a record of its own.

        Returns:
            The log as stored; None if its summary is missing.
        """
        key = {"_id": summary_id, "_morango_partition": log.morango_partition}
        collection = self._database[SUMMARIES]
        stored = await collection.find_one(key, session=tx.session)
        if stored is None:
            return None
        logs = {each["id"]: dict(each) for each in stored.get("mastery_logs", ())}
        logs[log.id] = mastery_document(log)
        document = {**stored, "mastery_logs": list(logs.values())}
        _mark_embedded(SUMMARY_LOG, stored, document)
        logs[log.id]["_morango_dirty_bit"] = True
        document["attempt_bytes"] = attempt_bytes(SUMMARY_LOG, document)
        await self._overflowing(tx, stored, document)
        document["has_dirty"] = True
        await collection.replace_one(key, document, session=tx.session)
        saved = next(each for each in document["mastery_logs"] if each["id"] == log.id)
        return read_mastery(saved, summarylog_id=summary_id, **inherited_fields(document))

    async def delete(self, tx: Transaction, kind: LogKind[Any], log_id: str, partition: str) -> bool:
        """Remove a log and its buckets; whether it was there."""
        gone = await self._database[kind.collection].delete_one(
            {"_id": log_id, "_morango_partition": partition}, session=tx.session
        )
        if kind.overflows:
            await self._database[OVERFLOW].bulk_write(
                [DeleteMany({"_morango_partition": partition, "log_id": log_id})], session=tx.session
            )
        # An earlier run was committed although its acknowledgement was lost, and has removed it.
        return bool(gone.deleted_count) or tx.may_be_kept

    async def _overflowing(self, tx: Transaction, stored: Document, document: Document) -> None:
        holders = {log["id"]: log for log in document.get("mastery_logs", ())}
        if "mastery_logs" not in document:
            holders = {None: document}
        sequence = stored.get("overflow_buckets", 0)
        moved: dict[str | None, list[Document]] = {masterylog_id: [] for masterylog_id in holders}
        if sequence:
            for bucket in [bucket async for bucket in self._attempts.buckets(document, tx)]:
                holder = holders.get(bucket["masterylog_id"])
                stay = [] if holder is None else await self._trim(tx, bucket, holder.get("attempts", ()))
                if stay:
                    moved[bucket["masterylog_id"]] += stay
                else:
                    await self._database[OVERFLOW].delete_one(_key(bucket), session=tx.session)
        for masterylog_id, holder in holders.items():
            attempts = [*moved[masterylog_id], *holder.get("attempts", ())]
            if masterylog_id is not None:
                holder["attempt_count"] = len(attempts)
                holder["correct_sum"] = float(sum(attempt["correct"] for attempt in attempts))
            elif attempts:
                holder["loose_attempt_count"] = len(attempts)
        if sequence:
            document["overflow_buckets"] = sequence
        await self._overflow.insert(tx, move_oldest(document))

    async def _trim(self, tx: Transaction, bucket: Document, brought: Iterable[Document]) -> list[Document]:
        """Take out of a bucket the attempts that the log brings itself; what stays."""
        new_ids = {attempt["id"] for attempt in brought}
        stay: list[Document] = [attempt for attempt in bucket["attempts"] if attempt["id"] not in new_ids]
        if stay and len(stay) < len(bucket["attempts"]):
            setting = {
                "attempts": stay,
                "last_start_timestamp": max(attempt["start_timestamp"] for attempt in stay),
                "has_dirty": any(attempt["_morango_dirty_bit"] for attempt in stay),
            }
            await self._database[OVERFLOW].update_one(_key(bucket), {"$set": setting}, session=tx.session)
        return stay


def _key(document: Document) -> Document:
    return {"_id": document["_id"], "_morango_partition": document["_morango_partition"]}


def _mark_dirty(schema: LogSchema[Any], stored: Document, document: Document) -> None:
    """Mark what is saved as waiting for sync; of the records embedded in it only those that are new or changed."""
    document["_morango_dirty_bit"] = True
    _mark_embedded(schema, stored, document)


def _mark_embedded(schema: LogSchema[Any], before: Document, document: Document) -> None:
    if schema.embeds is None:
        return
    name, embedded = schema.embeds.field, schema.embeds.record
    stored = {record["id"]: record for record in before.get(name, ())}
    for record in document.get(name, ()):
        old = stored.get(record["id"], {})
        record["_morango_dirty_bit"] = _is_dirty(embedded, old, record)
        record.update({note: old[note] for note in embedded.named(FieldRole.NOTE) if note in old})
        _mark_embedded(embedded, old, record)


def _is_dirty(schema: LogSchema[Any], stored: Document, record: Document) -> bool:
    aside = {"_morango_dirty_bit", *schema.named(FieldRole.COUNTER, FieldRole.NOTE, FieldRole.RECORDS)}
    same = {k: v for k, v in stored.items() if k not in aside} == {k: v for k, v in record.items() if k not in aside}
    return bool(stored["_morango_dirty_bit"]) if stored and same else True


def require_room(document: Document) -> None:
    """Check that an exam log has no more attempts than it may.

    Raises:
        DocumentTooLarge: it has.
    """
    if document["attempt_count"] > MAX_EXAM_ATTEMPTS or document["attempt_bytes"] > MAX_EXAM_BYTES:
        raise DocumentTooLarge(f"An exam log takes {MAX_EXAM_ATTEMPTS} attempts and {MAX_EXAM_BYTES} bytes of them.")
