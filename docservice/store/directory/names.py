"""Finds people and facilities by name."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Any

from docservice.domain.directory.name_lookup import (
    NamedClassroom,
    NamedFacility,
    NamedPerson,
    NamedRecord,
    RecordKind,
    id_in,
    usernames_in,
)
from docservice.domain.directory.rules import folded_username
from docservice.store.database.port import Database, Document, Filter, one_of
from docservice.store.database.reads import chunks

_PERSON = {"username": 1, "full_name": 1, "facility_id": 1, "date_deleted": 1}
_MOST_USERNAMES = 10_000


@dataclass(frozen=True)
class _Source:
    """Where the records of a kind are.

    Attributes:
        name: the field of the name.
        id: the field of the id.
        place: the field of what a record belongs to.
        only: what the kind has in common.
        of_class: whether it belongs to a class.
    """

    collection: str
    name: str = "title"
    id: str = "_id"
    place: str = "collection_id"
    only: Mapping[str, Any] = field(default_factory=dict)
    of_class: bool = False


_SOURCES: dict[RecordKind, _Source] = {
    "group": _Source("facility_collections", "name", place="parent_id", only={"kind": "learnergroup"}, of_class=True),
    "lesson": _Source("lessons", of_class=True),
    "quiz": _Source("exams", of_class=True),
    "channel": _Source("channels", "name", place=""),
    "topic": _Source("content_nodes", place="channel_id", only={"kind": "topic"}),
    "content": _Source("content_nodes", id="content_id", place="channel_id", only={"kind": {"$ne": "topic"}}),
}


class NameStore:
    """Looks up names. Without the help of an index where upper and lower case are the same: for commands only."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def facilities(self) -> list[NamedFacility]:
        """Return all facilities."""
        query, fields = {"kind": "facility"}, {"name": 1}
        async with aclosing(self._database.stream("facility_collections", query, fields)) as facilities:
            return [NamedFacility(facility["_id"], str(facility.get("name") or "")) async for facility in facilities]

    async def classrooms(self) -> list[NamedClassroom]:
        """Return all classes of all facilities."""
        facilities = {facility.id: facility for facility in await self.facilities()}
        query, fields = {"kind": "classroom"}, {"name": 1, "parent_id": 1}
        async with aclosing(self._database.stream("facility_collections", query, fields)) as classrooms:
            return [
                NamedClassroom(
                    each["_id"],
                    str(each.get("name") or ""),
                    facilities.get(str(each.get("parent_id")), NamedFacility(str(each.get("parent_id") or ""), "")),
                )
                async for each in classrooms
            ]

    async def collections(self, ids: Iterable[str]) -> dict[str, str]:
        """Return the names of facilities, classes and groups, by id; those that are not there are left out."""
        names: dict[str, str] = {}
        for some in chunks(sorted(ids), self._database.traits.ids_in_a_query):
            query = {"_id": {"$in": some}}
            async with aclosing(self._database.stream("facility_collections", query, {"name": 1})) as collections:
                names |= {each["_id"]: str(each.get("name") or "") async for each in collections}
        return names

    async def people(self, text: str) -> list[NamedPerson]:
        """Return the people whose id or username a text may be, in any facility; see `usernames_in`."""
        # `$toLower` changes the letters A to Z and no others, as `folded_username`.
        named = {"$in": [{"$toLower": "$username"}, {"$literal": sorted(usernames_in(text))}]}
        queries: list[Filter] = [{"$expr": named}]
        if (user_id := id_in(text)) is not None:
            queries.append({"_id": user_id})
        facilities = {facility.id: facility for facility in await self.facilities()}
        people: dict[str, NamedPerson] = {}
        for query in queries:
            async with aclosing(self._accounts(query)) as accounts:
                async for user in accounts:
                    facility_id = str(user.get("facility_id") or "")
                    people[user["_id"]] = NamedPerson(
                        user["_id"],
                        str(user.get("username") or ""),
                        str(user.get("full_name") or ""),
                        facilities.get(facility_id, NamedFacility(facility_id, "")),
                    )
        return list(people.values())

    async def records(
        self, kind: RecordKind, text: str, *, dataset_id: str | None = None, classroom_id: str | None = None
    ) -> list[NamedRecord]:
        """Return the records of a kind whose id or name a text may be.

        Args:
            kind: what is looked for.
            text: upper and lower case are the same.
            dataset_id: only those of this facility; content has no facility.
            classroom_id: only groups, lessons and quizzes of this class.
        """
        source = _SOURCES[kind]
        called = {"$eq": [{"$toLower": f"${source.name}"}, {"$literal": folded_username(text)}]}
        queries: list[Document] = [{"$expr": called}]
        if (record_id := id_in(text)) is not None:
            queries.append({source.id: record_id})
        found: dict[str, Document] = {}
        for query in queries:
            async with aclosing(self._database.stream(source.collection, {**query, **source.only})) as records:
                async for record in records:
                    found[record["_id"]] = record
        wanted = [
            record
            for record in found.values()
            if dataset_id in (None, record.get("dataset_id", dataset_id))
            and (classroom_id is None or not source.of_class or record.get(source.place) == classroom_id)
        ]
        places = await self._places(source, wanted)
        return [
            NamedRecord(
                record[source.id], str(record.get(source.name) or ""), places.get(record.get(source.place) or "", "")
            )
            for record in wanted
        ]

    async def _places(self, source: _Source, records: Sequence[Document]) -> dict[str, str]:
        """Return what the places of records are called, by id."""
        ids = {record[source.place] for record in records if record.get(source.place)}
        if not ids:
            return {}
        collection = "channels" if source.place == "channel_id" else "facility_collections"
        with self._database.guarded():
            found = self._database[collection].find({"_id": one_of(ids)}, {"name": 1})
            return {place["_id"]: str(place.get("name") or "") async for place in found}

    async def usernames(self) -> list[str]:
        """Return the usernames of at most 10,000 people, for suggestions."""
        async with aclosing(self._accounts({}, limit=_MOST_USERNAMES)) as accounts:
            return [str(user["username"]) async for user in accounts if user.get("username")]

    async def _accounts(self, query: Filter, limit: int = 0) -> AsyncGenerator[Document, None]:
        async with aclosing(self._database.stream("facility_users", query, _PERSON, limit=limit)) as accounts:
            async for user in accounts:
                if not user.get("date_deleted"):
                    yield user
