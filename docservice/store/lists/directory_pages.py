"""Lists of records of the directory, page by page.

What leaves least is read first: the records that a filter names by an index, or those that the person may read. All
other conditions let through or drop what was read, and in the end each record is judged by `Reach.admits`.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncGenerator, Iterable, Mapping
from collections.abc import Collection as AnyOf
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from typing import Any

from docservice.domain.directory.readable_records import ASSIGNED, FieldCondition, Reach
from docservice.domain.directory.records import COLLECTION_KINDS, SECTIONS
from docservice.domain.directory.rules import folded_username
from docservice.domain.requests.directory_pages import DirectoryFilters, searched_fields
from docservice.domain.requests.document_pages import Cursor, Split
from docservice.store.database.engines import reads_of
from docservice.store.database.port import Database, Document, Filter, one_of
from docservice.store.database.reads import Conditions, chunks
from docservice.store.directory.people import PeopleStore
from docservice.store.lists.document_pages import MAX_PARTS, ListPart, ReadPage, remaining_parts

_PAGE_SECONDS = 3.0
_OF_A_COLLECTION = frozenset({"memberships", "roles", *ASSIGNED})
ALIVE: Document = {"$in": [None, ""]}
"""What `date_deleted` of an account is that was not deleted."""


@dataclass(frozen=True)
class RecordPlan:
    """What is read for a list.

    Attributes:
        collection: MongoDB's.
        split: how it is split into parts.
        parts: in order; each is what one equality condition selects.
        ids: the records that there can be; None: those of the parts.
        excluded: records that are left out.
        residual: conditions besides.
    """

    collection: str
    split: Split = "whole"
    parts: tuple[ListPart, ...] = ()
    ids: frozenset[str] | None = None
    excluded: frozenset[str] = frozenset()
    residual: Document = field(default_factory=dict)

    def lets_through(self, document: Document, reach: Reach) -> bool:
        """Whether a record that was read belongs to the list."""
        return document["_id"] not in self.excluded and reach.admits(document)


class DirectoryPageStore:
    """Reads pages of the lists of the directory, and single records."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._people = PeopleStore(database)

    async def plan(self, section: str, reach: Reach, filters: DirectoryFilters) -> RecordPlan:
        """Decide how a list is read.

        Args:
            section: one of `SECTIONS`.
            reach: which records may be read.
            filters: those of the list; `user` is an id. The facility is a matter of the reach.
        """
        plan = RecordPlan(SECTIONS[section].collection_name, residual=_residual(section, filters))
        if section == "users":
            return await self._people_plan(plan, reach, filters)
        classes: set[str] | None = None
        if filters.classroom is not None:
            classes = await self._people.classes_with_groups([filters.classroom])
        if filters.learner_group is not None:
            classes = {filters.learner_group} if classes is None else classes & {filters.learner_group}
        if classes is not None:
            name = "collection_id" if plan.collection in _OF_A_COLLECTION else "_id"
            plan = replace(plan, residual={**plan.residual, name: {"$in": sorted(classes)}})
        for name, value in (("user_id", filters.user), ("parent_id", filters.parent), ("content_id", filters.content)):
            if value is not None:
                return replace(plan, ids=await self._ids(plan.collection, {name: value}))
        if classes is not None:
            return self._within(plan, classes)
        return await self._readable(plan, reach)

    def _within(self, plan: RecordPlan, classes: AnyOf[str]) -> RecordPlan:
        """Return the plan of a list of classes and groups themselves, or of what belongs to them."""
        if plan.collection not in _OF_A_COLLECTION:
            return replace(plan, ids=frozenset(classes), residual=_without(plan.residual, "_id"))
        parts = tuple(ListPart(each, {"collection_id": each}) for each in sorted(classes))
        return replace(plan, split="collection", parts=parts, residual=_without(plan.residual, "collection_id"))

    async def _readable(self, plan: RecordPlan, reach: Reach) -> RecordPlan:
        """Return the plan of a list of which no filter leaves little: what may be read is read."""
        if "channel_id" in plan.residual:
            part = ListPart("", {"channel_id": plan.residual["channel_id"]}, is_long=True)
            return replace(plan, parts=(part,), residual=_without(plan.residual, "channel_id"))
        if reach.conditions is None:
            return replace(plan, parts=(ListPart("", {}, is_long=True),))
        if len(reach.conditions) == 1:
            (condition,) = reach.conditions
            if condition.field == "dataset_id":
                return replace(plan, parts=(ListPart("", {"dataset_id": one_of(condition.values)}, is_long=True),))
            if condition.field == "collection_id":
                return self._within(plan, condition.values)
        return replace(plan, ids=await self._reached(plan.collection, reach.conditions))

    async def _people_plan(self, plan: RecordPlan, reach: Reach, filters: DirectoryFilters) -> RecordPlan:
        if filters.role == "learner":
            plan = replace(plan, excluded=await self._holders({}))
        ids = await self._people_named(filters)
        return await self._readable(plan, reach) if ids is None else replace(plan, ids=ids)

    async def page(self, plan: RecordPlan, reach: Reach, size: int, cursor: Cursor | None) -> ReadPage:
        """Return the next records of a list.

        Args:
            plan: see `plan`.
            reach: which records may be read.
            size: how many at most; a page may have fewer, even none, before the last.
            cursor: where the page starts; None for the first page.
        """
        if plan.ids is not None:
            return await self._page_of_ids(plan, plan.ids, reach, size, (cursor and cursor.last) or "")
        reads, began = reads_of(self._database), _now()
        page: list[Document] = []
        previous: ListPart | None = None
        place = ""
        for number, (part, last) in enumerate(remaining_parts(plan.parts, cursor)):
            if previous is not None and (number >= MAX_PARTS or _now() - began > _PAGE_SECONDS):
                return ReadPage(page, previous.key)
            previous = part
            ids = reads.ranges(last, is_long=part.is_long, is_filtered=bool(plan.residual))
            while True:
                started = _now()
                reading = self._range(plan, part, ids.condition, size)
                async with aclosing(reading) as documents:
                    async for document in documents:
                        if not plan.lets_through(document, reach):
                            continue
                        if len(page) == size:
                            return ReadPage(page, place, page[-1]["_id"])
                        page.append(document)
                        place = part.key
                if ids.is_last:
                    break
                ids.advance(_now() - started, 0)
                if _now() - began > _PAGE_SECONDS:
                    return ReadPage(page, part.key, ids.last)
        return ReadPage(page)

    async def one(self, section: str, record_id: str) -> Document | None:
        """Return one record of a list, without regard to rights; None if there is none, or the account was deleted."""
        with self._database.guarded():
            document = await self._database[SECTIONS[section].collection_name].find_one({"_id": record_id})
        found = record_of_section(section, document)
        return None if found is None or found.get("date_deleted") else found

    async def _page_of_ids(self, plan: RecordPlan, ids: AnyOf[str], reach: Reach, size: int, last: str) -> ReadPage:
        page: list[Document] = []
        remaining = sorted(record_id for record_id in ids if record_id > last)
        for some in chunks(remaining, self._database.traits.ids_in_a_query):
            conditions = Conditions({"_id": {"$in": some}}, plan.residual)
            async with aclosing(self._read(plan.collection, conditions, len(some))) as documents:
                async for document in documents:
                    if not plan.lets_through(document, reach):
                        continue
                    if len(page) == size:
                        return ReadPage(page, "", page[-1]["_id"])
                    page.append(document)
        return ReadPage(page)

    async def _range(
        self, plan: RecordPlan, part: ListPart, ids: Document, size: int
    ) -> AsyncGenerator[Document, None]:
        """Yield the records of a part in a range of ids, a page at a time: some of them may not be for the reader."""
        while True:
            conditions, count = Conditions({**part.match, "_id": ids}, plan.residual), 0
            async with aclosing(self._read(plan.collection, conditions, size + 1)) as documents:
                async for document in documents:
                    count += 1
                    ids = {**ids, "$gt": document["_id"]}
                    yield document
            if count <= size:
                return

    def _read(self, collection: str, conditions: Conditions, limit: int) -> AsyncGenerator[Document, None]:
        stages = reads_of(self._database).matching(conditions)
        return self._database.aggregate(collection, [*stages, {"$sort": {"_id": 1}}, {"$limit": limit}])

    async def _people_named(self, filters: DirectoryFilters) -> frozenset[str] | None:
        """Return the people of a class, of a group or with a role; None if the filters name none of them."""
        holds_role = filters.role not in (None, "learner")
        sets: list[AnyOf[str]] = []
        if filters.learner_group is not None:
            sets.append(await self._people.members([filters.learner_group]))
        if filters.classroom is not None and not holds_role:
            sets.append(await self._people.members_of_classes([filters.classroom]))
        if holds_role:
            of_class = {} if filters.classroom is None else {"collection_id": filters.classroom}
            sets.append(await self._holders({"kind": filters.role, **of_class}))
        return frozenset.intersection(*map(frozenset, sets)) if sets else None

    async def _holders(self, query: Filter) -> frozenset[str]:
        async with aclosing(self._database.stream("roles", query, {"user_id": 1})) as roles:
            return frozenset([role["user_id"] async for role in roles])

    async def _reached(self, collection: str, conditions: Iterable[FieldCondition]) -> frozenset[str]:
        """Return the ids of the records that fit one of the conditions, each of which an index serves."""
        ids: set[str] = set()
        for condition in conditions:
            if condition.field == "_id":
                ids |= condition.values
                continue
            for some in chunks(sorted(condition.values), self._database.traits.ids_in_a_query):
                ids |= await self._ids(collection, {condition.field: one_of(some)})
        return frozenset(ids)

    async def _ids(self, collection: str, query: Filter) -> frozenset[str]:
        async with aclosing(self._database.stream(collection, query, {"_id": 1})) as documents:
            return frozenset([document["_id"] async for document in documents])


