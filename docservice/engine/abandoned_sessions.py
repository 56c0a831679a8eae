"""Ends the sessions of commands that have ended, and with them the transactions that these left open.

Both builds of the engine keep such a transaction for a minute, and until then no other transaction can write what it
has written: a learner whose report a killed worker had begun would get no answer.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable

from docservice.engine.account import NotAnswering

log = logging.getLogger(__name__)

_ROUNDS = 3
"""How often a session is ended. A statement that its client sent before it died may still be on its way, above all
after the engine was halted, and open the transaction after the session was ended."""

_PAUSE_SECONDS = 1.0


class AbandonedSessions:
    """Sessions that are to be ended, in the order in which they came.

    Args:
        end: ends sessions, by their ids; blocks, and raises `NotAnswering` if the engine does not answer.
    """

    def __init__(self, end: Callable[[list[bytes]], None]) -> None:
        self._end = end
        self._rounds: dict[bytes, int] = {}
        self._some = asyncio.Event()

    def add(self, ids: Iterable[bytes]) -> None:
        """End these sessions, now and twice more in the seconds that follow; does not wait for it."""
        self._rounds.update(dict.fromkeys(ids, _ROUNDS))
        if self._rounds:
            self._some.set()

    async def run(self) -> None:
        """End what is added, until cancelled."""
        while True:
            await self._some.wait()
            self._some.clear()
            while self._rounds:
                await self._round()
                # What is added meanwhile does not wait for the next round of those before it.
                try:
                    async with asyncio.timeout(_PAUSE_SECONDS):
                        await self._some.wait()
                    self._some.clear()
                except TimeoutError:
                    pass

    async def _round(self) -> None:
        ids = list(self._rounds)
        try:
            await asyncio.to_thread(self._end, ids)
        except NotAnswering as error:
            log.warning("%d sessions of ended commands could not be ended yet: %s", len(ids), error)
            return
        log.info("ended %d sessions of ended commands", len(ids))
        for each in ids:
            self._rounds[each] -= 1
            if self._rounds[each] <= 0:
                del self._rounds[each]
