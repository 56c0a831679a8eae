"""Whose turn it is to run a transaction, of all processes that share an engine.

The engine carries out one statement at a time, so several transactions at once win nothing. They even bring it to a
standstill: each holds pages of the database from its first statement to its last, and while some transaction always
holds a page that has grown, the engine tries in vain to write it out, and waits, at every look at it. After some
seconds of eight writers it came to one report in three seconds, until they gave up. One at a time, it writes such pages
out in between.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

from docservice.engine import locks

LONGEST_WAIT_SECONDS = 5.0
"""How long a process waits while no other one begins a turn: most transactions take less than a tenth of a second."""

_LOOK_AGAIN_SECONDS = 0.002


class TransactionLock:
    """Turns of this process.

    Args:
        lock_file: file that whoever has the turn has locked; its time of change tells when a turn began.
        queue_file: file that whoever is next has locked. Without it, a process that has just had its turn would take
            the next one, too, before the others look again.
    """

    def __init__(self, lock_file: Path, queue_file: Path) -> None:
        self._lock_file = lock_file
        self._queue_file = queue_file
        # When the turn began that was given up, as nobody ended it; time of change of the file, in nanoseconds.
        self._given_up: int | None = None

    @asynccontextmanager
    async def held(self) -> AsyncIterator[None]:
        """A block that one process at a time is in.

        Turns are for speed, and a process that was halted in its turn must not halt the others: who has waited for
        long while nobody began a turn goes on all the same, and does not wait again before somebody does.
        """
        is_next = await self._locked(self._queue_file)
        try:
            held = await self._locked(self._lock_file)
        finally:
            _let_go(is_next)
        try:
            if is_next is not None and held is not None:
                with suppress(OSError):
                    os.utime(self._lock_file)
            yield
        finally:
            _let_go(held)

    async def _locked(self, file: Path) -> int | None:
        """Wait for the lock on a file; its descriptor, or None if whoever has it has been halted."""
        began: int | None = None
        seen = 0.0
        while True:
            try:
                held = locks.take(file)
                if held is not None:
                    return held
                latest = os.stat(self._lock_file).st_mtime_ns  # noqa: PTH116 - a look every 2 ms
            except OSError:  # the data directory is gone: whoever writes next will hear of it from the engine
                return None
            if latest == self._given_up:
                return None
            if latest != began:
                began, seen = latest, time.monotonic()
            if time.monotonic() - seen >= LONGEST_WAIT_SECONDS:
                self._given_up = latest
                return None
            await asyncio.sleep(_LOOK_AGAIN_SECONDS)


def _let_go(held: int | None) -> None:
    if held is not None:
        locks.release(held)
