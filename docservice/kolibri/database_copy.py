"""Copies a database file as of one moment to a place where SQLite may write beside it.

A database file alone is not the database. After a crash the file holds changes that were never completed, and a
rollback journal beside it says how to undo them; in WAL mode the latest changes are in a log beside it. SQLite reads
such files only if it may write there, and a Kolibri that runs goes on changing them. So the files are copied, in
seconds, and the copy is read, for as long as it takes: nothing is written beside the original, and its Kolibri is not
kept waiting.

Rule: https://www.sqlite.org/fileformat2.html (sections 1.3, 3 and 4), https://www.sqlite.org/lockingv3.html.
"""

from __future__ import annotations

import errno
import gzip
import shutil
import sqlite3
import threading
import time
import zlib
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO
from urllib.parse import quote

from docservice.errors import SettingsInvalid
from docservice.kolibri.wal_lock import wal_kept

LOCK_WAIT_SECONDS = 30.0
"""How long a program that writes may keep the file locked, or in change, until the import gives up."""

_NAME = "db.sqlite3"
_GZIP = b"\x1f\x8b"
_MAGIC = b"SQLite format 3\x00"
_WAL_VERSION = 2
"""The read and the write version in the header of a database in WAL mode."""
_JOURNAL, _WAL, _SHARED_MEMORY = "-journal", "-wal", "-shm"

_PIECE_BYTES = 4 * 1024 * 1024
_PAGES_IN_A_STEP = 1024
_FREE_PARTS_LEFT = 10
"""One part in this many of the free disk stays free: other programs need it, too."""

_SECONDS_BETWEEN_TRIES = 0.1
_CLOCK_STEP_SECONDS = 0.05
"""More than a file system's clock takes to move on: two changes within one step leave the same time."""
_TRIES_UNTIL_LOCKS_HOLD = 3

_CANNOT_READ_IN_PLACE = (
    "SQLITE_READONLY",
    "SQLITE_CANTOPEN",
    "SQLITE_IOERR",
    "SQLITE_PROTOCOL",
    "SQLITE_PERM",
    "SQLITE_NOLFS",
)
"""What SQLite says when it would have to write first (undo a change, make a file), or when the disk has no locks."""

_Fingerprint = tuple[tuple[int, int, int] | None, ...]


class CopyStopped(Exception):
    """The copy is not wanted any more."""


class CopyOrder:
    """How long a copy may wait, and whether it is still wanted.

    Args:
        wait_seconds: how long a program that writes is waited for.
    """

    def __init__(self, wait_seconds: float = LOCK_WAIT_SECONDS) -> None:
        self.wait_seconds = wait_seconds
        self._stopped = threading.Event()

    def stop(self) -> None:
        """End the copy soon, from any thread."""
        self._stopped.set()

    def check(self) -> None:
        """Raise CopyStopped if the copy is not wanted any more."""
        if self._stopped.is_set():
            raise CopyStopped

    def pause(self) -> None:
        """Wait a moment before another try."""
        self._stopped.wait(_SECONDS_BETWEEN_TRIES)
        self.check()


@dataclass(frozen=True)
class DatabaseCopy:
    """A private copy of a database.

    Attributes:
        path: the copy; when SQLite opens it, it undoes or adds what the journals beside it say.
        moment: as of when it is.
        journals: what went into it beside the file itself, in a few words; empty if nothing did.
    """

    path: Path
    moment: datetime
    journals: str


def is_packed(path: Path) -> bool:
    """Whether a file is packed with gzip.

    Raises:
        SettingsInvalid: it cannot be read.
    """
    # A database in use is opened by SQLite alone: a process that closes a file loses all its locks on it, also those
    # of another connection of this process.
    return not _beside(path, _WAL).exists() and _beginning(path, len(_GZIP)) == _GZIP


def unpacked_copy(packed: Path, folder: Path, order: CopyOrder) -> Path:
    """Return the database of a file packed with gzip, unpacked into a folder.

    Raises:
        SettingsInvalid: it is damaged, or there is no room for what is in it.
    """
    target = folder / _NAME
    # A small file may unpack to any size.
    reserve = shutil.disk_usage(folder).free // _FREE_PARTS_LEFT
    try:
        with gzip.open(packed) as source, target.open("wb") as sink:
            while piece := source.read(_PIECE_BYTES):
                order.check()
                if shutil.disk_usage(folder).free - len(piece) < reserve:
                    raise SettingsInvalid(
                        f"{packed} unpacks to at least {sink.tell() + len(piece):,} bytes, for which {folder.parent} "
                        "has no room. Make room there, name another folder in TMPDIR, or unpack it yourself."
                    )
                sink.write(piece)
    except (OSError, EOFError, zlib.error) as error:
        raise SettingsInvalid(f"{packed} cannot be unpacked: {error}.") from None
    if _beginning(target, len(_MAGIC)) != _MAGIC:
        raise _no_database(packed)
    return target


