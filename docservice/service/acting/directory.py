"""Writes to the directory: checks the rights of the caller and the rules for records."""

from __future__ import annotations

from collections.abc import Collection as AnyOf
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

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
from docservice.domain.directory.rules import (
    RuleViolation,
    add_to,
    checked_part,
    left_behind,
    referenced_part,
    taken,
    unique_key,
    violations,
)
from docservice.errors import FieldError, NotSignedIn, PermissionDenied, ValidationFailed
from docservice.identity import Principal
from docservice.service.acting.directory_pages import require_section
from docservice.service.acting.lists import ListReader
from docservice.service.base.actions import Actions
from docservice.store.database.port import Database, Document, Transaction
from docservice.store.directory.records import DirectoryStore
from docservice.store.directory.related_records import RelatedRecordStore
from docservice.store.directory.writes import DirectoryWriteStore

_QUEUE = "directory"
_IN_ONE_TRANSACTION = 1000

StoredRecords = Mapping[tuple[type[DirectoryRecord], str], Document]
"""What is stored under the ids of records, by the model and the id of each."""


class Sent(NamedTuple):
    """A record of a request or file.

    Attributes:
        record: as it was read.
        path: its path in the request.
        fields: as they were sent.
    """

    record: DirectoryRecord
    path: tuple[str | int, ...]
    fields: Mapping[str, Any]

    def error(self, flaw: RuleViolation) -> FieldError:
        """Return the flaw at the field as the sender calls it: `collection` or `collection_id`."""
        name, *rest = flaw.path
        short = str(name).removesuffix("_id")
        called = short if short in self.fields and name not in self.fields else name
        return FieldError((*self.path, called, *rest), "does_not_exist" if flaw.missing else "invalid", flaw.message)


class DirectoryWriter:
    """Writes records for admins of a facility, superusers and programs with a service token."""

    def __init__(self, database: Database, actions: Actions, reader: ListReader) -> None:
        self._actions = actions
        self._reader = reader
        self._store = DirectoryWriteStore(database)
        self._directory = DirectoryStore(database)
        self._related = RelatedRecordStore(database)

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
            stored = await self._store.stored(tx, records)
            if not scope.everything:
                await self._require_own(tx, scope, records, stored)
                require_no_superusers(records, stored)
            await self.require_possible(tx, sent)
            return await self._store.write(tx, records, stored)

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
            await self._require_facility(None, content.get("default_facility"), sent)
            await self.require_possible(None, sent)
            return {section: await self._directory.upsert(records) for section, records in sections.items()}

        async def action(tx: Transaction) -> dict[str, Upserted]:
            await self._require_facility(tx, content.get("default_facility"), sent)
            await self.require_possible(tx, sent)
            counts: dict[str, Upserted] = {}
            for section, records in sections.items():
                counts[section] = await self._store.write(tx, records, await self._store.stored(tx, records))
            return counts

        return await self._actions.run(action, _QUEUE)

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

    async def require_possible(
        self,
        tx: Transaction | None,
        sent: Sequence[Sent],
        *,
        stored: StoredRecords | None = None,
        gone: AnyOf[str] = (),
    ) -> None:
        """Check that all records are possible together with the stored ones and with each other.

        A record that is stored already, impossible or not, may be written again if the rules see nothing new in it.

        Args:
            tx: the transaction; None outside of one.
            sent: the records.
            stored: what is stored under their ids, if that was read before.
            gone: ids of people and classes that were removed in this transaction: what names one is judged, too.

        Raises:
            ValidationFailed: with every impossible record.
        """
        stored = await self._stored(tx, sent) if stored is None else stored
        new = [
            one
            for one in sent
            if (document := stored.get((type(one.record), one.record.id))) is None
            or checked_part(type(one.record).model_construct(**_fields(document))) != checked_part(one.record)
            or (gone and _names(one.record, gone))
        ]
        related = await self._related.of(tx, [one.record for one in new])
        add_to(related, (one.record for one in sent))
        holders = await self._related.holders(tx, [one.record for one in new])
        # What records of the request held before counts no longer; what those hold that stay as they are, does.
        judged = {(type(one.record), one.record.id) for one in new}
        holding: dict[tuple[str, ...], set[str]] = {}
        for one in sent:
            key = unique_key(one.record)
            if key is not None and (type(one.record), one.record.id) not in judged:
                holding.setdefault(key, set()).add(one.record.id)
        sent_ids = {one.record.id for one in sent}
        errors: list[FieldError] = []
        for one in new:
            key = unique_key(one.record)
            others: set[str] = set()
            if key is not None:
                others = (holders.get(key, set()) - sent_ids) | holding.setdefault(key, set())
                others -= {one.record.id}
                holding[key].add(one.record.id)
            found_flaws = [*violations(one.record, related), *([taken(key)] if key is not None and others else [])]
            errors += [one.error(flaw) for flaw in found_flaws]
        errors += await self._left_behind(tx, sent, stored)
        if errors:
            raise ValidationFailed(errors)

    async def _stored(self, tx: Transaction | None, sent: Sequence[Sent]) -> StoredRecords:
        by_model: dict[type[DirectoryRecord], list[DirectoryRecord]] = {}
        for one in sent:
            by_model.setdefault(type(one.record), []).append(one.record)
        stored: dict[tuple[type[DirectoryRecord], str], Document] = {}
        for model, records in by_model.items():
            part = await self._store.stored(tx, records)
            stored |= {(model, record_id): document for record_id, document in part.items()}
        return stored

    async def _left_behind(
        self, tx: Transaction | None, sent: Sequence[Sent], stored: StoredRecords
    ) -> list[FieldError]:
        """What is wrong with records that change places: what would be impossible of the stored ones that name them."""
        moved = {
            (type(one.record), one.record.id): one
            for one in sent
            if (document := stored.get((type(one.record), one.record.id))) is not None
            and referenced_part(type(one.record).model_construct(**_fields(document))) != referenced_part(one.record)
        }
        if not moved:
            return []
        sent_too = {(type(one.record), one.record.id) for one in sent}
        naming = await self._related.naming(
            tx,
            {record_id for model, record_id in moved if model is Collection},
            {record_id for model, record_id in moved if model is FacilityUser},
        )
        staying = [record for record in naming if (type(record), record.id) not in sent_too]
        before, after = await self._related.of(tx, staying), await self._related.of(tx, staying)
        add_to(after, (one.record for one in sent))
        errors: dict[tuple[type[DirectoryRecord], str], FieldError] = {}
        for record in staying:
            known = set(violations(record, before))
            new = next((flaw for flaw in violations(record, after) if flaw not in known), None)
            if new is not None:
                references = record.references()
                for key in (
                    *((Collection, named) for named in references.collection_ids),
                    *((FacilityUser, named) for named in references.user_ids),
                ):
                    if key in moved:
                        errors.setdefault(key, moved[key].error(left_behind(record, new)))
        return list(errors.values())

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
            type(record).model_construct(**_fields(there[record.id])) for record in records if record.id in there
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


def _names(record: DirectoryRecord, ids: AnyOf[str]) -> bool:
    references = record.references()
    return not frozenset(ids).isdisjoint((*references.collection_ids, *references.user_ids))


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


def _fields(document: Document) -> dict[str, Any]:
    return {"id": document["_id"], **{name: value for name, value in document.items() if name != "_id"}}
