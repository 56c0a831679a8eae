"""The sessions of transactions, and the end of transactions whose client has died or given up.

A server keeps a transaction that its client has left open: MongoDB and both builds of the embedded engine for a minute,
in which no other one can write what it has written. A client leaves one open when it dies, and when it gives up: after
a deadline the driver does not even send `abortTransaction`. Ending the session ends its transaction at once; a session
without one does not mind.
"""

from __future__ import annotations

import asyncio
import contextvars
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Iterable, Mapping
from contextlib import suppress
from typing import Any

import pymongo
from bson.binary import UUID_SUBTYPE, Binary
from pymongo.errors import ConnectionFailure, OperationFailure, PyMongoError

KNOWN = 1_000
"""How many sessions are remembered. The driver uses few, again and again: one for each transaction at a time."""

_ROUNDS_AT = (0.0, 1.0, 3.0)
"""When a session is ended, in seconds after the first answer. A statement of an ended client may still wait at a
server that was halted, and open the transaction after the session was ended."""

_ANSWER_SECONDS = 20.0
_PAUSE_SECONDS = 0.25
_LAST_SECONDS = 1.0
_LONGEST_SECONDS = 90.0
"""Longer than any server keeps a transaction."""


class Sessions:
    """The sessions of one client.

    Args:
        command: runs a database command once, without a deadline of its own; raises the driver's errors.
        on_session: is called with the id of each session before its first transaction, and must not block. Who
            outlives this process can end the sessions.
    """

    def __init__(
        self, command: Callable[[dict[str, Any]], Awaitable[Any]], on_session: Callable[[bytes], None] | None = None
    ) -> None:
        self._command = command
        self._on_session = on_session
        self._known: OrderedDict[bytes, None] = OrderedDict()
        self._tasks: set[asyncio.Task[None]] = set()

    def using(self, session_id: Mapping[str, Any]) -> None:
        """Note a session before a transaction begins in it."""
        key = bytes(session_id["id"])
        if self._on_session is None or key in self._known:
            return
        self._known[key] = None
        if len(self._known) > KNOWN:
            self._known.popitem(last=False)
        self._on_session(key)

    def end_later(self, session: Any) -> None:
        """End a session whose transaction may be open, without waiting for it.

        It is given back to the driver only then: in another transaction it would be ended, too.
        """
        # An empty context: the deadline of the transaction has passed, and is not that of its end.
        task = asyncio.get_running_loop().create_task(
            self._give_back(session), context=contextvars.Context(), name="docservice-end-session"
        )
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _give_back(self, session: Any) -> None:
        try:
            await self.end([bytes(session.session_id["id"])])
        finally:
            await session.end_session()

    async def end(self, ids: Iterable[bytes]) -> None:
        """End sessions, and with them their transactions, several times over some seconds. Never fails.

        A server that does not answer is asked again until its transactions have expired anyhow.
        """
        command = {"killSessions": [{"id": Binary(each, UUID_SUBTYPE)} for each in ids]}
        if not command["killSessions"]:
            return
        deadline = time.monotonic() + _LONGEST_SECONDS
        first: float | None = None
        for at in _ROUNDS_AT:
            if first is not None:
                await asyncio.sleep(first + at - time.monotonic())
            while not await self._ended(command):
                if time.monotonic() >= deadline:
                    return
                await asyncio.sleep(_PAUSE_SECONDS)
            first = time.monotonic() if first is None else first

    async def _ended(self, command: dict[str, Any]) -> bool:
        try:
            with pymongo.timeout(_ANSWER_SECONDS):
                await self._command(command)
        except OperationFailure:
            return True  # The server refuses; it will not do it next time either.
        except PyMongoError:
            return False
        return True

    async def close(self) -> None:
        """End what is left for a moment longer, then give it up."""
        tasks = tuple(self._tasks)
        if tasks:
            await asyncio.wait(tasks, timeout=_LAST_SECONDS)
        for task in tasks:
            task.cancel()
        with suppress(asyncio.CancelledError):
            await asyncio.gather(*tasks, return_exceptions=True)


def may_be_open(error: BaseException) -> bool:
    """Whether the server may still have the transaction which this error ended: it may not have got the message."""
    if isinstance(error, asyncio.CancelledError | ConnectionFailure):
        return True
    return isinstance(error, PyMongoError) and error.timeout
