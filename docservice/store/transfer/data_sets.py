"""Which generated data sets are in the database, and whether each is there in full."""

from __future__ import annotations

from docservice.store.database.port import Database, Document
from docservice.store.mapping.schema import DATA_SETS


class DataSetStore:
    """One document a data set, with the facility's dataset as its id."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def find(self, dataset_id: str) -> Document | None:
        """Return the state of a data set; None if its load was never started."""
        with self._database.guarded():
            return await self._database[DATA_SETS].find_one({"_id": dataset_id})

    async def set(self, dataset_id: str, fields: Document) -> None:
        """Note something about a data set."""
        async with self._database.writing():
            await self._database[DATA_SETS].update_one({"_id": dataset_id}, {"$set": fields}, upsert=True)
