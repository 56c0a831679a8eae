"""Reads the records that other records name, and the holders of unique keys."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterable, Iterator, Mapping, Sequence
from collections.abc import Collection as AnyOf
from contextlib import aclosing, suppress

from pydantic import ValidationError

from docservice.domain.directory.records import (
    Collection,
    CourseSession,
    DirectoryRecord,
    Exam,
    FacilityUser,
    Lesson,
    Membership,
    Role,
)
from docservice.domain.directory.rules import (
    CollectionFacts,
    RelatedRecords,
    folded_username,
    referenced_ids,
    unique_key,
)
from docservice.store.database.port import Database, Document, Transaction

_AT_ONCE = 1000
_FEW_NAMES = 200
"""Up to this many user names are looked up by a query; for more, all of the facility are read."""


_ASSIGNED = (("collection_id", "assignments"), ("learner_ids",))
_NAMING: dict[type[DirectoryRecord], tuple[tuple[str, ...], tuple[str, ...]]] = {
    Collection: (("parent_id",), ()),
    FacilityUser: (("facility_id",), ()),
    Membership: (("collection_id",), ("user_id",)),
    Role: (("collection_id",), ("user_id",)),
    Exam: _ASSIGNED,
    Lesson: _ASSIGNED,
    CourseSession: (_ASSIGNED[0], ()),
}
"""The fields of records that name collections, and those that name people."""


class RelatedRecordStore:
    """Reads inside a transaction, or outside of one if `tx` is None."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def of(self, tx: Transaction | None, records: Iterable[DirectoryRecord]) -> RelatedRecords:
        """Return what is stored of what records name, with the nodes above content nodes up to the root."""
        named, related = referenced_ids(records), RelatedRecords()
        async for document in self._by_id(tx, "facility_datasets", named.datasets, {"_id": 1}):
            related.datasets.add(document["_id"])
        async for document in self._by_id(tx, "facility_collections", named.collections, {"kind": 1, "dataset_id": 1}):
            related.collections[document["_id"]] = CollectionFacts(
                document.get("kind", ""), document.get("dataset_id", "")
            )
        async for document in self._by_id(tx, "facility_users", named.users, {"dataset_id": 1}):
            related.users[document["_id"]] = document.get("dataset_id", "")
        above = named.nodes
        while above:
            related.parents |= dict.fromkeys(above)
            async for document in self._by_id(tx, "content_nodes", above, {"parent_id": 1}):
                related.parents[document["_id"]] = document.get("parent_id")
            above = {parent for node in above if (parent := related.parents[node]) and parent not in related.parents}
        return related

    async def naming(
        self, tx: Transaction | None, collection_ids: AnyOf[str], user_ids: AnyOf[str]
    ) -> list[DirectoryRecord]:
        """Return the stored records that name one of these collections or people; without those that cannot be read."""
        records: list[DirectoryRecord] = []
        for model, (of_collections, of_people) in _NAMING.items():
            by_id: dict[str, Document] = {}
            for fields, ids in ((of_collections, collection_ids), (of_people, user_ids)):
                for some in _parts(sorted(ids)) if fields else ():
                    query: Document = {"$or": [{field: {"$in": some}} for field in fields]}
                    async for document in self._find(tx, model.collection_name, query, None):
                        by_id[document.pop("_id")] = document
            for record_id, document in by_id.items():
                with suppress(ValidationError):
                    records.append(model.model_validate({**document, "id": record_id}))
        return records

    async def holders(
        self, tx: Transaction | None, records: Sequence[DirectoryRecord]
    ) -> dict[tuple[str, ...], set[str]]:
        """Return the ids of the stored records that hold the keys of these records."""
        wanted = {key for record in records if (key := unique_key(record)) is not None}
        by_key: dict[tuple[str, ...], set[str]] = {}
        for model, documents in (
            (Collection, self._facilities(tx, records)),
            (FacilityUser, self._accounts(tx, records)),
            (Membership, self._of_people(tx, Membership, records)),
            (Role, self._of_people(tx, Role, records)),
        ):
            async with aclosing(documents):
                async for document in documents:
                    key = unique_key(model.model_construct(**{**document, "id": document["_id"]}))
                    if key in wanted:
                        by_key.setdefault(key, set()).add(document["_id"])
        return by_key

    async def _facilities(
        self, tx: Transaction | None, records: Sequence[DirectoryRecord]
    ) -> AsyncGenerator[Document, None]:
        facilities = [record for record in records if isinstance(record, Collection) and record.kind == "facility"]
        for some in _parts(sorted({facility.dataset_id for facility in facilities})):
            query: Document = {"kind": "facility", "dataset_id": {"$in": some}}
            async for document in self._find(tx, "facility_collections", query, {"kind": 1, "dataset_id": 1}):
                yield document

    async def _accounts(
        self, tx: Transaction | None, records: Sequence[DirectoryRecord]
    ) -> AsyncGenerator[Document, None]:
        people = [record for record in records if isinstance(record, FacilityUser)]
        if not people:
            return
        names = {folded_username(person.username) for person in people}
        query: Document = {"dataset_id": {"$in": sorted({person.dataset_id for person in people})}}
        if len(names) <= _FEW_NAMES:
            # `$toLower` changes the letters A to Z and no others, as `folded_username`.
            query["$expr"] = {"$in": [{"$toLower": "$username"}, {"$literal": sorted(names)}]}
        fields = {"username": 1, "facility_id": 1, "date_deleted": 1}
        async for document in self._find(tx, "facility_users", query, fields):
            if isinstance(document.get("username"), str):
                yield {"facility_id": "", **document}

    async def _of_people(
        self, tx: Transaction | None, model: type[Membership | Role], records: Sequence[DirectoryRecord]
    ) -> AsyncGenerator[Document, None]:
        people = sorted({record.user_id for record in records if isinstance(record, model)})
        fields = {"user_id": 1, "collection_id": 1, "kind": 1}
        for some in _parts(people):
            async for document in self._find(tx, model.collection_name, {"user_id": {"$in": some}}, fields):
                yield {"collection_id": "", "kind": "", **document}

    async def _by_id(
        self, tx: Transaction | None, collection: str, ids: AnyOf[str], projection: Mapping[str, int]
    ) -> AsyncGenerator[Document, None]:
        for some in _parts(sorted(ids)):
            async for document in self._find(tx, collection, {"_id": {"$in": some}}, projection):
                yield document

    async def _find(
        self, tx: Transaction | None, collection: str, query: Document, projection: Mapping[str, int] | None
    ) -> AsyncGenerator[Document, None]:
        if tx is None:
            async with aclosing(self._database.stream(collection, query, projection)) as documents:
                async for document in documents:
                    yield document
            return
        async for document in self._database[collection].find(query, projection, session=tx.session):
            yield document


def _parts(ids: Sequence[str]) -> Iterator[Sequence[str]]:
    return (ids[start : start + _AT_ONCE] for start in range(0, len(ids), _AT_ONCE))