def database_copy(database: Path, folder: Path, order: CopyOrder) -> DatabaseCopy:
    """Copy a database with its journals as they are at one moment.

    Args:
        database: with the files beside it; not a link. They are not changed.
        folder: an empty one.
        order: how long to wait for others.

    Raises:
        SettingsInvalid: it is not a database, it is locked or changed all the time, or there is no room for the copy.
        CopyStopped: the order was taken back.
    """
    target = folder / _NAME
    deadline = time.monotonic() + order.wait_seconds
    tries = 0
    while True:
        tries += 1
        for left in folder.iterdir():
            left.unlink()
        before = _fingerprint(database)
        _require_room(database, folder)
        moment = datetime.now(UTC)
        in_place = _copied_in_place(database, target, order, deadline)
        if not in_place:
            _wait_for_clock(before)
            before = _fingerprint(database)
            _copy_files(database, target, order)
        unchanged = _fingerprint(database)[0] == before[0] if in_place else _fingerprint(database) == before
        # Who writes now has been there since an earlier try, and keeps to the locks that SQLite holds for the reader.
        # A writer that starts while there is no other one is not noticed by a reader without write access.
        if unchanged or (in_place and tries >= _TRIES_UNTIL_LOCKS_HOLD):
            return DatabaseCopy(target, moment, _journals(target, before, in_place=in_place))
        if time.monotonic() > deadline:
            raise SettingsInvalid(
                f"{database} is being written to all the time: it has changed {tries} times while it was read. "
                "Stop Kolibri, or give a copy."
            )
        order.pause()


def _journals(copy: Path, before: _Fingerprint, *, in_place: bool) -> str:
    _, journal, log, _ = before
    if log is not None and log[1]:
        return "with its write-ahead log"
    # A journal that begins with zeros belongs to a change that was completed.
    if not in_place and journal is not None and journal[1] and _beginning(_beside(copy, _JOURNAL), 1) != b"\0":
        return "with its rollback journal (a change that was not completed is undone)"
    return ""


def _copied_in_place(database: Path, target: Path, order: CopyOrder, deadline: float) -> bool:
    """Have SQLite copy a database from where it is; False if it would make or write a file there to do so.

    Raises:
        SettingsInvalid: it is not a database, or it is locked.
    """
    if not _beside(database, _WAL).exists():
        return not _is_in_wal_mode(database) and _copy_by_sqlite(database, target, order, deadline)
    # Who closes the database as the last one removes the log, and SQLite would make a new one.
    with wal_kept(database) as kept:
        complete = kept and _beside(database, _WAL).exists() and _beside(database, _SHARED_MEMORY).exists()
        return complete and _copy_by_sqlite(database, target, order, deadline)


def _is_in_wal_mode(database: Path) -> bool:
    header = _beginning(database, len(_MAGIC) + 4)
    if not header.startswith(_MAGIC):
        # The first page may be half written, and whole in the journal.
        if not _size(_beside(database, _JOURNAL)):
            raise _no_database(database)
        return False
    return _WAL_VERSION in header[len(_MAGIC) + 2 : len(_MAGIC) + 4]


def _copy_by_sqlite(database: Path, target: Path, order: CopyOrder, deadline: float) -> bool:
    """Copy a database under SQLite's locks; False if SQLite cannot read it without writing."""
    # With `readonly_shm` the shared memory of a write-ahead log is neither made nor written.
    address = f"file:{quote(bytes(database))}?mode=ro&readonly_shm=1"
    try:
        with closing(sqlite3.connect(address, uri=True, isolation_level=None, timeout=0)) as source:
            _begin(source, database, order, deadline)
            with closing(sqlite3.connect(target, isolation_level=None)) as sink:
                sink.execute("PRAGMA journal_mode = OFF")
                sink.execute("PRAGMA synchronous = OFF")
                source.backup(sink, pages=_PAGES_IN_A_STEP, progress=lambda *_: order.check())
    except sqlite3.Error as error:
        name = _name_of(error)
        if name.startswith("SQLITE_NOTADB"):
            raise _no_database(database) from None
        if name.startswith("SQLITE_FULL"):
            raise _no_room(database, target.parent) from None
        if name.startswith(_CANNOT_READ_IN_PLACE):
            target.unlink(missing_ok=True)
            return False
        raise SettingsInvalid(f"{database} cannot be read: {error}. It may be damaged.") from None
    return True


