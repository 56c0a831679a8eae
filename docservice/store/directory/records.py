"""Stores records of the directory as documents, and reads what tracking needs."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from docservice.domain.answers.directory import Upserted
from docservice.domain.directory.records import DirectoryRecord
from docservice.store.database.port import Database, Document, Transaction, one_of
from docservice.store.database.writes import ReplaceOne
from docservice.store.mapping.json_codec import to_bson
from docservice.store.mapping.schema import DEVICE_SETTINGS

_BATCH = 1000


class DirectoryStore:
    """People, classes, groups, memberships, roles and what is assigned to whom."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def upsert(self, records: Sequence[DirectoryRecord]) -> Upserted:
        """Write records of one kind; those that are there unchanged are not touched."""
        total = Upserted()
        for start in range(0, len(records), _BATCH):
            total += await self._upsert_batch(records[start : start + _BATCH])
        return total

    async def _upsert_batch(self, records: Sequence[DirectoryRecord]) -> Upserted:
        collection = self._database[records[0].collection_name]
        documents = [directory_document(record) for record in records]
        async with self._database.writing():
            query = {"_id": {"$in": [document["_id"] for document in documents]}}
            stored = {document["_id"]: document async for document in collection.find(query)}
            different = [document for document in documents if stored.get(document["_id"]) != document]
            if different:
                await collection.bulk_write([ReplaceOne({"_id": d["_id"]}, d, upsert=True) for d in different])
        created = sum(document["_id"] not in stored for document in documents)
        return Upserted(created, len(different) - created, len(documents) - len(different))

    async def stored(self, records: Sequence[DirectoryRecord]) -> dict[str, Document]:
        """The documents with the ids of records of one kind, by id; those that are not there are left out."""
        found: dict[str, Document] = {}
        for start in range(0, len(records), _BATCH):
            part = records[start : start + _BATCH]
            query = {"_id": one_of(record.id for record in part)}
            with self._database.guarded():
                documents = self._database[part[0].collection_name].find(query)
                found |= {document["_id"]: document async for document in documents}
        return found

    async def set_default_facility(self, facility_id: str, *, replace: bool = True) -> None:
        """Name the facility that anonymous content sessions belong to; without `replace` only if none is named."""
        change = "$set" if replace else "$setOnInsert"
        async with self._database.writing():
            await self._database[DEVICE_SETTINGS].update_one(
                {"_id": "device"}, {change: {"default_facility_id": facility_id}}, upsert=True
            )

    async def default_dataset_id(self) -> str | None:
        """Return the dataset of the default facility; without a default, that of the only facility; else None."""
        facility_id = await self.default_facility_id()
        if facility_id is None:
            return None
        with self._database.guarded():
            facility = await self._database["facility_collections"].find_one({"_id": facility_id}, {"dataset_id": 1})
        return facility["dataset_id"] if facility else None

    async def has_facility(self, dataset_id: str) -> bool:
        """Whether a facility has this dataset."""
        query = {"dataset_id": dataset_id, "kind": "facility"}
        with self._database.guarded():
            return await self._database["facility_collections"].find_one(query, {"_id": 1}) is not None

    async def user(self, user_id: str) -> Document | None:
        """Return a person, None if there is none with that id or the account was deleted."""
        with self._database.guarded():
            document = await self._database["facility_users"].find_one(
                {"_id": user_id}, {"dataset_id": 1, "facility_id": 1, "is_superuser": 1, "date_deleted": 1}
            )
        return None if document is None or document.get("date_deleted") else document

    async def datasets_of_users(self, tx: Transaction, user_ids: Iterable[str]) -> dict[str, str]:
        """The datasets of people by their ids; people who are not there, or whose account was deleted, are left out."""
        query, fields = {"_id": one_of(user_ids)}, {"dataset_id": 1, "date_deleted": 1}
        return {
            user["_id"]: user["dataset_id"]
            async for user in self._database["facility_users"].find(query, fields, session=tx.session)
            if not user.get("date_deleted")
        }

    async def account(self, user_id: str) -> Document | None:
        """Return all that is known of a person, names too; None as in `user`."""
        with self._database.guarded():
            document = await self._database["facility_users"].find_one({"_id": user_id})
        return None if document is None or document.get("date_deleted") else document

    async def default_facility_id(self) -> str | None:
        """Return the facility that visitors come to: the default one, else the only one; else None."""
        with self._database.guarded():
            device = await self._database[DEVICE_SETTINGS].find_one({"_id": "device"})
            if device and device.get("default_facility_id"):
                return str(device["default_facility_id"])
            facilities = self._database["facility_collections"].find({"kind": "facility"}, {"_id": 1}, limit=2)
            facility_ids = [facility["_id"] async for facility in facilities]
        return facility_ids[0] if len(facility_ids) == 1 else None

    async def exam_exists(self, exam_id: str) -> bool:
        """Whether the directory has such an exam."""
        with self._database.guarded():
            return await self._database["exams"].find_one({"_id": exam_id}, {"_id": 1}) is not None


def directory_document(record: DirectoryRecord) -> Document:
    """Return a record of the directory as it is stored."""
    fields = record.model_dump()
    document: Document = {"_id": fields.pop("id"), **to_bson(fields)}
    return document
