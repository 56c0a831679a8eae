"""Checks a stored log with everything that it embeds and with its overflow buckets."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from docservice.domain.logs.content_logs import ContentSummaryLog, MasteryLog, SyncableLog
from docservice.domain.logs.exam_logs import ExamLog
from docservice.domain.logs.record_schema import Counted, FieldRole, LogSchema, StoredField
from docservice.domain.logs.schema import OVERFLOW_BUCKET, SCHEMA_VERSION, SCHEMAS
from docservice.domain.upkeep.consistency import (
    BUCKET,
    COUNTER,
    DIRTY,
    DUPLICATE,
    INVALID,
    ORPHAN,
    Document,
    FieldProblem,
    field_problems,
    identify,
)
from docservice.domain.values.json_columns import stored_history
from docservice.domain.values.partitions import exam_log_partition, log_partition

_DRIFT = 1e-6
"""How far a sum of fractions may be from the sum in another order, for each of them."""


class Inspection:
    """Finds what is wrong with a log and says how it should be.

    Make one of the document, give it each bucket by `bucket`, then call `finish`. Buckets are looked at one by one, so
    that any number of attempts needs little more memory than their ids.

    Attributes:
        document: the log as it should be; equal to the stored one if there is nothing to repair.
        problems: what is wrong with the document, by path.
        readable: False if a list holds something other than records: then nothing can be repaired.
    """

    def __init__(
        self,
        model: type[SyncableLog],
        document: Mapping[str, Any],
        encode: Callable[[Mapping[str, Any]], bytes],
        decode: Callable[[type[SyncableLog], Mapping[str, Any]], dict[str, Any]],
    ) -> None:
        """Look at a document.

        Args:
            model: of the log.
            document: as it is stored; not changed.
            encode: an embedded attempt as the bytes that it takes.
            decode: the values that a stored record has for the fields of a model, JSON as it was sent; `ValueError` or
                `ArithmeticError` if a JSON field holds what is not stored for JSON.
        """
        self.model = model
        self._schema = SCHEMAS[model]
        self._holder = self._schema.holder
        self.document: Document = dict(document)
        self.problems: list[FieldProblem] = []
        self._encode = encode
        self._decode = decode
        self._counts: dict[str | None, int] = {}
        self._sums: dict[str | None, float] = {}
        self._seen: dict[str, bytes] = {}
        self._bytes = 0
        self._dirty = bool(document.get("_morango_dirty_bit"))
        self._last_sequence = -1
        self.readable = True
        dataset, user = str(document.get("dataset_id")), document.get("user_id")
        exam = model is ExamLog
        self._partition = exam_log_partition(dataset) if exam else log_partition(dataset, user)
        self._inherited = {"dataset_id": dataset, "user_id": user}
        self._look_at_owner()
        self._tries = self._embedded_tries() if self._in_mastery_logs else {None: self.document}
        for number, (masterylog_id, owner) in enumerate(self._tries.items()):
            self._look_at_attempts(masterylog_id, owner, f"mastery_logs.{number}." if masterylog_id else "")

    @property
    def _in_mastery_logs(self) -> bool:
        """Whether the attempts are in mastery logs and not in the document itself."""
        return self._holder is not None and self._holder is not self._schema

    @property
    def wants_buckets(self) -> bool:
        """Whether the log says that it has attempts elsewhere."""
        counter = self._holder.counter_of(Counted.ATTEMPTS) if self._holder else None
        if not self._schema.moves_to or counter is None:
            return False
        counts = [owner.get(counter, 0) for owner in self._tries.values()]
        return bool(
            self.document.get("overflow_buckets")
            or any(
                isinstance(count, int) and count > embedded_count
                for count, embedded_count in zip(counts, self._counts.values(), strict=False)
            )
        )

    def _look_at_owner(self) -> None:
        self.problems += self._field_problems(self._schema, self.document, {})
        source_id: str | None = None
        if self.model is ContentSummaryLog:
            source_id = str(self.document.get("content_id"))
        elif self.model is ExamLog:
            source_id = f"{self.document.get('exam_id')}:{self.document.get('user_id')}"
        self.problems += identify(self.document, self.document["_id"], self.model, self._partition, source_id)
        if self.document.get("schema_version") != SCHEMA_VERSION:
            self._problem(INVALID, "schema_version", f"The version is not {SCHEMA_VERSION}.")

    def _embedded_tries(self) -> dict[str | None, Document]:
        by_id: dict[str | None, Document] = {}
        logs = self._list(self.document, "mastery_logs", "")
        self.document["mastery_logs"] = copies = [dict(log) if isinstance(log, Mapping) else log for log in logs]
        for number, log in enumerate(copies):
            path = f"mastery_logs.{number}."
            if not isinstance(log, dict) or not isinstance(log.get("id"), str):
                self._unreadable(path[:-1], "This is not a mastery log.")
                continue
            if log["id"] in by_id:
                self._problem(DUPLICATE, path[:-1], "The list has the same mastery log twice.")
                self.readable = False
                continue
            inherited = {**self._inherited, "summarylog_id": self.document["_id"]}
            self.problems += self._field_problems(SCHEMAS[MasteryLog], log, inherited, path)
            source_id = f"{self.document['_id']}:{log.get('mastery_level')}"
            self.problems += identify(log, log["id"], MasteryLog, self._partition, source_id, path)
            self._dirty = self._dirty or bool(log.get("_morango_dirty_bit"))
            by_id[log["id"]] = log
        return by_id

    def _list(self, owner: Document, name: str, path: str) -> list[Any]:
        value = owner.get(name)
        if isinstance(value, list):
            return value
        if value is None:
            if not self._schema.sparse:
                self._problem(INVALID, path + name, "The list is missing.", mendable=True)
            return []
        self._unreadable(path + name, "A list is expected.")
        return []

    def _look_at_attempts(self, masterylog_id: str | None, owner: Document, path: str) -> None:
        listed = self._list(owner, "attempts", path) if self._holder else []
        kept = []
        for position, attempt in enumerate(listed):
            where = f"{path}attempts.{position}."
            if not isinstance(attempt, Mapping) or not isinstance(attempt.get("id"), str):
                self._unreadable(where[:-1], "This is not an attempt.")
                kept.append(attempt)
                continue
            copy = dict(attempt)
            encoded = self._encode(attempt)
            same = self._seen_before(copy["id"], encoded)
            if same is not None:
                self._problem(DUPLICATE, where[:-1], "The log has the same attempt twice.", mendable=same)
                if not same:
                    kept.append(copy)
                continue
            self.problems += self._attempt_problems(copy, masterylog_id, where)
            self._count(masterylog_id, copy)
            self._dirty = self._dirty or bool(copy.get("_morango_dirty_bit"))
            self._bytes += len(encoded if copy == attempt else self._encode(copy))
            kept.append(copy)
        self._counts.setdefault(masterylog_id, 0)
        self._sums.setdefault(masterylog_id, 0.0)
        if self._holder and (kept or "attempts" in owner or not self._schema.sparse):
            owner["attempts"] = kept

    def _attempt_problems(self, attempt: Document, masterylog_id: str | None, path: str) -> Iterable[FieldProblem]:
        if self._holder is None or self._holder.embeds is None:
            raise RuntimeError(f"The attempt is in a {self.model.model_name}, which has none.")
        schema, parent_field = self._holder.embeds.record, self._holder.embeds.parent
        parent = {parent_field: masterylog_id or self.document["_id"]} if parent_field else {}
        history = attempt.get("interaction_history")
        if stored_history(history) is not history:
            message = "An object is in the place of a list: it is the only entry, or none if it is empty."
            yield FieldProblem(INVALID, path + "interaction_history", message, mendable=True)
            attempt["interaction_history"] = stored_history(history)
        yield from self._field_problems(schema, attempt, {**self._inherited, **parent}, path)
        yield from identify(attempt, attempt["id"], schema.model, self._partition, None, path)

    def _field_problems(
        self, schema: LogSchema[Any], record: Document, inherited: Mapping[str, Any], path: str = ""
    ) -> Iterator[FieldProblem]:
        lists = schema.named(FieldRole.RECORDS)
        own = {name: value for name, value in record.items() if name not in lists}
        try:
            values = {**self._decode(schema.model, own), **inherited}
        except (ArithmeticError, ValueError):
            yield FieldProblem(INVALID, path.removesuffix("."), "A JSON field holds what no JSON value is stored as.")
            return
        yield from field_problems(schema.model, values, path)

    def _seen_before(self, attempt_id: str, encoded: bytes) -> bool | None:
        """None if the attempt was not seen before, else whether it was the very same."""
        mark = hashlib.sha256(encoded).digest()
        first_mark = self._seen.setdefault(attempt_id, mark)
        return None if first_mark is mark else first_mark == mark

    def _count(self, masterylog_id: str | None, attempt: Document) -> None:
        correct = attempt.get("correct")
        self._counts[masterylog_id] = self._counts.get(masterylog_id, 0) + 1
        self._sums[masterylog_id] = self._sums.get(masterylog_id, 0.0) + (
            float(correct) if isinstance(correct, (int, float)) else 0.0
        )

    def bucket(self, bucket: Mapping[str, Any]) -> tuple[Document, list[FieldProblem]]:
        """Look at a bucket of the log.

        Returns:
            the bucket as it should be (without attempts: it should not be), and what is wrong with it.
        """
        right: Document = dict(bucket)
        problems: list[FieldProblem] = []
        sequence = str(bucket["_id"]).removeprefix(f"{self.document['_id']}:")
        if sequence.isdecimal():
            self._last_sequence = max(self._last_sequence, int(sequence))
        partition = self.document.get("_morango_partition")
        if bucket.get("_morango_partition") != partition:
            message = "This is not the partition of its log."
            problems.append(FieldProblem(BUCKET, "_morango_partition", message, mendable=True))
            right["_morango_partition"] = partition
        masterylog_id = bucket.get("masterylog_id")
        if masterylog_id not in self._tries:
            problems.append(FieldProblem(ORPHAN, "masterylog_id", "The log has no such try."))
        attempts = bucket.get("attempts")
        if not isinstance(attempts, list):
            self.readable = False
            return right, [*problems, FieldProblem(INVALID, "attempts", "A list is expected.")]
        kept = []
        for position, attempt in enumerate(attempts):
            where = f"attempts.{position}."
            if not isinstance(attempt, Mapping) or not isinstance(attempt.get("id"), str):
                problems.append(FieldProblem(INVALID, where[:-1], "This is not an attempt."))
                self.readable = False
                kept.append(attempt)
                continue
            copy = dict(attempt)
            same = self._seen_before(copy["id"], self._encode(attempt))
            if same is not None:
                problems.append(FieldProblem(DUPLICATE, where[:-1], "The attempt is in the log already.", same))
                if not same:
                    kept.append(copy)
                continue
            problems += self._attempt_problems(copy, masterylog_id, where)
            if masterylog_id in self._tries:
                self._count(masterylog_id, copy)
            kept.append(copy)
        right["attempts"] = kept
        readable = [attempt for attempt in kept if isinstance(attempt, dict)]
        starts = [attempt["start_timestamp"] for attempt in readable if attempt.get("start_timestamp") is not None]
        if starts and bucket.get("last_start_timestamp") != max(starts):
            message = "This is not the latest start of the attempts."
            problems.append(FieldProblem(BUCKET, "last_start_timestamp", message, mendable=True))
            right["last_start_timestamp"] = max(starts)
        dirty = any(attempt.get("_morango_dirty_bit") for attempt in readable)
        if bucket.get("has_dirty") is not dirty and kept:
            problems.append(FieldProblem(DIRTY, "has_dirty", f"It should be {_word(dirty)}.", mendable=True))
            right["has_dirty"] = dirty
        return right, problems

    def finish(self) -> None:
        """Compare counters and marks with what was seen."""
        if not self.readable:
            return  # counted without what cannot be read, they would be wrong in another way
        if self._holder is not None and self._in_mastery_logs:
            for number, (masterylog_id, owner) in enumerate(self._tries.items()):
                self._look_at_counters(self._holder, owner, masterylog_id, f"mastery_logs.{number}.")
        self._look_at_counters(self._schema, self.document, None, "")

    def _look_at_counters(self, schema: LogSchema[Any], owner: Document, masterylog_id: str | None, path: str) -> None:
        for counter in schema.counters:
            if counter.counts is Counted.DIRTY:
                if owner.get(counter.stored) is not self._dirty:
                    message = f"It should be {_word(self._dirty)}."
                    self._problem(DIRTY, path + counter.stored, message, mendable=True)
                    owner[counter.stored] = self._dirty
            elif counter.counts is not Counted.VERSION:  # the number alone does not repair another version
                self._look_at_counter(schema, counter, owner, masterylog_id, path)

    def _look_at_counter(
        self, schema: LogSchema[Any], counter: StoredField, owner: Document, masterylog_id: str | None, path: str
    ) -> None:
        has, right = owner.get(counter.stored), self._right(counter, masterylog_id)
        if schema.sparse and has is None and counter.stored not in owner and not right:
            return  # what counts nothing is left out
        if counter.counts is Counted.BUCKETS and isinstance(has, int) and has >= right:
            return  # empty buckets were removed
        if counter.counts is Counted.CORRECT and isinstance(has, (int, float)):
            count = self._counts.get(masterylog_id, 0)
            if abs(has - right) <= _DRIFT * max(count, 1):
                return
        if has != right or isinstance(has, bool):
            what = f"{has:g}" if isinstance(has, (int, float)) else "no number"
            self._problem(COUNTER, path + counter.stored, f"It is {what}, and should be {right:g}.", mendable=True)
            owner[counter.stored] = right

    def _right(self, counter: StoredField, masterylog_id: str | None) -> float:
        match counter.counts:
            case Counted.ATTEMPTS:
                return self._counts.get(masterylog_id, 0)
            case Counted.CORRECT:
                return self._sums.get(masterylog_id, 0.0)
            case Counted.BYTES:
                return self._bytes
            case Counted.BUCKETS:
                return self._last_sequence + 1
        raise RuntimeError(f"Nothing counts {counter.stored}.")

    def _unreadable(self, path: str, message: str) -> None:
        self._problem(INVALID, path, message)
        self.readable = False

    def _problem(self, rule: str, path: str, message: str, *, mendable: bool = False) -> None:
        self.problems.append(FieldProblem(rule, path, message, mendable))


def _word(value: bool) -> str:
    return "true" if value else "false"


def misplaced(bucket: Mapping[str, Any], owner: Mapping[str, Any] | None) -> tuple[Document, list[FieldProblem]]:
    """Return what is wrong with where a bucket belongs; its name says which log that is.

    Args:
        bucket: with or without its attempts.
        owner: the log that the first part of its `_id` names; None if there is none.

    Returns:
        the fields of the bucket that should be others, and what is wrong.
    """
    if owner is None:
        return {}, [FieldProblem(ORPHAN, "log_id", "There is no log that it belongs to.")]
    setting: Document = {}
    problems = []
    for name in OVERFLOW_BUCKET.named(FieldRole.OWNER):
        right = owner["_id"] if name == "log_id" else owner.get(name)
        if bucket.get(name) != right or name not in bucket:
            setting[name] = right
            problems.append(FieldProblem(BUCKET, name, "This is not what its log says.", mendable=True))
    return setting, problems


def bucket_owner(bucket_id: str) -> tuple[str, int] | None:
    """The log that a bucket belongs to, and the bucket's number, by its `_id`; None if it is not a name of a bucket."""
    log_id, _, sequence = bucket_id.rpartition(":")
    return (log_id, int(sequence)) if log_id and sequence.isdecimal() else None
