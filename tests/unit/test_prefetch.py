"""Reading ahead keeps order and errors, and closes what it reads from."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncGenerator, Iterator
from contextlib import aclosing, suppress
from contextvars import ContextVar

import pytest

from docservice.service.base.prefetch import called_in_thread, iterated_in_thread, prefetched

PLACE: ContextVar[int] = ContextVar("PLACE")


class Source:
    """Counts to a number, then ends or fails; notes how far it is and whether it was closed."""

    def __init__(self, last: int, error: Exception | None = None) -> None:
        self.at = 0
        self.closed = False
        self._last = last
        self._error = error

    async def items(self) -> AsyncGenerator[int, None]:
        """The numbers from 1."""
        token = PLACE.set(0)
        try:
            while self.at < self._last:
                self.at += 1
                yield self.at
            if self._error:
                raise self._error
        finally:
            self.closed = True
            PLACE.reset(token)


async def test_all_items_in_order() -> None:
    """Nothing is lost or doubled, however many items come; a source without items has none."""
    for last in (0, 1, 2, 50):
        source = Source(last)
        async with prefetched(source.items()) as items:
            assert [item async for item in items] == list(range(1, last + 1))
        assert source.closed


async def test_the_source_goes_on_meanwhile() -> None:
    """The next item is made while the caller works on one, and no more than a few are kept waiting."""
    source = Source(1000)
    async with prefetched(source.items()) as items:
        async for item in items:
            await asyncio.sleep(0.01)
            assert item < source.at <= item + 3
            if item == 5:
                break
    assert source.closed


async def test_an_error_comes_after_the_items_before_it() -> None:
    """What the source raises reaches the caller once everything before it has."""
    seen: list[int] = []
    source = Source(3, LookupError("gone"))

    async def read() -> None:
        async with prefetched(source.items()) as items:
            async for item in items:
                await asyncio.sleep(0.01)
                seen.append(item)

    with pytest.raises(LookupError, match="gone"):
        await read()
    assert seen == [1, 2, 3]


async def test_a_caller_that_fails_closes_the_source() -> None:
    """The caller's error is the one that counts, also beside one of the source."""
    source = Source(2, LookupError("gone"))

    async def read() -> None:
        async with prefetched(source.items()) as items:
            async for _ in items:
                await asyncio.sleep(0.01)
                raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await read()
    assert source.closed


async def test_cancelled() -> None:
    """A caller that is cancelled while it waits leaves nothing running."""
    waiting = asyncio.Event()

    async def slow() -> AsyncGenerator[int, None]:
        try:
            waiting.set()
            await asyncio.sleep(60)
            yield 1
        finally:
            waiting.clear()

    async def read() -> None:
        async with prefetched(slow()) as items:
            async for _ in items:
                pass

    reading = asyncio.create_task(read())
    await waiting.wait()
    reading.cancel()
    with pytest.raises(asyncio.CancelledError):
        await reading
    assert not waiting.is_set()


async def test_an_iterator_that_blocks_leaves_the_loop_free() -> None:
    """Its items are made in a thread, in order; what it raises arrives."""
    loop_thread = threading.get_ident()

    def made() -> Iterator[int]:
        for number in range(5):
            assert threading.get_ident() != loop_thread
            yield number
        raise LookupError("gone")

    seen: list[int] = []

    async def read() -> None:
        async for number in iterated_in_thread(made()):
            seen.append(number)  # noqa: PERF401 (what came before the error counts)

    with pytest.raises(LookupError, match="gone"):
        await read()
    assert seen == [0, 1, 2, 3, 4]


async def test_a_cancelled_reader_waits_for_the_thread() -> None:
    """What a thread reads may be closed as soon as the generator has ended."""
    began, go_on, done = threading.Event(), threading.Event(), threading.Event()

    def made() -> Iterator[int]:
        began.set()
        go_on.wait(60)
        done.set()
        yield 1

    async def read() -> None:
        async for _ in iterated_in_thread(made()):
            pass

    reading = asyncio.create_task(read())
    await asyncio.to_thread(began.wait, 60)
    reading.cancel()
    await asyncio.sleep(0)
    assert not reading.done()
    go_on.set()
    with pytest.raises(asyncio.CancelledError):
        await reading
    assert done.is_set()


async def test_a_source_that_loses_a_cancellation_ends() -> None:
    """Leaving ends a source whose statement swallows the cancellation: no later item waits for ever to be taken."""
    source = Source(1000)
    stuck = asyncio.Event()

    async def deaf() -> AsyncGenerator[int, None]:
        async with aclosing(source.items()) as items:
            async for item in items:
                if item == 3:
                    stuck.set()
                    with suppress(asyncio.CancelledError):
                        await asyncio.Event().wait()
                yield item
                yield -item

    async with asyncio.timeout(10), prefetched(deaf()) as items:
        async for _ in items:
            if source.at == 3:
                break
        else:
            pytest.fail("the source ended too early")
        await stuck.wait()

    assert source.closed
    assert source.at == 3


async def test_a_function_in_a_thread_is_asked_to_end() -> None:
    """Cancelled once or more, the caller asks the function to end, and goes on when it has."""
    asked, goes_on = threading.Event(), threading.Event()
    ended: list[bool] = []

    def work(seconds: float) -> None:
        asked.wait(seconds)
        goes_on.wait(seconds)
        ended.append(asked.is_set())

    working = asyncio.create_task(called_in_thread(work, 30.0, ask_to_end=asked.set))
    for _ in range(3):
        await asyncio.sleep(0.02)
        working.cancel()
    await asyncio.sleep(0.02)
    assert not working.done()
    goes_on.set()
    with pytest.raises(asyncio.CancelledError):
        await working

    assert ended == [True]


async def test_a_function_in_a_thread_that_fails() -> None:
    """Its result and its error are the caller's."""
    assert await called_in_thread(int, "12") == 12
    with pytest.raises(ValueError, match="invalid literal"):
        await called_in_thread(int, "x")
