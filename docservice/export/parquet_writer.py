"""Parquet files: the same rows as the CSV files, typed.

Times are UTC with microseconds, durations and sums are rounded to millionths, progress is as it is stored (not cut),
folders are a list. The schema of a table is always the same, so that files of several facilities or days are one data
set.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from docservice.domain.exports.table_rows import Row
from docservice.domain.exports.tables import ColumnKind, Table
from docservice.domain.values.rounding import rounded_sum
from docservice.errors import ParquetNotInstalled
from docservice.export.self_check import Text, texts_of_parquet

_GROUP_ROWS = 20_000
_SUMS: frozenset[ColumnKind] = frozenset({"seconds", "number"})


class ParquetWriter:
    """Writes a table to a Parquet file, in row groups; every method may block."""

    def __init__(self, path: Path, table: Table) -> None:
        """Begin a file.

        Args:
            path: of the file, which is created or emptied.
            table: which columns the rows have.

        Raises:
            ParquetNotInstalled: pyarrow is missing.
        """
        try:
            import pyarrow as pa  # noqa: PLC0415 (an extra, and slow to import)
            import pyarrow.parquet as pq  # noqa: PLC0415
        except ImportError:
            raise ParquetNotInstalled() from None
        self._path = path
        self._arrow: Any = pa
        self._kinds = [column.kind for column in table.columns]
        types = {
            "time": pa.timestamp("us", tz="UTC"),
            **dict.fromkeys(("seconds", "progress", "number"), pa.float64()),
            "count": pa.int64(),
            "flag": pa.bool_(),
            "folders": pa.list_(pa.string()),
        }
        self._schema: Any = pa.schema(
            [(column.name, types.get(column.kind, pa.string())) for column in table.columns],
            metadata={"table": table.name},
        )
        self._file: Any = pq.ParquetWriter(path, self._schema, compression="zstd")
        self._waiting: list[Any] = []
        self._waiting_rows = 0

    def write(self, rows: Sequence[Row], levels: int) -> None:
        """Append rows; folders are a list, so `levels` does not matter."""
        if not rows:
            return
        arrays = [
            self._arrow.array(_shown(values, kind), type=field.type)
            for values, kind, field in zip(zip(*rows, strict=True), self._kinds, self._schema, strict=True)
        ]
        self._waiting.append(self._arrow.record_batch(arrays, schema=self._schema))
        self._waiting_rows += len(rows)
        if self._waiting_rows >= _GROUP_ROWS:
            self._write_group()

    def close(self) -> None:
        """Finish the file."""
        self._write_group()
        self._file.close()

    def texts(self) -> Iterator[Text]:
        """Yield all texts of the file, once it is finished."""
        return texts_of_parquet(self._path)

    def _write_group(self) -> None:
        if self._waiting:
            self._file.write_table(self._arrow.Table.from_batches(self._waiting, self._schema))
            self._waiting, self._waiting_rows = [], 0


def _shown(values: Sequence[Any], kind: ColumnKind) -> Sequence[Any]:
    return [None if value is None else rounded_sum(value) for value in values] if kind in _SUMS else values
