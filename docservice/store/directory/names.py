"""Finds people and facilities by name."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterable
from contextlib import aclosing

from docservice.domain.directory.name_lookup import NamedClassroom, NamedFacility, NamedPerson, id_in, usernames_in
from docservice.store.database.port import Database, Document, Filter
from docservice.store.database.reads import chunks

_PERSON = {"username": 1, "full_name": 1, "facility_id": 1, "date_deleted": 1}
_MOST_USERNAMES = 10_000


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

    async def usernames(self) -> list[str]:
        """Return the usernames of at most 10,000 people, for suggestions."""
        async with aclosing(self._accounts({}, limit=_MOST_USERNAMES)) as accounts:
            return [str(user["username"]) async for user in accounts if user.get("username")]

    async def _accounts(self, query: Filter, limit: int = 0) -> AsyncGenerator[Document, None]:
        async with aclosing(self._database.stream("facility_users", query, _PERSON, limit=limit)) as accounts:
            async for user in accounts:
                if not user.get("date_deleted"):
                    yield user
