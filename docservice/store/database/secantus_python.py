"""The work-arounds for the Python build of the embedded engine (`secantusd-py`).

All that exists for this engine alone is in this module, in `engine.transaction_lock`, and behind the traits below.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Collection, Mapping
from contextlib import AbstractAsyncContextManager, aclosing, asynccontextmanager
from typing import Any

from pymongo.errors import AutoReconnect, OperationFailure

from docservice.errors import StoreTimeout, StoreUnavailable
from docservice.store.database.guard import EngineGuard
from docservice.store.database.port import Database, Document
from docservice.store.database.reads import Conditions, EngineReads, GrowingIdRange, IdRange
from docservice.store.database.traits import EngineTraits

SET_NAME = "secantus"
"""The name that both builds of the engine give their replica set."""

TRAITS = EngineTraits(
    remembers_commits=False,
    keeps_what_it_acknowledges=False,
    runs_transactions_side_by_side=False,
    sorts_by_index=False,
    plans_with_any_prefix=False,
    changes_views=False,
    rewrites_index_entries=True,
    ids_in_a_query=50,
)

_LAST_ID = 16**32 - 1
_FIRST_WIDTH = _LAST_ID // 256
_GREATEST_CHANGE = 64
_LONGEST_BY_RECORD = 20_000
"""A list that is all of its collection is read as it is stored, if it is not longer: that is twice as fast as by an
index, but the engine needs nearly 4 KiB for each document until it has answered."""

_MANY = 200
_SCAN_SHARE = 4
"""Many values are looked up by reading the whole collection, if that has no more than this many documents for each of
them: the engine needs about eight times as long to find a document by a value as to read one in a row."""

_BATCH = 500


def is_python_build(build_info: Document) -> bool:
    """Whether it is this build that answered `buildInfo`: the native one names its storage engines."""
    return "storageEngines" not in build_info


_MAY_BE_LOST = (
    "The embedded engine failed while it wrote, and is started again: its disk may be full or broken. "
    "Make room if it is full, and try again."
)


class SecantusPythonGuard(EngineGuard):
    """One transaction at a time, and a read after each commit."""

    def __init__(
        self,
        command: Callable[[dict[str, Any]], Awaitable[Document]],
        read: Callable[[dict[str, Any]], Awaitable[Document]],
        transaction_lock: Callable[[], AbstractAsyncContextManager[None]],
        timeout_seconds: float,
        hello: Document,
    ) -> None:
        """Guard a database.

        Args:
            command: runs a database command once; raises the driver's errors.
            read: likewise, but again on another connection where one was closed.
            transaction_lock: a block that one process at a time is in; see `docservice.engine.transaction_lock`.
            timeout_seconds: how long a transaction waits for those before it.
            hello: what the engine answered first.
        """
        super().__init__(TRAITS)
        self.run = _run_of(hello)
        self._command = command
        self._read = read
        self._transaction_lock = transaction_lock
        self._timeout_seconds = timeout_seconds
        self._process_lock = asyncio.Lock()

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[None]:
        """See `EngineGuard`. The engine stalls under several transactions at once, see `engine.transaction_lock`."""
        try:
            async with asyncio.timeout(self._timeout_seconds):
                await self._process_lock.acquire()
        except TimeoutError:
            raise StoreTimeout("Too many writes were waiting for the database before this one.") from None
        try:
            async with self._transaction_lock():
                yield
        finally:
            self._process_lock.release()

    async def confirm(self, run: object) -> None:
        """See `EngineGuard`.

        The engine also acknowledges what its log had no room for, or could not write for another reason. From then on
        it refuses every read, until its supervisor has started it again.
        """
        try:
            # A command, because the driver would repeat a mere query on an engine that was started again.
            await self._command({"find": "device_settings", "filter": {"_id": ""}, "limit": 1})
        except AutoReconnect:
            # Perhaps only this connection was stale. An engine that has been running since before the write is asked
            # once more; of another run it is unknown what it found on the disk.
            if run is None or await self._ask_run() != run:
                raise
            await self.confirm(None)
        except OperationFailure as error:
            raise StoreUnavailable(_MAY_BE_LOST) from error

    @asynccontextmanager
    async def writing(self) -> AsyncIterator[None]:
        """See `EngineGuard`."""
        first_run = await self._ask_run()
        yield
        await self.confirm(first_run)
        # Several statements: one engine process may have lost what one of them wrote, and the next taken the rest.
        if await self._ask_run() != first_run:
            raise StoreUnavailable(_MAY_BE_LOST)

    async def _ask_run(self) -> object:
        self.run = _run_of(await self._read({"hello": 1}))
        return self.run


def _run_of(hello: Document) -> object:
    """Return what tells one run of the engine from another."""
    return hello.get("topologyVersion", {}).get("processId")


class SecantusPythonReads(EngineReads):
    """Lists in small parts, each with a condition that one index has all fields of.

    The engine uses an index only if it has all fields of the first `$match`, and it gathers and sorts all that a query
    finds before it gives any of it.
    """

    def __init__(self, database: Database) -> None:
        """Ask a connected database."""
        super().__init__(database)
        self._sizes: dict[str, int] = {}

    def matching(self, conditions: Conditions) -> list[Document]:
        """See `EngineReads`: conditions without an index are in a second `$match`."""
        stages = [{"$match": conditions.indexed}]
        return [*stages, {"$match": conditions.others}] if conditions.others else stages

    def ranges(self, last: str, *, is_long: bool, is_filtered: bool) -> IdRange:
        """See `EngineReads`."""
        return GrowingIdRange(last) if is_long else IdRange(last)

    async def in_id_order(
        self, collection: str, conditions: Conditions, fields: Document, *, is_long: bool
    ) -> AsyncGenerator[Document, None]:
        """See `EngineReads`: a long list is read range by range, with one of them in memory."""
        loop, ids = asyncio.get_running_loop(), GrowingIdRange("")
        while True:
            began = loop.time()
            indexed = {**conditions.indexed, "_id": ids.condition} if is_long else conditions.indexed
            stages = self.matching(Conditions(indexed, conditions.others))
            pipeline = [*stages, {"$project": fields}, {"$sort": {"_id": 1}}]
            documents = [document async for document in self._database.aggregate(collection, pipeline)]
            seconds = loop.time() - began
            for document in documents:
                yield document
            if ids.is_last or not is_long:
                return
            ids.advance(seconds, len(documents))

    async def whole_list(
        self, collection: str, match: Document, fields: Document, *, size: int, alone: Callable[[], Awaitable[bool]]
    ) -> AsyncGenerator[tuple[list[Document], float], None]:
        """See `EngineReads`. The documents are whole: leaving fields out takes the engine half as long again."""
        first = await self._range(collection, match, -1, _FIRST_WIDTH, size)
        yield first, _FIRST_WIDTH / _LAST_ID
        # Ids are hashes: other ranges hold about as many for their width as this one.
        about = len(first) * _LAST_ID // _FIRST_WIDTH
        if 0 < about <= _LONGEST_BY_RECORD and await alone():
            rest = self._by_record(collection, match, about, size)
        else:
            rest = self._by_range(collection, match, len(first), size)
        async with aclosing(rest) as batches:
            async for batch in batches:
                yield batch

    async def _by_record(
        self, collection: str, match: Document, about: int, size: int
    ) -> AsyncGenerator[tuple[list[Document], float], None]:
        """Yield the documents behind the first range, of about `total` in the collection, in the order of storage."""
        count, first = 0, f"{_FIRST_WIDTH:032x}"
        async with aclosing(self._database.batches(collection, {}, size=size)) as batches:
            async for batch in batches:
                count += len(batch)
                rest = [each for each in batch if each["_id"] > first and _fits(each, match)]
                yield rest, min(count / about, 1.0)

    async def _by_range(
        self, collection: str, match: Document, in_first: int, size: int
    ) -> AsyncGenerator[tuple[list[Document], float], None]:
        """Yield the documents behind the first range, in which there were so many."""
        last = width = _FIRST_WIDTH
        count = in_first
        while last < _LAST_ID:
            wanted = width * size // max(count, 1)
            width = min(max(wanted, width // _GREATEST_CHANGE), width * _GREATEST_CHANGE, _LAST_ID - last)
            batch = await self._range(collection, match, last, last + width, size)
            last += width
            count = len(batch)
            yield batch, last / _LAST_ID

    async def _range(self, collection: str, match: Document, last: int, end: int, size: int) -> list[Document]:
        reach = {"$gt": f"{last:032x}" if last >= 0 else "", "$lte": f"{end:032x}"}
        async with aclosing(self._database.batches(collection, {**match, "_id": reach}, size=size)) as batches:
            return [document async for batch in batches for document in batch]

    async def is_shorter_whole(self, collection: str, count: int) -> bool:
        """See `EngineReads`."""
        return count >= _MANY and await self._size(collection) <= _SCAN_SHARE * count

    async def _size(self, collection: str) -> int:
        """About how many documents a collection has; asked once."""
        if collection not in self._sizes:
            self._sizes[collection] = (await self._database.command({"count": collection}))["n"]
        return self._sizes[collection]

    async def with_values(
        self, collection: str, name: str, values: Collection[Any], fields: Mapping[str, int]
    ) -> AsyncGenerator[Document, None]:
        """See `EngineReads`: by whichever way is shorter."""
        if not await self.is_shorter_whole(collection, len(values)):
            async with aclosing(super().with_values(collection, name, values, fields)) as documents:
                async for document in documents:
                    yield document
            return
        async with aclosing(self._database.batches(collection, {}, fields, size=_BATCH)) as batches:
            async for batch in batches:
                for document in batch:
                    if document[name] in values:
                        yield document


def _fits(document: Document, match: Document) -> bool:
    return all(document.get(name) == value for name, value in match.items())
