"""Where a Kolibri keeps its data, opened for reading and never written to.

A home folder holds `db.sqlite3` and, under `content/databases`, one database for each channel.
"""

from __future__ import annotations

import gzip
import shutil
import sqlite3
import tempfile
import zlib
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote

from docservice.errors import SettingsInvalid
from docservice.kolibri.tables import Tables

_MAIN = "db.sqlite3"
_CHANNELS = "content/databases"
_PIECE_BYTES = 4 * 1024 * 1024
_FREE_PARTS_LEFT = 10
"""One part in so many of the free disk stays free when a file is unpacked."""


@dataclass(frozen=True)
class KolibriHome:
    """An opened Kolibri.

    Attributes:
        tables: those of the main database.
        channel_files: the databases of channels that lie beside it.
    """

    tables: Tables
    channel_files: list[Path] = field(default_factory=list)


@contextmanager
def opened_home(path: Path) -> Iterator[KolibriHome]:
    """A Kolibri's data, all as of one moment, until the block ends.

    Args:
        path: a home folder, a `db.sqlite3`, or one packed with gzip.

    Raises:
        SettingsInvalid: there is no Kolibri database at `path`.
    """
    with ExitStack() as stack:
        database, folder = _located(path)
        if _starts_with(database, b"\x1f\x8b"):
            database = _unpacked(database, Path(stack.enter_context(tempfile.TemporaryDirectory())))
        tables = stack.enter_context(opened_tables(database))
        if "logger_contentsummarylog" not in tables:
            raise SettingsInvalid(f"{path} is no Kolibri database: it has no table logger_contentsummarylog.")
        channels = sorted((folder / _CHANNELS).glob("*.sqlite3")) if folder else []
        yield KolibriHome(tables, channels)


@contextmanager
def opened_tables(database: Path) -> Iterator[Tables]:
    """The tables of one SQLite file.

    Raises:
        SettingsInvalid: it is none, or cannot be opened.
    """
    if not _starts_with(database, b"SQLite format 3\x00"):
        raise SettingsInvalid(f"{database} is no SQLite database.")
    # Without a write-ahead log nobody has the file open, and it can be read without leaving anything beside it. With
    # one, the latest changes may be in the log only, and somebody may be writing.
    live = database.with_name(database.name + "-wal").exists()
    address = f"file:{quote(str(database.resolve()))}?mode=ro" + ("" if live else "&immutable=1")
    try:
        connection = sqlite3.connect(address, uri=True, isolation_level=None, check_same_thread=False)
    except sqlite3.Error as error:
        raise SettingsInvalid(f"{database} cannot be opened: {error}. Stop Kolibri, or give a copy.") from None
    try:
        try:
            # Functions that a schema calls may do no harm, should somebody have made the file for that.
            connection.execute("PRAGMA trusted_schema = OFF")
            # One snapshot for all that is read, however long it takes.
            connection.execute("BEGIN")
            connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
        except sqlite3.Error as error:
            raise SettingsInvalid(f"{database} cannot be read: {error}. Stop Kolibri, or give a copy.") from None
        yield Tables(connection)
    finally:
        connection.close()


def _located(path: Path) -> tuple[Path, Path | None]:
    """The database file, and the home folder that it lies in."""
    if path.is_dir():
        path = path / _MAIN
    if not path.is_file():
        raise SettingsInvalid(f"There is no {path}. Give a Kolibri home folder, its db.sqlite3, or that file gzipped.")
    return path, path.parent if path.name == _MAIN else None


def _starts_with(path: Path, beginning: bytes) -> bool:
    try:
        with path.open("rb") as file:
            return file.read(len(beginning)) == beginning
    except OSError as error:
        raise SettingsInvalid(f"{path} cannot be read: {error.strerror}.") from None


def _unpacked(packed: Path, folder: Path) -> Path:
    target = folder / _MAIN
    # A small file may unpack to any size: others need the disk, too.
    reserve = shutil.disk_usage(folder).free // _FREE_PARTS_LEFT
    try:
        with gzip.open(packed) as source, target.open("wb") as sink:
            while piece := source.read(_PIECE_BYTES):
                if shutil.disk_usage(folder).free - len(piece) < reserve:
                    raise SettingsInvalid(
                        f"{packed} unpacks to at least {sink.tell() + len(piece):,} bytes, for which {folder.parent} "
                        "has no room. Make room there, name another folder in TMPDIR, or unpack it yourself."
                    )
                sink.write(piece)
    except (OSError, EOFError, zlib.error) as error:
        raise SettingsInvalid(f"{packed} cannot be unpacked: {error}.") from None
    return target
