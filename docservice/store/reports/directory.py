"""What reports read of the directory: classes with their people and work, and the names of contents."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Collection, Iterable
from contextlib import aclosing

from docservice.store.database.engines import reads_of
from docservice.store.database.port import Database, Document
from docservice.store.lists.scope import Selection

_PERSON = ("username", "full_name", "dataset_id", "date_deleted")
_NODE = ("content_id", "channel_id", "title", "kind", "lft", "parent_id")


class ReportDirectory:
    """The directory, for one report: each part is read by ids or from an index."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._reads = reads_of(database)

    async def one(self, collection: str, record_id: str) -> Document | None:
        """Return a record by its id."""
        with self._database.guarded():
            return await self._database[collection].find_one({"_id": record_id})

    async def by_id(self, collection: str, ids: Iterable[str], fields: Collection[str]) -> dict[str, Document]:
        """Return the records with these ids, by id; those that are not there are left out."""
        wanted = dict.fromkeys(fields, 1)
        found = self._reads.with_values(collection, "_id", set(ids), {"_id": 1, **wanted})
        return {record["_id"]: record async for record in found}

    async def groups(self, classroom_id: str) -> list[Document]:
        """Return the groups of a class, those made for single lessons and quizzes too, by name."""
        query, fields = {"parent_id": classroom_id}, {"name": 1, "kind": 1}
        groups = [group async for group in self._database.stream("facility_collections", query, fields)]
        return sorted(groups, key=lambda group: (str(group.get("name") or ""), group["_id"]))

    async def members(self, collection_ids: Iterable[str]) -> dict[str, set[str]]:
        """Return the direct members of each of some classes and groups."""
        fields = {"user_id": 1, "collection_id": 1}
        members: dict[str, set[str]] = {collection_id: set() for collection_id in collection_ids}
        async for membership in self._reads.with_values("memberships", "collection_id", set(members), fields):
            members[membership["collection_id"]].add(membership["user_id"])
        return members

    async def people(self, user_ids: Iterable[str]) -> dict[str, Document]:
        """Return name and dataset of people by id, without those whose account was deleted."""
        people = await self.by_id("facility_users", user_ids, _PERSON)
        return {user_id: person for user_id, person in people.items() if not person.get("date_deleted")}

    async def people_of(self, selection: Selection) -> AsyncGenerator[Document, None]:
        """Yield name and dataset of all selected people, without those whose account was deleted."""
        if selection.user_ids is not None:
            for person in (await self.people(selection.user_ids)).values():
                if selection.dataset_id in (None, person["dataset_id"]):
                    yield person
            return
        query = {} if selection.dataset_id is None else {"dataset_id": selection.dataset_id}
        async with aclosing(self._database.stream("facility_users", query, dict.fromkeys(_PERSON, 1))) as people:
            async for person in people:
                if not person.get("date_deleted"):
                    yield person

    async def facilities(self) -> dict[str, Document]:
        """Return the facilities by their datasets."""
        query, fields = {"kind": "facility"}, {"name": 1, "dataset_id": 1}
        async with aclosing(self._database.stream("facility_collections", query, fields)) as found:
            return {facility["dataset_id"]: facility async for facility in found}

    async def work_of_class(self, collection: str, classroom_id: str) -> list[Document]:
        """Return the lessons or quizzes (`exams`) of a class, oldest first."""
        query = {"collection_id": classroom_id}
        work = [record async for record in self._database.stream(collection, query)]
        return sorted(work, key=lambda record: (str(record.get("date_created") or ""), record["_id"]))

    async def nodes(self, node_ids: Iterable[str]) -> dict[str, Document]:
        """Return content nodes by their ids."""
        return await self.by_id("content_nodes", node_ids, _NODE)

    async def nodes_of(self, content_ids: Iterable[str], more: Collection[str] = ()) -> dict[str, Document]:
        """Return for each content the node that comes first in its channel; contents without a node are left out.

        Args:
            content_ids: any number.
            more: fields to read besides title, kind and place.
        """
        fields = dict.fromkeys((*_NODE, *more), 1)
        nodes: dict[str, Document] = {}
        async for node in self._reads.with_values("content_nodes", "content_id", set(content_ids), fields):
            known = nodes.get(node["content_id"])
            if known is None or _place(node) < _place(known):
                nodes[node["content_id"]] = node
        return nodes


def _place(node: Document) -> tuple[int, str]:
    return node.get("lft") or 0, node["_id"]
