"""Writes to the directory: checks the rights of the caller and the rules for records."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from docservice.domain.answers.directory import Upserted
from docservice.domain.directory.permissions import DirectoryScope, Person, directory_write_scope
from docservice.domain.directory.records import (
    Collection,
    DirectoryRecord,
    FacilityDataset,
    FacilityUser,
    References,
    directory_records,
    requested_records,
)
from docservice.domain.upkeep.erasure import named_people, records_without
from docservice.errors import FieldError, NotSignedIn, PermissionDenied, ValidationFailed
from docservice.identity import Principal
from docservice.service.acting.directory_pages import require_section
from docservice.service.acting.directory_rules import DirectoryRules, Sent, fields_of
from docservice.service.acting.log_lists import ListReader
from docservice.service.base.actions import Actions
from docservice.service.base.erasure import Eraser
from docservice.store.database.port import Database, Document, Transaction
from docservice.store.directory.erased_people import ErasedPeopleStore
from docservice.store.directory.records import DirectoryStore
from docservice.store.directory.writes import DirectoryWriteStore

_QUEUE = "directory"
_IN_ONE_TRANSACTION = 1000


class DirectoryWriter:
    """Writes records for admins of a facility, superusers and programs with a service token."""

    def __init__(self, database: Database, actions: Actions, reader: ListReader, eraser: Eraser) -> None:
        self._actions = actions
        self._eraser = eraser
        self._erased = ErasedPeopleStore(database)
        self._reader = reader
        self._store = DirectoryWriteStore(database)
        self._directory = DirectoryStore(database)
        self.rules = DirectoryRules(database)

    async def upsert(self, principal: Principal, section: str, body: Any) -> Upserted:
        """See `DocService.upsert_directory`."""
        scope = await self.scope(principal)
        require_section(section)
        records = requested_records(section, body)
        if not records:
            return Upserted()

        listed = body["records"] if isinstance(body, dict) else body
        path: tuple[str | int, ...] = ("records",) if isinstance(body, dict) else ()
        sent = [Sent(record, (*path, place), listed[place]) for place, record in enumerate(records)]

        async def action(tx: Transaction) -> Upserted:
            kept = await self.without_erased(tx, sent)
            left_out = Upserted(erased=len(sent) - len(kept))
            if not kept:
                return left_out
            wanted = [one.record for one in kept]
            stored = await self._store.stored(tx, wanted)
            if not scope.everything:
                await self._require_own(tx, scope, wanted, stored)
                require_no_superusers(wanted, stored)
            await self.rules.require_possible(tx, kept)
            return left_out + await self._store.write(tx, wanted, stored)

        return await self._actions.run(action, _QUEUE)

    async def import_content(self, content: Mapping[str, Any]) -> dict[str, Upserted]:
        """See `DocService.import_directory`."""
        sections = directory_records(content)
        sent = [
            Sent(record, (section, place), content[section][place])
            for section, records in sections.items()
            for place, record in enumerate(records)
        ]
        if len(sent) > _IN_ONE_TRANSACTION:
            # More would keep others waiting for long: all are judged before the first is written.
            kept = await self.without_erased(None, sent)
            await self._require_facility(None, content.get("default_facility"), kept)
            await self.rules.require_possible(None, kept)
            counts = erased_counts(sections, sent, kept)
            for section, records in by_section(kept).items():
                counts[section] += await self._directory.upsert(records)
            late = await self._erased.among({name for one in kept for name in named_people(one.record)})
            await self._eraser.sweep(late)
            return counts

        async def action(tx: Transaction) -> dict[str, Upserted]:
            kept = await self.without_erased(tx, sent)
            await self._require_facility(tx, content.get("default_facility"), kept)
            await self.rules.require_possible(tx, kept)
            counts = erased_counts(sections, sent, kept)
            for section, records in by_section(kept).items():
                counts[section] += await self._store.write(tx, records, await self._store.stored(tx, records))
            return counts

        return await self._actions.run(action, _QUEUE)

    async def without_erased(self, tx: Transaction | None, sent: Sequence[Sent]) -> list[Sent]:
        """Return the records as they may be written: none of erased people, and no others that name them."""
        erased = await self._erased.among({name for one in sent for name in named_people(one.record)}, tx)
        if not erased:
            return list(sent)
        records = records_without((one.record for one in sent), erased)
        return [one._replace(record=record) for one, record in zip(sent, records, strict=True) if record is not None]

    async def _require_facility(self, tx: Transaction | None, facility_id: str | None, sent: Sequence[Sent]) -> None:
        """Check that the default facility is stored or among the records.

        Raises:
            ValidationFailed: it is neither.
        """
        if facility_id is None:
            return
        facility = Collection.model_construct(id=facility_id, kind="facility")
        document = (await self._store.stored(tx, [facility])).get(facility_id, {})
        kind = document.get("kind")
        for one in sent:
            if isinstance(one.record, Collection) and one.record.id == facility_id:
                kind = one.record.kind
        if kind != "facility":
            message = "There is no such facility."
            raise ValidationFailed([FieldError(("default_facility",), "does_not_exist", message)])

    async def scope(self, principal: Principal) -> DirectoryScope:
        """Return the records that a principal may write.

        Raises:
            NotSignedIn: the principal is anonymous.
            PermissionDenied: the principal may write none.
        """
        if principal.user_id is None and not principal.is_service:
            raise NotSignedIn()
        person = Person() if principal.is_service else await self._reader.person(principal)
        scope = directory_write_scope(person, is_service=principal.is_service)
        if scope is None:
            raise PermissionDenied("The directory is written by facility admins and with service tokens.")
        return scope

    async def _require_own(
        self, tx: Transaction, scope: DirectoryScope, records: Sequence[DirectoryRecord], there: Mapping[str, Document]
    ) -> None:
        """Check that all records, the stored ones that they replace, and all they reference belong to the facility.

        A membership of a person from another facility would show that person's logs to a coach of this one, so what a
        record points at has to be of the facility, too.
        """
        stored_records = [
            type(record).model_construct(**fields_of(there[record.id])) for record in records if record.id in there
        ]
        named = [record.references() for record in (*records, *stored_records)]
        own = scope.dataset_id
        collections = {collection_id for references in named for collection_id in references.collection_ids}
        people = {collection_id for references in named for collection_id in references.user_ids}
        datasets = {
            "collections": await self._store.datasets(tx, "facility_collections", collections),
            "people": await self._store.datasets(tx, "facility_users", people),
        }
        stored = {record.id: record for record in stored_records}
        for position, record in enumerate(records):
            versions = [record, *([stored[record.id]] if record.id in stored else [])]
            if not all(_is_own(version.references(), own, datasets) for version in versions):
                raise PermissionDenied(f"The record at position {position} is not one of your facility alone.")
            if _makes_a_facility(record, stored.get(record.id)):
                raise PermissionDenied(f"The record at position {position} would make or unmake a facility.")


def by_section(sent: Sequence[Sent]) -> dict[str, list[DirectoryRecord]]:
    """Return the records of a file by its lists."""
    sections: dict[str, list[DirectoryRecord]] = {}
    for one in sent:
        sections.setdefault(str(one.path[0]), []).append(one.record)
    return sections


def erased_counts(sections: Iterable[str], sent: Sequence[Sent], kept: Sequence[Sent]) -> dict[str, Upserted]:
    """Return how many records of each list of a file are not written, because their person was erased."""
    listed = Counter(str(one.path[0]) for one in sent)
    listed.subtract(str(one.path[0]) for one in kept)
    return {section: Upserted(erased=listed[section]) for section in sections}


def _is_own(references: References, own: str | None, datasets: Mapping[str, Mapping[str, str]]) -> bool:
    return (
        not references.anywhere
        and all(dataset_id == own for dataset_id in references.dataset_ids)
        and all(datasets["collections"].get(collection_id) == own for collection_id in references.collection_ids)
        and all(datasets["people"].get(collection_id) == own for collection_id in references.user_ids)
    )


def _makes_a_facility(record: DirectoryRecord, stored: DirectoryRecord | None) -> bool:
    if isinstance(record, FacilityDataset):
        return stored is None
    if isinstance(record, Collection):
        kind_before = stored.kind if isinstance(stored, Collection) else None
        return "facility" in (record.kind, kind_before) and record.kind != kind_before
    return False


def require_no_superusers(records: Sequence[DirectoryRecord], stored: Mapping[str, Document]) -> None:
    """Check that no record makes an account a superuser, or changes a superuser.

    Raises:
        PermissionDenied: with the position of the first that does.
    """
    for position, record in enumerate(records):
        if isinstance(record, FacilityUser) and (record.is_superuser or stored.get(record.id, {}).get("is_superuser")):
            raise PermissionDenied(f"The record at position {position} is a superuser's; admins may not write those.")
