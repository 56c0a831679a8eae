"""Reading on while what was read is worked on."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from contextlib import aclosing, asynccontextmanager
from typing import TypeVar, cast

Item = TypeVar("Item")


@asynccontextmanager
async def ahead(source: AsyncGenerator[Item, None]) -> AsyncIterator[AsyncIterator[Item]]:
    """The items of a source, which makes the next one while the caller works on this one.

    The source runs in one task of its own from its first item to its end, because it may keep state in context
    variables between items; it is closed on the way out. What it raises reaches the caller in the place of an item.
    """
    items: asyncio.Queue[Item] = asyncio.Queue(maxsize=1)
    left = False

    async def read() -> None:
        async with aclosing(source):
            async for item in source:
                # The driver loses a cancellation that comes while a statement of its is ending.
                if left:
                    return
                await items.put(item)

    reading = asyncio.create_task(read())

    async def received() -> AsyncGenerator[Item, None]:
        while True:
            coming = asyncio.create_task(items.get())
            try:
                await asyncio.wait((coming, reading), return_when=asyncio.FIRST_COMPLETED)
                if not coming.done() and items.empty():
                    await reading
                    return
                yield await coming
            finally:
                coming.cancel()

    try:
        async with aclosing(received()) as found:
            yield found
    finally:
        left = True
        reading.cancel()
        await asyncio.wait([reading])
        if not reading.cancelled():
            reading.exception()


async def in_thread(items: Iterator[Item]) -> AsyncGenerator[Item, None]:
    """The items of an iterator that blocks, each made in a thread; none runs on when the generator has ended."""
    end = object()
    while True:
        making = asyncio.ensure_future(asyncio.to_thread(next, items, end))
        try:
            item = await asyncio.shield(making)
        except asyncio.CancelledError:
            # A thread cannot be stopped, and what it reads must not be closed under its hands.
            await asyncio.wait([making])
            raise
        if item is end:
            return
        yield cast("Item", item)
