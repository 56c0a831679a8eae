"""Overflow: attempts that did not fit into their document, in buckets beside it.

A summary (or a session with loose attempts) keeps its newest attempts embedded. When it holds more than
`EMBEDDED_ATTEMPTS` or their bytes pass `EMBEDDED_BYTES`, the oldest move to buckets, one mastery log a bucket, until
half of each limit is free again, so that a move is rare.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from docservice.store.database.port import Database, Document, Transaction
from docservice.store.mapping.counters import attempt_size
from docservice.store.mapping.schema import OVERFLOW

EMBEDDED_ATTEMPTS = 40
"""The most attempts in a document; with more, the oldest move. One of an earlier version may have
`MOST_EMBEDDED_ATTEMPTS` until it is written next."""

MOST_EMBEDDED_ATTEMPTS = 200
"""The most attempts that this service ever leaves in a document: with more, another program has written it."""

EMBEDDED_BYTES = 1024 * 1024
_BUCKET_ATTEMPTS = 100
_BUCKET_BYTES = 8 * 1024 * 1024


@dataclass(frozen=True)
class AttemptList:
    """One list of embedded attempts: of a mastery log, or of a session.

    Attributes:
        path: path of the list in the document.
        masterylog_id: None for the loose attempts of a session.
        attempts: as documents, oldest first.
    """

    path: str
    masterylog_id: str | None
    attempts: list[Document]


def attempt_lists_of(document: Document) -> list[AttemptList]:
    """Return the lists of attempts of a summary or session, each a copy."""
    if "mastery_logs" in document:
        return [
            AttemptList(f"mastery_logs.{number}.attempts", log["id"], list(log.get("attempts", ())))
            for number, log in enumerate(document["mastery_logs"])
        ]
    return [AttemptList("attempts", None, list(document["attempts"]))] if "attempts" in document else []


def too_many(lists: Sequence[AttemptList], attempt_bytes: int) -> bool:
    """Whether some of the attempts have to move."""
    return sum(len(each.attempts) for each in lists) > EMBEDDED_ATTEMPTS or attempt_bytes > EMBEDDED_BYTES


@dataclass(frozen=True)
class Move:
    """What moves.

    Attributes:
        kept: the lists that stay, only those that change.
        moved: the lists that go to buckets, with the masterylog id of each.
        attempt_bytes: of what stays.
    """

    kept: list[AttemptList]
    moved: list[AttemptList]
    attempt_bytes: int


def plan_move(lists: Sequence[AttemptList], attempt_bytes: int) -> Move:
    """Choose the oldest attempts (by start) of all lists until half of each limit is free."""
    ages = sorted(
        (attempt["start_timestamp"], list_number, position)
        for list_number, each in enumerate(lists)
        for position, attempt in enumerate(each.attempts)
    )
    count, going = len(ages), set[tuple[int, int]]()
    for _, list_number, position in ages:
        if count <= EMBEDDED_ATTEMPTS // 2 and attempt_bytes <= EMBEDDED_BYTES // 2:
            break
        going.add((list_number, position))
        count -= 1
        attempt_bytes -= attempt_size(lists[list_number].attempts[position])
    kept, moved = [], []
    for number, each in enumerate(lists):
        stay = [a for position, a in enumerate(each.attempts) if (number, position) not in going]
        go = [a for position, a in enumerate(each.attempts) if (number, position) in going]
        if go:
            kept.append(AttemptList(each.path, each.masterylog_id, stay))
            moved.append(AttemptList(each.path, each.masterylog_id, go))
    return Move(kept, moved, attempt_bytes)


def buckets_for(owner: Document, moved: Sequence[AttemptList], sequence: int) -> list[Document]:
    """New buckets for attempts that leave a document.

    Args:
        owner: the summary or session document.
        moved: what leaves it.
        sequence: how many buckets the document has already; numbers the new ones.
    """
    made: list[Document] = []
    for each in moved:
        for chunk in _chunks(each.attempts):
            made.append(
                {
                    "_id": f"{owner['_id']}:{sequence + len(made):06d}",
                    "log_id": owner["_id"],
                    "masterylog_id": each.masterylog_id,
                    "dataset_id": owner["dataset_id"],
                    "user_id": owner["user_id"],
                    "content_id": owner["content_id"],
                    "_morango_partition": owner["_morango_partition"],
                    "last_start_timestamp": _last_start(chunk),
                    "attempts": chunk,
                    "has_dirty": any(attempt["_morango_dirty_bit"] for attempt in chunk),
                }
            )
    return made


def overfull(document: Document) -> bool:
    """Whether a summary or session has more embedded attempts than it may."""
    count = sum(len(each.attempts) for each in attempt_lists_of(document))
    return count > MOST_EMBEDDED_ATTEMPTS or document.get("attempt_bytes", 0) > EMBEDDED_BYTES


def move_oldest(document: Document) -> list[Document]:
    """Take the oldest attempts out of a summary or session that has too many.

    Args:
        document: its lists of attempts are replaced, not changed; `attempt_bytes` and `overflow_buckets` are set.

    Returns:
        New buckets for what was taken out.
    """
    if not too_many(attempt_lists_of(document), document.get("attempt_bytes", 0)):
        return []
    sequence = document.get("overflow_buckets", 0)
    plan = plan_move(attempt_lists_of(document), document["attempt_bytes"])
    made = buckets_for(document, plan.moved, sequence)
    owners = {log["id"]: log for log in document.get("mastery_logs", ())} or {None: document}
    for kept in plan.kept:
        owners[kept.masterylog_id]["attempts"] = kept.attempts
    document["attempt_bytes"] = plan.attempt_bytes
    document["overflow_buckets"] = sequence + len(made)
    return made


def _last_start(attempts: Sequence[Document]) -> datetime:
    last: datetime = max(attempt["start_timestamp"] for attempt in attempts)
    return last


def _chunks(attempts: Sequence[Document]) -> list[list[Document]]:
    chunks: list[list[Document]] = []
    size = _BUCKET_BYTES + 1
    for attempt in attempts:
        attempt_bytes = attempt_size(attempt)
        if size + attempt_bytes > _BUCKET_BYTES or len(chunks[-1]) >= _BUCKET_ATTEMPTS:
            chunks.append([])
            size = 0
        chunks[-1].append(attempt)
        size += attempt_bytes
    return chunks


class OverflowStore:
    """The buckets."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def insert(self, tx: Transaction, new: Sequence[Document]) -> None:
        """Store new buckets."""
        if new:
            await self._database[OVERFLOW].insert_many(list(new), session=tx.session)

    async def recent(
        self, tx: Transaction, partition: str, log_id: str, masterylog_id: str, since: datetime | None
    ) -> AsyncIterator[Document]:
        """Yield the buckets of a mastery log that hold attempts started at or after `since` (None: all of them)."""
        query: dict[str, Any] = {"_morango_partition": partition, "log_id": log_id, "masterylog_id": masterylog_id}
        if since is not None:
            query["last_start_timestamp"] = {"$gte": since}
        async for bucket in self._database[OVERFLOW].find(query, session=tx.session):
            yield bucket

    async def holding(
        self,
        tx: Transaction,
        partition: str,
        masterylog_id: str | None,
        *,
        ids: Sequence[str] = (),
        items: Sequence[str] = (),
        log_id: str | None = None,
    ) -> AsyncIterator[Document]:
        """Yield the buckets of a try (or of loose attempts, of `log_id` if given) that hold one of the ids or items."""
        query: dict[str, Any] = {"_morango_partition": partition, "masterylog_id": masterylog_id}
        if log_id is not None:
            query["log_id"] = log_id
        for key, wanted in (("attempts.id", ids), ("attempts.item", items)):
            if wanted:
                async for bucket in self._database[OVERFLOW].find(
                    {**query, key: {"$in": list(wanted)}}, session=tx.session
                ):
                    yield bucket
