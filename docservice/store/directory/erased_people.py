"""The tombstones of erased people: whether an id is one of theirs."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import nullcontext
from typing import NamedTuple

from docservice.domain.upkeep.erasure import KEY_PREFIX, person_digest
from docservice.store.database.port import Database, Document, Transaction
from docservice.store.mapping.schema import ERASED_PEOPLE

_AT_ONCE = 500


class ErasureState(NamedTuple):
    """How many erasures there were, and how many of them have come to their end."""

    begun: int
    finished: int


class ErasedPeopleStore:
    """Reads tombstones.

    There may be several keys: a backup brings those of the place that it is from.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    async def keys(self, tx: Transaction | None = None) -> list[str]:
        """Return the keys of the digests, as hex characters, in a fixed order; none before the first erasure."""
        query = {"_id": {"$gte": KEY_PREFIX, "$lt": KEY_PREFIX + "g"}}
        return [document["key"] for document in await self._found(query, None, tx)]

    async def among(self, ids: Iterable[str], tx: Transaction | None = None) -> set[str]:
        """Return those of some ids that are of erased people; costs one read while nobody was erased.

        Args:
            ids: of people, or ids that may be.
            tx: to read in; None outside of one.
        """
        wanted = sorted(set(ids))
        if not wanted:
            return set()
        erased: set[str] = set()
        for key in await self.keys(tx):
            by_digest = {person_digest(key, user_id): user_id for user_id in wanted}
            digests = sorted(by_digest)
            for start in range(0, len(digests), _AT_ONCE):
                query = {"_id": {"$in": digests[start : start + _AT_ONCE]}}
                erased |= {by_digest[found["_id"]] for found in await self._found(query, {"_id": 1}, tx)}
        return erased

    async def tombstone(self, user_id: str, tx: Transaction | None = None) -> Document | None:
        """Return the tombstone of a person, None if the person was never erased."""
        for key in await self.keys(tx):
            found = await self._found({"_id": person_digest(key, user_id)}, None, tx)
            if found:
                return found[0]
        return None

    async def state(self) -> ErasureState:
        """Return how many erasures there were: an export that sees it change may hold a person who is gone."""
        tombstones = {"erased_at": {"$exists": True}}
        with self._database.guarded():
            collection = self._database[ERASED_PEOPLE]
            begun = await collection.count_documents(tombstones)
            finished = {**tombstones, "finished_at": {"$ne": None}}
            return ErasureState(begun, await collection.count_documents(finished) if begun else 0)

    async def _found(self, query: Document, projection: Document | None, tx: Transaction | None) -> list[Document]:
        with self._database.guarded() if tx is None else nullcontext():
            found = self._database[ERASED_PEOPLE].find(
                query, projection, sort=[("_id", 1)], session=tx.session if tx else None
            )
            return [document async for document in found]
