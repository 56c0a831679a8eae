"""One transaction at a time across all processes that share an engine.

The engine carries out one statement at a time, so several transactions at once win nothing. They even bring it to a
standstill: each holds pages of the database from its first statement to its last, and while some transaction always
holds a page that has grown, each access to it waits while the engine tries, without success, to write it out. After
some seconds of eight writers it came to one report in three seconds, until they gave up. One at a time, it writes such
pages out in between.
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
"""How long a process waits while no other one takes the lock: most transactions take less than a tenth of a second."""

_LOOK_AGAIN_SECONDS = 0.002


class TransactionLock:
    """The lock, as this process takes it.

    Args:
        lock_file: file that the process with the lock holds; its modification time is when the lock was taken.
        queue_file: file that the first process in the queue holds. Without it, a process that has just had the lock
            would take the next one, too, before the others look again.
        longest_wait_seconds: how long to wait while no other process takes the lock.
    """

    def __init__(
        self, lock_file: Path, queue_file: Path, *, longest_wait_seconds: float = LONGEST_WAIT_SECONDS
    ) -> None:
        self._longest_wait_seconds = longest_wait_seconds
        self._lock_file = lock_file
        self._queue_file = queue_file
        # When the lock was taken whose holder was given up; modification time of the file, in nanoseconds.
        self._given_up: int | None = None

    @asynccontextmanager
    async def held(self) -> AsyncIterator[None]:
        """Hold the lock: one process at a time is in the block.

        The lock is for speed, and a process that was halted while it holds it must not halt the others: a process that
        has waited for long while no other one took the lock goes on without it, and does not wait again until another
        one takes it.
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
        """Wait for the lock on a file; return its descriptor, or None if its holder has been halted."""
        began: int | None = None
        seen = 0.0
        while True:
            try:
                held = locks.take(file)
                if held is not None:
                    return held
                latest = os.stat(self._lock_file).st_mtime_ns  # noqa: PTH116 - a look every 2 ms
            except OSError:  # the data directory was removed: the next write fails with an error of the engine
                return None
            if latest == self._given_up:
                return None
            if latest != began:
                began, seen = latest, time.monotonic()
            if time.monotonic() - seen >= self._longest_wait_seconds:
                self._given_up = latest
                return None
            await asyncio.sleep(_LOOK_AGAIN_SECONDS)


def _let_go(held: int | None) -> None:
    if held is not None:
        locks.release(held)
