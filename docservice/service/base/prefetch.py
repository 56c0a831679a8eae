"""Reads the next item while the caller works on the current one."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator
from contextlib import aclosing, asynccontextmanager, suppress
from typing import TypeVar, cast

Item = TypeVar("Item")
Result = TypeVar("Result")


@asynccontextmanager
async def prefetched(source: AsyncGenerator[Item, None]) -> AsyncIterator[AsyncIterator[Item]]:
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
        async with aclosing(received()) as prefetched_items:
            yield prefetched_items
    finally:
        left = True
        reading.cancel()
        await asyncio.wait([reading])
        if not reading.cancelled():
            reading.exception()


def _nothing() -> None:
    pass


async def iterated_in_thread(
    items: Iterator[Item], ask_to_end: Callable[[], None] = _nothing
) -> AsyncGenerator[Item, None]:
    """Yield the items of an iterator that blocks, each made in a thread; none runs on when the generator has ended.

    Args:
        items: what is iterated.
        ask_to_end: is called when an item that is being made is not wanted any more.
    """
    end = object()
    while (item := await called_in_thread(next, items, end, ask_to_end=ask_to_end)) is not end:
        yield cast("Item", item)


async def called_in_thread(
    function: Callable[..., Result], *arguments: object, ask_to_end: Callable[[], None] = _nothing
) -> Result:
    """Return the result of a function that blocks, called in a thread.

    A thread cannot be stopped, and what it works on must stay open until it ends: when this is cancelled, it
    asks the function to end, and waits until it has.
    """
    calling = asyncio.ensure_future(asyncio.to_thread(function, *arguments))
    try:
        return await asyncio.shield(calling)
    except asyncio.CancelledError:
        ask_to_end()
        while not calling.done():
            with suppress(asyncio.CancelledError):
                await asyncio.wait([calling])
        if not calling.cancelled():
            calling.exception()
        raise
