"""Finds what goes with records of the directory, and removes it, in one transaction."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncGenerator, Iterable, Mapping
from collections.abc import Collection as AnyOf
from dataclasses import dataclass, field
from typing import Any

from docservice.domain.answers.directory import Removed
from docservice.domain.directory.cascades import (
    REMOVED_WITH,
    UNASSIGNED_WITH,
    Dependents,
    section_of,
    taken_with_memberships,
    taken_with_roles,
)
from docservice.store.database.port import Database, Document, Transaction, one_of
from docservice.store.database.reads import chunks
from docservice.store.database.writes import DeleteMany, UpdateOne
from docservice.store.mapping.schema import DEVICE_SETTINGS, DIRECTORY_LOCKS

_FIELDS = {
    "kind": 1,
    "user_id": 1,
    "collection_id": 1,
    "parent_id": 1,
    "dataset_id": 1,
    "is_superuser": 1,
    "date_deleted": 1,
    "assignments": 1,
    "learner_ids": 1,
}


@dataclass
class Removal:
    """What a removal does, in all collections.

    Attributes:
        removed: the records to remove, by collection and id, as far as rules look at them.
        unassigned: the lists of records that stay and change, by collection, id and field.
    """

    removed: dict[str, dict[str, Document]] = field(default_factory=dict)
    unassigned: dict[str, dict[str, dict[str, list[str]]]] = field(default_factory=dict)

    def __len__(self) -> int:
        return sum(map(len, self.removed.values())) + sum(map(len, self.unassigned.values()))

    @property
    def gone(self) -> frozenset[str]:
        """The ids of the people, facilities, classes and groups that are removed."""
        return frozenset(self.removed.get("facility_users", ())) | self.removed.get("facility_collections", {}).keys()

    def counts(self) -> Removed:
        """Return how many records of each list of the directory are removed and changed."""
        removed = Counter(section_of(name, each) for name, some in self.removed.items() for each in some.values())
        changed = {section_of(name, {}): len(some) for name, some in self.unassigned.items() if some}
        return Removed(dict(sorted(removed.items())), dict(sorted(changed.items())))


class RemovalStore:
    """Reads and removes inside a transaction."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def of(
        self,
        tx: Transaction,
        roots: Mapping[str, AnyOf[str]],
        *,
        kept: Mapping[str, AnyOf[str]] | None = None,
        at_most: int,
    ) -> Removal:
        """Return what goes with records; more than `at_most` is cut off soon after it.

        Args:
            tx: the transaction.
            roots: ids of the records to remove, by collection.
            kept: ids of records that stay, whatever they name: what replaces them is judged afterwards.
            at_most: how many records are looked for.
        """
        removal = Removal()
        staying = {name: frozenset(ids) for name, ids in (kept or {}).items()}
        pending = await self._with_special(tx, {name: set(ids) for name, ids in roots.items()})
        while any(pending.values()) and len(removal) <= at_most:
            found: dict[str, set[str]] = {}
            for name, ids in pending.items():
                known = removal.removed.setdefault(name, {})
                fresh = ids - known.keys() - staying.get(name, frozenset())
                async for document in self._named(tx, name, "_id", fresh):
                    known[document["_id"]] = document
                for below in REMOVED_WITH.get(name, ()):
                    async for document in self._named(tx, below.collection, below.field, fresh):
                        found.setdefault(below.collection, set()).add(document["_id"])
                if name == "facility_collections":
                    datasets = {known[each]["dataset_id"] for each in fresh & known.keys() if _is_facility(known[each])}
                    found.setdefault("facility_datasets", set()).update(datasets)
            pending = {name: ids - removal.removed.get(name, {}).keys() for name, ids in found.items()}
        for name, some in removal.removed.items():
            for dependents in UNASSIGNED_WITH.get(name, ()):
                await self._unassign(tx, removal, dependents, some.keys(), staying)
        removal.removed = {name: some for name, some in removal.removed.items() if some}
        return removal

    async def carry_out(self, tx: Transaction, removal: Removal) -> None:
        """Remove and change what was found. Writers of the directory meet in its lock, as in `writes.py`."""
        if not len(removal):
            return
        await self._database[DIRECTORY_LOCKS].update_one(
            {"_id": "all"}, {"$inc": {"turns": 1}}, upsert=True, session=tx.session
        )
        for name, some in removal.removed.items():
            for ids in chunks(sorted(some), self._database.traits.ids_in_a_query):
                await self._database[name].bulk_write([DeleteMany({"_id": {"$in": ids}})], session=tx.session)
        for name, changed in removal.unassigned.items():
            updates = [UpdateOne({"_id": record_id}, {"$set": lists}) for record_id, lists in changed.items()]
            await self._database[name].bulk_write(updates, session=tx.session)
        facilities = [each for each in removal.removed.get("facility_collections", {}).values() if _is_facility(each)]
        if facilities:
            query = {"_id": "device", "default_facility_id": {"$in": [each["_id"] for each in facilities]}}
            await self._database[DEVICE_SETTINGS].update_one(
                query, {"$unset": {"default_facility_id": ""}}, session=tx.session
            )

    async def of_facility(
        self, tx: Transaction, dataset_id: str, sections: Iterable[str]
    ) -> dict[str, dict[str, Document]]:
        """Return the records of lists of a facility, by list and id; accounts that were deleted are left out.

        Args:
            tx: the transaction.
            dataset_id: of the facility.
            sections: names of lists that belong to a facility.
        """
        by_section: dict[str, dict[str, Document]] = {section: {} for section in sections}
        collections: list[str] = []
        async for document in self._named(tx, "facility_collections", "dataset_id", {dataset_id}):
            collections.append(document["_id"])
            if (section := section_of("facility_collections", document)) in by_section:
                by_section[section][document["_id"]] = document
        if "users" in by_section:
            async for document in self._named(tx, "facility_users", "dataset_id", {dataset_id}):
                if not document.get("date_deleted"):
                    by_section["users"][document["_id"]] = document
        for section in ("roles", "memberships", "exams", "lessons", "course_sessions"):
            if section in by_section:
                async for document in self._named(tx, section, "collection_id", collections):
                    by_section[section][document["_id"]] = document
        return by_section

    async def _with_special(self, tx: Transaction, roots: dict[str, set[str]]) -> dict[str, set[str]]:
        """Return the ids with those of memberships and roles that other memberships and roles take with them."""
        for name, taken in (("memberships", taken_with_memberships), ("roles", taken_with_roles)):
            if not roots.get(name):
                continue
            removed = [each async for each in self._named(tx, name, "_id", roots[name])]
            others = [each async for each in self._named(tx, name, "user_id", {each["user_id"] for each in removed})]
            places = {each["collection_id"] for each in others}
            parents = {
                each["_id"]: each.get("parent_id")
                async for each in self._named(tx, "facility_collections", "_id", places)
            }
            roots[name].update(taken(removed, others, parents))
        return roots

    async def _unassign(
        self,
        tx: Transaction,
        removal: Removal,
        dependents: Dependents,
        ids: AnyOf[str],
        staying: Mapping[str, frozenset[str]],
    ) -> None:
        name, listed = dependents.collection, dependents.field
        gone = removal.removed.get(name, {})
        async for document in self._named(tx, name, listed, ids):
            record_id = document["_id"]
            if record_id in gone or record_id in staying.get(name, frozenset()):
                continue
            left = [each for each in document[listed] if each not in ids]
            removal.unassigned.setdefault(name, {}).setdefault(record_id, {})[listed] = left

    async def _named(
        self, tx: Transaction, collection: str, field_name: str, values: AnyOf[str]
    ) -> AsyncGenerator[Document, None]:
        for some in chunks(sorted(values), self._database.traits.ids_in_a_query):
            query: dict[str, Any] = {field_name: one_of(some)}
            async for document in self._database[collection].find(query, _FIELDS, session=tx.session):
                yield document


def _is_facility(document: Document) -> bool:
    return document.get("kind") == "facility"
