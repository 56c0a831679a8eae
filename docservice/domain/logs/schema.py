"""The one description of the logs as they are stored.

What is written, read, shown, merged, inspected, restored and filtered follows from it; there is no other list of
fields. A field that is not described here is not shown, not exported in tables and not merged. To the service it is
what another program has put into the document; it stays there, and backups hold it, because they hold documents as they
are.

It is in the domain, because rules without IO need it, too (the build of a whole log, the inspection, the fields of
answers), and the domain imports nothing of the store. `store.mapping.schema` adds the collections that hold no logs.
The order of the fields is the order in which they are stored: what a person looks for first, Morango's fields last.
"""

from __future__ import annotations

from typing import Any

from docservice.domain.logs.content_logs import (
    AttemptLog,
    ContentSessionLog,
    ContentSummaryLog,
    MasteryLog,
    SyncableLog,
)
from docservice.domain.logs.exam_logs import ExamAttemptLog, ExamLog
from docservice.domain.logs.record_schema import (
    Counted,
    Embedding,
    FieldRole,
    LogSchema,
    RecordSchema,
    StoredField,
    contents,
    counter,
    note,
)
from docservice.domain.logs.user_sessions import UserSessionLog

SCHEMA_VERSION = 1
"""Of this form of the documents; each document says which one it has."""

_OVERFLOW = "attempt_overflow"

_ID = StoredField("id", "id", FieldRole.KEY, stored="_id")
_EMBEDDED_ID = StoredField("id", "id", FieldRole.KEY)
_DATASET = StoredField("dataset_id", "id", FieldRole.OWNER)
_USER = StoredField("user_id", "id", FieldRole.OWNER)
_PARTITION = StoredField("morango_partition", "text", FieldRole.OWNER, stored="_morango_partition")
_MORANGO = (
    StoredField("morango_source_id", "text", FieldRole.SYNC, stored="_morango_source_id"),
    _PARTITION,
    StoredField("morango_dirty_bit", "boolean", FieldRole.SYNC, stored="_morango_dirty_bit"),
    StoredField("recorded", "texts", FieldRole.RECORDED, stored="_recorded", public=False),
)
OWNER_FIELDS = (_DATASET, _USER, _PARTITION)
"""What an embedded record has from the document around it."""

_ATTEMPT_BYTES = counter("attempt_bytes", "integer", Counted.BYTES)
_BUCKETS = counter("overflow_buckets", "integer", Counted.BUCKETS)
_HAS_DIRTY = counter("has_dirty", "boolean", Counted.DIRTY)
_OF_DOCUMENTS = (_HAS_DIRTY, counter("schema_version", "integer", Counted.VERSION))

_ANSWERED = (
    *contents("text", "item"),
    *contents("time", "start_timestamp", "end_timestamp", "completion_timestamp"),
    *contents("sum", "time_spent"),
    *contents("boolean", "complete"),
    *contents("number", "correct"),
    *contents("boolean", "hinted", "error"),
    *contents("json", "answer"),
    *contents("text", "simple_answer"),
    *contents("history", "interaction_history"),
)
"""What attempts in content sessions and in exams have in common."""

ATTEMPT_LOG = LogSchema(
    (
        *(_EMBEDDED_ID, _DATASET, _USER),
        *_ANSWERED,
        StoredField("sessionlog_id", "id"),
        StoredField("masterylog_id", "id", FieldRole.PARENT),
        *_MORANGO,
    ),
    model=AttemptLog,
)

MASTERY_LOG = LogSchema(
    (
        *(_EMBEDDED_ID, _DATASET, _USER),
        StoredField("summarylog_id", "id", FieldRole.PARENT),
        *contents("json", "mastery_criterion"),
        *contents("time", "start_timestamp", "end_timestamp", "completion_timestamp"),
        *contents("integer", "mastery_level"),
        *contents("boolean", "complete"),
        *contents("sum", "time_spent"),
        counter("attempt_count", "integer", Counted.ATTEMPTS, public=True, in_model=True),
        counter("correct_sum", "sum", Counted.CORRECT, public=True, in_model=True),
        *_MORANGO,
        StoredField("attempts", "records", FieldRole.RECORDS),
        note("merged_attempt_ids", "names"),
    ),
    model=MasteryLog,
    embeds=Embedding("attempts", ATTEMPT_LOG, "masterylog_id"),
)

