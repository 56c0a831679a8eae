"""All documents that an export holds, one after the other, while writers run."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing

from docservice.store.database.port import Database, Document, Transaction
from docservice.store.indexes.views import described_views
from docservice.store.mapping.log_kinds import KINDS
from docservice.store.mapping.schema import OVERFLOW
from docservice.store.transfer.document_checks import CHECKS, SETTINGS

_OVERFLOWING = {kind.collection for kind in KINDS.values() if kind.overflows}
_LOGS = tuple(kind.collection for kind in KINDS.values())
COLLECTIONS = (*(name for name in CHECKS if name not in (*_LOGS, OVERFLOW)), *_LOGS)
"""What is exported, in the order of the file: who and what there is, then the logs, buckets beside their logs."""

LEFT_OUT = {
    "csv_exports": "how far exports of one machine are; their files are on its disk",
    "directory_turns": "where writers of the directory take turns",
    "idempotency_keys": "answers kept a day for retries",
    "kolibri_imports": "when this machine imported which folder of its disk",
    "user_session_turns": "where requests of a learner take turns",
}
"""What this service keeps and does not export: it means nothing in another place or at another time."""

SECRETS = {"facility_users": ("password",)}
"""Fields that no export holds, should somebody have put them into the directory."""


class DumpStore:
    """Reads whole documents for an export."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def count(self, collection: str) -> int:
        """About how many documents `documents` will give of a collection, buckets beside them not counted."""
        with self._database.guarded():
            return await self._database[collection].count_documents(_query(collection))

    async def unknown(self) -> list[str]:
        """The collections of the database that are not this service's."""
        answer = await self._database.command({"listCollections": 1, "nameOnly": True, "cursor": {"batchSize": 10_000}})
        known = {*COLLECTIONS, OVERFLOW, *LEFT_OUT, *(view.name for view in described_views())}
        names = {found["name"] for found in answer["cursor"]["firstBatch"]}
        return sorted(name for name in names - known if not name.startswith("system."))

    async def documents(self, collection: str) -> AsyncGenerator[tuple[str, Document], None]:
        """The documents of a collection, each with its collection: a log is followed by its buckets.

        One that is there from the beginning to the end comes exactly once, as it was at a moment in between; a log
        and its buckets are of the same moment.
        """
        projection = dict.fromkeys(SECRETS.get(collection, ()), 0) or None
        found = self._database.stream(collection, _query(collection), projection)
        async with aclosing(found) as documents:
            async for document in documents:
                if collection not in _OVERFLOWING or not document.get("overflow_buckets"):
                    yield collection, document
                    continue
                for whole in await self._with_buckets(collection, document):
                    yield whole

    async def _with_buckets(self, collection: str, document: Document) -> list[tuple[str, Document]]:
        partition = document["_morango_partition"]

        async def read(tx: Transaction) -> list[tuple[str, Document]]:
            key = {"_id": document["_id"], "_morango_partition": partition}
            log = await self._database[collection].find_one(key, session=tx.session)
            query = {"_morango_partition": partition, "log_id": document["_id"]}
            buckets = self._database[OVERFLOW].find(query, session=tx.session)
            moved = sorted([bucket async for bucket in buckets], key=lambda bucket: str(bucket["_id"]))
            return [(collection, log), *((OVERFLOW, bucket) for bucket in moved)] if log else []

        return await self._database.transact(read)


def _query(collection: str) -> Document:
    return {"_id": {"$in": list(SETTINGS)}} if collection == "device_settings" else {}
