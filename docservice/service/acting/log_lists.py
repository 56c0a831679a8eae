"""Lists of mastery and attempt logs, as Kolibri shows them, within the read scope of a person."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any

from docservice.domain.answers.lists import AttemptRow, MasteryDiffRow, MasteryRow, Rows, mastery_diff, shown_attempt
from docservice.domain.directory.permissions import Person, log_read_scope
from docservice.domain.requests.kolibri_messages import no_such_choice
from docservice.domain.requests.lists import ATTEMPT_FILTERS, MASTERY_FILTERS, LogFilters, Page
from docservice.domain.values.ids import parse_uuid
from docservice.errors import (
    LogNotFound,
    PageNotFound,
    PermissionDenied,
    PersonErased,
    Unauthenticated,
    ValidationFailed,
)
from docservice.identity import Principal
from docservice.store.database.port import Database
from docservice.store.directory.erased_people import ErasedPeopleStore
from docservice.store.directory.people import PeopleStore
from docservice.store.lists.attempt_lists import AttemptListStore, AttemptValues
from docservice.store.lists.mastery_lists import MasteryListPart, MasteryListStore
from docservice.store.lists.scope import Selection, select

CHECKED_ROWS = 500
CHECKED_SECONDS = 1.0
"""A list that is sent while it is read may be long under way: after so many rows or seconds the rights to it are read
again, before the next part of it is."""


def stranger(*, is_erased: bool) -> Unauthenticated:
    """Return the error for a token that names a user who is not in the directory."""
    if is_erased:
        return PersonErased()
    return Unauthenticated(
        "The token names a user who is not in the directory. Import the directory, or sign in again."
    )


class ListReader:
    """Reads mastery and attempt logs within the read scope of the principal."""

    def __init__(self, database: Database) -> None:
        self._people = PeopleStore(database)
        self._erased = ErasedPeopleStore(database)
        self._mastery_logs = MasteryListStore(database)
        self._attempts = AttemptListStore(database)

    async def person(self, principal: Principal) -> Person:
        """Return what the directory says of a principal.

        Raises:
            PermissionDenied: the principal is a program with a service token.
            PersonErased: the token names a person who was erased.
            Unauthenticated: the token names a user who is not in the directory.
        """
        if principal.is_service:
            raise PermissionDenied("A service token is for the directory; logs are read as a person.")
        if principal.user_id is None:
            return Person()
        person = await self._people.person(principal.user_id)
        if person is None:
            raise stranger(is_erased=bool(await self._erased.among([principal.user_id])))
        return person

    async def mastery_logs(self, principal: Principal, filters: LogFilters, page: Page | None) -> Rows[MasteryRow]:
        """See `DocService.mastery_logs`."""
        filters.refuse_unused((*MASTERY_FILTERS, "masterylog"))
        selection = await self.selection(principal, filters)
        if page is not None and page.number < 1:
            raise PageNotFound()
        skip, limit = (0, None) if page is None else ((page.number - 1) * page.size, page.size)
        part = (
            MasteryListPart([], 0)
            if selection.empty
            else await self._mastery_logs.find(selection, filters, skip=skip, limit=limit)
        )
        if page is not None:
            _require_page(page, part.count)
        return Rows([MasteryRow.of(log) for log in part.logs], part.count, page)

    async def mastery_log(self, principal: Principal, masterylog_id: str, filters: LogFilters) -> MasteryRow:
        """See `DocService.mastery_log`."""
        only = LogFilters(**{**vars(filters), "masterylog": _stored_id(masterylog_id)})
        rows = (await self.mastery_logs(principal, only, None)).rows
        if not rows:
            raise LogNotFound()
        return rows[0]

    async def mastery_diff(self, principal: Principal, back: int, filters: LogFilters) -> MasteryDiffRow:
        """See `DocService.mastery_diff`."""
        filters.refuse_unused((*MASTERY_FILTERS, "masterylog"))
        selection = await self.selection(principal, filters)
        if selection.empty or back < 0:
            raise LogNotFound("No mastery log found")
        logs = (await self._mastery_logs.find(selection, filters, skip=back, limit=2)).logs
        if not logs:
            raise LogNotFound("No mastery log found")
        target, previous = logs[0], logs[1] if len(logs) > 1 else None
        attempts = await self._attempts.of_mastery_log(target.summarylog_id, target.id)
        previous_attempts = await self._attempts.of_mastery_log(previous.summarylog_id, previous.id) if previous else []
        return mastery_diff(target, previous, attempts, previous_attempts)

    async def attempt_logs(self, principal: Principal, filters: LogFilters, page: Page | None) -> Rows[AttemptRow]:
        """See `DocService.attempt_logs`."""
        if page is None:
            rows = [row async for row in self.each_attempt_log(principal, filters)]
            return Rows(rows, len(rows))
        selection = await self._attempt_selection(principal, filters)
        if page.number < 1:
            raise PageNotFound()
        skip = (page.number - 1) * page.size
        attempts: list[AttemptValues] = []
        count = 0
        if not selection.empty:
            attempts, count = await self._attempts.page(selection, filters, skip=skip, limit=page.size)
        _require_page(page, count)
        return Rows([_row(values) for values in attempts], count, page)

    async def each_attempt_log(self, principal: Principal, filters: LogFilters) -> AsyncGenerator[AttemptRow, None]:
        """See `DocService.each_attempt_log`."""
        async with aclosing(self.shown_attempts(principal, filters)) as found:
            async for part in found:
                for shown in part:
                    yield AttemptRow.model_construct(**shown)

    async def shown_attempts(
        self, principal: Principal, filters: LogFilters
    ) -> AsyncGenerator[list[dict[str, Any]], None]:
        """Yield the fields of the rows of `each_attempt_log`, some rows at a time.

        Raises:
            PermissionDenied: the principal may no longer read all of the list; it was cut off.
            Unauthenticated: the principal is not in the directory any more.
        """
        selection = await self._attempt_selection(principal, filters)
        if selection.empty:
            return
        now = asyncio.get_running_loop().time
        checked, rows = now(), 0
        async with aclosing(self._attempts.find(selection, filters)) as found:
            async for part in found:
                if rows >= CHECKED_ROWS or now() - checked > CHECKED_SECONDS:
                    await self._require_still(principal, filters, selection)
                    checked, rows = now(), 0
                rows += len(part)
                yield [shown_attempt(values) for values in part]

    async def _require_still(self, principal: Principal, filters: LogFilters, selection: Selection) -> None:
        """Check that a list that is being read may still be read as a whole; what was added since is not in it."""
        if not (await self.selection(principal, filters)).covers(selection):
            raise PermissionDenied("What you may read has changed. Start the list again.")

    async def _attempt_selection(self, principal: Principal, filters: LogFilters) -> Selection:
        filters.refuse_unused(ATTEMPT_FILTERS)
        if filters.masterylog is not None and not await self._mastery_logs.exists(filters.masterylog):
            raise ValidationFailed([no_such_choice("masterylog")])
        return await self.selection(principal, filters)

    async def attempt_log(self, principal: Principal, attempt_id: str) -> AttemptRow:
        """See `DocService.attempt_log`."""
        selection = await self.selection(principal, LogFilters())
        attempt = None if selection.empty else await self._attempts.one(selection, _stored_id(attempt_id))
        if attempt is None:
            raise LogNotFound()
        return _row(attempt)

    async def user_progress(self, principal: Principal, user_id: str) -> int:
        """See `DocService.user_progress`."""
        if principal.user_id is None or principal.user_id != user_id:
            raise PermissionDenied("Progress is for the learner alone.")
        await self.person(principal)
        return await self._mastery_logs.points(user_id)

    async def selection(self, principal: Principal, filters: LogFilters) -> Selection:
        """Whose logs are left of those that a principal may read; of the filters, those that name people count.

        Raises:
            ValidationFailed: `filters.user` does not exist.
        """
        person = await self.person(principal)
        if filters.user not in (None, person.user_id) and await self._people.person(filters.user) is None:
            raise ValidationFailed([no_such_choice("user")])
        readable = await self._people.readable(log_read_scope(person))
        return await select(self._people, readable, filters)


def _row(values: AttemptValues) -> AttemptRow:
    return AttemptRow.model_construct(**shown_attempt(values))


def _require_page(page: Page, count: int) -> None:
    if page.number > 1 and (page.number - 1) * page.size >= count:
        raise PageNotFound()


def _stored_id(spelled: str) -> str:
    try:
        return parse_uuid(spelled)
    except ValueError:
        raise LogNotFound() from None
