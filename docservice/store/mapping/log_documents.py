"""Logs as documents, and documents as logs.

An embedded log leaves out what its parent says already: dataset, learner, partition, and the parent's id.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import bson

from docservice.domain.logs.content_logs import (
    AttemptLog,
    ContentSessionLog,
    ContentSummaryLog,
    MasteryLog,
    SyncableLog,
)
from docservice.domain.logs.exam_logs import ExamAttemptLog, ExamLog
from docservice.domain.logs.user_sessions import UserSessionLog
from docservice.domain.values.json_columns import JSON_FIELDS, stored_history
from docservice.store.database.port import Document
from docservice.store.mapping.json_codec import from_bson, to_bson

SCHEMA_VERSION = 1

_STORED_NAMES = {
    "morango_source_id": "_morango_source_id",
    "morango_partition": "_morango_partition",
    "morango_dirty_bit": "_morango_dirty_bit",
    "recorded": "_recorded",
}
_MODEL_NAMES = {stored: name for name, stored in _STORED_NAMES.items()}
_INHERITED = {"dataset_id", "user_id", "morango_partition"}
_EMBEDDED_MASTERY = _INHERITED | {"summarylog_id", "attempts"}
_EMBEDDED_ATTEMPT = _INHERITED | {"masterylog_id"}
_EMBEDDED_EXAM_ATTEMPT = _INHERITED | {"examlog_id"}
_BOOKKEEPING = {
    "has_dirty",
    "schema_version",
    "attempt_bytes",
    "overflow_buckets",
    "loose_attempt_count",
    "recent_actions",
    "mastery_logs",
    "attempts",
}


def stored_name(field: str) -> str:
    """The name in a document of a model's field."""
    return _STORED_NAMES.get(field, field)


def stored_value(field: str, value: Any) -> Any:
    """The value in a document of a model's field."""
    return to_bson(value) if field in JSON_FIELDS else value


def _fields(log: SyncableLog, leave_out: set[str]) -> Document:
    # What the field is about first, Morango's bookkeeping last: that is how a person reads the document.
    names = sorted(type(log).model_fields, key=lambda name: name in _STORED_NAMES)
    return {
        stored_name(name): stored_value(name, getattr(log, name))
        for name in names
        if name not in leave_out and not (name == "recorded" and not log.recorded)
    }


def attempt_document(attempt: AttemptLog) -> Document:
    """An attempt as it stands in a mastery log, a session or an overflow bucket."""
    return _fields(attempt, _EMBEDDED_ATTEMPT)


def mastery_document(log: MasteryLog) -> Document:
    """A mastery log as it stands in a summary, with its embedded attempts."""
    return _fields(log, _EMBEDDED_MASTERY) | {"attempts": [attempt_document(attempt) for attempt in log.attempts]}


def summary_document(summary: ContentSummaryLog) -> Document:
    """A summary with its tries and their embedded attempts."""
    fields = _fields(summary, {"id", "mastery_logs"})
    masteries = [mastery_document(log) for log in summary.mastery_logs]
    return {
        "_id": summary.id,
        **fields,
        "mastery_logs": masteries,
        "attempt_bytes": sum(attempt_size(attempt) for log in masteries for attempt in log["attempts"]),
        "overflow_buckets": 0,
        "has_dirty": summary_has_dirty(summary),
        "schema_version": SCHEMA_VERSION,
    }


def summary_has_dirty(summary: ContentSummaryLog) -> bool:
    """Whether any record in the document waits for sync."""
    return summary.morango_dirty_bit or any(
        log.morango_dirty_bit or any(attempt.morango_dirty_bit for attempt in log.attempts)
        for log in summary.mastery_logs
    )


def session_document(session: ContentSessionLog) -> Document:
    """A session with its loose attempts, if it has any."""
    document = {"_id": session.id, **_fields(session, {"id", "attempts"})}
    if session.attempts:
        attempts = [attempt_document(attempt) for attempt in session.attempts]
        document["attempts"] = attempts
        document["attempt_bytes"] = sum(attempt_size(attempt) for attempt in attempts)
        document["loose_attempt_count"] = len(attempts)
    document["has_dirty"] = session.morango_dirty_bit or any(a.morango_dirty_bit for a in session.attempts)
    document["schema_version"] = SCHEMA_VERSION
    return document


def exam_attempt_document(attempt: ExamAttemptLog) -> Document:
    """An exam attempt as it stands in its exam log."""
    return _fields(attempt, _EMBEDDED_EXAM_ATTEMPT)


