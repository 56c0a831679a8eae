"""Backup: all stored documents as lines of text, and back."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from itertools import count

from docservice.domain.exports.pseudonyms import Pseudonyms
from docservice.service.base.erasure import Eraser
from docservice.store.database.port import Database, Document
from docservice.store.directory.erased_people import ErasedPeopleStore
from docservice.store.mapping.extended_json import to_line
from docservice.store.mapping.schema import BACKED_UP, LEFT_OUT
from docservice.store.transfer.backup import BackupStore
from docservice.store.transfer.restore import Line, LineOutcome, RestoreStore

__all__ = ["Backups", "Line", "LineOutcome", "Restore"]

_BATCH_DOCUMENTS = 200


class Backups:
    """Reads and writes the whole database; for operators, without checks of rights."""

    def __init__(self, database: Database, eraser: Eraser) -> None:
        self._database = database
        self._eraser = eraser
        self._dump = BackupStore(database)

    async def counts(self) -> dict[str, int]:
        """About how many documents each exported collection has, in the order in which they are exported."""
        return {name: await self._dump.count(name) for name in BACKED_UP}

    async def left_out(self) -> dict[str, str]:
        """Return the collections that are not exported, each with the reason."""
        return {**LEFT_OUT, **dict.fromkeys(await self._dump.unknown(), "not one of docservice")}

    async def lines(
        self, collection: str, pseudonyms: Pseudonyms | None = None
    ) -> AsyncGenerator[list[tuple[str, str]], None]:
        """Yield the documents of a collection as batches of lines, each line with the collection it is of.

        A log with moved attempts is followed by its buckets of `attempt_overflow`. A document that is
        there all the time comes exactly once; a log and its buckets are of one moment.

        Args:
            collection: its name.
            pseudonyms: make these in the place of people; None leaves documents as they are.

        Raises:
            StoreError: see `retryable`; an export starts again from the beginning.
        """
        async with aclosing(self._dump.documents(collection)) as documents:
            batch: list[tuple[str, Document]] = []
            async for document in documents:
                batch.append(document)
                if len(batch) >= _BATCH_DOCUMENTS:
                    yield await asyncio.to_thread(_encoded, batch, pseudonyms)
                    batch = []
            if batch:
                yield await asyncio.to_thread(_encoded, batch, pseudonyms)

    def restore(self, *, replace: bool = False) -> Restore:
        """Begin to write the lines of one export; see `Restore`."""
        return Restore(RestoreStore(self._database), ErasedPeopleStore(self._database), self._eraser, replace)


class Restore:
    """Writes lines of one export, in their order, where they are not there; not those of people who were erased.

    Args:
        replace: put a document in the place of a different one; otherwise the line is refused.
    """

    def __init__(self, store: RestoreStore, erased: ErasedPeopleStore, eraser: Eraser, replace: bool) -> None:
        self._store = store
        self._erased = erased
        self._eraser = eraser
        self._replace = replace

    async def write(self, first_number: int, texts: Sequence[str]) -> list[Line]:
        """Write the next lines; each with what became of it.

        Args:
            first_number: of the first text in its file.
            texts: at most some hundred.

        Raises:
            StoreError: some may have been written; do it again.
        """
        lines = await asyncio.to_thread(lambda: list(map(Line.parse, count(first_number), texts)))
        people = await self._store.write(lines, replace=self._replace)
        await self._eraser.sweep(await self._erased.among(people))
        return lines


def _encoded(batch: Sequence[tuple[str, Document]], pseudonyms: Pseudonyms | None) -> list[tuple[str, str]]:
    if pseudonyms is not None:
        batch = [(collection, pseudonyms.document(collection, document)) for collection, document in batch]
    return [(collection, to_line(collection, document)) for collection, document in batch]
