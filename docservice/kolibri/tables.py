"""Rows of a Kolibri's SQLite tables, a bounded number at a time.

Columns that a table of an older Kolibri lacks are read as their default; columns of a newer one are not asked for.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from docservice.errors import SettingsInvalid

Row = tuple[Any, ...]

_IDS_IN_A_QUERY = 500
_ROWS_IN_A_FETCH = 1000


class Tables:
    """The tables of one database; for one thread at a time."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._columns: dict[str, dict[str, str]] = {}

    def __contains__(self, table: str) -> bool:
        return bool(self.columns(table))

    def columns(self, table: str) -> Mapping[str, str]:
        """Return the columns of a table with their declared types; none if there is no such table.

        A view or a virtual table is none: Kolibri has no such, and a query on one may run other things, or for ever.
        """
        if table not in self._columns:
            query = "SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = ? AND sql NOT LIKE 'create virtual%'"
            found = self._fetch(f'PRAGMA table_info("{table}")') if self._fetch(query, (table,)) else []
            self._columns[table] = {row[1]: str(row[2]).lower() for row in found}
        return self._columns[table]

    def count(self, table: str) -> int:
        """Return how many rows a table has; 0 if there is no such table."""
        return int(self._fetch(f'SELECT count(*) FROM "{table}"')[0][0]) if table in self else 0  # noqa: S608

    def selection(self, table: str, columns: Mapping[str, str]) -> str:
        """Return what to select of a table.

        Args:
            table: its name.
            columns: names, each with the SQL literal to use if this table does not have the column.
        """
        there = self.columns(table)
        return ", ".join(f't."{name}"' if name in there else default for name, default in columns.items())

    def chunks(self, table: str, columns: Mapping[str, str], size: int) -> Iterator[list[Row]]:
        """Yield all rows of a table in the order in which they were made, in chunks."""
        if table not in self:
            return
        selection = self.selection(table, columns)
        query = f'SELECT {selection}, t.rowid FROM "{table}" t WHERE t.rowid > ? ORDER BY t.rowid LIMIT ?'  # noqa: S608
        last = -(2**63)
        while rows := self._fetch(query, (last, size)):
            last = rows[-1][-1]
            yield rows

    def related(
        self,
        table: str,
        columns: Mapping[str, str],
        key: str,
        values: Sequence[str],
        order: str = "t.rowid",
        condition: str = "1",
    ) -> list[Row]:
        """Return the rows whose `key` is one of the values; those of one value come in the given order."""
        found: list[Row] = []
        if table not in self or key not in self.columns(table):
            return found
        selection = self.selection(table, columns)
        for start in range(0, len(values), _IDS_IN_A_QUERY):
            part = values[start : start + _IDS_IN_A_QUERY]
            marks = ",".join("?" * len(part))
            query = f'SELECT {selection} FROM "{table}" t WHERE t."{key}" IN ({marks}) AND {condition} ORDER BY {order}'  # noqa: S608
            found += self._fetch(query, part)
        return found

    def matching(self, table: str, columns: Mapping[str, str], condition: str) -> Iterator[list[Row]]:
        """Yield the rows for which a condition (SQL of ours) holds, in chunks."""
        if table not in self:
            return
        selection = self.selection(table, columns)
        query = f'SELECT {selection}, t.rowid FROM "{table}" t WHERE t.rowid > ? AND ({condition})'  # noqa: S608
        last = -(2**63)
        while rows := self._fetch(f"{query} ORDER BY t.rowid LIMIT {_ROWS_IN_A_FETCH}", (last,)):
            last = rows[-1][-1]
            yield rows

    def number(self, table: str, condition: str) -> int:
        """For how many rows a condition (SQL of ours) holds."""
        return int(self._fetch(f'SELECT count(*) FROM "{table}" t WHERE {condition}')[0][0])  # noqa: S608

    def _fetch(self, query: str, values: Sequence[Any] = ()) -> list[Row]:
        try:
            try:
                return self._connection.execute(query, values).fetchall()
            except sqlite3.OperationalError as error:
                if "UTF-8" not in str(error):
                    raise
            # Some text is not valid UTF-8: read it anyway; the record with it is refused when it is checked.
            self._connection.text_factory = _lenient_text
            try:
                return self._connection.execute(query, values).fetchall()
            finally:
                self._connection.text_factory = str
        except sqlite3.Error as error:
            raise SettingsInvalid(f"The Kolibri database cannot be read: {error}. It may be damaged.") from error


def _lenient_text(value: bytes) -> str:
    return value.decode(errors="surrogateescape")
