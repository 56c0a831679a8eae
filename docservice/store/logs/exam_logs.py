"""Exam logs as documents, each with its attempts.

Exams of old had at most a few dozen questions and nothing writes them any more but old front ends, so their attempts
need no buckets: a log that reaches its limit takes no more.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from docservice.domain.logs.exam_logs import ExamAttemptLog, ExamLog
from docservice.errors import DocumentTooLarge
from docservice.store.database.port import AlreadyKept, Database, Document, Transaction
from docservice.store.database.writes import InsertOne, UpdateOne, Write
from docservice.store.logs.keys import LogKey, filter_of
from docservice.store.mapping.counters import attempt_size
from docservice.store.mapping.log_documents import exam_attempt_document, exam_log_document, read_exam_log
from docservice.store.mapping.schema import EXAMS

MAX_EXAM_ATTEMPTS = 1000
MAX_EXAM_BYTES = 8 * 1024 * 1024

_WITHOUT_ATTEMPTS = {"attempts": 0}
_OWNER = {"_morango_partition": 1, "dataset_id": 1, "user_id": 1}


@dataclass(frozen=True)
class Owner:
    """The owner and the key of an exam log; they never change."""

    log_id: str
    partition: str
    dataset_id: str
    user_id: str

    @property
    def key(self) -> LogKey:
        """What finds the log on every kind of server."""
        return LogKey(self.partition, self.log_id)


class ExamLogStore:
    """Whose exam logs are whose."""

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
            document = await self._database[EXAMS].find_one(query, _OWNER)
        if document is None:
            return None
        return Owner(document["_id"], document["_morango_partition"], document["dataset_id"], document["user_id"])


class OpenExamLogs:
    """The exam logs of one transaction: read together, changed by one action after the other, written together."""

    def __init__(self, database: Database, tx: Transaction) -> None:
        """Begin with no logs.

        Args:
            database: connected.
            tx: under way.
        """
        self._database = database
        self._tx = tx
        self._opened: dict[LogKey, _OpenExamLog] = {}

    async def read(self, whole: Iterable[LogKey], others: Iterable[LogKey]) -> None:
        """Read exam logs, those of `whole` with their attempts.

        An earlier run of the transaction that may have been committed is known by an attempt that is there.
        """
        whole, others = set(whole), set(others)
        if self._tx.may_be_kept:
            whole, others = whole | others, set()
        for keys, projection in ((whole, None), (others - whole, _WITHOUT_ATTEMPTS)):
            if keys:
                query = filter_of(keys)
                async for document in self._database[EXAMS].find(query, projection, session=self._tx.session):
                    key = LogKey(document["_morango_partition"], document["_id"])
                    self._opened[key] = _OpenExamLog(read_exam_log(document), document)

    def log(self, key: LogKey) -> ExamLog | None:
        """A log as it is now, None if the partition has no such log. Its attempts are there if it was read whole."""
        opened = self._opened.get(key)
        return opened.log if opened else None

    def insert(self, log: ExamLog) -> None:
        """Take a new exam log."""
        self._opened[LogKey(log.morango_partition, log.id)] = _OpenExamLog(log, exam_log_document(log), is_new=True)

    def change(self, log: ExamLog) -> None:
        """Take what can change of an exam log, its attempts aside."""
        opened = self._opened[LogKey(log.morango_partition, log.id)]
        opened.log = log
        opened.setting |= {
            "closed": log.closed,
            "completion_timestamp": log.completion_timestamp,
            "_morango_dirty_bit": log.morango_dirty_bit,
        }

    def append(self, log: ExamLog, attempt: ExamAttemptLog) -> None:
        """Add an attempt.

        Raises:
            AlreadyKept: an earlier run of the transaction was committed.
            DocumentTooLarge: the log is full.
        """
        if self._tx.may_be_kept and any(each.id == attempt.id for each in log.attempts):
            raise AlreadyKept
        opened = self._opened[LogKey(log.morango_partition, log.id)]
        document = exam_attempt_document(attempt)
        if opened.attempt_count >= MAX_EXAM_ATTEMPTS:
            raise DocumentTooLarge(f"An exam log takes {MAX_EXAM_ATTEMPTS} attempts, and this one has them.")
        opened.grow(attempt_size(document))
        opened.attempt_count += 1
        opened.added.append(document)
        opened.log = log.model_copy(update={"attempts": [*log.attempts, attempt]})

    def replace_attempt(self, log: ExamLog, position: int, attempt: ExamAttemptLog) -> None:
        """Put an attempt in the place of the one at a position of the log, which was read whole.

        Raises:
            DocumentTooLarge: the attempt has grown beyond what the log takes.
        """
        opened = self._opened[LogKey(log.morango_partition, log.id)]
        document = exam_attempt_document(attempt)
        opened.grow(attempt_size(document) - attempt_size(exam_attempt_document(log.attempts[position])))
        attempts = [*log.attempts]
        attempts[position] = attempt
        opened.log = log.model_copy(update={"attempts": attempts})
        stored = len(opened.document["attempts"])
        if position < stored:
            opened.setting[f"attempts.{position}"] = document
        else:
            opened.added[position - stored] = document

    async def write(self) -> None:
        """Write all that was taken."""
        writes: list[Write] = [write for opened in self._opened.values() for write in opened.writes()]
        if writes:
            await self._database[EXAMS].bulk_write(writes, session=self._tx.session)


class _OpenExamLog:
    """An exam log in a transaction."""

    def __init__(self, log: ExamLog, document: Document, *, is_new: bool = False) -> None:
        self.log = log
        self.document = document
        self.is_new = is_new
        self.attempt_count: int = document["attempt_count"]
        self.attempt_bytes: int = document["attempt_bytes"]
        self.setting: Document = {}
        self.added: list[Document] = []

    def grow(self, growth: int) -> None:
        if growth > 0:
            _require_room(self.attempt_bytes + growth)
        self.attempt_bytes += growth

    def writes(self) -> list[Write]:
        if self.is_new:
            return [InsertOne(exam_log_document(self.log))]
        key = {"_id": self.log.id, "_morango_partition": self.log.morango_partition}
        counters = {"attempt_count": self.attempt_count, "attempt_bytes": self.attempt_bytes, "has_dirty": True}
        writes: list[Write] = []
        if self.setting:
            writes.append(UpdateOne(key, {"$set": {**self.setting, **counters}}))
        if self.added:  # one statement cannot change an item of a list and add one
            writes.append(UpdateOne(key, {"$set": counters, "$push": {"attempts": {"$each": self.added}}}))
        return writes


def _require_room(attempt_bytes: int) -> None:
    if attempt_bytes > MAX_EXAM_BYTES:
        raise DocumentTooLarge(
            f"The attempts of an exam log take at most {MAX_EXAM_BYTES} bytes, and would take {attempt_bytes}."
        )
