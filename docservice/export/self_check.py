"""Reads an export under pseudonyms again, as it was written, and looks for values of the directory. Blocks."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from docservice.domain.exports.pseudonyms import (
    CHECKED_KINDS,
    PUBLIC_COLLECTIONS,
    PUBLIC_COLUMNS,
    PUBLIC_FIELDS,
    Pseudonyms,
)
from docservice.domain.exports.self_check import DirectoryValues, looked_for
from docservice.domain.exports.tables import Table
from docservice.errors import ExportError

_LONGEST_CELL = 64 * 1024 * 1024


class Text(NamedTuple):
    """A text of an export.

    Attributes:
        place: where it is, for people.
        value: the text.
        is_public: it is of a fixed list or of public content.
    """

    place: str
    value: str
    is_public: bool


def require_pseudonymous(texts: Iterator[Text], values: DirectoryValues, pseudonyms: Pseudonyms) -> None:
    """Check that no value of the directory is in an export.

    Raises:
        ExportError: one is; the message says where and of which kind, and not which.
    """
    kinds = {is_public: looked_for(pseudonyms.keep, is_public=is_public) for is_public in (False, True)}
    for text in texts:
        kind = values.found_in(text.value, looked_for=kinds[text.is_public])
        if kind is not None:
            article = "an" if kind == "id" else "a"
            raise ExportError(
                f"{text.place} holds {article} {kind} of the directory, so the export was not kept. Leave that out, or "
                "correct the record."
            )


def texts_of_csv(path: Path, table: Table) -> Iterator[Text]:
    """Yield the cells of a CSV file."""
    csv.field_size_limit(max(csv.field_size_limit(), _LONGEST_CELL))
    columns = {column.label: column for column in table.columns}
    with path.open(encoding="utf-8-sig", newline="") as file:
        rows = csv.reader(file)
        read: list[tuple[int, str, bool]] = []
        for at, label in enumerate(next(rows)):
            column = columns.get(label)
            if column is None:
                read.append((at, label, True))  # of one level of topics
            elif column.kind in CHECKED_KINDS:
                read.append((at, label, column.name in PUBLIC_COLUMNS))
        for number, row in enumerate(rows, 2):
            for at, label, is_public in read:
                if row[at]:
                    yield Text(f"Row {number}, column {label!r},", row[at], is_public)


def texts_of_parquet(path: Path) -> Iterator[Text]:
    """Yield the texts of a Parquet file."""
    import pyarrow.parquet as pq  # noqa: PLC0415 (an extra, and slow to import)

    number = 0
    with pq.ParquetFile(path) as file:
        for batch in file.iter_batches():
            for row in batch.to_pylist():
                number += 1
                for name, value in row.items():
                    for text in value if isinstance(value, list) else [value]:
                        if isinstance(text, str) and text:
                            yield Text(f"Row {number}, column {name!r},", text, name in PUBLIC_COLUMNS)


def texts_of_lines(lines: Sequence[str], first: int) -> Iterator[Text]:
    """Yield the texts of documents as lines; see `export.backup`.

    Args:
        lines: as they are written.
        first: number of the first line in its file.
    """
    for number, line in enumerate(lines, first):
        content = json.loads(line)
        collection = content["collection"]
        for where, text in _strings(content.get("document") or content, ""):
            is_public = collection in PUBLIC_COLLECTIONS or where.rpartition(".")[2] in PUBLIC_FIELDS
            yield Text(f"Line {number}, {collection} {where},", text, is_public)


def _strings(value: Any, path: str) -> Iterator[tuple[str, str]]:
    if isinstance(value, str):
        yield path, value
    elif isinstance(value, Mapping):
        for name, child in value.items():
            if name.startswith("$"):
                continue  # a number or a time, as Extended JSON writes it
            yield from _strings(child, f"{path}.{name}" if path else name)
    elif isinstance(value, list):
        for child in value:
            yield from _strings(child, path)
