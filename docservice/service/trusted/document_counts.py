"""Counts of documents, for metrics and status."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from docservice.store.database.port import Database
from docservice.store.indexes.applying import described
from docservice.store.mapping.schema import OVERFLOW

MOST_COUNTED = 1_000_000
"""Dirty documents of a collection that are counted; a service that never syncs has no others."""

KEPT_SECONDS = 30.0
KEPT_SHARE = 50
"""Counts are kept for `KEPT_SECONDS`, or 50 times as long as counting took: it costs 2 % of the time at most."""

_DIRTY_INDEX = "partition_dirty"


@dataclass(frozen=True)
class Census:
    """Numbers of documents.

    Attributes:
        documents: by collection of logs, as the server estimates them without looking at each.
        dirty: those that hold records which wait for sync, by collection; at most `MOST_COUNTED`.
    """

    documents: Mapping[str, int]
    dirty: Mapping[str, int]

    @property
    def overflow_buckets(self) -> int:
        """How many buckets hold attempts that did not fit into their summary or session."""
        return self.documents[OVERFLOW]


class DocumentCounter:
    """Counts the documents and keeps the result for a while; one for a service."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._lock = asyncio.Lock()
        self._kept: Census | None = None
        self._expires = 0.0

    async def take(self) -> Census:
        """Return the counts, new ones if the last have expired.

        Raises:
            StoreError: the database did not count; see `retryable`.
        """
        async with self._lock:
            if self._kept is None or time.monotonic() >= self._expires:
                began = time.monotonic()
                self._kept = await self._count()
                now = time.monotonic()
                self._expires = now + max(KEPT_SECONDS, KEPT_SHARE * (now - began))
            return self._kept

    async def _count(self) -> Census:
        documents, dirty = {}, {}
        for index in described():
            if index.name == _DIRTY_INDEX:
                documents[index.collection] = await _number(self._database, {"count": index.collection})
                # The index holds exactly these; the partition is there because it is the first of its keys.
                query = {"_morango_partition": {"$gte": ""}, "has_dirty": True}
                dirty[index.collection] = await _number(
                    self._database, {"count": index.collection, "query": query, "limit": MOST_COUNTED}
                )
        return Census(documents, dirty)


async def collection_counts(database: Database, collections: Iterable[str]) -> dict[str, int]:
    """Return how many documents each of these collections has, as the server estimates it without looking at each."""
    return {name: await _number(database, {"count": name}) for name in collections}


async def _number(database: Database, command: Mapping[str, object]) -> int:
    return int((await database.command(command))["n"])
