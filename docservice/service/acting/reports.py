"""Reports within the read scope of a person."""

from __future__ import annotations

from collections.abc import Callable
from copy import copy
from datetime import datetime
from typing import Self

from docservice.domain.directory.permissions import log_read_scope
from docservice.domain.reports.definitions import Report, ReportName
from docservice.domain.reports.filters import ReportFilters
from docservice.domain.requests.kolibri_messages import no_such_choice
from docservice.errors import NotSignedIn, ValidationFailed
from docservice.identity import Principal
from docservice.service.acting.log_lists import ListReader
from docservice.service.reports.maker import ReportMaker
from docservice.store.database.port import Database
from docservice.store.directory.people import PeopleStore


class PersonReports:
    """Makes reports of the logs that the principal may read."""

    def __init__(self, database: Database, lists: ListReader, clock: Callable[[], datetime]) -> None:
        self._people = PeopleStore(database)
        self._lists = lists
        self._maker = ReportMaker(database, clock)

    def with_clock(self, clock: Callable[[], datetime]) -> Self:
        """Return the same under another clock."""
        other = copy(self)
        other._maker = self._maker.with_clock(clock)
        return other

    async def make(self, principal: Principal, name: ReportName, filters: ReportFilters) -> Report:
        """See `PersonLogs.report`."""
        person = await self._lists.person(principal)
        if person.user_id is None:
            raise NotSignedIn()
        if filters.user not in (None, person.user_id) and await self._people.person(filters.user) is None:
            raise ValidationFailed([no_such_choice("user")])
        readable = await self._people.readable(log_read_scope(person))
        return await self._maker.make(name, filters, readable)
