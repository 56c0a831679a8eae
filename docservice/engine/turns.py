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
from contextlib import asynccontextmanager
from pathlib import Path

from docservice.engine import locks

LONGEST_WAIT_SECONDS = 2.0
_LOOK_AGAIN_SECONDS = 0.002


class Turns:
    """Turns of this process.

    Args:
        turn: file that whoever has the turn has locked.
        next_turn: file that whoever is next has locked. Without it, a process that has just had its turn would take
            the next one, too, before the others look again.
    """

    def __init__(self, turn: Path, next_turn: Path) -> None:
        self._turn = turn
        self._next_turn = next_turn
        self._patience_seconds = LONGEST_WAIT_SECONDS

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[None]:
        """A block that one process at a time is in.

        Turns are for speed, and a process that was halted in its turn must not halt the others: who has waited for
        long goes on all the same, and does not wait again before it has got a turn.
        """
        deadline = time.monotonic() + self._patience_seconds
        is_next = await _locked(self._next_turn, deadline)
        try:
            held = await _locked(self._turn, deadline)
        finally:
            _let_go(is_next)
        self._patience_seconds = 0.0 if is_next is None or held is None else LONGEST_WAIT_SECONDS
        try:
            yield
        finally:
            _let_go(held)


async def _locked(file: Path, deadline: float) -> int | None:
    """Wait for the lock on a file; None if it was not to be had in time."""
    while True:
        try:
            held = locks.take(file)
        except OSError:  # the data directory is gone: whoever writes next will hear of it from the engine
            return None
        if held is not None or time.monotonic() >= deadline:
            return held
        await asyncio.sleep(_LOOK_AGAIN_SECONDS)


def _let_go(held: int | None) -> None:
    if held is not None:
        os.close(held)