def exam_log_document(log: ExamLog) -> Document:
    """An exam log with its attempts."""
    attempts = [exam_attempt_document(attempt) for attempt in log.attempts]
    return {
        "_id": log.id,
        **_fields(log, {"id", "attempts"}),
        "attempts": attempts,
        "attempt_count": len(attempts),
        "attempt_bytes": sum(attempt_size(attempt) for attempt in attempts),
        "has_dirty": log.morango_dirty_bit or any(a.morango_dirty_bit for a in log.attempts),
        "schema_version": SCHEMA_VERSION,
    }


def user_session_document(log: UserSessionLog) -> Document:
    """A sitting."""
    return {
        "_id": log.id,
        **_fields(log, {"id"}),
        "has_dirty": log.morango_dirty_bit,
        "schema_version": SCHEMA_VERSION,
    }


def attempt_size(document: Mapping[str, Any]) -> int:
    """Bytes that an embedded attempt takes."""
    return len(bson.encode(document))


def model_values(model: type[SyncableLog], document: Mapping[str, Any]) -> dict[str, Any]:
    """The values that a document has for the fields of a model, with JSON as it was sent; nothing is checked.

    Raises:
        ValueError, ArithmeticError: a JSON field holds what `to_bson` never gives.
    """
    return {
        name: from_bson(document[stored_name(name)]) if name in JSON_FIELDS else document[stored_name(name)]
        for name in model.model_fields
        if stored_name(name) in document
    }


def _json_field(name: str, value: Any) -> Any:
    decoded = from_bson(value)
    return stored_history(decoded) if name == "interaction_history" else decoded


def _arguments(document: Mapping[str, Any], leave_out: set[str]) -> dict[str, Any]:
    return {
        _MODEL_NAMES.get(name, name): _json_field(name, value) if name in JSON_FIELDS else value
        for name, value in document.items()
        if name not in leave_out
    }


# What is in the database was validated when it was written, and is read far more often: the models below are
# built without running their checks again.


def read_attempt(document: Mapping[str, Any], **inherited: Any) -> AttemptLog:
    """An embedded attempt; `inherited` gives dataset, learner, partition and mastery log."""
    return AttemptLog.model_construct(**_arguments(document, set()), **inherited)


def read_mastery(document: Mapping[str, Any], *, summarylog_id: str, **inherited: Any) -> MasteryLog:
    """A mastery log with its embedded attempts, if they were read; `inherited` gives dataset, learner and partition."""
    attempts = [read_attempt(a, masterylog_id=document["id"], **inherited) for a in document.get("attempts", ())]
    return MasteryLog.model_construct(
        **_arguments(document, {"attempts"}), summarylog_id=summarylog_id, attempts=attempts, **inherited
    )


def inherited_fields(document: Mapping[str, Any]) -> dict[str, Any]:
    """What the logs embedded in a document take from it."""
    return {
        "dataset_id": document["dataset_id"],
        "user_id": document["user_id"],
        "morango_partition": document["_morango_partition"],
    }


def read_summary(document: Mapping[str, Any], *, with_attempts: bool = True) -> ContentSummaryLog:
    """A summary with its tries and, unless they are not wanted, their embedded attempts."""
    inherited = inherited_fields(document)
    masteries = [
        read_mastery(log if with_attempts else {**log, "attempts": ()}, summarylog_id=document["_id"], **inherited)
        for log in document.get("mastery_logs", ())
    ]
    return ContentSummaryLog.model_construct(
        **_arguments(document, _BOOKKEEPING | {"_id"}), id=document["_id"], mastery_logs=masteries
    )


def read_session(document: Mapping[str, Any]) -> ContentSessionLog:
    """A session with its loose attempts."""
    inherited = inherited_fields(document)
    attempts = [read_attempt(a, masterylog_id=None, **inherited) for a in document.get("attempts", ())]
    return ContentSessionLog.model_construct(
        **_arguments(document, _BOOKKEEPING | {"_id"}), id=document["_id"], attempts=attempts
    )


def read_exam_log(document: Mapping[str, Any]) -> ExamLog:
    """An exam log with its attempts, if they were read."""
    inherited = {**inherited_fields(document), "examlog_id": document["_id"]}
    attempts = [read_exam_attempt(a, **inherited) for a in document.get("attempts", ())]
    arguments = _arguments(document, _BOOKKEEPING | {"_id", "attempt_count"})
    return ExamLog.model_construct(**arguments, id=document["_id"], attempts=attempts)


def read_exam_attempt(document: Mapping[str, Any], **inherited: Any) -> ExamAttemptLog:
    """An exam attempt; `inherited` gives dataset, learner, partition and exam log."""
    return ExamAttemptLog.model_construct(**_arguments(document, set()), **inherited)


def read_user_session(document: Mapping[str, Any]) -> UserSessionLog:
    """A sitting."""
    return UserSessionLog.model_construct(**_arguments(document, _BOOKKEEPING | {"_id"}), id=document["_id"])
