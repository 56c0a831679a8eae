r"""CSV files as Kolibri's `exportlogs` writes them: UTF-8 with BOM, CRLF, commas, quotes where needed.

A cell that a spreadsheet would run as a formula begins with an apostrophe, and each `|` in it is `\|`. That is what
Kolibri does to text that begins with one of `@ + - = | %` and is not a plain number; here it is also done to the titles
of folders, which Kolibri leaves as they are, and to text that begins with a tab or a line break.
Rule: kolibri/core/logger/csv_export.py, kolibri/core/utils/csv.py.
"""

from __future__ import annotations

import csv
import math
import os
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from docservice.domain.exports.table_rows import Row
from docservice.domain.exports.tables import FOLDER_LABEL, Column, ColumnKind, Table

_STARTS_FORMULA = frozenset("@+-=|%\t\r\n")
_LONGEST_CELL = 64 * 1024 * 1024
"""Characters: more than a document can hold."""

_PLAIN_NUMBER = re.compile(r"-?[0-9,.]+")


def harmless(text: str | None) -> str:
    """Return a text as a cell that no spreadsheet runs; empty for None."""
    if not text:
        return ""
    if text[0] in _STARTS_FORMULA and not _PLAIN_NUMBER.fullmatch(text):
        return "'" + text.replace("|", "\\|")
    return text


def _or_empty(shown: Callable[[Any], str]) -> Callable[[Any], str]:
    return lambda value: "" if value is None else shown(value)


def _number(value: float) -> str:
    return f"{value:.4f}".rstrip("0").rstrip(".")


def _cut(value: float) -> float:
    """Return a progress with four decimals, not rounded: what is not finished never shows as 1."""
    has_decimals = abs(value) < _FIRST_WITHOUT_DECIMALS
    return math.floor(value * 10000) / 10000 if has_decimals else value


_FIRST_WITHOUT_DECIMALS = 2.0**52
"""From here on a float is a whole number; a very large one has no room for the factor either."""

_SHOWN: dict[ColumnKind, Callable[[Any], str]] = {
    "text": harmless,
    "seconds": _or_empty(lambda value: f"{value:.1f}"),
    "progress": _or_empty(lambda value: f"{_cut(value):.4f}"),
    "number": _or_empty(_number),
    "flag": _or_empty(lambda value: "true" if value else "false"),
}
"""Ids, times and counts are written as `str` shows them; that the csv module does quickest, and leaves None empty."""


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


class CsvWriter:
    """Writes a table to a CSV file; every method may block.

    How many folder columns there are is known only when all rows are; when a row needs more of them than were made so
    far, the file is copied once with wider rows.
    """

    def __init__(self, path: Path, table: Table) -> None:
        """Begin a file.

        Args:
            path: of the file, which is created or emptied.
            table: which columns the rows have.
        """
        self._path = path
        self._columns = table.columns
        kinds = [column.kind for column in table.columns]
        self._folders_at = kinds.index("folders") if "folders" in kinds else None
        self._levels = 0
        self._open(path)
        self._csv.writerow(self._header())

    def write(self, rows: Sequence[Row], levels: int) -> None:
        """Append rows; `levels` is how many folder columns they and all before them need."""
        if self._folders_at is not None and levels > self._levels:
            self._widen(self._folders_at, levels)
        if rows:
            # Column by column, which takes half the time of row by row.
            columns = zip(self._columns, zip(*rows, strict=True), strict=True)
            cells = [cells for column, values in columns for cells in self._cells(column, values)]
            self._csv.writerows(zip(*cells, strict=True))

    def close(self) -> None:
        """Finish the file."""
        self._file.close()

    def _open(self, path: Path) -> None:
        # The file has names of learners: only its owner may read it, whether it existed before or not.
        self._file = open(path, "w", encoding="utf-8-sig", newline="", errors="replace", opener=_private)  # noqa: SIM115
        self._csv = csv.writer(self._file)

    def _header(self) -> list[str]:
        labels = [column.label for column in self._columns]
        if self._folders_at is not None:
            folders = [f"{FOLDER_LABEL} {level + 1}" for level in range(self._levels)]
            labels[self._folders_at : self._folders_at + 1] = folders
        return labels

    def _cells(self, column: Column, values: Sequence[Any]) -> Iterator[Iterable[Any]]:
        """What the csv module writes of the values of a column: one column of cells, or one for each folder level."""
        if column.kind == "folders":
            for level in range(self._levels):
                yield [harmless(titles[level]) if level < len(titles) else "" for titles in values]
        else:
            shown = _SHOWN.get(column.kind)
            yield map(shown, values) if shown else values

    def _widen(self, at: int, levels: int) -> None:
        self._file.close()
        narrow = self._path.with_name(self._path.name + ".narrow")
        self._path.replace(narrow)
        more, after = [""] * (levels - self._levels), at + self._levels
        self._levels = levels
        try:
            # An answer may be longer than the 128 KiB that the csv module reads by default.
            csv.field_size_limit(max(csv.field_size_limit(), _LONGEST_CELL))
            with narrow.open(encoding="utf-8-sig", newline="") as source:
                rows = csv.reader(source)
                next(rows)
                self._open(self._path)
                self._csv.writerow(self._header())
                self._csv.writerows([*row[:after], *more, *row[after:]] for row in rows)
        finally:
            narrow.unlink()
