"""Reads people of the directory: their roles, and the members of classes and groups."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from docservice.domain.directory.permissions import HeldRole, Person, ReadScope
from docservice.store.database.port import Database
from docservice.store.directory.records import DirectoryStore


@dataclass(frozen=True)
class Readable:
    """A read scope with its classes resolved to their members.

    Attributes:
        everything: no limit.
        dataset_id: all logs of a facility.
        user_ids: logs of these people; not used beside the other two, which hold them.
    """

    everything: bool = False
    dataset_id: str | None = None
    user_ids: frozenset[str] = frozenset()

    @property
    def nothing(self) -> bool:
        """Whether no logs may be read."""
        return not (self.everything or self.dataset_id or self.user_ids)


class PeopleStore:
    """People with their roles, classes and groups. Nothing is cached: a revoked role stops working at once."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._directory = DirectoryStore(database)

    async def person(self, user_id: str) -> Person | None:
        """Return what the directory says of a person; None if there is no such person."""
        user = await self._directory.user(user_id)
        if user is None:
            return None
        with self._database.guarded():
            held = [role async for role in self._database["roles"].find({"user_id": user_id})]
            query = {"_id": {"$in": [role["collection_id"] for role in held]}}
            found = self._database["facility_collections"].find(query, {"kind": 1, "dataset_id": 1})
            collections = {collection["_id"]: collection async for collection in found} if held else {}
        roles = tuple(
            HeldRole(role["kind"], role["collection_id"], collection["kind"], collection["dataset_id"])
            for role in held
            if (collection := collections.get(role["collection_id"]))
        )
        return Person(user_id, user["dataset_id"], bool(user.get("is_superuser")), roles)

    async def known(self, user_ids: Iterable[str]) -> set[str]:
        """Return those of these ids that belong to people of the directory."""
        query, fields = {"_id": {"$in": sorted(user_ids)}}, {"date_deleted": 1}
        with self._database.guarded():
            users = self._database["facility_users"].find(query, fields)
            return {user["_id"] async for user in users if not user.get("date_deleted")}

    async def readable(self, scope: ReadScope) -> Readable:
        """Return a scope with its classes resolved to the people who are in them now."""
        if scope.everything:
            return Readable(everything=True)
        if scope.dataset_id is not None:
            return Readable(dataset_id=scope.dataset_id)
        users = set() if scope.user_id is None else {scope.user_id}
        if scope.classroom_ids:
            users |= await self.members_of_classes(scope.classroom_ids)
        return Readable(user_ids=frozenset(users))

    async def members_of_classes(self, classroom_ids: Iterable[str]) -> set[str]:
        """Return the direct members of classes and of the groups in them."""
        return await self.members(await self.classes_with_groups(classroom_ids))

    async def classes_with_groups(self, classroom_ids: Iterable[str]) -> set[str]:
        """Return the ids of classes and of the groups in them."""
        ids = sorted(classroom_ids)
        with self._database.guarded():
            groups = self._database["facility_collections"].find({"parent_id": {"$in": ids}}, {"_id": 1})
            return {*ids, *[group["_id"] async for group in groups]}

    async def members(self, collection_ids: Iterable[str]) -> set[str]:
        """Return the direct members of classes or groups."""
        query = {"collection_id": {"$in": sorted(collection_ids)}}
        with self._database.guarded():
            memberships = self._database["memberships"].find(query, {"user_id": 1})
            return {membership["user_id"] async for membership in memberships}

    async def facility_dataset(self, facility_id: str) -> str | None:
        """Return the dataset of a facility, None if there is no such facility."""
        with self._database.guarded():
            # By the id alone: with a second condition the embedded engine would scan.
            facility = await self._database["facility_collections"].find_one(
                {"_id": facility_id}, {"dataset_id": 1, "kind": 1}
            )
        return facility["dataset_id"] if facility and facility["kind"] == "facility" else None
