"""Whole documents that come from elsewhere: counted, relieved of what they outgrow, and written beside what is here."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from pymongo import DeleteMany, ReplaceOne
from pymongo.errors import BulkWriteError

from docservice.store.documents import SCHEMA_VERSION, attempt_size
from docservice.store.overflow import COLLECTION as OVERFLOW
from docservice.store.overflow import Shelf, buckets, plan_spill, too_many
from docservice.store.port import Database, Document

_DUPLICATE_KEY = 11000


def settled(document: Document) -> tuple[Document, list[Document]]:
    """A document with its counters, and the buckets of the attempts that it cannot hold.

    Args:
        document: a log with all its attempts embedded. It gets its counters; if attempts have to move, they move from a
            copy, and the one given keeps them.
    """
    tries: list[Document] | None = document.get("mastery_logs")
    attempts: list[Document] | None = document.get("attempts")
    dirty = document["_morango_dirty_bit"]
    if tries is not None:
        for log in tries:
            log["attempt_count"] = len(log["attempts"])
            log["correct_sum"] = float(sum(attempt["correct"] for attempt in log["attempts"]))
            dirty = dirty or log["_morango_dirty_bit"]
    elif attempts is not None:
        document["attempt_count" if _is_exam(document) else "loose_attempt_count"] = len(attempts)
    shelves = _shelves(document)
    document["has_dirty"] = dirty or any(a["_morango_dirty_bit"] for shelf in shelves for a in shelf.attempts)
    document["schema_version"] = SCHEMA_VERSION
    if tries is None and attempts is None:
        return document, []
    document["attempt_bytes"] = sum(attempt_size(attempt) for shelf in shelves for attempt in shelf.attempts)
    document.pop("overflow_buckets", None)
    if tries is not None:
        document["overflow_buckets"] = 0
    if _is_exam(document) or not too_many(shelves, document["attempt_bytes"]):
        return document, []
    return _relieved(document, shelves)


def _is_exam(document: Document) -> bool:
    return "exam_id" in document


def _shelves(document: Document) -> list[Shelf]:
    if "mastery_logs" in document:
        return [Shelf(str(number), log["id"], log["attempts"]) for number, log in enumerate(document["mastery_logs"])]
    return [Shelf("", None, document["attempts"])] if "attempts" in document else []


def _relieved(document: Document, shelves: Sequence[Shelf]) -> tuple[Document, list[Document]]:
    spill = plan_spill(shelves, document["attempt_bytes"])
    made = buckets(document, spill.moved, 0)
    kept = {shelf.path: shelf.attempts for shelf in spill.kept}
    relieved = {**document, "attempt_bytes": spill.attempt_bytes, "overflow_buckets": len(made)}
    if "mastery_logs" in document:
        relieved["mastery_logs"] = [
            {**log, "attempts": kept.get(str(number), log["attempts"])}
            for number, log in enumerate(document["mastery_logs"])
        ]
    else:
        relieved["attempts"] = kept[""]
    return relieved, made


def same(document: Document, stored: Document) -> bool:
    """Whether a stored document says all that a settled one says."""
    return all(name in stored and stored[name] == value for name, value in document.items())


class ImportedStore:
    """Writes documents that may be here already."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def is_empty(self, collection: str) -> bool:
        """Whether a collection has no documents."""
        with self._database.guarded():
            return await self._database[collection].find_one({}, {"_id": 1}) is None

    async def insert(self, collection: str, documents: Sequence[Document]) -> set[Any]:
        """Insert documents; the ids of those that are there already, which are left alone.

        Raises:
            StoreError: some may have been inserted.
        """
        if not documents:
            return set()
        with self._database.guarded():
            try:
                await self._database[collection].insert_many(documents, ordered=False)
            except BulkWriteError as error:
                failed = (error.details or {}).get("writeErrors", [])
                if any(one.get("code") != _DUPLICATE_KEY for one in failed):
                    raise
                return {documents[one["index"]]["_id"] for one in failed}
        return set()

    async def put(self, collection: str, documents: Sequence[Document]) -> None:
        """Write documents, in the place of those with their `_id` if there are any."""
        if documents:
            with self._database.guarded():
                await self._database[collection].bulk_write(
                    [ReplaceOne({"_id": document["_id"]}, document, upsert=True) for document in documents],
                    ordered=False,
                )

    async def combine(
        self, collection: str, brought: Document, combined: Callable[[Document | None, Document], Document | None]
    ) -> None:
        """Write a document with what is here under its id, in one transaction.

        Args:
            collection: where.
            brought: with all its attempts embedded.
            combined: makes one document of the one that is here, with all its attempts (None: there is none), and the
                brought one; None leaves things as they are. It is called again after a conflict with another write.
        """

        async def action(tx: Any) -> None:
            key = {"_id": brought["_id"], "_morango_partition": brought["_morango_partition"]}
            before = await self._database[collection].find_one(key, session=tx)
            document = combined(await self._whole(tx, before) if before else None, brought)
            if document is not None:
                await self._write(tx, collection, key, *settled(document))

        await self._database.transact(action)

    async def whole(self, document: Document) -> Document:
        """A stored document with the attempts of its buckets back in their lists; the stored one is not changed."""
        with self._database.guarded():
            return await self._whole(None, document)

    async def _whole(self, tx: Any, document: Document) -> Document:
        if not document.get("overflow_buckets"):
            return document
        moved: dict[str | None, list[Document]] = {}
        query = {"_morango_partition": document["_morango_partition"], "log_id": document["_id"]}
        async for bucket in self._database[OVERFLOW].find(query, session=tx):
            moved.setdefault(bucket["masterylog_id"], []).extend(bucket["attempts"])
        if "mastery_logs" in document:
            tries = [
                {**log, "attempts": _joined(moved.get(log["id"], ()), log["attempts"])}
                for log in document["mastery_logs"]
            ]
            return {**document, "mastery_logs": tries}
        return {**document, "attempts": _joined(moved.get(None, ()), document.get("attempts", ()))}

    async def _write(
        self, tx: Any, collection: str, key: Document, document: Document, made: Sequence[Document]
    ) -> None:
        await self._database[OVERFLOW].bulk_write(
            [DeleteMany({"_morango_partition": key["_morango_partition"], "log_id": key["_id"]})], session=tx
        )
        for bucket in made:
            # One at a time: a bucket may have 8 MiB, and a message to the server 48.
            await self._database[OVERFLOW].insert_one(bucket, session=tx)
        await self._database[collection].replace_one(key, document, upsert=True, session=tx)


def _joined(moved: Sequence[Document], embedded: Sequence[Document]) -> list[Document]:
    by_id = {attempt["id"]: attempt for attempt in (*moved, *embedded)}
    return sorted(by_id.values(), key=lambda attempt: attempt["start_timestamp"])
