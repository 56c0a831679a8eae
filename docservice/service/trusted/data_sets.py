"""Generated data sets: which ones are loaded, so that loading again completes one or changes nothing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

from docservice.store.database.port import Database
from docservice.store.transfer.data_sets import DataSetStore


@dataclass(frozen=True)
class DataSet:
    """A data set that is loaded, or was begun.

    Attributes:
        dataset_id: the facility's dataset.
        until: the day it ends.
        written: how many documents it has by collection; None until it is there in full.
    """

    dataset_id: str
    until: date
    written: dict[str, int] | None


class DataSets:
    """Notes about the generated data sets of a database."""

    def __init__(self, database: Database) -> None:
        self._store = DataSetStore(database)

    async def find(self, dataset_id: str) -> DataSet | None:
        """Return a data set; None if its load was never started."""
        document = await self._store.find(dataset_id)
        if document is None:
            return None
        return DataSet(dataset_id, date.fromisoformat(document["until"]), document.get("written"))

    async def begin(self, dataset_id: str, plan: Mapping[str, Any], until: date) -> None:
        """Note that a data set is being loaded.

        Args:
            dataset_id: the facility's dataset.
            plan: its size, for readers of the documents.
            until: the day it ends.
        """
        await self._store.set(dataset_id, {"plan": dict(plan), "until": until.isoformat()})

    async def finish(self, dataset_id: str, written: Mapping[str, int]) -> None:
        """Note that a data set is there in full."""
        await self._store.set(dataset_id, {"written": dict(written)})
