"""Many whole documents at a time, written outside transactions: by imports, which can be run again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pymongo.errors import BulkWriteError

from docservice.store.database.failures import only_duplicates
from docservice.store.database.port import Database, Document
from docservice.store.database.reads import chunks
from docservice.store.database.writes import DeleteMany, ReplaceOne


class BulkStore:
    """Reads and writes batches of documents of any collection."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def stored(
        self, collection: str, ids: Sequence[Any], projection: Mapping[str, int] | None = None
    ) -> dict[Any, Document]:
        """Return the documents that are there, by `_id`."""
        by_id: dict[Any, Document] = {}
        for some in chunks(ids, self._database.traits.ids_in_a_query):
            with self._database.guarded():
                documents = self._database[collection].find({"_id": {"$in": some}}, projection)
                by_id |= {document["_id"]: document async for document in documents}
        return by_id

    async def insert(self, collection: str, documents: Sequence[Document]) -> None:
        """Insert documents that are not there.

        Raises:
            StoreError: some may have been inserted.
        """
        if documents:
            async with self._database.writing():
                await self._database[collection].insert_many(documents)

    async def insert_missing(self, collection: str, documents: Sequence[Document]) -> set[Any]:
        """Insert those documents whose `_id` is not there; the ids of the others, which are left alone.

        Raises:
            StoreError: some may have been inserted.
        """
        if not documents:
            return set()
        async with self._database.writing():
            try:
                await self._database[collection].insert_many(documents, ordered=False)
            except BulkWriteError as error:
                if not only_duplicates(error):
                    raise
                return {documents[each["index"]]["_id"] for each in error.details["writeErrors"]}
        return set()

    async def delete(self, collection: str, ids: Sequence[Any]) -> None:
        """Remove the documents with these `_id`s; not for collections that are spread over shards.

        Raises:
            StoreError: some may have been removed.
        """
        if ids:
            async with self._database.writing():
                await self._database[collection].bulk_write(
                    [DeleteMany({"_id": document_id}) for document_id in ids], ordered=False
                )

    async def replace(self, collection: str, documents: Sequence[Document], *, upsert: bool = False) -> None:
        """Put documents in the place of those with their `_id`.

        Args:
            collection: where.
            documents: whole.
            upsert: also insert those whose `_id` is not there; otherwise they are left out. Not for collections that
                are spread over shards, where `_id` alone does not say which shard a new document goes to.

        Raises:
            StoreError: some may have been replaced.
        """
        if documents:
            async with self._database.writing():
                await self._database[collection].bulk_write(
                    [ReplaceOne({"_id": document["_id"]}, document, upsert=upsert) for document in documents],
                    ordered=False,
                )
