"""The transaction lock of the processes that share an engine; each `TransactionLock` here acts as another process."""

from __future__ import annotations

import asyncio
import contextlib
import os
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import groupby
from pathlib import Path

import pytest

from docservice.engine import locks, transaction_lock
from docservice.engine.transaction_lock import TransactionLock


@pytest.fixture
def locked_files(tmp_path: Path) -> tuple[Path, Path]:
    """The files of the lock and of its queue."""
    files = tmp_path / "turn", tmp_path / "turn.next"
    for file in files:
        file.touch()
    return files


@asynccontextmanager
async def halted(file: Path) -> AsyncIterator[None]:
    """A process that got the lock and does not go on."""
    held = await asyncio.to_thread(locks.take, file)
    assert held is not None
    try:
        yield
    finally:
        os.close(held)


def _open_files() -> tuple[int, ...]:
    """The descriptors of the locked files, as a child that is merely forked has them."""
    found = []
    for name in os.listdir("/proc/self/fd"):  # noqa: PTH208
        with contextlib.suppress(OSError):
            if "turn" in Path(os.readlink(f"/proc/self/fd/{name}")).name:  # noqa: PTH115
                found.append(int(name))
    return tuple(found)


async def seconds_until_held(mine: TransactionLock) -> float:
    """Seconds until the lock was held."""
    began = time.monotonic()
    async with mine.held():
        return time.monotonic() - began


async def most_at_once(processes: list[TransactionLock], rounds: int, seconds: float) -> int:
    """How many of some processes are in their blocks at once, when each holds the lock some times for this long."""
    inside, most = 0, 0

    async def work(mine: TransactionLock) -> None:
        nonlocal inside, most
        for _ in range(rounds):
            async with mine.held():
                inside += 1
                most = max(most, inside)
                await asyncio.sleep(seconds)
                inside -= 1

    await asyncio.gather(*map(work, processes))
    return most


async def test_one_process_at_a_time(locked_files: tuple[Path, Path]) -> None:
    """Four processes hold the lock twelve times: never two at once."""
    assert await most_at_once([TransactionLock(*locked_files) for _ in range(4)], rounds=3, seconds=0.005) == 1


async def test_a_long_queue_is_no_halt(locked_files: tuple[Path, Path]) -> None:
    """A process that waits for longer than one holder, because many are before it, still waits for the lock."""
    processes = [TransactionLock(*locked_files, longest_wait_seconds=0.5) for _ in range(8)]

    assert await most_at_once(processes, rounds=1, seconds=0.2) == 1


async def test_nothing_stays_locked_when_the_turn_is_gone(locked_files: tuple[Path, Path]) -> None:
    """A lock whose file was removed is still given, and nothing stays locked."""
    lock_file, queue_file = locked_files
    lock_file.unlink()

    async with TransactionLock(lock_file, queue_file).held():
        assert not locks.is_taken(queue_file)


async def test_who_had_a_turn_lets_others_go_first(locked_files: tuple[Path, Path]) -> None:
    """Two busy processes hold the lock alternately; a fast one does not keep the other one out."""
    order: list[str] = []

    async def work(name: str) -> None:
        mine = TransactionLock(*locked_files)
        while len(order) < 40:
            async with mine.held():
                order.append(name)
                await asyncio.sleep(0.01)

    await asyncio.gather(work("one"), work("other"))

    # The first look of a process may be late by a holder or two, when the machine is busy.
    assert max(len(list(run)) for _, run in groupby(order)) <= 4


async def test_a_block_that_fails_ends_the_turn(locked_files: tuple[Path, Path]) -> None:
    """The next process does not wait for one whose block raised."""
    with pytest.raises(ValueError, match="mine"):
        async with TransactionLock(*locked_files).held():
            raise ValueError("mine")

    assert await seconds_until_held(TransactionLock(*locked_files)) < transaction_lock.LONGEST_WAIT_SECONDS / 2


@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="finds the descriptors of a process there")
async def test_a_child_does_not_keep_the_turn_of_its_parent(locked_files: tuple[Path, Path]) -> None:
    """A child that is forked while the lock is held does not hold it after its release."""
    async with TransactionLock(*locked_files).held():
        child = await asyncio.create_subprocess_exec("sleep", "60", pass_fds=_open_files())
    try:
        waited = await seconds_until_held(TransactionLock(*locked_files))
    finally:
        child.kill()
        await child.wait()

    assert waited < transaction_lock.LONGEST_WAIT_SECONDS / 2


async def test_a_cancelled_wait_leaves_nothing_locked(locked_files: tuple[Path, Path]) -> None:
    """A process that is cancelled while it waits holds neither the lock nor the queue."""
    async with halted(locked_files[0]):
        waiting = asyncio.create_task(seconds_until_held(TransactionLock(*locked_files)))
        await asyncio.sleep(0.05)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting

    assert await seconds_until_held(TransactionLock(*locked_files)) < transaction_lock.LONGEST_WAIT_SECONDS / 2


@pytest.mark.parametrize("which", [0, 1], ids=["with the lock", "in the queue"])
async def test_a_halted_process_halts_nobody(locked_files: tuple[Path, Path], which: int) -> None:
    """The others wait for it once; after its end they wait for the lock again."""
    mine, other = (TransactionLock(*locked_files, longest_wait_seconds=0.5) for _ in range(2))

    async with halted(locked_files[which]):
        first = await seconds_until_held(mine)
        later = [await seconds_until_held(mine) for _ in range(3)]
    after = await seconds_until_held(mine)
    async with other.held():
        at_last = await seconds_until_held(mine)

    assert first >= 0.5
    assert max(*later, after) < 0.5
    assert at_last >= 0.5


async def test_without_its_files(tmp_path: Path) -> None:
    """A data directory that was taken away stops nobody: the engine will tell what is wrong."""
    mine = TransactionLock(tmp_path / "gone" / "turn", tmp_path / "gone" / "turn.next")

    assert await seconds_until_held(mine) < transaction_lock.LONGEST_WAIT_SECONDS / 2
