"""Wrong passwords of the last minutes, in the database so that they count across all workers and machines."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from docservice.store.database.port import Database
from docservice.store.database.writes import DeleteMany
from docservice.store.mapping.schema import SIGN_IN_FAILURES


class FailureStore:
    """Tries that failed, and those that are being checked.

    Each is noted before it is checked, so that many at the same moment cannot pass the limit together.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    async def note(self, tries: Mapping[str, str], at: datetime) -> None:
        """Note a try under several keys.

        Args:
            tries: ids of the new documents, each with its key.
            at: now, UTC.
        """
        documents = [{"_id": each, "key": key, "at": at} for each, key in tries.items()]
        async with self._database.writing():
            await self._database[SIGN_IN_FAILURES].insert_many(documents)

    async def count(self, key: str, since: datetime) -> int:
        """Return how many tries were noted under a key at or after a time, UTC."""
        with self._database.guarded():
            return await self._database[SIGN_IN_FAILURES].count_documents({"key": key, "at": {"$gte": since}})

    async def forget(self, tries: Mapping[str, str]) -> None:
        """Remove a try that was right, or was not checked."""
        async with self._database.writing():
            await self._database[SIGN_IN_FAILURES].bulk_write([DeleteMany({"_id": {"$in": list(tries)}})])
