"""Windows of the id space: a long list in order of `_id`, a part at a time.

The embedded engine sorts what it finds before it gives any of it. Ids are hashes, so each range of them holds about its
share of a list: read range by range, no more than a small part is in memory anywhere, and the order is right.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Mapping, Sequence
from typing import Any

from docservice.store.database.port import Database, Document

_QUICK_SECONDS = 0.05
_SLOW_SECONDS = 0.5
_MANY = 1000
_IDS = 16**32
_FIRST_WIDTH = _IDS // 4096
_SMALLEST_WIDTH = _IDS // 2**24
_GROWTH = 8


class Window:
    """A range of the id space that begins behind an id and grows while it is quick to read."""

    def __init__(self, last: str) -> None:
        """Begin behind `last`; empty: at the start."""
        self.last = last
        self._width = _FIRST_WIDTH
        self._end: str | None = None

    def reach(self, windowed: bool) -> Document:
        """The condition on `_id`; not windowed: all that is left."""
        end = int(self.last or "0", 16) + self._width
        self._end = f"{end:032x}" if windowed and end < _IDS else None
        return {"$gt": self.last} if self._end is None else {"$gt": self.last, "$lte": self._end}

    @property
    def is_last(self) -> bool:
        """Whether it reaches the end."""
        return self._end is None

    def advance(self, seconds: float, found: int) -> None:
        """Go on behind it.

        Args:
            seconds: that it took to read; a quick one is followed by a wider one.
            found: how many documents were in it; many are not followed by more.
        """
        self.last = self._end or self.last
        if seconds > _SLOW_SECONDS or found > _GROWTH * _MANY:
            self._width = max(self._width // _GROWTH, _SMALLEST_WIDTH)
        elif seconds < _QUICK_SECONDS and found < _MANY:
            self._width *= _GROWTH


async def in_windows(
    database: Database, collection: str, match: Mapping[str, Any], stages: Sequence[Document]
) -> AsyncGenerator[Document, None]:
    """Documents in order of `_id`, with one window of them in memory.

    Args:
        database: where.
        collection: its name.
        match: equality conditions; an index has their fields, then `_id`.
        stages: what else happens to the documents; they keep their `_id`.
    """
    loop, window = asyncio.get_running_loop(), Window("")
    while True:
        began = loop.time()
        pipeline = [{"$match": {**match, "_id": window.reach(True)}}, *stages, {"$sort": {"_id": 1}}]
        found = [document async for document in database.aggregate(collection, pipeline)]
        seconds = loop.time() - began
        for document in found:
            yield document
        if window.is_last:
            return
        window.advance(seconds, len(found))
