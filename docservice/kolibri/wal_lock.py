"""A lock that keeps other programs from removing the write-ahead log of a database.

The last program that closes a database in WAL mode removes its log, if it can lock the file for itself. SQLite's
readers prevent that by a shared lock, but take it only after they have looked for the log.
Rule: sqlite, src/os_unix.c (SHARED_FIRST, SHARED_SIZE), src/wal.c (sqlite3WalClose).
"""

from __future__ import annotations

import errno
import fcntl
import os
import struct
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

_SHARED_FIRST = 0x40000002
_SHARED_SIZE = 510
_FLOCK = "@hhqqi0q"
"""`struct flock` of 64-bit Linux: type, whence, start, length, process."""

_OWN_FILES = Path("/proc/self/fd")


@contextmanager
def wal_kept(database: Path) -> Iterator[bool]:
    """A block in which the log of a database stays, if it is there when the block begins.

    Where the system has no such locks the block runs without one.

    Yields:
        Whether no other program is closing the database just now.
    """
    file = None
    if hasattr(fcntl, "F_OFD_SETLK") and not _is_open_here(database):
        with suppress(OSError):
            file = os.open(database, os.O_RDONLY)
    try:
        yield file is None or _is_locked(file)
    finally:
        if file is not None:
            os.close(file)


def _is_locked(file: int) -> bool:
    try:
        lock = struct.pack(_FLOCK, fcntl.F_RDLCK, os.SEEK_SET, _SHARED_FIRST, _SHARED_SIZE, 0)
        fcntl.fcntl(file, fcntl.F_OFD_SETLK, lock)
    except OSError as error:
        return error.errno not in (errno.EAGAIN, errno.EACCES)
    return True


def _is_open_here(database: Path) -> bool:
    """Whether this process has the file open: then it keeps the log already, by locks that would go with ours."""
    for file in _OWN_FILES.iterdir():
        with suppress(OSError):
            if file.samefile(database):
                return True
    return False
