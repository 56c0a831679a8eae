"""One export: rows from the service into a file that appears whole or not at all."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Protocol, TypeVar

from docservice.domain.exports.pseudonyms import Pseudonyms
from docservice.domain.exports.table_rows import Row
from docservice.domain.exports.tables import TABLES, Table, TableName
from docservice.export.atomic_files import beside, explained, make_private, put_in_place, replaceable
from docservice.export.erasures import ErasureGuard
from docservice.export.self_check import Text, require_pseudonymous
from docservice.service import DocService
from docservice.service.base.progress import NoWatch, Watch

PERCENT = 100
_Result = TypeVar("_Result")


class TableWriter(Protocol):
    """A file under way; every method may block."""

    def write(self, rows: Sequence[Row], levels: int) -> None:
        """Append rows; `levels` is how many folder columns they and all before them need."""

    def close(self) -> None:
        """Finish the file."""

    def texts(self) -> Iterator[Text]:
        """Yield all texts of the file, once it is finished."""


@dataclass(frozen=True)
class TableReport:
    """What an export wrote.

    Attributes:
        rows: how many.
        bytes: size of the file.
    """

    rows: int
    bytes: int


async def write_export(
    service: DocService,
    table: TableName,
    facility_id: str,
    path: Path,
    writer: Callable[[Path, Table], TableWriter],
    *,
    start: datetime | None = None,
    end: datetime | None = None,
    people: frozenset[str] | None = None,
    watch: Watch | None = None,
    pseudonyms: Pseudonyms | None = None,
) -> TableReport:
    """Write a table of a facility's logs to a file.

    The file is written beside its place and moved there when it is whole; a file that was there stays until then. When
    the export fails or is cancelled, nothing is left of it. Files are written in threads.

    Args:
        service: entered.
        table: which rows; see `DocService.export_rows`, also for `start` and `end`.
        facility_id: whose logs.
        path: the file.
        writer: makes the file: `CsvWriter` or `ParquetWriter`.
        start: see `TableReader.batches`.
        end: see `TableReader.batches`.
        people: see `TableReader.batches`.
        watch: hears how many percent are read.
        pseudonyms: make these in the place of people; the file is read again, and not kept if a value of the directory
            is in it.

    Raises:
        ExportError: the file cannot be written, a person was erased meanwhile, or a value of the directory is in it.
        InvalidReference: the directory has no such facility.
        ParquetNotInstalled: `writer` needs pyarrow, and it is missing.
        StoreError: see `retryable`.
    """
    watch = watch or NoWatch()
    erasures = await ErasureGuard.of(service)
    part, percent, count = f"{table} rows, percent read", 0, 0
    with explained(path):
        path = await _in_thread(replaceable, path)
        unfinished = beside(path)
        opened: list[TableWriter] = []
        try:
            await _in_thread(make_private, unfinished)
            # Set by the thread: a cancelled caller gets no result, but still has to close the file.
            await _in_thread(lambda: opened.append(writer(unfinished, TABLES[table])))
            rows = service.admin.table_rows(
                table, facility_id, start=start, end=end, people=people, pseudonyms=pseudonyms
            )
            async with aclosing(rows) as batches:
                watch.begin(part, PERCENT)
                async for batch in batches:
                    await _in_thread(opened[0].write, batch.rows, batch.levels)
                    count += len(batch.rows)
                    now = int(batch.done * PERCENT)
                    if now > percent:
                        watch.advance(part, now - percent)
                        percent = now
            written = opened[0]
            await _in_thread(written.close)
            opened.clear()
            if pseudonyms is not None:
                values = await service.admin.directory_values()
                await _in_thread(require_pseudonymous, written.texts(), values, pseudonyms)
            await erasures.require_none()
            size = await _in_thread(put_in_place, unfinished, path)
        finally:
            # Cancelled or failed: whatever closing says, the unfinished file goes. A Parquet file that could not be
            # written is closed already, and says so with an error that is not an OSError.
            for left in opened:
                with contextlib.suppress(Exception):
                    left.close()
            with contextlib.suppress(OSError):
                unfinished.unlink(missing_ok=True)
    return TableReport(count, size)


async def _in_thread(work: Callable[..., _Result], *arguments: Any) -> _Result:
    """Run blocking work in a thread, and wait for its end even when cancelled: it uses the file."""
    running = asyncio.ensure_future(asyncio.to_thread(work, *arguments))
    try:
        return await asyncio.shield(running)
    except asyncio.CancelledError:
        while not running.done():
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.wait([running])
        raise
