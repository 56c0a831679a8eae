"""Logs as documents, and documents as logs, both as the schema describes them.

An embedded log leaves out what its parent says already: dataset, learner, partition, and the parent's id.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from docservice.domain.logs.content_logs import (
    AttemptLog,
    ContentSessionLog,
    ContentSummaryLog,
    MasteryLog,
    SyncableLog,
)
from docservice.domain.logs.exam_logs import ExamAttemptLog, ExamLog
from docservice.domain.logs.record_schema import FieldRole, Log, LogSchema, StoredField
from docservice.domain.logs.schema import (
    ATTEMPT_LOG,
    EXAM_ATTEMPT_LOG,
    EXAM_LOG,
    MASTERY_LOG,
    OWNER_FIELDS,
    SCHEMAS,
    SESSION_LOG,
    SUMMARY_LOG,
    USER_SESSION_LOG,
)
from docservice.domain.logs.user_sessions import UserSessionLog
from docservice.domain.values.json_columns import stored_history
from docservice.store.database.port import Document
from docservice.store.mapping.counters import counters
from docservice.store.mapping.json_codec import from_bson, to_bson

_MISSING = object()


def stored_value(field: StoredField, value: Any) -> Any:
    """Return the value in a document of a model's field."""
    return to_bson(value) if field.is_json else value


def _sent_history(value: Any) -> Any:
    return stored_history(from_bson(value))


def log_document(schema: LogSchema[Log], log: Log) -> Document:
    """Return a log as it is stored, with all that it embeds and, if it is a document of its own, with its counters."""
    document = {
        field.stored: to_bson(getattr(log, field.name)) if field.is_json else getattr(log, field.name)
        for field in schema.own
        if field.role is not FieldRole.RECORDED or log.recorded
    }
    if schema.embeds is not None:
        items = [log_document(schema.embeds.record, item) for item in getattr(log, schema.embeds.field)]
        if items or not schema.sparse:
            document[schema.embeds.field] = items
    return document if schema.is_embedded else document | counters(schema, document)


def attempt_document(attempt: AttemptLog) -> Document:
    """Return an attempt as it is in a mastery log, a session or an overflow bucket."""
    return log_document(ATTEMPT_LOG, attempt)


def mastery_document(log: MasteryLog) -> Document:
    """Return a mastery log as it is in a summary, with its embedded attempts."""
    return log_document(MASTERY_LOG, log)


def summary_document(summary: ContentSummaryLog) -> Document:
    """Return a summary with its mastery logs and their embedded attempts."""
    return log_document(SUMMARY_LOG, summary)


def session_document(session: ContentSessionLog) -> Document:
    """Return a session with its loose attempts, if it has any."""
    return log_document(SESSION_LOG, session)


def exam_attempt_document(attempt: ExamAttemptLog) -> Document:
    """Return an exam attempt as it is in its exam log."""
    return log_document(EXAM_ATTEMPT_LOG, attempt)


def exam_log_document(log: ExamLog) -> Document:
    """Return an exam log with its attempts."""
    return log_document(EXAM_LOG, log)


def user_session_document(log: UserSessionLog) -> Document:
    """Return a user session."""
    return log_document(USER_SESSION_LOG, log)


_ATTEMPT_TIMES = tuple(field.stored for field in ATTEMPT_LOG.own if field.kind == "time")


def with_zones(bucket: Document) -> Document:
    """Give the times of a bucket's attempts, read without a zone, their zone: UTC. The bucket itself is changed."""
    for attempt in bucket["attempts"]:
        for name in _ATTEMPT_TIMES:
            moment = attempt.get(name)
            if isinstance(moment, datetime):
                attempt[name] = moment.replace(tzinfo=UTC)
    return bucket


def model_values(model: type[SyncableLog], document: Mapping[str, Any]) -> dict[str, Any]:
    """The values that a stored record has for the fields of a model, with JSON as it was sent; nothing is checked.

    Raises:
        ValueError, ArithmeticError: a JSON field holds what `to_bson` never gives.
    """
    return {
        field.name: from_bson(document[field.stored]) if field.is_json else document[field.stored]
        for field in SCHEMAS[model].stored
        if field.in_model and field.stored in document
    }


