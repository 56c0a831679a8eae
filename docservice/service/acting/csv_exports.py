"""Requests for CSV exports, and the rights to make, see and change them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Any

from docservice.domain.directory.permissions import Person, administers
from docservice.domain.exports.csv_exports import CsvExport, RequestedExport
from docservice.domain.requests.csv_exports import CsvLogRequest, LogType, StoredCsvRequest
from docservice.domain.requests.kolibri_messages import no_such_choice, no_such_object
from docservice.domain.values.times import KolibriTime
from docservice.errors import LogNotFound, NotSignedIn, PermissionDenied, ValidationFailed
from docservice.identity import Principal
from docservice.service.acting.log_lists import ListReader
from docservice.service.base.clock import Clocked
from docservice.store.database.port import Database
from docservice.store.directory.people import PeopleStore
from docservice.store.exports.csv_exports import CsvExportStore
from docservice.store.exports.csv_requests import CsvRequestStore


class CsvExportRequests(Clocked):
    """Facility admins see and change the requests of their facility, superusers all; other users none."""

    def __init__(self, database: Database, reader: ListReader, clock: Callable[[], datetime]) -> None:
        """Keep them in a database.

        Args:
            database: connected.
            reader: reads people and scopes.
            clock: gives the current time, aware.
        """
        super().__init__(clock)
        self._database = database
        self._reader = reader
        self._people = PeopleStore(database)
        self._requests = CsvRequestStore(database)
        self._exports = CsvExportStore(database)

    async def find(
        self, principal: Principal, *, facility: str | None = None, log_type: str | None = None
    ) -> list[StoredCsvRequest]:
        """Return the requests that the principal may see, oldest first; a few for each facility.

        Raises:
            ValidationFailed: there is no such facility.
        """
        person = await self._reader.person(principal)
        if facility is not None and await self._people.facility_dataset(facility) is None:
            raise ValidationFailed([no_such_choice("facility")])
        csv_requests = self._requests.find(facility=facility, log_type=log_type)
        return [request async for request in csv_requests if await self._administers(person, request.facility)]

    async def get(self, principal: Principal, number: int) -> StoredCsvRequest:
        """Return one request.

        Raises:
            LogNotFound: there is none that the principal may see.
        """
        person = await self._reader.person(principal)
        request = await self._requests.get(number)
        if request is None or not await self._administers(person, request.facility):
            raise LogNotFound()
        return request

    async def create(self, principal: Principal, asked: CsvLogRequest) -> StoredCsvRequest:
        """Keep a new request.

        Raises:
            NotSignedIn: the principal is an anonymous visitor.
            PermissionDenied: the principal does not administer the facility.
            ValidationFailed: there is no such facility.
        """
        await self._require(principal, asked)
        request = StoredCsvRequest(0, asked.facility, asked.log_type, self._times(asked))
        return await self._database.transact(lambda tx: self._requests.insert(tx, request))

    async def update(self, principal: Principal, number: int, asked: CsvLogRequest) -> StoredCsvRequest:
        """Change a request; see `create`. Times that are not given stay.

        Raises:
            LogNotFound: there is none that the principal may see.
        """
        stored = await self.get(principal, number)
        await self._require(principal, asked)
        times = {name: time for name, time in self._times(asked).items() if asked.has(name)}
        request = StoredCsvRequest(number, asked.facility, asked.log_type, {**stored.times, **times})
        await self._write(lambda tx: self._requests.replace(tx, request))
        return request

    async def delete(self, principal: Principal, number: int) -> None:
        """Remove a request.

        Raises:
            LogNotFound: there is none that the principal may see.
        """
        await self.get(principal, number)
        await self._write(lambda tx: self._requests.delete(tx, number))

    async def requested(self, principal: Principal, number: int) -> RequestedExport:
        """Return what has become of a request.

        Raises:
            LogNotFound: there is none that the principal may see.
        """
        request = await self.get(principal, number)
        export = await self._exports.get(request.facility, request.log_type)
        now = self.now()
        return RequestedExport(number, export, export.state_of(number, now) if export else "not-started")

    async def latest(self, principal: Principal, facility: str, log_type: LogType) -> CsvExport | None:
        """Return the latest export of a facility and type, None if there was none.

        Raises:
            LogNotFound: a superuser asks for a facility that is not there.
            NotSignedIn: the principal is an anonymous visitor.
            PermissionDenied: the principal does not administer the facility.
        """
        person = await self._reader.person(principal)
        if principal.user_id is None:
            raise NotSignedIn()
        if not await self._administers(person, facility):
            if person.is_superuser:
                raise LogNotFound("There is no such facility.")
            raise PermissionDenied("Exports are for the admins of the facility.")
        return await self._exports.get(facility, log_type)

    async def _write(self, action: Callable[[Any], Awaitable[None]]) -> None:
        await self._database.transact(action)

    async def _require(self, principal: Principal, request: CsvLogRequest) -> None:
        if await self._people.facility_dataset(request.facility) is None:
            raise ValidationFailed([no_such_object("facility", request.facility)])
        if principal.user_id is None:
            raise NotSignedIn()
        if not await self._administers(await self._reader.person(principal), request.facility):
            raise PermissionDenied("Exports are for the admins of the facility.")

    async def _administers(self, person: Person, facility: str) -> bool:
        dataset_id = await self._people.facility_dataset(facility)
        return dataset_id is not None and administers(person, dataset_id)

    def _times(self, request: CsvLogRequest) -> dict[str, KolibriTime | None]:
        return {
            "selected_start_date": request.selected_start_date,
            "selected_end_date": request.selected_end_date,
            "date_requested": request.date_requested or KolibriTime(self._clock()),
        }
