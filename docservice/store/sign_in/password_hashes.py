"""Sealed password hashes, one document a person."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from docservice.store.database.port import Database, one_of
from docservice.store.database.writes import DeleteMany, ReplaceOne, Write
from docservice.store.mapping.schema import PASSWORD_HASHES


class PasswordHashStore:
    """The password hashes; what is in them only the keys of the service open."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def of(self, user_ids: Sequence[str]) -> dict[str, bytes]:
        """Return the sealed hashes of people, by id; people without one are left out."""
        with self._database.guarded():
            found = self._database[PASSWORD_HASHES].find({"_id": one_of(user_ids)})
            return {document["_id"]: bytes(document["sealed"]) async for document in found}

    async def write(self, sealed: Mapping[str, bytes], removed: Sequence[str]) -> None:
        """Keep hashes in the place of earlier ones, and remove those of other people."""
        writes: list[Write] = [
            ReplaceOne({"_id": user_id}, {"_id": user_id, "sealed": value}, upsert=True)
            for user_id, value in sealed.items()
        ]
        if removed:
            writes.append(DeleteMany({"_id": {"$in": list(removed)}}))
        if writes:
            async with self._database.writing():
                await self._database[PASSWORD_HASHES].bulk_write(writes)
