"""Reads for exported tables: all logs of a facility, and names from the directory.

Every list is read in bounded pieces, each from an index, however long it is. In which pieces depends on the engine, see
`store.database.reads`.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Collection, Sequence
from contextlib import aclosing
from typing import Any

from docservice.domain.directory.content_tree import ancestors_of, parents_to_read
from docservice.domain.exports.table_rows import Catalogue, LearnerColumns, LearnerNames, user_type
from docservice.store.database.engines import reads_of
from docservice.store.database.port import Database, Document
from docservice.store.database.reads import chunks
from docservice.store.logs.attempts import AttemptReader
from docservice.store.mapping.schema import EXAMS, SESSIONS, SUMMARIES

_SESSIONS_AT_ONCE = 2000
_BATCH = 500
_HEAVY_BATCH = 50

_TIMES = ("start_timestamp", "end_timestamp", "completion_timestamp")
_OF_WHOM = ("dataset_id", "user_id")
_SUMMARY_FIELDS = (
    *_OF_WHOM,
    *("content_id", "channel_id", "kind", *_TIMES, "time_spent", "progress", "_recorded"),
)
_TRY_FIELDS = (
    *("id", "mastery_level", "mastery_criterion.type", *_TIMES, "time_spent", "complete", "attempt_count"),
    *("correct_sum", "_recorded"),
)
_EXAM_LOG_FIELDS = (*_OF_WHOM, "exam_id", "closed", "completion_timestamp", "_recorded")
_ATTEMPT_FIELDS = (
    *("id", "item", "sessionlog_id", *_TIMES, "time_spent", "correct", "complete", "hinted", "error"),
    *("simple_answer", "_recorded"),
)
_OWNER_FIELDS = ("_morango_partition", "overflow_buckets")
_PERSON_FIELDS = ("username", "facility_id", "is_superuser")
_NODE_FIELDS = ("content_id", "channel_id", "title", "level", "lft", "ancestors", "parent_id")
_TOPIC_FIELDS = ("title", "ancestors", "parent_id")
_SESSION_FIELDS = ("kind", *_TIMES, "time_spent", "progress", "_recorded")
_VISIT_FIELDS = ("user_id", "content_id", "channel_id", "end_timestamp", "extra_fields.context.node_id")


def _only(*names: str, **embedded: Collection[str]) -> dict[str, int]:
    paths = [*names, *(f"{at.replace('__', '.')}.{name}" for at, inner in embedded.items() for name in inner)]
    return dict.fromkeys(paths, 1)


class TableReads:
    """Reads for one export."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._reads = reads_of(database)
        self._attempts = AttemptReader(database)
        self._all_nodes = False
        self._topics: dict[str, Document] = {}
        self._collections: dict[str, Document] = {}

    async def facility(self, facility_id: str) -> Document | None:
        """Name and dataset of a facility, None if there is none with this id."""
        with self._database.guarded():
            return await self._database["facility_collections"].find_one({"_id": facility_id, "kind": "facility"})

    async def some_facilities(self, limit: int) -> list[Document]:
        """Return at most `limit` facilities, for suggestions."""
        query = {"kind": "facility"}
        async with aclosing(self._database.stream("facility_collections", query, {"name": 1}, limit=limit)) as found:
            return [facility async for facility in found]

    async def owners(self, dataset_id: str, *, with_exam_logs: bool) -> list[str]:
        """Return all people who have summaries (or exam logs) in a facility, by id, wherever they are now."""
        found: set[str] = set()
        for collection in (SUMMARIES, EXAMS) if with_exam_logs else (SUMMARIES,):
            # Grouped: what `distinct` answers has to fit into one document.
            pipeline = [{"$match": {"dataset_id": dataset_id}}, {"$group": {"_id": "$user_id"}}]
            async with aclosing(self._database.aggregate(collection, pipeline)) as owners:
                found |= {owner["_id"] async for owner in owners}
        return sorted(found)

    async def sessions(self, dataset_id: str) -> AsyncGenerator[tuple[list[Document], float], None]:
        """Yield all visits of a facility in no order, some at a time, each time with the part that is done (0..1)."""

        async def only_facility() -> bool:
            return len(await self.some_facilities(2)) == 1

        fields = _only(*_OF_WHOM, *_VISIT_FIELDS, *_SESSION_FIELDS)
        found = self._reads.whole_list(
            SESSIONS, {"dataset_id": dataset_id}, fields, size=_SESSIONS_AT_ONCE, alone=only_facility
        )
        async with aclosing(found) as batches:
            async for batch in batches:
                yield batch

    async def latest_nodes(self, user_ids: Sequence[str]) -> dict[tuple[str, str, str | None], Any]:
        """For each learner, content and channel the latest of the visits by its end, with the node it was to."""
        latest: dict[tuple[str, str, str | None], Document] = {}
        query = {"user_id": {"$in": list(user_ids)}}
        found = self._database.batches(SESSIONS, query, _only(*_VISIT_FIELDS), size=_BATCH)
        async with aclosing(found) as batches:
            async for batch in batches:
                for visit in batch:
                    key = (visit["user_id"], visit["content_id"], visit["channel_id"])
                    before = latest.get(key)
                    if before is None or _end(visit) > _end(before):
                        latest[key] = visit
        return latest

    async def summaries(
        self, user_ids: Sequence[str], *, tries: bool = False, attempts: bool = False
    ) -> AsyncGenerator[list[Document], None]:
        """Yield the summaries of some learners, some at a time; with their tries, and the attempts embedded in these.

        They are of all facilities: no index is for a learner and a facility.
        """
        fields = _only(*_SUMMARY_FIELDS, *_OWNER_FIELDS)
        if tries:
            fields |= _only(mastery_logs=_TRY_FIELDS)
        if attempts:
            fields |= _only(mastery_logs__attempts=_ATTEMPT_FIELDS)
        size = _HEAVY_BATCH if attempts else _BATCH
        query = {"user_id": {"$in": list(user_ids)}}
        async with aclosing(self._database.batches(SUMMARIES, query, fields, size=size)) as batches:
            async for batch in batches:
                yield batch

    async def loose_sessions(self, dataset_id: str) -> AsyncGenerator[list[Document], None]:
        """Yield a facility's visits that hold attempts of no try, with those embedded in them."""
        fields = _only(*_VISIT_FIELDS, "kind", *_OWNER_FIELDS, attempts=_ATTEMPT_FIELDS)
        query = {"dataset_id": dataset_id, "loose_attempt_count": {"$gt": 0}}
        async with aclosing(self._database.batches(SESSIONS, query, fields, size=_HEAVY_BATCH)) as batches:
            async for batch in batches:
                yield batch

    async def attempts(
        self, owner: Document, masterylog_id: str | None, embedded: Sequence[Document]
    ) -> AsyncGenerator[list[Document], None]:
        """Yield all attempts of a try (or the loose ones of a visit), some at a time; see `store.logs.attempts`.

        Args:
            owner: the summary or visit that holds the embedded ones.
            masterylog_id: None for loose attempts.
            embedded: those that `summaries` or `loose_sessions` gave.
        """
        found = self._attempts.of_list(owner, masterylog_id, embedded)
        async with aclosing(found) as parts:
            async for part in parts:
                yield part

    async def exam_logs(self, user_ids: Sequence[str]) -> list[Document]:
        """Return the exam logs of some learners in all facilities, with their attempts."""
        fields = _only(*_EXAM_LOG_FIELDS, attempts=(*_ATTEMPT_FIELDS, "content_id"))
        query = {"user_id": {"$in": list(user_ids)}}
        async with aclosing(self._database.batches(EXAMS, query, fields, size=_HEAVY_BATCH)) as batches:
            return [log async for batch in batches for log in batch]

    async def quiz_summaries(
        self, user_ids: Sequence[str], exam_ids: Collection[str]
    ) -> AsyncGenerator[Document, None]:
        """Yield the summaries of some learners and quizzes in all facilities, with the levels of their tries."""
        fields = _only("user_id", "content_id", "kind", "mastery_logs.mastery_level")
        for some in chunks(sorted(exam_ids), self._database.traits.ids_in_a_query):
            query = {"user_id": {"$in": list(user_ids)}, "content_id": {"$in": some}}
            async with aclosing(self._database.stream(SUMMARIES, query, fields)) as found:
                async for summary in found:
                    yield summary

    async def attempts_of_tries(self, summary_ids: Collection[str]) -> dict[str, list[Document]]:
        """Return all attempts of the tries of some summaries, by the id of the mastery log."""
        fields = _only(*_OWNER_FIELDS, "mastery_logs.id", mastery_logs__attempts=_ATTEMPT_FIELDS)
        attempts: dict[str, list[Document]] = {}
        async with aclosing(self._reads.with_values(SUMMARIES, "_id", summary_ids, fields)) as found:
            async for summary in found:
                for log in summary.get("mastery_logs", ()):
                    async with aclosing(self.attempts(summary, log["id"], log.get("attempts", []))) as parts:
                        attempts[log["id"]] = [attempt async for part in parts for attempt in part]
        return attempts

    async def learners(self, user_ids: Collection[str]) -> dict[str, LearnerColumns]:
        """Return what rows say of some people, by id; who is not in the directory is left out."""
        found = self._matching("facility_users", "_id", user_ids, _PERSON_FIELDS)
        return await self._described([person async for person in found])

    async def learners_of(self, dataset_id: str) -> dict[str, LearnerColumns]:
        """Return what rows say of all people of a facility, by id."""
        query, fields = {"dataset_id": dataset_id}, _only(*_PERSON_FIELDS)
        found = self._database.batches("facility_users", query, fields, size=_BATCH)
        async with aclosing(found) as batches:
            return await self._described([person async for batch in batches for person in batch])

    async def names(self, user_ids: Collection[str]) -> dict[str, LearnerNames]:
        """Return full name, classes and groups of some people, by id; who is not in the directory is left out."""
        people = await self._by_id("facility_users", user_ids, ("full_name",))
        held: dict[str, list[str]] = {}
        async for member in self._matching("memberships", "user_id", people, ("user_id", "collection_id")):
            held.setdefault(member["user_id"], []).append(member["collection_id"])
        wanted = {collection_id for listed in held.values() for collection_id in listed} - self._collections.keys()
        self._collections |= await self._by_id("facility_collections", wanted, ("name", "kind"))
        return {
            user_id: LearnerNames(
                person.get("full_name"),
                self._named(held.get(user_id, ()), "classroom"),
                self._named(held.get(user_id, ()), "learnergroup"),
            )
            for user_id, person in people.items()
        }

    def _named(self, collection_ids: Collection[str], kind: str) -> str:
        found = [self._collections.get(collection_id, {}) for collection_id in collection_ids]
        return "; ".join(sorted(str(each.get("name") or "") for each in found if each.get("kind") == kind))

    async def accounts(self, dataset_id: str) -> AsyncGenerator[list[Document], None]:
        """Yield the people of a facility, some at a time, without those whose account was deleted."""
        fields = _only(*_PERSON_FIELDS, "birth_year", "gender", "date_deleted")
        found = self._database.batches("facility_users", {"dataset_id": dataset_id}, fields, size=_BATCH)
        async with aclosing(found) as batches:
            async for batch in batches:
                yield [person for person in batch if not person.get("date_deleted")]

    async def sessions_of(self, user_ids: Sequence[str]) -> AsyncGenerator[list[Document], None]:
        """Yield the visits of some learners in all facilities, some at a time."""
        fields = _only(*_OF_WHOM, *_VISIT_FIELDS, *_SESSION_FIELDS)
        query = {"user_id": {"$in": list(user_ids)}}
        async with aclosing(self._database.batches(SESSIONS, query, fields, size=_BATCH)) as batches:
            async for batch in batches:
                yield batch

    async def _described(self, people: Sequence[Document]) -> dict[str, LearnerColumns]:
        facilities = await self._by_id("facility_collections", {person["facility_id"] for person in people}, ("name",))
        user_ids = {person["_id"] for person in people}
        roles: dict[str, list[Document]] = {}
        async for role in self._matching("roles", "user_id", user_ids, ("user_id", "collection_id", "kind")):
            roles.setdefault(role["user_id"], []).append(role)
        found = {}
        for person in people:
            held = roles.get(person["_id"], [])
            on_facility = {role["kind"] for role in held if role["collection_id"] == person["facility_id"]}
            kind = user_type(bool(person.get("is_superuser")), on_facility, {role["kind"] for role in held})
            name = facilities.get(person["facility_id"], {}).get("name")
            found[person["_id"]] = LearnerColumns(name, person["username"], kind)
        return found

    async def learn_nodes(self, catalogue: Catalogue, content_ids: Collection[str], node_ids: Collection[str]) -> None:
        """Tell a catalogue of all nodes with these contents, which it shows, and of these nodes."""
        if not self._all_nodes and await self._reads.is_shorter_whole("content_nodes", len(content_ids)):
            async with aclosing(self._database.batches("content_nodes", {}, size=_BATCH)) as batches:
                async for batch in batches:
                    await self._add_nodes(catalogue, batch)
            self._all_nodes = True
        elif not self._all_nodes:
            nodes = [node async for node in self._matching("content_nodes", "content_id", content_ids, _NODE_FIELDS)]
            others = set(node_ids) - {node["_id"] for node in nodes}
            nodes += [node async for node in self._matching("content_nodes", "_id", others, _NODE_FIELDS)]
            await self._add_nodes(catalogue, nodes)
        catalogue.show(content_ids)

    async def _add_nodes(self, catalogue: Catalogue, nodes: Sequence[Document]) -> None:
        """Tell a catalogue of nodes, with the topics above them even where a node names no more than its parent."""
        level = nodes
        while missing := parents_to_read(level, self._topics):
            found = await self._by_id("content_nodes", missing, _TOPIC_FIELDS)
            self._topics |= {node_id: found.get(node_id, {}) for node_id in missing}
            level = list(found.values())
        for node in nodes:
            catalogue.add(node["_id"], {**node, "ancestors": ancestors_of(node, self._topics)})

    async def learn_channels(self, catalogue: Catalogue) -> None:
        """Tell a catalogue what the channels are called."""
        async for channel in self._database.stream("channels", {}, {"name": 1}):
            catalogue.channels[channel["_id"]] = channel.get("name") or ""

    async def learn_exams(self, catalogue: Catalogue, exam_ids: Collection[str]) -> None:
        """Tell a catalogue of quizzes."""
        catalogue.exams |= await self._by_id("exams", exam_ids, ("title", "question_count"))

    async def _by_id(self, collection: str, ids: Collection[str], fields: Sequence[str]) -> dict[str, Document]:
        return {document["_id"]: document async for document in self._matching(collection, "_id", ids, fields)}

    def _matching(
        self, collection: str, name: str, values: Collection[str], fields: Sequence[str]
    ) -> AsyncGenerator[Document, None]:
        return self._reads.with_values(collection, name, values, _only(name, *fields))


def _end(visit: Document) -> tuple[bool, Any, str]:
    # Without an end sorts first; the id decides between visits that ended in the same millisecond.
    end = visit["end_timestamp"]
    return (end is not None, end or 0, visit["_id"])
