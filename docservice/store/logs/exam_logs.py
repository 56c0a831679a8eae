"""Exam logs as documents, each with its attempts.

Exams of old had at most a few dozen questions and nothing writes them any more but old front ends, so their attempts
need no buckets: a log that reaches its limit takes no more.
"""

from __future__ import annotations

from dataclasses import dataclass

from docservice.domain.logs.exam_logs import ExamAttemptLog, ExamLog
from docservice.errors import DocumentTooLarge
from docservice.store.database.port import AlreadyKept, Database, Document, Transaction
from docservice.store.mapping.log_documents import attempt_size, exam_attempt_document, exam_log_document, read_exam_log

COLLECTION = "exam_logs"
MAX_EXAM_ATTEMPTS = 1000
MAX_EXAM_BYTES = 8 * 1024 * 1024

_WITHOUT_ATTEMPTS = {"attempts": 0}
_OWNER = {"_morango_partition": 1, "dataset_id": 1, "user_id": 1}


@dataclass(frozen=True)
class StoredExamLog:
    """An exam log and the document it was read from."""

    log: ExamLog
    document: Document


@dataclass(frozen=True)
class Owner:
    """Whose exam log it is and where it stands; none of this ever changes."""

    log_id: str
    partition: str
    dataset_id: str
    user_id: str


class ExamLogStore:
    """The exam logs; every write carries the partition, the shard key."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def owner(self, log_id: str) -> Owner | None:
        """Whose log has this id; None if there is none."""
        return await self._owner({"_id": log_id})

    async def attempt_owner(self, attempt_id: str) -> Owner | None:
        """Whose log holds the attempt with this id; None if none does."""
        return await self._owner({"attempts.id": attempt_id})

    async def _owner(self, query: Document) -> Owner | None:
        with self._database.guarded():
            found = await self._database[COLLECTION].find_one(query, _OWNER)
        if found is None:
            return None
        return Owner(found["_id"], found["_morango_partition"], found["dataset_id"], found["user_id"])

    async def find(
        self, tx: Transaction, partition: str, log_id: str, *, with_attempts: bool = True
    ) -> StoredExamLog | None:
        """An exam log, None if the partition has no such log.

        Args:
            tx: the transaction's session.
            partition: the facility's.
            log_id: computed from partition, exam and learner.
            with_attempts: read the attempts, too.
        """
        document = await self._database[COLLECTION].find_one(
            {"_id": log_id, "_morango_partition": partition},
            None if with_attempts else _WITHOUT_ATTEMPTS,
            session=tx.session,
        )
        return StoredExamLog(read_exam_log(document), document) if document else None

    async def insert(self, tx: Transaction, log: ExamLog) -> None:
        """Store a new exam log."""
        await self._database[COLLECTION].insert_one(exam_log_document(log), session=tx.session)

    async def update(self, tx: Transaction, log: ExamLog) -> None:
        """Write what can change of an exam log, its attempts aside."""
        setting = {
            "closed": log.closed,
            "completion_timestamp": log.completion_timestamp,
            "_morango_dirty_bit": log.morango_dirty_bit,
        }
        await self._set(tx, log, {"$set": setting})

    async def append(self, tx: Transaction, stored: StoredExamLog, attempt: ExamAttemptLog) -> None:
        """Add an attempt.

        Args:
            tx: the transaction.
            stored: with its attempts, if an earlier run of the transaction may have been committed.
            attempt: new.

        Raises:
            AlreadyKept: an earlier run was committed.
            DocumentTooLarge: the log is full.
        """
        if tx.may_be_kept and any(each.id == attempt.id for each in stored.log.attempts):
            raise AlreadyKept
        document = exam_attempt_document(attempt)
        size = attempt_size(document)
        if stored.document["attempt_count"] >= MAX_EXAM_ATTEMPTS:
            raise DocumentTooLarge(f"An exam log takes {MAX_EXAM_ATTEMPTS} attempts, and this one has them.")
        _require_room(stored.document["attempt_bytes"] + size)
        await self._set(
            tx, stored.log, {"$push": {"attempts": document}, "$inc": {"attempt_count": 1, "attempt_bytes": size}}
        )

    async def replace_attempt(
        self, tx: Transaction, stored: StoredExamLog, position: int, attempt: ExamAttemptLog
    ) -> None:
        """Write an attempt in the place of the one at a position of the log, which was read with its attempts.

        Raises:
            DocumentTooLarge: the attempt has grown beyond what the log takes.
        """
        document = exam_attempt_document(attempt)
        growth = attempt_size(document) - attempt_size(stored.document["attempts"][position])
        if growth > 0:
            _require_room(stored.document["attempt_bytes"] + growth)
        await self._set(tx, stored.log, {"$set": {f"attempts.{position}": document}, "$inc": {"attempt_bytes": growth}})

    async def _set(self, tx: Transaction, log: ExamLog, update: Document) -> None:
        await self._database[COLLECTION].update_one(
            {"_id": log.id, "_morango_partition": log.morango_partition},
            {**update, "$set": {**update.get("$set", {}), "has_dirty": True}},
            session=tx.session,
        )


def _require_room(attempt_bytes: int) -> None:
    if attempt_bytes > MAX_EXAM_BYTES:
        raise DocumentTooLarge(
            f"The attempts of an exam log take at most {MAX_EXAM_BYTES} bytes, and would take {attempt_bytes}."
        )
