"""Queries of lists and exports for many documents, as MongoDB carries them out best.

An engine that needs other words for the same question has a subclass of its own; `engines.reads_of` chooses by the
traits of a database.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable, Collection, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Any

from docservice.store.database.port import Database, Document

_IDS = 16**32
_FIRST_WIDTH = _IDS // 4096
_SMALLEST_WIDTH = _IDS // 2**24
_GROWTH = 8
_QUICK_SECONDS = 0.05
_SLOW_SECONDS = 0.5
_MANY = 1000
_BATCH = 500


@dataclass(frozen=True)
class Conditions:
    """What documents have to fit.

    Attributes:
        indexed: conditions on the fields that an index starts with.
        others: conditions on other fields.
    """

    indexed: Document
    others: Document = field(default_factory=dict)


class IdRange:
    """The ids behind one, as a single range."""

    def __init__(self, last: str) -> None:
        """Begin behind `last`; empty: at the start."""
        self.last = last

    @property
    def is_last(self) -> bool:
        """Whether it reaches the end."""
        return True

    @property
    def condition(self) -> Document:
        """What an `_id` of the range has to fit."""
        return {"$gt": self.last}

    def advance(self, seconds: float, count: int) -> None:
        """Go on to the next range.

        Args:
            seconds: how long it took to read this one.
            count: how many documents were in it.
        """


class GrowingIdRange(IdRange):
    """The ids behind one, range by range: a quick range is followed by a wider one, a slow one by a narrower one.

    Ids are hashes, so each range of them holds about its share of a list.
    """

    def __init__(self, last: str) -> None:
        """Begin behind `last`; empty: at the start."""
        super().__init__(last)
        self._width = _FIRST_WIDTH

    @property
    def _end(self) -> str | None:
        end = int(self.last or "0", 16) + self._width
        return f"{end:032x}" if end < _IDS else None

    @property
    def condition(self) -> Document:
        """What an `_id` of the range has to fit."""
        end = self._end
        return {"$gt": self.last} if end is None else {"$gt": self.last, "$lte": end}

    @property
    def is_last(self) -> bool:
        """Whether it reaches the end."""
        return self._end is None

    def advance(self, seconds: float, count: int) -> None:
        """Go on to the next range; many documents are not followed by more."""
        self.last = self._end or self.last
        if seconds > _SLOW_SECONDS or count > _GROWTH * _MANY:
            self._width = max(self._width // _GROWTH, _SMALLEST_WIDTH)
        elif seconds < _QUICK_SECONDS and count < _MANY:
            self._width *= _GROWTH


class EngineReads:
    """The questions of one list or export. What it learns of the sizes of collections holds to its end."""

    def __init__(self, database: Database) -> None:
        """Ask a connected database."""
        self._database = database

    def matching(self, conditions: Conditions) -> list[Document]:
        """Return the stages that a pipeline begins with."""
        return [{"$match": {**conditions.indexed, **conditions.others}}]

    def ranges(self, last: str, *, is_long: bool, is_filtered: bool) -> IdRange:
        """Return the ranges of ids that a page goes through.

        A page over a long list with conditions that no index serves could read for minutes until it has found enough.
        It goes through ranges, so that it can stop after any of them.

        Args:
            last: the id to begin behind; empty: at the start.
            is_long: the list may be long.
            is_filtered: there are conditions that no index serves.
        """
        return GrowingIdRange(last) if is_long and is_filtered else IdRange(last)

    async def in_id_order(
        self, collection: str, conditions: Conditions, fields: Document, *, is_long: bool
    ) -> AsyncGenerator[Document, None]:
        """Documents in the order of their `_id`.

        Args:
            collection: its name.
            conditions: which ones.
            fields: to read, each with 1.
            is_long: they may be too many to be sorted at once.
        """
        pipeline = [*self.matching(conditions), {"$sort": {"_id": 1}}, {"$project": fields}]
        async with aclosing(self._database.aggregate(collection, pipeline)) as documents:
            async for document in documents:
                yield document

    async def whole_list(
        self, collection: str, match: Document, fields: Document, *, size: int, alone: Callable[[], Awaitable[bool]]
    ) -> AsyncGenerator[tuple[list[Document], float], None]:
        """All documents of a list, however long, at most about `size` at a time; with each batch the part that is done.

        Args:
            collection: its name.
            match: equality conditions; an index has their fields, then `_id`.
            fields: that are needed, each with 1; there may be more.
            size: of a batch.
            alone: whether the collection holds hardly anything else.

        Yields:
            documents in no order, and a number from 0 to 1.
        """
        done = 0.0
        found = self._database.batches(collection, match, fields, size=size, sort=[("_id", 1)])
        async with aclosing(found) as batches:
            async for batch in batches:
                done = max(done, _share(batch[-1]["_id"]))
                yield batch, done

    async def is_shorter_whole(self, collection: str, count: int) -> bool:
        """Whether reading the whole collection is faster than looking up this many documents by their values."""
        return False

    async def with_values(
        self, collection: str, name: str, values: Collection[Any], fields: Mapping[str, int]
    ) -> AsyncGenerator[Document, None]:
        """Yield the documents that have one of these values in an indexed field.

        Args:
            collection: its name.
            name: of the field; an index starts with it.
            values: any number.
            fields: to read, each with 1, the field among them.
        """
        for some in chunks(sorted(values), self._database.traits.ids_in_a_query):
            async with aclosing(
                self._database.batches(collection, {name: {"$in": some}}, fields, size=_BATCH)
            ) as batches:
                async for batch in batches:
                    for document in batch:
                        yield document


def chunks(values: Sequence[Any], size: int) -> list[list[Any]]:
    """Values in their order, at most `size` at a time."""
    return [list(values[start : start + size]) for start in range(0, len(values), size)]


def _share(log_id: object) -> float:
    """How much of the id space is before an id; 0 if it is none."""
    try:
        return min(int(str(log_id), 16) / _IDS, 1.0)
    except ValueError:
        return 0.0
