"""Whole logs that are loaded many at a time, outside transactions; loading again adds what is missing."""

from __future__ import annotations

from collections.abc import Sequence

from docservice.domain.logs.record_schema import Log
from docservice.store.database.bulk import BulkStore
from docservice.store.database.port import Database, Document
from docservice.store.directory.erased_people import ErasedPeopleStore
from docservice.store.logs.overflow import move_oldest
from docservice.store.mapping.log_kinds import LogKind
from docservice.store.mapping.schema import OVERFLOW


class LoadingStore:
    """Inserts logs that are not there."""

    def __init__(self, database: Database) -> None:
        self._bulk = BulkStore(database)
        self._erased = ErasedPeopleStore(database)

    async def insert_missing(self, kind: LogKind[Log], logs: Sequence[Log]) -> int:
        """Insert logs with all that belongs to them; those that are there are left alone, and so is who was erased.

        Returns:
            how many were inserted.

        Raises:
            StoreError: some may have been inserted; do it again.
        """
        erased = await self._erased.among(log.user_id for log in logs if log.user_id is not None)
        documents = [kind.write(log) for log in logs if log.user_id not in erased]
        made: list[Document] = []
        if kind.overflows:
            for document in documents:
                made += move_oldest(document)
        if made:
            # A log that is there has its own buckets.
            owners = sorted({bucket["log_id"] for bucket in made})
            stored_owners = await self._bulk.stored(kind.collection, owners, {"_id": 1})
            # Buckets come first: a log never counts attempts that are nowhere.
            await self._bulk.insert_missing(
                OVERFLOW, [bucket for bucket in made if bucket["log_id"] not in stored_owners]
            )
        return len(documents) - len(await self._bulk.insert_missing(kind.collection, documents))
