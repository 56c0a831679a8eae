"""Finds embedded logs by their own ids and fields, in documents and in overflow buckets."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from typing import Any

from docservice.store.database.port import Database, Document
from docservice.store.database.reads import chunks
from docservice.store.logs.attempts import AttemptReader
from docservice.store.mapping.embedded_kinds import (
    ATTEMPT_LOGS,
    DOCUMENT,
    EXAM_ATTEMPT_LOGS,
    MASTERY,
    MASTERY_LOGS,
    OWN,
    SUMMARY,
    Conditions,
    EmbeddedKind,
    EmbeddedRecord,
    holds,
)
from docservice.store.mapping.schema import EXAMS, OVERFLOW, SESSIONS, SUMMARIES

_IDS_AT_ONCE = 1000
_OUTLINE = {"dataset_id": 1, "user_id": 1, "exam_id": 1, "_morango_partition": 1}
_PLACES = {
    MASTERY_LOGS.name: ((SUMMARIES, "mastery_logs.id"),),
    ATTEMPT_LOGS.name: ((SUMMARIES, "mastery_logs.attempts.id"), (SESSIONS, "attempts.id"), (OVERFLOW, "attempts.id")),
    EXAM_ATTEMPT_LOGS.name: ((EXAMS, "attempts.id"),),
}
"""Where logs of each kind are, and the indexed path of their ids."""


class EmbeddedLogStore:
    """Reads mastery logs, attempts and exam attempts as logs of their own."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._attempts = AttemptReader(database)

    async def find(
        self, kind: EmbeddedKind[Any], conditions: Sequence[Conditions]
    ) -> AsyncGenerator[EmbeddedRecord, None]:
        """Yield the records that fit all conditions, document by document; one document at a time is in memory.

        Ids, and fields of the document around, are looked up in indexes. Other fields are compared with each record.

        Args:
            kind: of log.
            conditions: on the kind's `plain_fields`.
        """
        ids = _listed(conditions, f"{OWN}.id")
        records = self._all(kind, conditions) if ids is None else self._by_ids(kind, ids)
        async with aclosing(records) as embedded:
            async for each in embedded:
                if all(holds(wanted, each) for wanted in conditions):
                    yield each

    async def one(self, kind: EmbeddedKind[Any], log_id: str) -> EmbeddedRecord | None:
        """Return the record with an id; None if there is none."""
        async with aclosing(self._by_ids(kind, [log_id])) as embedded:
            async for each in embedded:
                return each
        return None

    async def count(self, kind: EmbeddedKind[Any], conditions: Sequence[Conditions]) -> int:
        """How many records fit all conditions. Attempts are counted without reading them if none looks at them."""
        if kind is not MASTERY_LOGS and not any(_of_level(wanted, OWN) for wanted in conditions):
            return await self._count_attempts(kind, conditions)
        count = 0
        async with aclosing(self.find(kind, conditions)) as embedded:
            async for _ in embedded:
                count += 1
        return count

    async def parent(self, kind: EmbeddedKind[Any], values: Mapping[str, Any]) -> EmbeddedRecord | None:
        """Return the record that a log belongs in, by the log's own fields; None if there is none.

        Args:
            kind: of the log.
            values: of the log, its parent's ids checked.

        Returns:
            With the parent as `mastery` if it is a mastery log, without its lists; `record` is empty.
        """
        collection, query = SESSIONS, {"_id": values.get("sessionlog_id")}
        if kind is MASTERY_LOGS:
            collection, query = SUMMARIES, {"_id": values.get("summarylog_id")}
        elif kind is EXAM_ATTEMPT_LOGS:
            collection, query = EXAMS, {"_id": values.get("examlog_id")}
        elif values.get("masterylog_id") is not None:
            collection, query = SUMMARIES, {"mastery_logs.id": values["masterylog_id"]}
        with self._database.guarded():
            document = await self._database[collection].find_one(query, _OUTLINE)
        if document is None:
            return None
        return EmbeddedRecord({}, document, {"id": values["masterylog_id"]} if "mastery_logs.id" in query else {})

    async def session(self, log_id: str) -> Document | None:
        """Whose content session has this id: `dataset_id` and `user_id`; None if there is none."""
        with self._database.guarded():
            return await self._database[SESSIONS].find_one({"_id": log_id}, _OUTLINE)

    async def _all(
        self, kind: EmbeddedKind[Any], conditions: Sequence[Conditions]
    ) -> AsyncGenerator[EmbeddedRecord, None]:
        conditions = [*conditions, *await self._around_sessions(kind, conditions)]
        for collection, _ in _PLACES[kind.name]:
            query = _document_query(kind, collection, conditions)
            if query is None:
                continue
            async with aclosing(self._database.stream(collection, query)) as documents:
                async for document in documents:
                    async with aclosing(self._in_document(kind, document, conditions)) as records:
                        async for each in records:
                            yield each

    async def _around_sessions(self, kind: EmbeddedKind[Any], conditions: Sequence[Conditions]) -> list[Conditions]:
        """What follows for the documents from content sessions that attempts must name: they are the same learner's."""
        ids = _listed(conditions, f"{OWN}.sessionlog_id") if kind is ATTEMPT_LOGS else None
        if ids is None or len(ids) > _IDS_AT_ONCE:
            return []
        query = {"_id": ids[0] if len(ids) == 1 else {"$in": ids}}
        stream = self._database.stream(SESSIONS, query, {"_morango_partition": 1})
        async with aclosing(stream) as sessions:
            partitions = [session["_morango_partition"] async for session in sessions]
        if len(partitions) < len(ids):
            return []  # attempts may name a session that is not stored
        return [{f"{DOCUMENT}._morango_partition": {"$in": sorted(set(partitions))}}]

    async def _in_document(
        self, kind: EmbeddedKind[Any], document: Document, conditions: Sequence[Conditions]
    ) -> AsyncGenerator[EmbeddedRecord, None]:
        if kind is MASTERY_LOGS:
            for log in document.get("mastery_logs", ()):
                yield EmbeddedRecord(log, document, log)
            return
        for mastery in document.get("mastery_logs", ({},)):
            # Its attempts are read from buckets only if conditions on the mastery log itself let them pass.
            around = EmbeddedRecord({}, document, mastery)
            if not all(holds(_without_level(wanted, OWN), around) for wanted in conditions):
                continue
            embedded = (mastery or document).get("attempts", ())
            async with aclosing(self._attempts.of_list(document, mastery.get("id"), embedded)) as parts:
                async for part in parts:
                    for attempt in part:
                        yield EmbeddedRecord(attempt, document, mastery)

    async def _by_ids(self, kind: EmbeddedKind[Any], ids: Sequence[str]) -> AsyncGenerator[EmbeddedRecord, None]:
        for some in chunks(ids, self._database.traits.ids_in_a_query):
            left = set(some)
            for collection, path in _PLACES[kind.name]:
                # By the id alone: one embedded engine uses an index only if it holds all fields of the query.
                query = {path: some[0] if len(some) == 1 else {"$in": some}}
                stream = self._database.stream(collection, query, limit=1 if len(some) == 1 else 0)
                async with aclosing(stream) as documents:
                    async for document in documents:
                        for each in await self._records(kind, collection, document):
                            if each.record["id"] in left:
                                left.remove(each.record["id"])
                                yield each
                if not left:
                    break

    async def _records(self, kind: EmbeddedKind[Any], collection: str, document: Document) -> list[EmbeddedRecord]:
        if collection == OVERFLOW:
            owner = await self._attempts.owner(document)
            if owner is None:
                return []
            logs = [log for log in owner.get("mastery_logs", ()) if log["id"] == document["masterylog_id"]]
            mastery = logs[0] if logs else {}
            return [EmbeddedRecord(attempt, owner, mastery) for attempt in document["attempts"]]
        if kind is MASTERY_LOGS:
            return [EmbeddedRecord(log, document, log) for log in document["mastery_logs"]]
        return [
            EmbeddedRecord(attempt, document, mastery)
            for mastery in document.get("mastery_logs", ({},))
            for attempt in (mastery or document).get("attempts", ())
        ]

    async def _count_attempts(self, kind: EmbeddedKind[Any], conditions: Sequence[Conditions]) -> int:
        count = 0
        for collection, _ in _PLACES[kind.name]:
            query = _document_query(kind, collection, conditions)
            if query is None:
                continue
            fields = {"mastery_logs.attempts": 0, "attempts": 0}
            async with aclosing(self._database.stream(collection, query, fields)) as documents:
                async for document in documents:
                    for mastery in document.get("mastery_logs", ({},)):
                        if all(holds(wanted, EmbeddedRecord({}, document, mastery)) for wanted in conditions):
                            holder = mastery or document
                            count += holder.get("attempt_count", holder.get("loose_attempt_count", 0))
        return count


