"""Checks every document and its buckets, and repairs them; findings are confirmed in a transaction."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import replace
from typing import Any

from docservice.domain.directory.records import DirectoryRecord
from docservice.domain.directory.rules import add_to, taken, unique_key, violations
from docservice.domain.logs.record_schema import FieldRole
from docservice.domain.logs.schema import OVERFLOW_BUCKET
from docservice.domain.upkeep.consistency import (
    BUCKET,
    DUPLICATE,
    IMPOSSIBLE,
    ORPHAN,
    OVERFULL,
    FieldProblem,
    Finding,
    directory_problems,
)
from docservice.domain.upkeep.inspection import Inspection, bucket_owner, misplaced
from docservice.store.database.bulk import BulkStore
from docservice.store.database.port import Database, Document, Transaction
from docservice.store.database.writes import DeleteOne, ReplaceOne
from docservice.store.directory.related_records import RelatedRecordStore
from docservice.store.logs.attempts import AttemptReader
from docservice.store.logs.overflow import move_oldest, overfull
from docservice.store.mapping.extended_json import encoded
from docservice.store.mapping.log_documents import model_values
from docservice.store.mapping.log_kinds import KINDS, LogKind
from docservice.store.mapping.schema import DIRECTORY, OVERFLOW, SESSIONS, SUMMARIES

LOGS: dict[str, LogKind[Any]] = {kind.collection: kind for kind in KINDS.values()}
"""The collections of logs."""

_BUCKET = dict.fromkeys(OVERFLOW_BUCKET.named(FieldRole.OWNER), 1)
_OWNER = {name: 1 for name in _BUCKET if name != "log_id"} | {"overflow_buckets": 1}
_BATCH = 100
_RECORDS = 500
_UNIQUE = {
    "facility_collections": ("kind", "dataset_id"),
    "facility_users": ("username", "facility_id", "date_deleted"),
    "memberships": ("user_id", "collection_id"),
    "roles": ("user_id", "collection_id", "kind"),
}
"""The fields that make `directory_rules.unique_key`, by collection."""


class VerifyingStore:
    """Reads documents to look at them."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._attempts = AttemptReader(database)
        self._bulk = BulkStore(database)
        self._related = RelatedRecordStore(database)

    async def count(self, collection: str) -> int:
        """Return how many documents a collection has."""
        with self._database.guarded():
            return await self._database[collection].count_documents({})

    def documents(self, collection: str, *, whole: bool = True) -> AsyncGenerator[Document, None]:
        """Return all documents of a collection, or just their `_id`, in no order."""
        return self._database.stream(collection, {}, None if whole else {"_id": 1})

    async def bucket_batches(self) -> AsyncGenerator[list[Document], None]:
        """Yield all buckets without their attempts, some at a time, in no order."""
        batch: list[Document] = []
        async with aclosing(self._database.stream(OVERFLOW, {}, _BUCKET)) as documents:
            async for document in documents:
                batch.append(document)
                if len(batch) == _BATCH:
                    yield batch
                    batch = []
        if batch:
            yield batch

    async def record_batches(self, collection: str) -> AsyncGenerator[list[Document], None]:
        """Yield all records of a collection of the directory, some at a time, in no order."""
        async with aclosing(self._database.batches(collection, {}, size=_RECORDS)) as batches:
            async for batch in batches:
                yield batch

    async def records(self, collection: str, batch: Sequence[Document], holders: Mapping[int, str]) -> list[Finding]:
        """Return what is wrong with records of the directory: their fields, and whether Kolibri could hold them at all.

        Args:
            collection: of the records.
            batch: the records.
            holders: see `holders`.
        """
        found: list[Finding] = []
        for document in batch:
            found += _findings(collection, document["_id"], directory_problems(DIRECTORY[collection], document))
        impossible = await self._impossible(collection, batch, holders)
        if impossible:
            # The record and what it names may have been removed after the record was read.
            still = await self._bulk.stored(collection, sorted({finding.document_id for finding in impossible}))
            impossible = await self._impossible(collection, list(still.values()), holders)
        return found + impossible

    async def holders(self, collection: str) -> dict[int, str]:
        """Of everything that only one record of a collection may hold, the record that holds it: the first of several.

        The keys are hashes of `directory_rules.unique_key`: there may be a million people.
        """
        found: dict[int, str] = {}
        model = DIRECTORY[collection]
        if collection not in _UNIQUE:
            return found
        projection = dict.fromkeys(_UNIQUE[collection], 1)
        async with aclosing(self._database.stream(collection, {}, projection, sort=[("_id", 1)])) as documents:
            async for document in documents:
                if all(isinstance(document.get(name), str) for name in _UNIQUE[collection] if name != "date_deleted"):
                    key = unique_key(model.model_construct(**{**document, "id": document["_id"]}))
                    if key is not None:
                        found.setdefault(hash(key), document["_id"])
        return found

    async def _impossible(
        self, collection: str, documents: Sequence[Document], holders: Mapping[int, str]
    ) -> list[Finding]:
        model = DIRECTORY[collection]
        # What cannot be read is reported by its fields.
        readable = [document for document in documents if not any(directory_problems(model, document))]
        records = [_record(model, document) for document in readable]
        there = await self._related.of(None, records)
        add_to(there, records)
        found: list[Finding] = []
        for record in records:
            key = unique_key(record)
            listed = list(violations(record, there))
            twice = key is not None and holders.get(hash(key), record.id) != record.id
            for flaw, rule in [
                *((flaw, ORPHAN if flaw.missing else IMPOSSIBLE) for flaw in listed),
                *([(taken(key), DUPLICATE)] if key is not None and twice else []),
            ]:
                path = ".".join(map(str, flaw.path))
                found.append(Finding(collection, record.id, rule, path, flaw.message))
        return found

    async def buckets(self, batch: Sequence[Document], *, repair: bool) -> list[Finding]:
        """Return what is wrong with where buckets belong; what else is wrong with them, `log` says."""
        names = {bucket["_id"]: bucket_owner(str(bucket["_id"])) for bucket in batch}
        wanted = sorted({name[0] for name in names.values() if name is not None})
        owners: dict[str, Document] = {}
        for collection in (SUMMARIES, SESSIONS):
            owners |= await self._bulk.stored(collection, wanted, _OWNER)
        found: list[Finding] = []
        for bucket in batch:
            name = names[bucket["_id"]]
            if name is None or _bucket_problems(bucket, name[1], owners.get(name[0]))[1]:
                found += await self._database.transact(self._bucket_action(bucket["_id"], repair))
        return found

    def _bucket_action(self, bucket_id: str, repair: bool) -> Callable[[Any], Any]:
        async def action(tx: Transaction) -> list[Finding]:
            bucket = await self._database[OVERFLOW].find_one({"_id": bucket_id}, _BUCKET, session=tx.session)
            if bucket is None:
                return []
            name = bucket_owner(str(bucket_id))
            if name is None:
                return [
                    Finding(OVERFLOW, str(bucket_id), BUCKET, "_id", "A bucket is called after its log and number.")
                ]
            owner = await self._database[SUMMARIES].find_one({"_id": name[0]}, _OWNER, session=tx.session)
            collection = SUMMARIES if owner else SESSIONS
            owner = owner or await self._database[SESSIONS].find_one({"_id": name[0]}, _OWNER, session=tx.session)
            setting, problems = _bucket_problems(bucket, name[1], owner)
            if repair and setting:
                key = {"_id": bucket_id, "_morango_partition": bucket.get("_morango_partition")}
                await self._database[OVERFLOW].update_one(key, {"$set": setting}, session=tx.session)
            if repair and owner is not None and owner.get("overflow_buckets", 0) <= name[1]:
                key = {"_id": owner["_id"], "_morango_partition": owner["_morango_partition"]}
                await self._database[collection].update_one(
                    key, {"$set": {"overflow_buckets": name[1] + 1}}, session=tx.session
                )
            return _findings(OVERFLOW, bucket_id, problems, repair)

        return action

    async def log(self, collection: str, document: Document, *, repair: bool) -> list[Finding]:
        """Return what is wrong with a log and its buckets."""
        kind = LOGS[collection]
        _, findings, _ = await self._inspect(kind, document)
        if not findings:
            return []
        # Read at different moments, a document and its buckets differ while attempts move between them.
        return await self._database.transact(self._log_action(kind, document["_id"], repair))

    def _log_action(self, kind: LogKind[Any], log_id: str, repair: bool) -> Callable[[Any], Any]:
        async def action(tx: Transaction) -> list[Finding]:
            document = await self._database[kind.collection].find_one({"_id": log_id}, session=tx.session)
            if document is None:
                return []
            right, findings, changed = await self._inspect(kind, document, tx)
            if not repair:
                return findings
            made: list[Document] = []
            if any(finding.rule == OVERFULL for finding in findings):
                made = move_oldest(right)
            writes = [
                ReplaceOne(_key(before), bucket) if bucket["attempts"] else DeleteOne(_key(before))
                for before, bucket in changed
            ]
            if writes:
                await self._database[OVERFLOW].bulk_write(writes, session=tx.session)
            if made:
                await self._database[OVERFLOW].insert_many(made, session=tx.session)
            if right != document:
                await self._database[kind.collection].replace_one(_key(document), right, session=tx.session)
            return [finding.as_mended() for finding in findings]

        return action

    async def _inspect(
        self, kind: LogKind[Any], document: Document, tx: Transaction | None = None
    ) -> tuple[Document, list[Finding], list[tuple[Document, Document]]]:
        """The log as it should be, what is wrong with it and its buckets, and buckets as they are and should be."""
        inspection = Inspection(kind.model, document, encoded, model_values)
        found: list[Finding] = []
        changed: list[tuple[Document, Document]] = []
        if inspection.wants_buckets:
            async with aclosing(self._attempts.buckets(document, tx)) as buckets:
                async for bucket in buckets:
                    right, problems = inspection.bucket(bucket)
                    found += _findings(OVERFLOW, bucket["_id"], problems)
                    if right != bucket:
                        changed.append((bucket, right))
        inspection.finish()
        found += _findings(kind.collection, document["_id"], inspection.problems)
        if not inspection.readable:
            # What cannot be read is not understood: nothing of the log is touched.
            return document, [replace(finding, mendable=False) for finding in found], []
        right = inspection.document
        if kind.overflows and overfull(right):
            message = "It has more embedded attempts than it may."
            found.append(Finding(kind.collection, document["_id"], OVERFULL, "", message, mendable=True))
        return right, found, changed


def _bucket_problems(bucket: Document, sequence: int, owner: Document | None) -> tuple[Document, list[FieldProblem]]:
    setting, problems = misplaced(bucket, owner)
    if owner is not None and owner.get("overflow_buckets", 0) <= sequence:
        message = "Its log counts fewer buckets."
        problems = [*problems, FieldProblem(BUCKET, "_id", message, mendable=True)]
    return setting, problems


def _findings(collection: str, document_id: Any, problems: Any, mended: bool = False) -> list[Finding]:
    found = [
        Finding(collection, str(document_id), each.rule, each.path, each.message, each.mendable) for each in problems
    ]
    return [finding.as_mended() for finding in found] if mended else found


def _record(model: type[DirectoryRecord], document: Document) -> DirectoryRecord:
    fields = {name: value for name, value in document.items() if name != "_id"}
    return model.model_validate({**fields, "id": document["_id"]})


def _key(document: Document) -> Document:
    return {"_id": document["_id"], "_morango_partition": document.get("_morango_partition")}
