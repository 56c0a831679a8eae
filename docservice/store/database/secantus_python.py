"""The Python build of the embedded engine (`secantusd-py`): what it cannot do, and what is done about it.

All that exists for this engine alone is in this module, in `engine.turns`, and behind the traits below.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

from pymongo.errors import AutoReconnect, OperationFailure

from docservice.errors import StoreTimeout, StoreUnavailable
from docservice.store.database.guard import EngineGuard
from docservice.store.database.port import Document
from docservice.store.database.traits import EngineTraits

SET_NAME = "secantus"
"""The name that both builds of the engine give their replica set."""

TRAITS = EngineTraits(
    remembers_commits=False,
    keeps_what_it_acknowledges=False,
    runs_transactions_side_by_side=False,
    sorts_by_index=False,
    plans_with_any_prefix=False,
    rewrites_index_entries=True,
    ids_in_a_query=50,
)


def is_python_build(build_info: Document) -> bool:
    """Whether it is this build that answered `buildInfo`: the native one names its storage engines."""
    return "storageEngines" not in build_info


_MAY_BE_LOST = (
    "The embedded engine failed while it wrote, and is started again: its disk may be full or broken. "
    "Make room if it is full, and try again."
)


class SecantusPythonGuard(EngineGuard):
    """One transaction at a time, and a read after each commit."""

    traits = TRAITS

    def __init__(
        self,
        command: Callable[[dict[str, Any]], Awaitable[Document]],
        read: Callable[[dict[str, Any]], Awaitable[Document]],
        turn: Callable[[], AbstractAsyncContextManager[None]],
        timeout_seconds: float,
        hello: Document,
    ) -> None:
        """Guard a database.

        Args:
            command: runs a database command once; raises the driver's errors.
            read: likewise, but again on another connection where one was closed.
            turn: a block that one process at a time is in; see `docservice.engine.turns`.
            timeout_seconds: how long a transaction waits for those before it.
            hello: what the engine answered first.
        """
        self.run = _run_of(hello)
        self._command = command
        self._read = read
        self._turn = turn
        self._timeout_seconds = timeout_seconds
        self._own_turn = asyncio.Lock()

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[None]:
        """See `EngineGuard`. The engine stalls under several transactions at once, see `docservice.engine.turns`."""
        try:
            async with asyncio.timeout(self._timeout_seconds):
                await self._own_turn.acquire()
        except TimeoutError:
            raise StoreTimeout("Too many writes were waiting for the database before this one.") from None
        try:
            async with self._turn():
                yield
        finally:
            self._own_turn.release()

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
            # once more; of another one nobody knows what it found on the disk.
            if run is None or await self._ask_run() != run:
                raise
            await self.confirm(None)
        except OperationFailure as error:
            raise StoreUnavailable(_MAY_BE_LOST) from error

    @asynccontextmanager
    async def writing(self) -> AsyncIterator[None]:
        """See `EngineGuard`."""
        before = await self._ask_run()
        yield
        await self.confirm(before)
        # Several statements: one engine process may have lost what one of them wrote, and the next taken the rest.
        if await self._ask_run() != before:
            raise StoreUnavailable(_MAY_BE_LOST)

    async def _ask_run(self) -> object:
        self.run = _run_of(await self._read({"hello": 1}))
        return self.run


def _run_of(hello: Document) -> object:
    """What tells one run of the engine from another."""
    return hello.get("topologyVersion", {}).get("processId")
