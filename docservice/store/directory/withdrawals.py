"""Finds and removes records of facilities in the directory."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import aclosing

from docservice.domain.directory.records import FacilityUser
from docservice.domain.directory.withdrawal import facility_dataset
from docservice.store.database.port import Database, Document, Transaction
from docservice.store.database.writes import DeleteMany
from docservice.store.mapping.schema import SIGN_IN_TRACES

_BATCH = 1000
"""Records removed in one transaction: an engine keeps those in memory."""

_FIELDS = {"dataset_id": 1, "collection_id": 1, "user_id": 1, "kind": 1}


class WithdrawalStore:
    """Finds the records of facilities, and removes records."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._datasets: dict[str, dict[str, str]] = {}

    async def of_facilities(self, kind: str, dataset_ids: frozenset[str]) -> list[Document]:
        """Return the records of a collection that belong to facilities, each with its id and kind.

        The people and classes that are there when this is first called decide what belongs where.

        Args:
            kind: one of `domain.directory.withdrawal.WITHDRAWN_KINDS`.
            dataset_ids: of the facilities.
        """
        collections = await self._datasets_of("facility_collections")
        users = await self._datasets_of("facility_users")
        async with aclosing(self._database.stream(kind, {}, _FIELDS)) as records:
            return [
                record async for record in records if facility_dataset(kind, record, collections, users) in dataset_ids
            ]

    async def withdraw(self, kind: str, ids: Sequence[str]) -> None:
        """Remove records of a collection; those that are not there are passed over.

        With people go their passwords, and they are signed out.

        Raises:
            StoreError: some may be there still.
        """
        for start in range(0, len(ids), _BATCH):
            part = list(ids[start : start + _BATCH])

            async def action(tx: Transaction, part: list[str] = part) -> None:
                await self._database[kind].bulk_write([DeleteMany({"_id": {"$in": part}})], session=tx.session)
                if kind == FacilityUser.collection_name:
                    for collection, field in SIGN_IN_TRACES.items():
                        away = [DeleteMany({field: {"$in": part}})]
                        await self._database[collection].bulk_write(away, session=tx.session)

            await self._database.transact(action)

    async def _datasets_of(self, collection: str) -> Mapping[str, str]:
        if collection not in self._datasets:
            async with aclosing(self._database.stream(collection, {}, {"dataset_id": 1})) as found:
                self._datasets[collection] = {each["_id"]: each["dataset_id"] async for each in found}
        return self._datasets[collection]
