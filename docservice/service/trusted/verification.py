"""Verifies a whole database against the rules, or against another database.

Both are safe beside writers. What `verify` finds is looked at again in a transaction, at one moment: a document that
is being written is not reported, and a repair is written in that transaction, so that it never undoes a write. What
`compare` finds is looked at again; a document that only one database has yet is still a difference.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing

from docservice.domain.upkeep.comparison import Difference, difference
from docservice.domain.upkeep.consistency import Finding
from docservice.service.base.progress import Watch
from docservice.store.database.bulk import BulkStore
from docservice.store.database.port import Database, Document
from docservice.store.mapping.schema import DIRECTORY, OVERFLOW
from docservice.store.transfer.verification import LOGS, VerifyingStore

COMPARED = (*DIRECTORY, *LOGS, OVERFLOW)
"""What a comparison looks at: the directory and the logs; not the control records that only one service needs."""

_BATCH = 100


class Verifier:
    """Verifies one database."""

    def __init__(self, database: Database) -> None:
        self._store = VerifyingStore(database)
        self._bulk = BulkStore(database)

    async def verify(self, found: Callable[[Finding], None], watch: Watch, *, repair: bool) -> dict[str, int]:
        """See `DocService.verify`."""
        checked = dict.fromkeys((OVERFLOW, *LOGS, *DIRECTORY), 0)
        for collection in checked:
            watch.begin(collection, await self._store.count(collection))
            # The owners of buckets are repaired first, because counters are derived from the buckets.
            async with aclosing(self._findings(collection, repair=repair)) as looked_at:
                async for findings, steps in looked_at:
                    checked[collection] += steps
                    watch.advance(collection, steps)
                    for finding in findings:
                        found(finding)
        return checked

    async def _findings(self, collection: str, *, repair: bool) -> AsyncGenerator[tuple[list[Finding], int], None]:
        if collection == OVERFLOW:
            async with aclosing(self._store.bucket_batches()) as batches:
                async for batch in batches:
                    yield await self._store.buckets(batch, repair=repair), len(batch)
            return
        if collection in DIRECTORY:
            holders = await self._store.holders(collection)
            async with aclosing(self._store.record_batches(collection)) as batches:
                async for batch in batches:
                    yield await self._store.records(collection, batch, holders), len(batch)
            return
        async with aclosing(self._store.documents(collection)) as documents:
            async for document in documents:
                yield await self._store.log(collection, document, repair=repair), 1

    async def compare(self, other: Verifier, found: Callable[[Difference], None], watch: Watch) -> dict[str, int]:
        """See `DocService.compare`."""
        checked = dict.fromkeys(COMPARED, 0)
        for collection in COMPARED:
            watch.begin(collection, await self._store.count(collection))
            async with aclosing(self._batches(collection, whole=True)) as batches:
                async for batch in batches:
                    there = await other._bulk.stored(collection, [document["_id"] for document in batch])
                    for document in batch:
                        if difference(collection, document, there.get(document["_id"])):
                            await self._look_again(other, collection, document["_id"], found)
                    checked[collection] += len(batch)
                    watch.advance(collection, len(batch))
            # What the other database has more of.
            async with aclosing(other._batches(collection, whole=False)) as batches:
                async for batch in batches:
                    here = await self._bulk.stored(collection, [document["_id"] for document in batch], {"_id": 1})
                    for document in batch:
                        if document["_id"] not in here:
                            await self._look_again(other, collection, document["_id"], found)
        return checked

    async def _look_again(
        self, other: Verifier, collection: str, document_id: object, found: Callable[[Difference], None]
    ) -> None:
        here = await self._bulk.stored(collection, [document_id])
        there = await other._bulk.stored(collection, [document_id])
        still = difference(collection, here.get(document_id), there.get(document_id))
        if still is not None:
            found(still)

    async def _batches(self, collection: str, *, whole: bool) -> AsyncGenerator[list[Document], None]:
        batch: list[Document] = []
        async with aclosing(self._store.documents(collection, whole=whole)) as documents:
            async for document in documents:
                batch.append(document)
                if len(batch) == _BATCH:
                    yield batch
                    batch = []
        if batch:
            yield batch
