"""Whole logs that are loaded many at a time, outside transactions; loading again adds what is missing."""

from __future__ import annotations

from collections.abc import Sequence

from docservice.store.bulk import BulkStore
from docservice.store.log_kinds import Log, LogKind
from docservice.store.overflow import COLLECTION as OVERFLOW
from docservice.store.overflow import Shelf, buckets, plan_spill, too_many
from docservice.store.port import Database, Document


class LoadingStore:
    """Inserts logs that are not there."""

    def __init__(self, database: Database) -> None:
        self._bulk = BulkStore(database)

    async def insert_missing(self, kind: LogKind[Log], logs: Sequence[Log]) -> int:
        """Insert logs with all that belongs to them; those that are there are left alone.

        Returns:
            how many were inserted.

        Raises:
            StoreError: some may have been inserted; do it again.
        """
        documents = [kind.write(log) for log in logs]
        made: list[Document] = []
        if kind.overflows:
            for document in documents:
                made += spill(document)
        if made:
            # A log that is there has its own buckets.
            owners = sorted({bucket["log_id"] for bucket in made})
            there = await self._bulk.stored(kind.collection, owners, {"_id": 1})
            # Buckets come first: a log never counts attempts that are nowhere.
            await self._bulk.insert_missing(OVERFLOW, [bucket for bucket in made if bucket["log_id"] not in there])
        return await self._bulk.insert_missing(kind.collection, documents)


def overfull(document: Document) -> bool:
    """Whether a summary or session has more embedded attempts than it may."""
    return too_many([shelf for shelf, _ in _shelves(document)], document.get("attempt_bytes", 0))


def spill(document: Document) -> list[Document]:
    """Take the oldest attempts out of a document that has too many; the new buckets for them."""
    if not overfull(document):
        return []
    shelves = _shelves(document)
    plan = plan_spill([shelf for shelf, _ in shelves], document["attempt_bytes"])
    made = buckets(document, plan.moved, document.get("overflow_buckets", 0))
    for kept in plan.kept:
        shelves[int(kept.path)][1]["attempts"] = kept.attempts
    document["attempt_bytes"] = plan.attempt_bytes
    document["overflow_buckets"] = document.get("overflow_buckets", 0) + len(made)
    return made


def _shelves(document: Document) -> list[tuple[Shelf, Document]]:
    """The lists of attempts, each with what holds it; their paths are their numbers."""
    owners: list[tuple[str | None, Document]] = [(log["id"], log) for log in document.get("mastery_logs", ())]
    if "mastery_logs" not in document:
        owners = [(None, document)]
    return [
        (Shelf(str(number), masterylog_id, owner.get("attempts", [])), owner)
        for number, (masterylog_id, owner) in enumerate(owners)
    ]
