"""Reads all documents of a backup, one after the other, while writers run."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing

from docservice.domain.directory.records import FacilityUser
from docservice.store.database.port import Database, Document, Transaction
from docservice.store.indexes.views import described_views
from docservice.store.logs.attempts import AttemptReader
from docservice.store.mapping.schema import DEVICE_SETTINGS, OURS, OVERFLOW, OVERFLOWING
from docservice.store.transfer.document_checks import SETTINGS

SECRETS = {FacilityUser.collection_name: ("password",)}
"""Fields that no backup holds, even if they are in the directory."""


class BackupStore:
    """Reads whole documents for an export."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._attempts = AttemptReader(database)

    async def count(self, collection: str) -> int:
        """About how many documents `documents` will give of a collection, buckets beside them not counted."""
        with self._database.guarded():
            return await self._database[collection].count_documents(_query(collection))

    async def unknown(self) -> list[str]:
        """Return the collections of the database that are not this service's."""
        answer = await self._database.command({"listCollections": 1, "nameOnly": True, "cursor": {"batchSize": 10_000}})
        known = {*OURS, *(view.name for view in described_views())}
        names = {found["name"] for found in answer["cursor"]["firstBatch"]}
        return sorted(name for name in names - known if not name.startswith("system."))

    async def documents(self, collection: str) -> AsyncGenerator[tuple[str, Document], None]:
        """Yield the documents of a collection, each with its collection: a log is followed by its buckets.

        One that is there from the beginning to the end comes exactly once, as it was at a moment in between; a log
        and its buckets are of the same moment.
        """
        projection = dict.fromkeys(SECRETS.get(collection, ()), 0) or None
        found = self._database.stream(collection, _query(collection), projection)
        async with aclosing(found) as documents:
            async for document in documents:
                if collection not in OVERFLOWING or not document.get("overflow_buckets"):
                    yield collection, document
                    continue
                for whole in await self._with_buckets(collection, document):
                    yield whole

    async def _with_buckets(self, collection: str, document: Document) -> list[tuple[str, Document]]:
        partition = document["_morango_partition"]

        async def read(tx: Transaction) -> list[tuple[str, Document]]:
            key = {"_id": document["_id"], "_morango_partition": partition}
            log = await self._database[collection].find_one(key, session=tx.session)
            moved = [(OVERFLOW, bucket) async for bucket in self._attempts.buckets(document, tx)] if log else []
            return [(collection, log), *moved] if log else []

        return await self._database.transact(read)


def _query(collection: str) -> Document:
    return {"_id": {"$in": list(SETTINGS)}} if collection == DEVICE_SETTINGS else {}
