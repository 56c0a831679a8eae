"""Reads the values of the directory that an export under pseudonyms may not hold."""

from __future__ import annotations

from contextlib import aclosing

from docservice.domain.exports.self_check import DirectoryValues
from docservice.store.database.port import Database

_OF_PEOPLE = {"username": 1, "full_name": 1}
_NAMED = "facility_collections"
_OTHERS = ("facility_datasets", "exams", "lessons", "course_sessions", "roles", "memberships")


class DirectoryValueStore:
    """Reads them all; they are in memory afterwards."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def read(self) -> DirectoryValues:
        """Return ids, usernames and names of all facilities: people move between them."""
        values = DirectoryValues()
        async with aclosing(self._database.stream("facility_users", {}, _OF_PEOPLE)) as people:
            async for person in people:
                values.ids.add(person["_id"])
                values.add_username(str(person.get("username") or ""))
                values.add_name(str(person.get("full_name") or ""))
        async with aclosing(self._database.stream(_NAMED, {}, {"name": 1})) as collections:
            async for collection in collections:
                values.ids.add(collection["_id"])
                values.add_name(str(collection.get("name") or ""))
        for collection_name in _OTHERS:
            async with aclosing(self._database.stream(collection_name, {}, {"_id": 1})) as records:
                async for record in records:
                    values.ids.add(record["_id"])
        values.usernames.discard("")
        return values
