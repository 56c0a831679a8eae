"""Merges whole documents from other databases with the stored ones: counters, overflow, one write."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import aclosing
from typing import Any

from docservice.domain.logs.record_schema import FieldRole, LogSchema
from docservice.store.database.port import Database, Document, Transaction
from docservice.store.database.writes import DeleteMany
from docservice.store.logs.attempts import AttemptReader
from docservice.store.logs.overflow import move_oldest, overfull
from docservice.store.mapping.counters import counters
from docservice.store.mapping.schema import DOCUMENT_SCHEMAS, OVERFLOW


def counted_and_split(schema: LogSchema[Any], document: Document) -> tuple[Document, list[Document]]:
    """Return a document with its counters, and the buckets of the attempts that it cannot hold.

    Args:
        schema: of the document.
        document: a log with all its attempts embedded. It gets its counters; if attempts have to move, they move from a
            copy, and the one given keeps them.
    """
    embeds = schema.embeds
    if embeds is not None and embeds.record.counters:
        for record in document.get(embeds.field, ()):
            record.update(counters(embeds.record, record))
    for name in schema.named(FieldRole.COUNTER):
        document.pop(name, None)
    document |= counters(schema, document)
    if not schema.moves_to or not overfull(document):
        return document, []
    relieved = dict(document)
    if embeds is not None and embeds.record.embeds is not None:
        relieved[embeds.field] = [dict(record) for record in document[embeds.field]]
    return relieved, move_oldest(relieved)


def is_unchanged(document: Document, stored: Document) -> bool:
    """Whether a stored document says all that a settled one says."""
    return all(name in stored and stored[name] == value for name, value in document.items())


class MergingStore:
    """Writes documents that may be here already."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._attempts = AttemptReader(database)

    async def is_empty(self, collection: str) -> bool:
        """Whether a collection has no documents."""
        with self._database.guarded():
            return await self._database[collection].find_one({}, {"_id": 1}) is None

    async def ids(self, collection: str) -> set[Any]:
        """Return the `_id` of each document of a collection."""
        async with aclosing(self._database.stream(collection, {}, {"_id": 1})) as found:
            return {document["_id"] async for document in found}

    async def combine(
        self, collection: str, brought: Document, combined: Callable[[Document | None, Document], Document | None]
    ) -> None:
        """Write a document with what is here under its id, in one transaction.

        Args:
            collection: where.
            brought: with all its attempts embedded.
            combined: makes one document of the one that is here, with all its attempts (None if there is no such
                document), and the brought one; None leaves things as they are. It is called again after a conflict with
                another write.
        """

        async def action(tx: Transaction) -> None:
            key = {"_id": brought["_id"], "_morango_partition": brought["_morango_partition"]}
            before = await self._database[collection].find_one(key, session=tx.session)
            document = combined(await self._whole(before, tx) if before else None, brought)
            if document is not None:
                await self._write(tx, collection, key, *counted_and_split(DOCUMENT_SCHEMAS[collection], document))

        await self._database.transact(action)

    async def whole(self, document: Document) -> Document:
        """A stored document with the attempts of its buckets back in their lists; the stored one is not changed."""
        return await self._whole(document)

    async def _whole(self, document: Document, tx: Transaction | None = None) -> Document:
        # One that holds all its attempts is compared as it is stored.
        return await self._attempts.whole(document, tx) if document.get("overflow_buckets") else document

    async def _write(
        self, tx: Transaction, collection: str, key: Document, document: Document, made: Sequence[Document]
    ) -> None:
        await self._database[OVERFLOW].bulk_write(
            [DeleteMany({"_morango_partition": key["_morango_partition"], "log_id": key["_id"]})], session=tx.session
        )
        for bucket in made:
            # One at a time: a bucket may have 8 MiB, and a message to the server 48.
            await self._database[OVERFLOW].insert_one(bucket, session=tx.session)
        await self._database[collection].replace_one(key, document, upsert=True, session=tx.session)