def record_of_section(section: str, document: Document | None) -> Document | None:
    """Return a stored record if it is one of a list: facilities, classes and groups are in one collection."""
    if document is None or COLLECTION_KINDS.get(section) in (None, document.get("kind")):
        return document
    return None


def _without(conditions: Mapping[str, Any], name: str) -> Document:
    return {each: condition for each, condition in conditions.items() if each != name}


def _residual(section: str, filters: DirectoryFilters) -> Document:
    """Return the conditions of a list that no index serves, or that an index need not serve."""
    residual: Document = {}
    if section in COLLECTION_KINDS:
        residual["kind"] = COLLECTION_KINDS[section]
    if section == "users":
        residual["date_deleted"] = ALIVE
    if filters.username is not None:
        residual["username"] = _pattern(f"^{re.escape(folded_username(filters.username))}$")
    if filters.search is not None:
        residual["$or"] = [{name: _pattern(re.escape(filters.search))} for name in searched_fields(section)]
    names = (("user_id", filters.user), ("parent_id", filters.parent), ("channel_id", filters.channel))
    for name, value in (*names, ("content_id", filters.content), ("kind", filters.kind)):
        if value is not None:
            residual[name] = value
    return residual


def _pattern(regex: str) -> Document:
    return {"$regex": regex, "$options": "i"}


def _now() -> float:
    return asyncio.get_running_loop().time()
