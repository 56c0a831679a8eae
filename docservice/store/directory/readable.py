"""Reads what decides which records of the directory a person may read; nothing is cached."""

from __future__ import annotations

from collections.abc import Collection as AnyOf
from contextlib import aclosing

from docservice.domain.directory.permissions import DirectoryReadScope
from docservice.domain.directory.readable_records import ASSIGNED, Reach, ScopeFacts, is_active, reach_of
from docservice.store.database.port import Database, Document, one_of
from docservice.store.directory.people import PeopleStore
from docservice.store.mapping.schema import SUMMARIES


class ReadableRecordStore:
    """Finds out which records of a collection a scope reaches now."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._people = PeopleStore(database)

    async def reach(self, collection: str, scope: DirectoryReadScope) -> Reach:
        """Return which records of a collection may be read.

        Args:
            collection: as MongoDB calls it, `facility_users`.
            scope: of the person.
        """
        return reach_of(collection, scope, await self._facts(collection, scope))

    async def joined(self, user_id: str) -> frozenset[str]:
        """Return the classes and groups that a person is a direct member of."""
        query, fields = {"user_id": user_id}, {"collection_id": 1}
        async with aclosing(self._database.stream("memberships", query, fields)) as memberships:
            return frozenset([membership["collection_id"] async for membership in memberships])

    async def _facts(self, collection: str, scope: DirectoryReadScope) -> ScopeFacts:
        """Return the facts that the conditions on a collection need, and no others."""
        if scope.everything or collection in {"facility_datasets", "content_nodes", "channels"}:
            return ScopeFacts()
        if scope.dataset_id is not None:
            if collection in {"facility_users", "facility_collections"}:
                return ScopeFacts()
            return ScopeFacts(facility_collection_ids=await self.collections_of_facility(scope.dataset_id))
        coached = await self._people.classes_with_groups(scope.classroom_ids) if scope.classroom_ids else set()
        if collection == "facility_users":
            members = await self._people.members(coached) if coached else set()
            return ScopeFacts(coached_user_ids=frozenset(members))
        joined, facilities, answered = frozenset[str](), frozenset[str](), frozenset[str]()
        if scope.user_id is not None and collection in {"facility_collections", *ASSIGNED}:
            joined = await self.joined(scope.user_id)
        if scope.home_dataset_id is not None and collection == "facility_collections":
            query = {"dataset_id": scope.home_dataset_id, "kind": "facility"}
            facilities = await self._ids(collection, query)
        if scope.user_id is not None and collection == "exams":
            answered = await self._answered_exams(scope.user_id, joined)
        return ScopeFacts(
            facility_ids=facilities, coached_ids=frozenset(coached), joined_ids=joined, answered_exam_ids=answered
        )

    async def collections_of_facility(self, dataset_id: str) -> frozenset[str]:
        """Return the ids of a facility and of its classes and groups."""
        return await self._ids("facility_collections", {"dataset_id": dataset_id})

    async def facility_of(self, dataset_id: str) -> str | None:
        """Return the facility of a dataset, None if there is none."""
        query = {"dataset_id": dataset_id, "kind": "facility"}
        return min(await self._ids("facility_collections", query), default=None)

    async def _answered_exams(self, user_id: str, joined: AnyOf[str]) -> frozenset[str]:
        """Return the quizzes assigned to a learner which are not active any more, and which the learner has begun.

        Rule: kolibri/core/exams/permissions.py (UserCanReadExamData), which asks for a mastery log.
        """
        ended: set[str] = set()
        for query in ({"assignments": one_of(joined)}, {"learner_ids": user_id}):
            fields = {"active": 1, "is_active": 1}
            async with aclosing(self._database.stream("exams", query, fields)) as exams:
                ended |= {exam["_id"] async for exam in exams if not is_active(exam)}
        if not ended:
            return frozenset()
        query = {"user_id": user_id, "content_id": one_of(ended)}
        async with aclosing(self._database.stream(SUMMARIES, query, {"content_id": 1})) as summaries:
            return frozenset([summary["content_id"] async for summary in summaries])

    async def _ids(self, collection: str, query: Document) -> frozenset[str]:
        async with aclosing(self._database.stream(collection, query, {"_id": 1})) as documents:
            return frozenset([document["_id"] async for document in documents])
