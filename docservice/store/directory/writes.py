"""Directory records, written all or none."""

from __future__ import annotations

from collections.abc import Collection as AnyOf
from collections.abc import Mapping, Sequence
from contextlib import nullcontext

from docservice.domain.answers.directory import Upserted
from docservice.domain.directory.records import DirectoryRecord
from docservice.store.database.port import Database, Document, Transaction
from docservice.store.database.reads import chunks
from docservice.store.database.writes import ReplaceOne
from docservice.store.directory.records import directory_document
from docservice.store.mapping.schema import DIRECTORY_LOCKS


class DirectoryWriteStore:
    """Reads and writes records inside a transaction; `stored` also outside of one, if `tx` is None."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def stored(self, tx: Transaction | None, records: Sequence[DirectoryRecord]) -> dict[str, Document]:
        """Return the documents that are there under the ids of records of one kind."""
        return await self._by_id(tx, records[0].collection_name, [record.id for record in records])

    async def _by_id(
        self, tx: Transaction | None, collection: str, ids: AnyOf[str], projection: Mapping[str, int] | None = None
    ) -> dict[str, Document]:
        by_id: dict[str, Document] = {}
        for some in chunks(sorted(ids), self._database.traits.ids_in_a_query):
            query = {"_id": {"$in": some}}
            with self._database.guarded() if tx is None else nullcontext():
                documents = self._database[collection].find(query, projection, session=tx.session if tx else None)
                by_id |= {document["_id"]: document async for document in documents}
        return by_id

    async def datasets(self, tx: Transaction | None, collection: str, ids: AnyOf[str]) -> dict[str, str]:
        """Return the dataset of each person or each class that is there."""
        by_id = await self._by_id(tx, collection, ids, {"dataset_id": 1}) if ids else {}
        return {document_id: document["dataset_id"] for document_id, document in by_id.items()}

    async def write(
        self, tx: Transaction, records: Sequence[DirectoryRecord], stored: Mapping[str, Document]
    ) -> Upserted:
        """Write records of one kind in the place of those that are there.

        No other transaction writes the directory on what it saw before this one: what is possible depends on records
        that are only read, and two that both find a username free would both write an account and never meet. They
        meet in a document of `directory_turns`, and the second starts again.
        """
        documents = [directory_document(record) for record in records]
        different = [document for document in documents if stored.get(document["_id"]) != document]
        if different:
            await self._database[DIRECTORY_LOCKS].update_one(
                {"_id": "all"}, {"$inc": {"turns": 1}}, upsert=True, session=tx.session
            )
            await self._database[records[0].collection_name].bulk_write(
                [ReplaceOne({"_id": document["_id"]}, document, upsert=True) for document in different],
                session=tx.session,
            )
        created = sum(document["_id"] not in stored for document in documents)
        return Upserted(created, len(different) - created, len(documents) - len(different))
