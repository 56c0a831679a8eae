"""Kolibri databases to import: the sample, parts of it, and ones made of a few rows."""

from __future__ import annotations

import gzip
import json
import shutil
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from docservice.kolibri.tables import Tables

FOLDER = Path(__file__).parents[1] / "data" / "kolibri-small"
PACKED = FOLDER / "kolibri-small.sqlite3.gz"
LEARNER = "6ee2e17b4fe1418be986beee00151350"
"""A learner of the sample with exercises, videos and quizzes."""

_LOGS = ("logger_contentsummarylog", "logger_contentsessionlog", "logger_masterylog", "logger_attemptlog")


def expected() -> dict[str, Any]:
    """Counts and sums that belong to the sample."""
    found: dict[str, Any] = json.loads((FOLDER / "kolibri-small-expected.json").read_text(encoding="utf-8"))
    return found


def unpacked(target: Path) -> Path:
    """The sample as a plain file."""
    with gzip.open(PACKED) as source, target.open("wb") as sink:
        shutil.copyfileobj(source, sink)
    return target


@contextmanager
def changing(path: Path) -> Iterator[sqlite3.Connection]:
    """A connection whose changes are kept."""
    with closing(sqlite3.connect(path)) as connection:
        connection.row_factory = sqlite3.Row
        yield connection
        connection.commit()


def small(sample: Path, target: Path, users: str = f"= '{LEARNER}'") -> Path:
    """A part of the sample: the logs of one learner (or of those whose ids `users` lets through) and of the anonymous
    visitors, and the whole directory."""
    shutil.copy(sample, target)
    with changing(target) as database:
        for table in (*_LOGS, "logger_usersessionlog"):
            database.execute(f"DELETE FROM {table} WHERE user_id IS NOT NULL AND NOT user_id {users}")
    return target


def rows(path: Path, query: str, values: Sequence[Any] = ()) -> list[dict[str, Any]]:
    """What a query finds."""
    with closing(sqlite3.connect(path)) as connection:
        connection.row_factory = sqlite3.Row
        return [dict(row) for row in connection.execute(query, values)]


def insert(database: sqlite3.Connection, table: str, row: Mapping[str, Any]) -> None:
    """Add a row."""
    marks = ",".join("?" * len(row))
    database.execute(f"INSERT INTO {table} ({','.join(row)}) VALUES ({marks})", list(row.values()))


@contextmanager
def tables_of(content: Mapping[str, Sequence[Mapping[str, Any]]]) -> Iterator[Tables]:
    """The tables of a database in memory that has nothing but these rows."""
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as connection:
        for table, listed in content.items():
            if listed:
                connection.execute(f"CREATE TABLE {table} ({', '.join(listed[0])})")
            for row in listed:
                insert(connection, table, row)
        yield Tables(connection)
