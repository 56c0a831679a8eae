"""Opens the data folder of a Kolibri for reading; it is never written to.

A home folder holds `db.sqlite3` and, under `content/databases`, one database for each channel.
"""

from __future__ import annotations

import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from docservice.errors import SettingsInvalid
from docservice.kolibri.database_copy import CopyOrder, database_copy, is_packed, unpacked_copy
from docservice.kolibri.tables import Tables

_MAIN = "db.sqlite3"
_CHANNELS = "content/databases"


@dataclass(frozen=True)
class KolibriHome:
    """An opened Kolibri.

    Attributes:
        tables: those of the main database.
        channel_files: the databases of channels, which are beside it.
        copied: says that a private copy is read, of what and as of when; empty for a file that was unpacked.
        order: how the databases of channels are to be copied.
    """

    tables: Tables
    channel_files: list[Path] = field(default_factory=list)
    copied: str = ""
    order: CopyOrder = field(default_factory=CopyOrder)


@contextmanager
def opened_home(path: Path, order: CopyOrder | None = None) -> Iterator[KolibriHome]:
    """A Kolibri's data, all as of one moment, until the block ends.

    Args:
        path: a home folder, a `db.sqlite3`, or one packed with gzip. It may be in use.
        order: how long to wait for programs that write to it; also ends the wait.

    Raises:
        SettingsInvalid: there is no Kolibri database at `path`, it stays locked, or there is no room for a copy of it.
        CopyStopped: the order was taken back.
    """
    order = order or CopyOrder()
    with ExitStack() as stack:
        database, folder = _located(path)
        tables, copied = stack.enter_context(_opened_copy(database, order))
        if "logger_contentsummarylog" not in tables:
            raise SettingsInvalid(f"{path} is not a Kolibri database: it has no table logger_contentsummarylog.")
        channels = sorted((folder / _CHANNELS).glob("*.sqlite3")) if folder else []
        yield KolibriHome(tables, channels, copied, order)


@contextmanager
def opened_tables(database: Path, order: CopyOrder | None = None) -> Iterator[Tables]:
    """The tables of one SQLite file, as of one moment.

    Raises:
        SettingsInvalid: it is none, cannot be opened, or there is no room for a copy of it.
        CopyStopped: the order was taken back.
    """
    with _opened_copy(database, order or CopyOrder()) as (tables, _):
        yield tables


@contextmanager
def _opened_copy(database: Path, order: CopyOrder) -> Iterator[tuple[Tables, str]]:
    """The tables of a private copy of a database, and a sentence that says so."""
    # SQLite looks for journals beside the file itself, not beside a link to it.
    database = database.resolve()
    copied = ""
    try:
        folder = tempfile.TemporaryDirectory(prefix="docservice-import-")
    except OSError as error:
        raise SettingsInvalid(f"There is no folder for a private copy of {database}: {error.strerror}.") from None
    # The folder goes as soon as the copy is open: an open file stays until it is closed, and not longer, even if the
    # import is killed.
    with folder:
        if is_packed(database):
            path = unpacked_copy(database, Path(folder.name), order)
        else:
            copy = database_copy(database, Path(folder.name), order)
            path = copy.path
            copied = f"A private copy of {database} was read, as of {copy.moment:%Y-%m-%d %H:%M:%S} UTC"
            copied += f", {copy.journals}." if copy.journals else "."
        connection = _connected(database, path)
    try:
        yield Tables(connection), copied
    finally:
        connection.close()


def _connected(database: Path, copy: Path) -> sqlite3.Connection:
    """Return a connection to the copy of a database, with one snapshot for all that is read, however long it takes."""
    connection = sqlite3.connect(copy, isolation_level=None, check_same_thread=False)
    try:
        # Functions that a schema calls must do no harm, even in a file made by an attacker.
        connection.execute("PRAGMA trusted_schema = OFF")
        # What a journal undoes is undone, what a log holds is added, and the one file is all there is.
        connection.execute("PRAGMA journal_mode = DELETE").fetchone()
        connection.execute("PRAGMA query_only = ON")
        connection.execute("BEGIN")
        connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
    except sqlite3.Error as error:
        connection.close()
        raise SettingsInvalid(f"{database} cannot be read: {error}. It may be damaged.") from None
    return connection


def _located(path: Path) -> tuple[Path, Path | None]:
    """Return the database file and the home folder that it is in."""
    if path.is_dir():
        path = path / _MAIN
    if not path.is_file():
        raise SettingsInvalid(f"There is no {path}. Give a Kolibri home folder, its db.sqlite3, or that file gzipped.")
    return path, path.parent if path.name == _MAIN else None