def _begin(source: sqlite3.Connection, database: Path, order: CopyOrder, deadline: float) -> None:
    """Begin a read transaction, when no other connection is in the middle of a change."""
    while True:
        try:
            source.execute("BEGIN")
            source.execute("SELECT count(*) FROM sqlite_master").fetchone()
        except sqlite3.OperationalError as error:
            if source.in_transaction:
                source.execute("ROLLBACK")
            if not _name_of(error).startswith(("SQLITE_BUSY", "SQLITE_LOCKED")):
                raise
            if time.monotonic() > deadline:
                raise SettingsInvalid(
                    f"{database} is locked: another program has been in the middle of a change for "
                    f"{order.wait_seconds:.0f} seconds. Import when it has finished, stop Kolibri, or give a copy."
                ) from None
            order.pause()
        else:
            return


def _copy_files(database: Path, target: Path, order: CopyOrder) -> None:
    """Copy a database with its journals as they are, all but the shared memory, which follows from the log."""
    for ending in ("", _JOURNAL, _WAL):
        file = _beside(database, ending)
        try:
            with file.open("rb") as source, _beside(target, ending).open("xb") as sink:
                _copy_bytes(source, sink, order)
        except FileNotFoundError:
            if not ending:
                raise SettingsInvalid(f"There is no {file} any more.") from None
            _beside(target, ending).unlink(missing_ok=True)
        except OSError as error:
            if error.errno in (errno.ENOSPC, errno.EDQUOT):
                raise _no_room(database, target.parent) from None
            raise SettingsInvalid(f"{file} cannot be read: {error.strerror}.") from None


def _copy_bytes(source: BinaryIO, sink: BinaryIO, order: CopyOrder) -> None:
    while piece := source.read(_PIECE_BYTES):
        order.check()
        sink.write(piece)


def _wait_for_clock(fingerprint: _Fingerprint) -> None:
    """Wait until a change from now on has another time than the last one."""
    newest = max((file[2] for file in fingerprint if file is not None), default=0) / 1e9
    if 0 <= time.time() - newest < _CLOCK_STEP_SECONDS:
        time.sleep(_CLOCK_STEP_SECONDS)


def _fingerprint(database: Path) -> _Fingerprint:
    """What changes when one of the files is written or replaced: file, size in bytes, time in nanoseconds of each."""
    return tuple(_stat(_beside(database, ending)) for ending in ("", _JOURNAL, _WAL, _SHARED_MEMORY))


def _stat(file: Path) -> tuple[int, int, int] | None:
    try:
        found = file.stat()
    except OSError:
        return None
    return found.st_ino, found.st_size, found.st_mtime_ns


def _size(file: Path) -> int:
    found = _stat(file)
    return found[1] if found else 0


def _files(database: Path) -> Iterator[Path]:
    return (_beside(database, ending) for ending in ("", _JOURNAL, _WAL))


def _require_room(database: Path, folder: Path) -> None:
    # A log is added to the file before it goes, so both count.
    needed = sum(_size(file) for file in _files(database))
    free = shutil.disk_usage(folder).free
    if free - needed < free // _FREE_PARTS_LEFT:
        raise _no_room(database, folder)


def _no_room(database: Path, folder: Path) -> SettingsInvalid:
    needed = sum(_size(file) for file in _files(database))
    return SettingsInvalid(
        f"{database} is read from a private copy of {needed:,} bytes, for which {folder.parent} has no room. "
        "Make room there, or name another folder in TMPDIR."
    )


def _no_database(database: Path) -> SettingsInvalid:
    return SettingsInvalid(f"{database} is not an SQLite database.")


def _beside(database: Path, ending: str) -> Path:
    return database.with_name(database.name + ending)


def _beginning(path: Path, number: int) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(number)
    except OSError as error:
        raise SettingsInvalid(f"{path} cannot be read: {error.strerror}.") from None


def _name_of(error: sqlite3.Error) -> str:
    return str(getattr(error, "sqlite_errorname", ""))
