"""Batches read ahead in a thread, so that reading waits for nobody and nobody waits for reading."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Iterator
from typing import TypeVar

_Batch = TypeVar("_Batch")


async def read_ahead(batches: Iterator[_Batch]) -> AsyncGenerator[_Batch, None]:
    """The batches of a blocking iterator; while one is worked on, the next is made in a thread.

    Two batches are in memory at most. The thread has ended when the generator is closed.
    """
    ahead = asyncio.create_task(asyncio.to_thread(next, batches, None))
    try:
        while (batch := await asyncio.shield(ahead)) is not None:
            ahead = asyncio.create_task(asyncio.to_thread(next, batches, None))
            yield batch
    finally:
        # What is read must not be closed under the thread's hands.
        await asyncio.gather(ahead, return_exceptions=True)
