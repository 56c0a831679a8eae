"""Locks on files of a data directory: one for its supervisor, one for the running transaction.

The kernel drops a lock when its holder ends, however it ends, so it never has to be cleaned up. (Not on network file
systems without locks; the database itself asks for a local disk.)
"""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

if sys.platform == "win32":
    import msvcrt

    def _lock(descriptor: int, *, shared: bool) -> None:
        msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)

    def _unlock(descriptor: int) -> None:
        msvcrt.locking(descriptor, msvcrt.LK_UNLCK, 1)
else:
    import fcntl

    def _lock(descriptor: int, *, shared: bool) -> None:
        fcntl.flock(descriptor, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)

    def _unlock(descriptor: int) -> None:
        fcntl.flock(descriptor, fcntl.LOCK_UN)


def take(path: Path) -> int | None:
    """A descriptor that holds the lock until it is closed or the process ends, or None when another process has it."""
    return _open_locked(path, shared=False)


def take_within(path: Path, seconds: float) -> int | None:
    """As `take`, but waits: commands look at a lock for a moment now and then, which is no other holder."""
    deadline = time.monotonic() + seconds
    while (descriptor := take(path)) is None and time.monotonic() < deadline:
        time.sleep(0.01)
    return descriptor


def release(descriptor: int) -> None:
    """Let go of a lock that was taken, also if a forked child has the descriptor, too."""
    try:
        _unlock(descriptor)
    finally:
        os.close(descriptor)


def is_taken(path: Path) -> bool:
    """Whether a process holds the lock. False when the file does not exist."""
    try:
        # Shared, so that commands that look at the same time do not see each other.
        descriptor = _open_locked(path, shared=True)
    except FileNotFoundError:
        return False
    if descriptor is None:
        return True
    os.close(descriptor)
    return False


def _open_locked(path: Path, *, shared: bool) -> int | None:
    descriptor = os.open(path, os.O_RDWR)
    try:
        _lock(descriptor, shared=shared)
    except (BlockingIOError, PermissionError):
        os.close(descriptor)
        return None
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor
