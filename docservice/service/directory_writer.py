"""Writing the directory over the API: who may write which records."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from docservice.domain.directory import (
    SECTIONS,
    Collection,
    DirectoryRecord,
    FacilityDataset,
    FacilityUser,
    References,
    requested_records,
)
from docservice.domain.permissions import DirectoryScope, Person, directory_write_scope
from docservice.errors import CollectionNotFound, NotSignedIn, PermissionDenied
from docservice.identity import Principal
from docservice.service.actions import Actions
from docservice.service.reader import LogReader
from docservice.store.directory import Upserted
from docservice.store.directory_writes import DirectoryWriteStore
from docservice.store.port import Database, Document


class DirectoryWriter:
    """Writes records for admins of a facility, superusers and programs with a service token."""

    def __init__(self, database: Database, actions: Actions, reader: LogReader) -> None:
        self._actions = actions
        self._reader = reader
        self._store = DirectoryWriteStore(database)

    async def upsert(self, principal: Principal, section: str, body: Any) -> Upserted:
        """See `DocService.upsert_directory`."""
        scope = await self._scope(principal)
        if section not in SECTIONS:
            raise CollectionNotFound(f"The directory has no such collection. It has {', '.join(SECTIONS)}.")
        records = requested_records(section, body)
        if not records:
            return Upserted()

        async def action(tx: Any) -> Upserted:
            there = await self._store.stored(tx, records)
            if not scope.everything:
                await self._require_own(tx, scope, records, there)
                _require_no_superusers(records, there)
            return await self._store.write(tx, records, there)

        return await self._actions.run(action, f"directory {section}")

    async def _scope(self, principal: Principal) -> DirectoryScope:
        if principal.user_id is None and not principal.is_service:
            raise NotSignedIn()
        person = Person() if principal.is_service else await self._reader.person(principal)
        scope = directory_write_scope(person, is_service=principal.is_service)
        if scope is None:
            raise PermissionDenied("The directory is written by facility admins and with service tokens.")
        return scope

    async def _require_own(
        self, tx: Any, scope: DirectoryScope, records: Sequence[DirectoryRecord], there: Mapping[str, Document]
    ) -> None:
        """Do nothing if all records, and what is there in their place, belong to the facility with all they name.

        A membership of somebody from another facility would show that person's logs to a coach of this one, so what a
        record points at has to be of the facility, too.
        """
        before = [type(record).model_construct(**_fields(there[record.id])) for record in records if record.id in there]
        named = [record.references() for record in (*records, *before)]
        own = scope.dataset_id
        collections = {found for references in named for found in references.collection_ids}
        people = {found for references in named for found in references.user_ids}
        datasets = {
            "collections": await self._store.datasets(tx, "facility_collections", collections),
            "people": await self._store.datasets(tx, "facility_users", people),
        }
        stored = {record.id: record for record in before}
        for position, record in enumerate(records):
            versions = [record, *([stored[record.id]] if record.id in stored else [])]
            if not all(_is_own(version.references(), own, datasets) for version in versions):
                raise PermissionDenied(f"The record at position {position} is not one of your facility alone.")
            if _makes_a_facility(record, stored.get(record.id)):
                raise PermissionDenied(f"The record at position {position} would make or unmake a facility.")


def _is_own(references: References, own: str | None, datasets: Mapping[str, Mapping[str, str]]) -> bool:
    return (
        not references.anywhere
        and all(dataset_id == own for dataset_id in references.dataset_ids)
        and all(datasets["collections"].get(found) == own for found in references.collection_ids)
        and all(datasets["people"].get(found) == own for found in references.user_ids)
    )


def _makes_a_facility(record: DirectoryRecord, before: DirectoryRecord | None) -> bool:
    if isinstance(record, FacilityDataset):
        return before is None
    if isinstance(record, Collection):
        kind_before = before.kind if isinstance(before, Collection) else None
        return "facility" in (record.kind, kind_before) and record.kind != kind_before
    return False


def _require_no_superusers(records: Sequence[DirectoryRecord], there: Mapping[str, Document]) -> None:
    """Do nothing if no record makes somebody a superuser, or changes one.

    Raises:
        PermissionDenied: with the position of the first that does.
    """
    for position, record in enumerate(records):
        if isinstance(record, FacilityUser) and (record.is_superuser or there.get(record.id, {}).get("is_superuser")):
            raise PermissionDenied(f"The record at position {position} is a superuser's; admins may not write those.")


def _fields(document: Document) -> dict[str, Any]:
    return {"id": document["_id"], **{name: value for name, value in document.items() if name != "_id"}}
