"""What exports read: all logs of a facility, and the parts of the directory that name what is in them.

Every list is read in bounded pieces, each from an index, however long it is; short ones also whole, where that is
faster. A facility's visits are read in windows of the id space, because the embedded engine gathers all that a query
finds before it answers.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Collection, Sequence
from contextlib import aclosing
from typing import Any

from docservice.domain.directory.content_tree import ancestors_of, parents_to_read
from docservice.domain.exports.table_rows import Catalogue, Learner, user_type
from docservice.store.database.port import Database, Document
from docservice.store.mapping.schema import EXAMS, OVERFLOW, SESSIONS, SUMMARIES

_LAST_ID = 16**32 - 1
_FIRST_WINDOW = _LAST_ID // 256
_WINDOW = 2000
_GREATEST_CHANGE = 64
_LONGEST_WHOLE = 20_000
"""The visits of the only facility are read as they are stored, if there are not more: that is twice as fast as by an
index, but the embedded engine needs nearly 4 KiB for each of them until it has answered."""
_BATCH = 500
_HEAVY_BATCH = 50
_AT_ONCE = 50
"""Values in one query: the embedded engine compares each document with each of them, and 1,000 take ten times as long.
"""
_MANY = 200
_SCAN_SHARE = 4
"""Many values are looked up by reading the whole collection, if that has no more than so many documents for each of
them: the embedded engine needs about eight times as long to find a document by a value as to read one in a row."""

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
_VISIT_FIELDS = ("user_id", "content_id", "channel_id", "end_timestamp", "extra_fields.context.node_id")


def _only(*names: str, **embedded: Collection[str]) -> dict[str, int]:
    paths = [*names, *(f"{at.replace('__', '.')}.{name}" for at, inner in embedded.items() for name in inner)]
    return dict.fromkeys(paths, 1)


class ExportReads:
    """Reads for one export."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._sizes: dict[str, int] = {}
        self._all_nodes = False
        self._topics: dict[str, Document] = {}

    async def facility(self, facility_id: str) -> Document | None:
        """Name and dataset of a facility, None if there is none with this id."""
        with self._database.guarded():
            return await self._database["facility_collections"].find_one({"_id": facility_id, "kind": "facility"})

    async def some_facilities(self, limit: int) -> list[Document]:
        """At most `limit` facilities, to tell somebody which there are."""
        query = {"kind": "facility"}
        async with aclosing(self._database.stream("facility_collections", query, {"name": 1}, limit=limit)) as found:
            return [facility async for facility in found]

    async def owners(self, dataset_id: str, *, with_exam_logs: bool) -> list[str]:
        """All people who have summaries (or exam logs) in a facility, by id, wherever they are now."""
        found: set[str] = set()
        for collection in (SUMMARIES, EXAMS) if with_exam_logs else (SUMMARIES,):
            # Grouped: the embedded engine takes a hundred times as long for `distinct`.
            pipeline = [{"$match": {"dataset_id": dataset_id}}, {"$group": {"_id": "$user_id"}}]
            async with aclosing(self._database.aggregate(collection, pipeline)) as owners:
                found |= {owner["_id"] async for owner in owners}
        return sorted(found)

    async def sessions(self, dataset_id: str) -> AsyncGenerator[tuple[list[Document], float], None]:
        """All visits of a facility in no order, some hundred at a time, each time with the part that is done (0..1)."""
        first = await self._window(dataset_id, -1, _FIRST_WINDOW)
        yield first, _FIRST_WINDOW / _LAST_ID
        # Ids are hashes: other windows hold about as many for their width as this one.
        about = len(first) * _LAST_ID // _FIRST_WINDOW
        is_short = 0 < about <= _LONGEST_WHOLE and len(await self.some_facilities(2)) == 1
        rest = self._by_record(dataset_id, about) if is_short else self._by_window(dataset_id, len(first))
        async with aclosing(rest) as batches:
            async for batch, done in batches:
                yield batch, done

    async def _by_record(self, dataset_id: str, about: int) -> AsyncGenerator[tuple[list[Document], float], None]:
        """The visits behind the first window, of about so many in the collection, in the order it keeps them."""
        read, first = 0, f"{_FIRST_WINDOW:032x}"
        async with aclosing(self._database.batches(SESSIONS, {}, size=_WINDOW)) as batches:
            async for batch in batches:
                read += len(batch)
                rest = [visit for visit in batch if visit["_id"] > first and visit.get("dataset_id") == dataset_id]
                yield rest, min(read / about, 1.0)

    async def _by_window(self, dataset_id: str, in_first: int) -> AsyncGenerator[tuple[list[Document], float], None]:
        """The visits behind the first window, in which there were so many."""
        last = width = _FIRST_WINDOW
        found = in_first
        while last < _LAST_ID:
            wanted = width * _WINDOW // max(found, 1)
            width = min(max(wanted, width // _GREATEST_CHANGE), width * _GREATEST_CHANGE, _LAST_ID - last)
            batch = await self._window(dataset_id, last, last + width)
            last += width
            found = len(batch)
            yield batch, last / _LAST_ID

    async def _window(self, dataset_id: str, last: int, end: int) -> list[Document]:
        reach = {"$gt": f"{last:032x}" if last >= 0 else "", "$lte": f"{end:032x}"}
        query = {"dataset_id": dataset_id, "_id": reach}
        # Whole documents: the embedded engine takes half as long again to leave fields out.
        async with aclosing(self._database.batches(SESSIONS, query, size=_WINDOW)) as batches:
            return [document async for batch in batches for document in batch]

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
        """The summaries of some learners, some at a time; with their tries, and the attempts embedded in these.

        They are of all facilities: the embedded engine has no index for a learner and a facility.
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
        """A facility's visits that hold attempts of no try, with those embedded in them."""
        fields = _only(*_VISIT_FIELDS, "kind", *_OWNER_FIELDS, attempts=_ATTEMPT_FIELDS)
        query = {"dataset_id": dataset_id, "loose_attempt_count": {"$gt": 0}}
        async with aclosing(self._database.batches(SESSIONS, query, fields, size=_HEAVY_BATCH)) as batches:
            async for batch in batches:
                yield batch

    async def moved_attempts(
        self, owner: Document, masterylog_id: str | None, here: Collection[str]
    ) -> AsyncGenerator[list[Document], None]:
        """The attempts of a try (or loose ones) that its document has outgrown, by bucket; not those still `here`."""
        if not owner.get("overflow_buckets"):
            return
        query = {
            "_morango_partition": owner["_morango_partition"],
            "log_id": owner["_id"],
            "masterylog_id": masterylog_id,
        }
        found = self._database.batches(OVERFLOW, query, _only(attempts=_ATTEMPT_FIELDS), size=1)
        async with aclosing(found) as batches:
            async for batch in batches:
                for bucket in batch:
                    yield [attempt for attempt in bucket["attempts"] if attempt["id"] not in here]

    async def exam_logs(self, user_ids: Sequence[str]) -> list[Document]:
        """The exam logs of some learners in all facilities, with their attempts."""
        fields = _only(*_EXAM_LOG_FIELDS, attempts=(*_ATTEMPT_FIELDS, "content_id"))
        query = {"user_id": {"$in": list(user_ids)}}
        async with aclosing(self._database.batches(EXAMS, query, fields, size=_HEAVY_BATCH)) as batches:
            return [log async for batch in batches for log in batch]

    async def quiz_summaries(
        self, user_ids: Sequence[str], exam_ids: Collection[str]
    ) -> AsyncGenerator[Document, None]:
        """The summaries of some learners and quizzes in all facilities, with the levels of their tries."""
        ordered, fields = sorted(exam_ids), ("user_id", "content_id", "kind", "mastery_logs.mastery_level")
        for start in range(0, len(ordered), _AT_ONCE):
            some = ordered[start : start + _AT_ONCE]
            query = {"user_id": {"$in": list(user_ids)}, "content_id": {"$in": some}}
            async with aclosing(self._database.stream(SUMMARIES, query, _only(*fields))) as found:
                async for summary in found:
                    yield summary

    async def attempts_of_tries(self, summary_ids: Collection[str]) -> dict[str, list[Document]]:
        """All attempts of the tries of some summaries, by the id of the mastery log."""
        fields = list(_only(*_OWNER_FIELDS, "mastery_logs.id", mastery_logs__attempts=_ATTEMPT_FIELDS))
        attempts: dict[str, list[Document]] = {}
        async with aclosing(self._with_values(SUMMARIES, "_id", summary_ids, fields)) as found:
            async for summary in found:
                for log in summary.get("mastery_logs", ()):
                    embedded = log.get("attempts", [])
                    moved = self.moved_attempts(summary, log["id"], {attempt["id"] for attempt in embedded})
                    async with aclosing(moved) as buckets:
                        of_log = [attempt async for bucket in buckets for attempt in bucket]
                    attempts[log["id"]] = [*of_log, *embedded]
        return attempts

    async def learners(self, user_ids: Collection[str]) -> dict[str, Learner]:
        """What rows say of some people, by id; who is not in the directory is left out."""
        found = self._matching("facility_users", "_id", user_ids, _PERSON_FIELDS)
        return await self._described([person async for person in found])

    async def learners_of(self, dataset_id: str) -> dict[str, Learner]:
        """What rows say of all people of a facility, by id."""
        query, fields = {"dataset_id": dataset_id}, _only(*_PERSON_FIELDS)
        found = self._database.batches("facility_users", query, fields, size=_BATCH)
        async with aclosing(found) as batches:
            return await self._described([person async for batch in batches for person in batch])

    async def _described(self, people: Sequence[Document]) -> dict[str, Learner]:
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
            found[person["_id"]] = Learner(name, person["username"], kind)
        return found

    async def learn_nodes(self, catalogue: Catalogue, content_ids: Collection[str], node_ids: Collection[str]) -> None:
        """Tell a catalogue of all nodes with these contents, which it shows, and of these nodes."""
        if not self._all_nodes and await self._is_shorter_whole("content_nodes", content_ids):
            async with aclosing(self._database.batches("content_nodes", {}, size=_BATCH)) as batches:
                async for batch in batches:
                    await self._add_nodes(catalogue, batch)
            self._all_nodes = True
        elif not self._all_nodes:
            with_content = self._with_values("content_nodes", "content_id", content_ids, _NODE_FIELDS)
            nodes = [node async for node in with_content]
            others = set(node_ids) - {node["_id"] for node in nodes}
            nodes += [node async for node in self._with_values("content_nodes", "_id", others, _NODE_FIELDS)]
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

    async def _matching(
        self, collection: str, field: str, values: Collection[str], fields: Sequence[str]
    ) -> AsyncGenerator[Document, None]:
        """The documents of a collection of the directory that have one of these values, by whichever way is shorter."""
        if not await self._is_shorter_whole(collection, values):
            async with aclosing(self._with_values(collection, field, values, fields)) as found:
                async for document in found:
                    yield document
            return
        async with aclosing(self._database.batches(collection, {}, _only(field, *fields), size=_BATCH)) as batches:
            async for batch in batches:
                for document in batch:
                    if document[field] in values:
                        yield document

    async def _with_values(
        self, collection: str, field: str, values: Collection[str], fields: Sequence[str]
    ) -> AsyncGenerator[Document, None]:
        ordered = sorted(values)
        for start in range(0, len(ordered), _AT_ONCE):
            query = {field: {"$in": ordered[start : start + _AT_ONCE]}}
            async with aclosing(self._database.batches(collection, query, _only(*fields), size=_BATCH)) as batches:
                async for batch in batches:
                    for document in batch:
                        yield document

    async def _is_shorter_whole(self, collection: str, values: Collection[str]) -> bool:
        return len(values) >= _MANY and await self._size(collection) <= _SCAN_SHARE * len(values)

    async def _size(self, collection: str) -> int:
        """About how many documents a collection has; asked once."""
        if collection not in self._sizes:
            self._sizes[collection] = (await self._database.command({"count": collection}))["n"]
        return self._sizes[collection]


def _end(visit: Document) -> tuple[bool, Any, str]:
    # Without an end sorts first; the id decides between visits that ended in the same millisecond.
    end = visit["end_timestamp"]
    return (end is not None, end or 0, visit["_id"])
