"""Records of the directory, within the read scope of the principal."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from docservice.domain.answers.directory import shown_record
from docservice.domain.directory.name_lookup import NamedFacility, NamedPerson, chosen_person, id_in, usernames_in
from docservice.domain.directory.permissions import (
    DirectoryReadScope,
    Person,
    directory_read_scope,
    directory_write_scope,
)
from docservice.domain.directory.readable_records import CONTENT, Reach
from docservice.domain.directory.records import SECTIONS
from docservice.domain.requests.directory_pages import DirectoryFilters
from docservice.domain.requests.document_pages import Cursor, DocumentPage
from docservice.domain.values.ids import parse_uuid
from docservice.errors import (
    CollectionNotFound,
    FieldError,
    InvalidReference,
    NotSignedIn,
    RecordNotFound,
    ValidationFailed,
)
from docservice.identity import Principal
from docservice.service.acting.log_lists import ListReader
from docservice.store.database.port import Database, Document
from docservice.store.directory.people import PeopleStore
from docservice.store.directory.readable import ReadableRecordStore
from docservice.store.lists.directory_pages import DirectoryPageStore
from docservice.store.mapping.json_codec import from_bson

_MOST_NAMESAKES = 11


class DirectoryPageReader:
    """Reads the directory for people and programs; each page and record is read with the rights of that moment."""

    def __init__(self, database: Database, reader: ListReader) -> None:
        self._reader = reader
        self._people = PeopleStore(database)
        self._pages = DirectoryPageStore(database)
        self._readable = ReadableRecordStore(database)

    async def page(
        self, principal: Principal, section: str, filters: DirectoryFilters, *, size: int, cursor: str | None
    ) -> DocumentPage:
        """See `PersonLogs.directory_page`."""
        require_section(section)
        filters.refuse_unused(section)
        digest = filters.digest(section)
        place = None if cursor is None else Cursor.parse(cursor, digest)
        person, whole = await self._scope(principal)
        scope = await self._narrowed(person, whole, filters.facility)
        if scope is None:
            return DocumentPage([])
        if filters.user is not None:
            filters = replace(filters, user=await self._user_id(scope, filters.user))
        reach = await self._readable.reach(SECTIONS[section].collection_name, scope)
        plan = await self._pages.plan(section, reach, filters)
        if place is not None and place.split != plan.split:
            # A role that was added or removed between two pages has changed the parts of the list.
            raise ValidationFailed(
                [FieldError(("cursor",), "invalid", "What you may read has changed. Start again without a cursor.")]
            )
        page = await self._pages.page(plan, reach, size, place)
        following = None if page.part is None else str(Cursor(digest, plan.split, page.part, page.last))
        show = await self._showing(principal, person, whole, section)
        return DocumentPage([show(document) for document in page.documents], following)

    async def one(self, principal: Principal, section: str, record_id: str) -> dict[str, Any]:
        """See `PersonLogs.directory_record`."""
        require_section(section)
        person, scope = await self._scope(principal)
        try:
            record_id = parse_uuid(record_id)
        except ValueError:
            raise RecordNotFound() from None
        document = await self._pages.one(section, record_id)
        if document is None or not (await self._readable.reach(SECTIONS[section].collection_name, scope)).admits(
            document
        ):
            raise RecordNotFound()
        show = await self._showing(principal, person, scope, section)
        return show(document)

    async def person_id(self, principal: Principal, text: str) -> str:
        """See `ActingLogs.person_id`."""
        _, scope = await self._scope(principal)
        return await self._user_id(scope, text)

    async def _scope(self, principal: Principal) -> tuple[Person, DirectoryReadScope]:
        person = Person() if principal.is_service else await self._reader.person(principal)
        scope = directory_read_scope(person, is_service=principal.is_service)
        if scope is None:
            raise NotSignedIn()
        return person, scope

    async def _narrowed(
        self, person: Person, scope: DirectoryReadScope, facility_id: str | None
    ) -> DirectoryReadScope | None:
        """Return what is left of a scope in one facility; None if nothing is."""
        if facility_id is None:
            return scope
        dataset_id = await self._people.facility_dataset(facility_id)
        if dataset_id is None:
            return None
        if scope.everything:
            return DirectoryReadScope(dataset_id=dataset_id)
        return scope if dataset_id == person.dataset_id else None

    async def _user_id(self, scope: DirectoryReadScope, text: str) -> str:
        """Return the id of the one person whom a filter names, of those who may be read.

        Raises:
            ValidationFailed: the name fits none of them, or several.
        """
        if (user_id := id_in(text)) is not None:
            return user_id
        reach = await self._readable.reach("facility_users", scope)
        people: list[NamedPerson] = []
        for username in sorted(usernames_in(text)):
            people += [_named(document) for document in await self._called(reach, username)]
        names = {facility.id: facility for facility in await self._facilities({each.facility.id for each in people})}
        people = [replace(each, facility=names.get(each.facility.id, each.facility)) for each in people]
        try:
            return chosen_person(text, people).id
        except InvalidReference as error:
            raise ValidationFailed([FieldError(("user",), "invalid_choice", str(error))]) from None

    async def _called(self, reach: Reach, username: str) -> list[Document]:
        plan = await self._pages.plan("users", reach, DirectoryFilters(username=username))
        place: Cursor | None = None
        found: list[Document] = []
        while True:
            page = await self._pages.page(plan, reach, _MOST_NAMESAKES, place)
            found += page.documents
            if page.part is None or len(found) >= _MOST_NAMESAKES:
                return found
            place = Cursor("", plan.split, page.part, page.last)

    async def _facilities(self, facility_ids: set[str]) -> list[NamedFacility]:
        facilities = [await self._pages.one("facilities", facility_id) for facility_id in sorted(facility_ids)]
        return [NamedFacility(each["_id"], str(each.get("name") or "")) for each in facilities if each is not None]

    async def _showing(
        self, principal: Principal, person: Person, scope: DirectoryReadScope, section: str
    ) -> Callable[[Document], dict[str, Any]]:
        """Return what makes answers of stored records of a list, for this reader."""
        model = SECTIONS[section]
        to_writer = directory_write_scope(person, is_service=principal.is_service) is not None
        joined = frozenset[str]()
        is_learner = not (scope.everything or scope.dataset_id) and model.collection_name not in CONTENT
        if is_learner and scope.user_id is not None:
            joined = await self._readable.joined(scope.user_id)
        coached = set(scope.classroom_ids)

        def show(document: Document) -> dict[str, Any]:
            reads_all = not is_learner or document.get("collection_id") in coached
            whose = None if reads_all else joined | {str(scope.user_id)}
            return {
                name: from_bson(value)
                for name, value in shown_record(model, document, to_writer=to_writer, whose=whose).items()
            }

        return show


def require_section(section: str) -> None:
    """Check that the directory has a list.

    Raises:
        CollectionNotFound: with the names of those that it has.
    """
    if section not in SECTIONS:
        raise CollectionNotFound(f"The directory has no such collection. It has {', '.join(SECTIONS)}.")


def _named(document: Document) -> NamedPerson:
    facility = NamedFacility(str(document.get("facility_id") or ""), "")
    return NamedPerson(
        document["_id"], str(document.get("username") or ""), str(document.get("full_name") or ""), facility
    )
