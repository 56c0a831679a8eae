"""Applies the rules for records of the directory to what is sent, with what is stored; see `domain.directory.rules`."""

from __future__ import annotations

from collections.abc import Collection as AnyOf
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from docservice.domain.directory.records import (
    Collection,
    DirectoryRecord,
    FacilityUser,
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
from docservice.errors import FieldError, ValidationFailed
from docservice.store.database.port import Database, Document, Transaction
from docservice.store.directory.related_records import RelatedRecordStore
from docservice.store.directory.writes import DirectoryWriteStore

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


class DirectoryRules:
    """Judges records that are to be written; writes nothing."""

    def __init__(self, database: Database) -> None:
        """Read what is stored in a database."""
        self._store = DirectoryWriteStore(database)
        self._related = RelatedRecordStore(database)

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
            or checked_part(type(one.record).model_construct(**fields_of(document))) != checked_part(one.record)
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
            and referenced_part(type(one.record).model_construct(**fields_of(document))) != referenced_part(one.record)
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


def _names(record: DirectoryRecord, ids: AnyOf[str]) -> bool:
    references = record.references()
    return not frozenset(ids).isdisjoint((*references.collection_ids, *references.user_ids))


def fields_of(document: Document) -> dict[str, Any]:
    """Return the fields of a stored record, by the names of its model."""
    return {"id": document["_id"], **{name: value for name, value in document.items() if name != "_id"}}
