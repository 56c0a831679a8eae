"""CSV exports that run beside requests, one for each facility and type at a time.

Files are `<facility>-<type>.csv` in one folder. A file is replaced by the next export of its facility and type, and
removed with the request that it was made for. The state of an export is in the database, where every service sees it;
the files are on the disk of the service that made them.
"""

from __future__ import annotations

import asyncio
import logging
from pathlib import Path

from docservice.domain.exports.csv_exports import BEAT, CsvExport
from docservice.domain.exports.tables import TableName
from docservice.domain.requests.csv_exports import StoredCsvRequest
from docservice.errors import DocServiceError, ExportError
from docservice.export.csv_writer import CsvWriter
from docservice.export.tables import TableReport, write_export
from docservice.service import DocService
from docservice.service.trusted.csv_exports import span_of

logger = logging.getLogger(__name__)

_AT_ONCE = 2
"""Exports that read at a time, of all facilities: requests come first."""


class _Percentage:
    """A watch that keeps the number."""

    def __init__(self) -> None:
        self.value = 0

    def begin(self, part: str, total: int | None = None) -> None:
        """See `Watch.begin`."""
        self.value = 0

    def advance(self, part: str, steps: int = 1) -> None:
        """See `Watch.advance`."""
        self.value += steps


class BackgroundExports:
    """Runs exports until it is closed."""

    def __init__(self, service: DocService, folder: Path) -> None:
        """Nothing is started or made yet.

        Args:
            service: entered by the caller, and left after this is closed.
            folder: for the files; made with the first one.
        """
        self._service = service
        self._folder = folder
        self._tasks: set[asyncio.Task[None]] = set()
        self._slots = asyncio.Semaphore(_AT_ONCE)

    async def start(self, request: StoredCsvRequest) -> None:
        """Begin the export of a request, or let it wait for the one that is under way for its facility and type."""
        export = await self._service.admin.csv_jobs.claim(request)
        if export is not None:
            task = asyncio.create_task(self._run(export, request), name=f"export-{request.id}")
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def forget(self, request: StoredCsvRequest) -> None:
        """Stop the export of a request, remove its file."""
        if await self._service.admin.csv_jobs.forget(request):
            await asyncio.to_thread(self.path(request.facility, request.log_type).unlink, missing_ok=True)

    def path(self, facility: str, log_type: str) -> Path:
        """Return where the file of a facility and type is, if there is one."""
        return self._folder / f"{facility}-{log_type}.csv"

    async def close(self) -> None:
        """Stop all exports; they can be started again."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _run(self, export: CsvExport | None, request: StoredCsvRequest | None) -> None:
        jobs = self._service.admin.csv_jobs
        while export is not None and request is not None:
            following: int | None = None
            try:
                rows = await self._write(export, request)
                if rows is None:
                    return
                following = await jobs.finish(export, request, rows)
            except asyncio.CancelledError:
                await jobs.interrupt(export)
                raise
            except Exception as error:
                # The request is long over: the error has to be in the state of the export, and in the log.
                logger.exception("export failed", extra={"request": request.id})
                following = await self._failed(export, error)
            request = await jobs.request(following) if following is not None else None
            export = await jobs.claim(request) if request else None

    async def _failed(self, export: CsvExport, error: Exception) -> int | None:
        if isinstance(error, ExportError) or not isinstance(error, DocServiceError):
            told = "The file could not be written; the log of the service says why."
        else:
            told = str(error)
        try:
            return await self._service.admin.csv_jobs.fail(export, told)
        except DocServiceError:
            return None  # without a word it counts as interrupted soon

    async def _write(self, export: CsvExport, request: StoredCsvRequest) -> int | None:
        """Write the file; return None if its request was deleted in the meantime."""
        await asyncio.to_thread(self._folder.mkdir, mode=0o700, parents=True, exist_ok=True)
        percentage = _Percentage()
        start, end = span_of(request)
        path = self.path(export.facility, export.log_type)
        table: TableName = "session" if export.log_type == "session" else "summary"

        async def write() -> TableReport:
            async with self._slots:
                return await write_export(
                    self._service, table, export.facility, path, CsvWriter, start=start, end=end, watch=percentage
                )

        writing = asyncio.create_task(write())
        try:
            while not writing.done():
                await asyncio.wait([writing], timeout=BEAT.total_seconds())
                if not await self._service.admin.csv_jobs.beat(export, percentage.value):
                    return None
            return (await writing).rows
        finally:
            writing.cancel()
            await asyncio.gather(writing, return_exceptions=True)
            if await self._service.admin.csv_jobs.is_forgotten(export):
                await asyncio.to_thread(path.unlink, missing_ok=True)