SUMMARY_LOG = LogSchema(
    (
        *(_ID, _DATASET, _USER),
        *contents("id", "content_id", "channel_id"),
        *contents("time", "start_timestamp", "end_timestamp", "completion_timestamp"),
        *contents("sum", "time_spent"),
        *contents("number", "progress"),
        *contents("text", "kind"),
        *contents("json", "extra_fields"),
        *_MORANGO,
        StoredField("mastery_logs", "records", FieldRole.RECORDS),
        *(_ATTEMPT_BYTES, _BUCKETS, *_OF_DOCUMENTS),
    ),
    model=ContentSummaryLog,
    embeds=Embedding("mastery_logs", MASTERY_LOG, "summarylog_id"),
    collection="content_summary_logs",
    moves_to=_OVERFLOW,
)

SESSION_LOG = LogSchema(
    (
        *(_ID, _DATASET, _USER),
        *contents("id", "visitor_id", "content_id", "channel_id"),
        *contents("time", "start_timestamp", "end_timestamp"),
        *contents("sum", "time_spent"),
        *contents("number", "progress"),
        *contents("text", "kind"),
        *contents("json", "extra_fields"),
        *_MORANGO,
        StoredField("attempts", "records", FieldRole.RECORDS),
        *(_ATTEMPT_BYTES, counter("loose_attempt_count", "integer", Counted.ATTEMPTS), _BUCKETS, *_OF_DOCUMENTS),
        note("recent_actions", "names"),
    ),
    model=ContentSessionLog,
    # The attempts of a session are those without a mastery log.
    embeds=Embedding("attempts", ATTEMPT_LOG),
    collection="content_session_logs",
    moves_to=_OVERFLOW,
    sparse=True,
)

USER_SESSION_LOG = LogSchema(
    (
        *(_ID, _DATASET, _USER),
        *contents("text", "channels"),
        *contents("time", "start_timestamp", "last_interaction_timestamp"),
        *contents("text", "pages", "device_info"),
        *_MORANGO,
        *_OF_DOCUMENTS,
    ),
    model=UserSessionLog,
    collection="user_session_logs",
)

EXAM_ATTEMPT_LOG = LogSchema(
    (
        *(_EMBEDDED_ID, _DATASET, _USER),
        *_ANSWERED,
        StoredField("examlog_id", "id", FieldRole.PARENT),
        StoredField("content_id", "id"),
        *_MORANGO,
    ),
    model=ExamAttemptLog,
)

EXAM_LOG = LogSchema(
    (
        *(_ID, _DATASET, _USER),
        StoredField("exam_id", "id"),
        *contents("boolean", "closed"),
        *contents("time", "completion_timestamp"),
        *_MORANGO,
        StoredField("attempts", "records", FieldRole.RECORDS),
        *(counter("attempt_count", "integer", Counted.ATTEMPTS, public=True), _ATTEMPT_BYTES, *_OF_DOCUMENTS),
    ),
    model=ExamLog,
    embeds=Embedding("attempts", EXAM_ATTEMPT_LOG, "examlog_id"),
    collection="exam_logs",
)

OVERFLOW_BUCKET = RecordSchema(
    (
        StoredField("_id", "text", FieldRole.KEY),
        StoredField("log_id", "id", FieldRole.OWNER),
        StoredField("masterylog_id", "id", FieldRole.PARENT),
        *(_DATASET, _USER, StoredField("content_id", "id", FieldRole.OWNER), _PARTITION),
        counter("last_start_timestamp", "time", Counted.LAST_START),
        StoredField("attempts", "records", FieldRole.RECORDS),
        _HAS_DIRTY,
    )
)
"""Attempts that have moved out of a summary or a session, all of one mastery log or of none. `log_id` is the `_id` of
that document, and the bucket's own `_id` is the same with a number behind it."""

DOCUMENTS: tuple[LogSchema[Any], ...] = (SUMMARY_LOG, SESSION_LOG, USER_SESSION_LOG, EXAM_LOG)
"""The logs that are documents of their own."""

SCHEMAS: dict[type[SyncableLog], LogSchema[Any]] = {
    schema.model: schema for document in DOCUMENTS for schema in document.family()
}
"""All logs, by their model."""

JSON_FIELDS = frozenset(each.name for schema in SCHEMAS.values() for each in schema.fields if each.is_json)
"""The fields of logs that hold JSON."""


def undescribed(schema: LogSchema[Any], record: dict[str, Any], path: str = "") -> list[str]:
    """Return the paths of all fields of a record, and of those embedded in it, that the schema does not describe.

    Args:
        schema: of the record.
        record: as it is stored.
        path: where it is, with a dot at the end.
    """
    paths = [path + name for name in sorted(record.keys() - schema.names)]
    if schema.embeds is not None:
        for number, item in enumerate(record.get(schema.embeds.field, ())):
            paths += undescribed(schema.embeds.record, item, f"{path}{schema.embeds.field}.{number}.")
    return paths
