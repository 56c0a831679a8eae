"""Removes records of the directory, and replaces the lists of a facility: checks rights and bounds.

Both are one transaction each. What is removed are records of the directory; no log is touched.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from docservice.domain.answers.directory import Removed, Replaced, Upserted
from docservice.domain.directory.permissions import DirectoryScope
from docservice.domain.directory.records import SECTIONS, DirectoryRecord, FacilityUser, directory_records
from docservice.domain.directory.replacement import (
    FACILITY_SECTIONS,
    MAX_REPLACED,
    named_facility,
    withdraws_most,
)
from docservice.domain.directory.rules import RuleViolation
from docservice.domain.directory.withdrawal import facility_dataset
from docservice.domain.values.ids import parse_uuid
from docservice.errors import FieldError, PermissionDenied, RecordNotFound, ValidationFailed, WithdrawalRefused
from docservice.identity import Principal
from docservice.service.acting.directory import DirectoryWriter, require_no_superusers
from docservice.service.acting.directory_pages import require_section
from docservice.service.acting.directory_rules import Sent
from docservice.service.base.actions import Actions
from docservice.store.database.port import Database, Document, Transaction
from docservice.store.directory.readable import ReadableRecordStore
from docservice.store.directory.removals import Removal, RemovalStore
from docservice.store.directory.writes import DirectoryWriteStore
from docservice.store.lists.directory_pages import record_of_section

_QUEUE = "directory"
_NOT_YOURS = "There is no such record in your facility, or it is not yours to remove."


class DirectoryRemover:
    """Removes and replaces for admins of a facility, superusers and programs with a service token."""

    def __init__(self, database: Database, actions: Actions, writer: DirectoryWriter) -> None:
        self._database = database
        self._actions = actions
        self._writer = writer
        self._store = DirectoryWriteStore(database)
        self._removals = RemovalStore(database)
        self._readable = ReadableRecordStore(database)

    async def remove(self, principal: Principal, section: str, record_id: str) -> Removed:
        """See `PersonLogs.remove_directory_record`."""
        scope = await self._writer.scope(principal)
        require_section(section)
        missing = RecordNotFound() if scope.everything else PermissionDenied(_NOT_YOURS)
        try:
            stored_id = parse_uuid(record_id)
        except ValueError:
            raise missing from None
        collection = SECTIONS[section].collection_name

        async def action(tx: Transaction) -> Removed:
            document = record_of_section(
                section, await self._database[collection].find_one({"_id": stored_id}, session=tx.session)
            )
            if document is None:
                raise missing
            if not scope.everything:
                await self._require_removable(tx, scope, section, document)
            removal = await self._removals.of(tx, {collection: {stored_id}}, at_most=MAX_REPLACED)
            self._require_bounds(removal)
            _require_rights(principal, scope, removal)
            await self._removals.carry_out(tx, removal)
            return removal.counts()

        return await self._actions.run(action, _QUEUE)

    async def replace(
        self, principal: Principal, content: Mapping[str, Any], facility_id: str | None, *, force: bool
    ) -> Replaced:
        """See `PersonLogs.replace_directory`."""
        scope = await self._writer.scope(principal)
        lists = directory_records(content)
        facility_id = named_facility(content, facility_id or await self._own_facility(scope))
        sent = [
            Sent(record, (section, place), content[section][place])
            for section, records in lists.items()
            for place, record in enumerate(records)
        ]
        if len(sent) > MAX_REPLACED:
            raise WithdrawalRefused(
                f"A replacement holds at most {MAX_REPLACED:,} records, not {len(sent):,}: it is one transaction. "
                "Replace some of the lists at a time."
            )

        async def action(tx: Transaction) -> Replaced:
            dataset_id = await self._dataset(tx, scope, facility_id)
            stored = await self._stored(tx, lists)
            await self._require_of_facility(tx, scope, dataset_id, sent, stored)
            sections = [section for section in FACILITY_SECTIONS if section in content]
            present = await self._removals.of_facility(tx, dataset_id, {*sections, "users"})
            roots: dict[str, set[str]] = {}
            for section in sections:
                lacking = present[section].keys() - {record.id for record in lists.get(section, ())}
                roots.setdefault(SECTIONS[section].collection_name, set()).update(lacking)
            kept: dict[str, set[str]] = {}
            for one in sent:
                kept.setdefault(one.record.collection_name, set()).add(one.record.id)
            removal = await self._removals.of(tx, roots, kept=kept, at_most=MAX_REPLACED)
            self._require_bounds(removal)
            people = sum(each in present["users"] for each in removal.removed.get("facility_users", ()))
            if not force and withdraws_most(people, len(present["users"])):
                raise WithdrawalRefused(
                    f"This would withdraw {people:,} of the {len(present['users']):,} people of the facility, more "
                    "than half. Send the whole list of people, or say that it is meant with force=true (--force)."
                )
            _require_rights(principal, scope, removal)
            await self._removals.carry_out(tx, removal)
            by_model = {
                (type(one.record), one.record.id): document
                for one in sent
                if (document := stored.get(one.record.collection_name, {}).get(one.record.id)) is not None
            }
            await self._writer.rules.require_possible(tx, sent, stored=by_model, gone=removal.gone)
            written = {
                section: await self._store.write(tx, records, stored.get(records[0].collection_name, {}))
                for section, records in lists.items()
            }
            counts = removal.counts()
            empty = {section: Upserted() for section in sections}
            return Replaced({**empty, **written}, counts.removed, counts.changed)

        return await self._actions.run(action, _QUEUE)

    async def replace_list(
        self, principal: Principal, section: str, body: Any, facility_id: str | None, *, force: bool
    ) -> Replaced:
        """See `PersonLogs.replace_directory`, for one list: of records, or an object with the list in `records`."""
        scope = await self._writer.scope(principal)
        require_section(section)
        if section not in FACILITY_SECTIONS:
            message = f"Only these collections are replaced: {', '.join(FACILITY_SECTIONS)}."
            raise ValidationFailed([FieldError(("mode",), "invalid", message)])
        if isinstance(body, dict):
            body = body.get("records")
        facility_id = facility_id or await self._own_facility(scope)
        return await self.replace(principal, {section: body}, facility_id, force=force)

    async def _own_facility(self, scope: DirectoryScope) -> str | None:
        """Return the facility that an admin administers; None for who may write all of the directory."""
        return None if scope.dataset_id is None else await self._readable.facility_of(scope.dataset_id)

    async def _dataset(self, tx: Transaction, scope: DirectoryScope, facility_id: str) -> str:
        """Return the dataset of the facility that is replaced.

        Raises:
            PermissionDenied: it is not the facility that the caller administers.
            RecordNotFound: there is no such facility.
        """
        facility = record_of_section(
            "facilities",
            await self._database["facility_collections"].find_one({"_id": facility_id}, session=tx.session),
        )
        if facility is None and scope.everything:
            raise RecordNotFound("There is no such facility. Create it first with its dataset, by an import.")
        if facility is None or (not scope.everything and facility["dataset_id"] != scope.dataset_id):
            raise PermissionDenied("This is not the facility that you administer.")
        return str(facility["dataset_id"])

    async def _stored(
        self, tx: Transaction, lists: Mapping[str, Sequence[DirectoryRecord]]
    ) -> dict[str, dict[str, Document]]:
        """Return what is stored under the ids of the records that were sent, by collection."""
        stored: dict[str, dict[str, Document]] = {}
        for records in lists.values():
            stored.setdefault(records[0].collection_name, {}).update(await self._store.stored(tx, records))
        return stored

    async def _require_of_facility(
        self,
        tx: Transaction,
        scope: DirectoryScope,
        dataset_id: str,
        sent: Sequence[Sent],
        stored: Mapping[str, Mapping[str, Document]],
    ) -> None:
        """Check that all records, and those that they replace, are of the facility.

        Raises:
            PermissionDenied: an admin of the facility sent content, or a superuser's account.
            ValidationFailed: with every record of another facility.
        """
        datasets = await self._datasets(tx, sent, stored)
        wrong = RuleViolation(("id",), "This record is not of the facility that is replaced.")
        errors = []
        for one in sent:
            references = one.record.references()
            if references.anywhere:
                if not scope.everything:
                    raise PermissionDenied("Content belongs to no facility; it is written with service tokens.")
                continue
            before = stored.get(one.record.collection_name, {}).get(one.record.id)
            named = (
                *references.dataset_ids,
                *(datasets["facility_collections"].get(each, dataset_id) for each in references.collection_ids),
                *(datasets["facility_users"].get(each, dataset_id) for each in references.user_ids),
            )
            is_elsewhere = before is not None and _dataset_of(one.record, before, datasets) != dataset_id
            if is_elsewhere or any(each != dataset_id for each in named):
                errors.append(one.error(wrong))
        if errors:
            raise ValidationFailed(errors)
        if not scope.everything:
            people = [one.record for one in sent if isinstance(one.record, FacilityUser)]
            require_no_superusers(people, stored.get("facility_users", {}))

    async def _datasets(
        self, tx: Transaction, sent: Sequence[Sent], stored: Mapping[str, Mapping[str, Document]]
    ) -> dict[str, dict[str, str]]:
        """Return the datasets of the people and classes that the records name, or named before, as they are stored."""
        collections: set[str] = set()
        people: set[str] = set()
        for one in sent:
            references = one.record.references()
            collections |= set(references.collection_ids)
            people |= set(references.user_ids)
            before = stored.get(one.record.collection_name, {}).get(one.record.id, {})
            collections |= {str(before["collection_id"])} if before.get("collection_id") else set()
        return {
            "facility_collections": await self._store.datasets(tx, "facility_collections", collections),
            "facility_users": await self._store.datasets(tx, "facility_users", people),
        }

    async def _require_removable(
        self, tx: Transaction, scope: DirectoryScope, section: str, document: Document
    ) -> None:
        """Check that an admin of a facility may remove a record.

        Rule: kolibri/core/auth/permissions/auth.py: nobody but a superuser deletes a facility.
        """
        collection = SECTIONS[section].collection_name
        name, user = document.get("collection_id"), document.get("user_id")
        datasets_of_collections = await self._store.datasets(tx, "facility_collections", {name} if name else ())
        datasets_of_users = await self._store.datasets(tx, "facility_users", {user} if user else ())
        dataset_id = facility_dataset(collection, document, datasets_of_collections, datasets_of_users)
        if section in ("datasets", "facilities") or dataset_id is None or dataset_id != scope.dataset_id:
            raise PermissionDenied(_NOT_YOURS)

    def _require_bounds(self, removal: Removal) -> None:
        if len(removal) > MAX_REPLACED:
            raise WithdrawalRefused(
                f"This would remove or change more than {MAX_REPLACED:,} records, too many for one transaction. Remove "
                "what is in it first, part by part."
            )


def _require_rights(principal: Principal, scope: DirectoryScope, removal: Removal) -> None:
    """Check that the caller may remove all that goes.

    Rule: kolibri/core/auth/models.py (`can_delete`): nobody deletes the own account.
    """
    people = removal.removed.get("facility_users", {})
    if principal.user_id in people:
        raise PermissionDenied("This would remove your own account; another admin can do that.")
    if not scope.everything and any(person.get("is_superuser") for person in people.values()):
        raise PermissionDenied("This would remove a superuser's account; admins may not do that.")


def _dataset_of(record: DirectoryRecord, document: Document, datasets: Mapping[str, Mapping[str, str]]) -> str | None:
    if record.collection_name == "facility_datasets":
        return record.id
    return facility_dataset(
        record.collection_name, document, datasets["facility_collections"], datasets["facility_users"]
    )