def inherited_fields(document: Mapping[str, Any]) -> dict[str, Any]:
    """Return what the logs embedded in a document take from it."""
    return {field.name: document[field.stored] for field in OWNER_FIELDS}


# What is in the database was validated when it was written, and is read far more often: the models below are
# built without running their checks again.


def log_values(schema: LogSchema[Any], record: Mapping[str, Any]) -> dict[str, Any]:
    """What a stored record says itself, by the names of its model, with JSON as it was sent and defaults for the rest.

    Args:
        schema: of the record.
        record: as it is stored. What the schema does not describe is not read.
    """
    values: dict[str, Any] = {}
    for stored, name, decode, is_recorded in _OWN_FIELDS[schema.model]:
        value = record.get(stored, _MISSING)
        if value is not _MISSING:
            values[name] = value if decode is None else decode(value)
        elif is_recorded:
            # Left out where nothing was recorded. Given a value, pydantic need not look at the signature of a default.
            values[name] = {}
    return values


def _own_fields(schema: LogSchema[Any]) -> list[tuple[str, str, Callable[[Any], Any] | None, bool]]:
    """Fields that a record has itself: names in document and model, how JSON is read, if it holds recorded texts."""
    found: list[tuple[str, str, Callable[[Any], Any] | None, bool]] = []
    for field in schema.own:
        decode = None if not field.is_json else _sent_history if field.kind == "history" else from_bson
        found.append((field.stored, field.name, decode, field.role is FieldRole.RECORDED))
    return found


_OWN_FIELDS = {model: _own_fields(schema) for model, schema in SCHEMAS.items()}


def read_log(schema: LogSchema[Log], record: Mapping[str, Any], inherited: Mapping[str, Any] | None = None) -> Log:
    """Return the log of a stored record, with all that it embeds, as far as that was read.

    Args:
        schema: of the record.
        record: as it is stored. What the schema does not describe is not read.
        inherited: of an embedded log: dataset, learner, partition and, if it names it, the log around it.
    """
    values = log_values(schema, record)
    if inherited:
        values |= inherited
    if schema.embeds is not None:
        items = record.get(schema.embeds.field, ())
        below: dict[str, Any] = {}
        if items:
            below = {field.name: values[field.name] for field in OWNER_FIELDS}
            if schema.embeds.parent is not None:
                below[schema.embeds.parent] = values["id"]
        values[schema.embeds.field] = [read_log(schema.embeds.record, item, below) for item in items]
    # mypy takes `Self` of a class that it does not know for the bound of the type variable.
    return schema.model.model_construct(**values)  # type: ignore[return-value]


def read_attempt(document: Mapping[str, Any], **inherited: Any) -> AttemptLog:
    """Return an embedded attempt; `inherited` gives dataset, learner, partition and mastery log."""
    return read_log(ATTEMPT_LOG, document, inherited)


def read_mastery(document: Mapping[str, Any], *, summarylog_id: str, **inherited: Any) -> MasteryLog:
    """A mastery log with its embedded attempts, if they were read; `inherited` gives dataset, learner and partition."""
    return read_log(MASTERY_LOG, document, {"summarylog_id": summarylog_id, **inherited})


def read_summary(document: Mapping[str, Any], *, with_attempts: bool = True) -> ContentSummaryLog:
    """Return a summary with its mastery logs and, unless they are not wanted, their embedded attempts."""
    if not with_attempts:
        document = {
            **document,
            "mastery_logs": [{**log, "attempts": ()} for log in document.get("mastery_logs", ())],
        }
    return read_log(SUMMARY_LOG, document)


def read_session(document: Mapping[str, Any]) -> ContentSessionLog:
    """Return a session with its loose attempts."""
    return read_log(SESSION_LOG, document)


def read_exam_log(document: Mapping[str, Any]) -> ExamLog:
    """Return an exam log with its attempts, if they were read."""
    return read_log(EXAM_LOG, document)


def read_exam_attempt(document: Mapping[str, Any], **inherited: Any) -> ExamAttemptLog:
    """Return an exam attempt; `inherited` gives dataset, learner, partition and exam log."""
    return read_log(EXAM_ATTEMPT_LOG, document, inherited)


def read_user_session(document: Mapping[str, Any]) -> UserSessionLog:
    """Return a user session."""
    return read_log(USER_SESSION_LOG, document)