def _listed(conditions: Sequence[Conditions], path: str) -> list[str] | None:
    """Return the ids that a field may have; None if no condition lists them."""
    for wanted in conditions:
        field = wanted.get(path, {})
        if "$eq" in field:
            return [field["$eq"]]
        if "$in" in field:
            return sorted(set(field["$in"]))
    return None


def _of_level(wanted: Conditions, *levels: str) -> Conditions:
    """Return the conditions on some levels, by the name of the stored field."""
    parts = {path: path.partition(".") for path in wanted}
    return {parts[path][2]: compared for path, compared in wanted.items() if parts[path][0] in levels}


def _without_level(wanted: Conditions, *levels: str) -> Conditions:
    return {path: compared for path, compared in wanted.items() if path.partition(".")[0] not in levels}


def _document_query(kind: EmbeddedKind[Any], collection: str, conditions: Sequence[Conditions]) -> Document | None:
    """Return what a document must be so that records in it may fit; None if none can be found there."""
    if collection == OVERFLOW:
        return None  # buckets are read with their logs
    levels = (DOCUMENT, SUMMARY) if collection == SUMMARIES else (DOCUMENT,)
    parts: list[Mapping[str, Any]] = [part for wanted in conditions if (part := _of_level(wanted, *levels))]
    if collection == SUMMARIES:
        parts += _of_mastery_log(OWN if kind is MASTERY_LOGS else MASTERY, conditions)
    elif collection == SESSIONS:
        loose = EmbeddedRecord({}, {}, {})
        if not all(holds(_without_level(wanted, OWN, DOCUMENT), loose) for wanted in conditions):
            return None
        parts.append({"loose_attempt_count": {"$gt": 0}})
    names = [name for part in parts for name in part]
    if len(set(names)) == len(names):
        return {name: compared for part in parts for name, compared in part.items()}
    return {"$and": parts}


def _of_mastery_log(level: str, conditions: Sequence[Conditions]) -> list[Document]:
    """Return what one of the mastery logs of a summary must be."""
    wanted: Document = {}
    for each in conditions:
        for name, compared in _of_level(each, level).items():
            wanted.setdefault(name, compared)
    if list(wanted) == ["id"] and "$eq" in wanted["id"]:
        return [{"mastery_logs.id": wanted["id"]["$eq"]}]  # in these words every engine uses the index
    return [{"mastery_logs": {"$elemMatch": wanted}}] if wanted else []
