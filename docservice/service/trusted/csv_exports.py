"""The states of background exports, so that a facility and type has one export at a time.

They are called by the worker (`docservice.export.BackgroundExports`) and check no rights.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime

from docservice.domain.exports.csv_exports import CsvExport, ExportFile
from docservice.domain.requests.csv_exports import StoredCsvRequest
from docservice.domain.values.times import KolibriTime, to_milliseconds
from docservice.service.base.clock import Clocked
from docservice.store.database.port import Database, Transaction
from docservice.store.exports.csv_exports import CsvExportStore
from docservice.store.exports.csv_requests import CsvRequestStore


class ExportJobs(Clocked):
    """The exports that this service works on, among all that work on the same database."""

    def __init__(self, database: Database, clock: Callable[[], datetime]) -> None:
        super().__init__(clock)
        self._database = database
        self._requests = CsvRequestStore(database)
        self._exports = CsvExportStore(database)
        self._owner = uuid.uuid4().hex

    async def request(self, number: int) -> StoredCsvRequest | None:
        """Return a request; None if it was deleted."""
        return await self._requests.get(number)

    async def claim(self, request: StoredCsvRequest) -> CsvExport | None:
        """Begin the export of a request; None if one of that facility and type is under way, after which it comes."""

        async def action(tx: Transaction) -> CsvExport | None:
            before = await self._exports.get(request.facility, request.log_type, tx)
            now = self.now()
            if before is not None and before.is_under_way(now):
                if before.request != request.id:
                    await self._exports.set_next(tx, before, request.id)
                return None
            file = before.file if before else None
            export = CsvExport(request.facility, request.log_type, request.id, "running", 0, now, now, file=file)
            await self._exports.put(tx, export, self._owner)
            return export

        return await self._database.transact(action)

    async def beat(self, export: CsvExport, percentage: int) -> bool:
        """Say that an export goes on; False if it is no longer wanted: forgotten, or taken over."""
        return await self._exports.beat(export, self._owner, percentage, self.now())

    async def is_forgotten(self, export: CsvExport) -> bool:
        """Whether the request of an export was removed meanwhile."""
        return await self._exports.get(export.facility, export.log_type) is None

    async def finish(self, export: CsvExport, request: StoredCsvRequest, rows: int) -> int | None:
        """Note that the file of an export is whole. Returns the number of the request that comes next, if any."""
        days = {name: _day(time) for name, time in request.times.items()}
        file = ExportFile(request.id, days.get("selected_start_date"), days.get("selected_end_date"), self.now())
        return await self._end(replace(export, state="completed", percentage=100, rows=rows, file=file))

    async def fail(self, export: CsvExport, error: str) -> int | None:
        """Note why an export failed. Returns the number of the request that comes next, if any."""
        return await self._end(replace(export, state="failed", error=error))

    async def interrupt(self, export: CsvExport) -> None:
        """Note that an export was stopped before its end."""
        await self._end(replace(export, state="interrupted"))

    async def _end(self, export: CsvExport) -> int | None:
        async def action(tx: Transaction) -> int | None:
            now = await self._exports.get(export.facility, export.log_type, tx)
            if now is None or not await self._exports.is_owner(tx, export, self._owner):
                return None
            percentage = max(now.percentage, export.percentage)
            ended = replace(export, percentage=percentage, beat=self.now(), next=now.next)
            if export.state != "interrupted":
                ended = replace(ended, next=None)
            await self._exports.put(tx, ended, self._owner)
            return now.next

        return await self._database.transact(action)

    async def forget(self, request: StoredCsvRequest) -> bool:
        """Drop the latest export if it, or its file, is that of a request; whether it was."""

        async def action(tx: Transaction) -> bool:
            export = await self._exports.get(request.facility, request.log_type, tx)
            if export is None or request.id not in {export.request, export.file and export.file.request}:
                return False
            await self._exports.delete(tx, request.facility, request.log_type)
            return True

        return await self._database.transact(action)


def span_of(request: StoredCsvRequest) -> tuple[datetime | None, datetime | None]:
    """Return the first and last moment that a request names."""
    first, last = request.times.get("selected_start_date"), request.times.get("selected_end_date")
    return (to_milliseconds(first.moment) if first else None), (to_milliseconds(last.moment) if last else None)


def _day(time: KolibriTime | None) -> str | None:
    return time.local().date().isoformat() if time else None
