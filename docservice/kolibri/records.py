"""Rows of Kolibri's logger tables as the logs that documents hold.

The documents are those that `store.mapping.log_documents` makes of models, made without the models: an import reads
millions of rows. A test holds the two against each other.
Rule: kolibri/core/logger/models.py.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from docservice.domain.values.devices import LONGEST_DEVICE_INFO
from docservice.domain.values.partitions import exam_log_partition, log_partition
from docservice.kolibri.tables import Row
from docservice.kolibri.values import (
    amount,
    boolean,
    hex_id,
    integer,
    is_key_text,
    json_list,
    json_object,
    json_value,
    number,
    optional_text,
    optional_time,
    optional_uuid,
    short_text,
    text,
    time,
    uuid,
)
from docservice.store.database.port import Document

Columns = Mapping[str, str]
# As the models have them (see `domain.logs.content_logs`): what is longer, a backup would not bring back.
_LONGEST_SOURCE_ID = 96
_LONGEST_PARTITION = 128
_LONGEST_KIND = 200

_SYNCABLE = {
    "id": "NULL",
    "_morango_source_id": "''",
    "_morango_partition": "NULL",
    "_morango_dirty_bit": "1",
    "dataset_id": "NULL",
    "user_id": "NULL",
}


def _columns(*names: str, **defaults: str) -> Columns:
    return {**_SYNCABLE, **{name: defaults.get(name, "NULL") for name in names}}


@dataclass(frozen=True)
class LogTable:
    """One of the logger's tables.

    Attributes:
        name: in SQLite.
        model_name: Morango's name of the model.
        label: what people call its rows.
        columns: those that are read, each with the SQL literal for tables that lack it; `_SYNCABLE` first.
        read: makes the log of a row, without what belongs to the document as a whole; the names of columns of which
            the log holds less than the row go to the list.
        end: the column that says when the log was last worked on.
    """

    name: str
    model_name: str
    label: str
    columns: Columns
    read: Callable[[Row, list[str]], Document]
    end: str = "end_timestamp"

    def raw(self, row: Row) -> dict[str, Any]:
        """Return the columns of a row by name."""
        return dict(zip(self.columns, row, strict=False))


def dataset_of(row: Row) -> Any:
    """The dataset of a row; an embedded log has it from the document around it, as the partition that follows."""
    return row[4]


def learner_of(row: Row) -> Any:
    """The learner of a row, None for an anonymous visitor; an embedded log has it from the document around it."""
    return row[5]


def _morango(
    document: Document,
    row: Row,
    recorded: dict[str, str],
    altered: list[str],
    *,
    follows: str = "",
    partition: str | None = None,
) -> Document:
    """Return a log with its own Morango fields.

    Args:
        document: changed in place.
        row: that it is read from.
        recorded: texts of its times.
        altered: see `LogTable.read`.
        follows: the source id that follows from the rest; empty where it is random.
        partition: of a document of its own; None: that of the document around it.
    """
    source_id = row[1]
    if not is_key_text(source_id, _LONGEST_SOURCE_ID):
        # Without one a backup would not come back.
        source_id = follows or row[0]
        altered.append("_morango_source_id")
    document["_morango_source_id"] = source_id
    if partition is not None:
        document["_morango_partition"] = partition
    document["_morango_dirty_bit"] = boolean(row[3], "_morango_dirty_bit", altered)
    if recorded:
        document["_recorded"] = recorded
    return document


def _whole(
    key: Document, row: Row, fields: Document, recorded: dict[str, str], altered: list[str], follows: str = ""
) -> Document:
    """Return a log that is a document of its own."""
    dataset_id, partition = key["dataset_id"], row[2]
    if not is_key_text(partition, _LONGEST_PARTITION) or not partition.startswith(dataset_id):
        # It follows from the rest, and one of another facility would be of no use.
        is_exam = "exam_id" in fields
        partition = exam_log_partition(dataset_id) if is_exam else log_partition(dataset_id, key["user_id"])
    return _morango({**key, **fields}, row, recorded, altered, follows=follows, partition=partition)


def _answered(row: Row, at: int, recorded: dict[str, str], altered: list[str]) -> Document:
    """Return the fields that attempts of content sessions and of exams have in common; `item` is at position `at`."""
    (item, start, end, completed, spent, complete, correct, hinted, error, answer, simple, history) = row[at : at + 12]
    return {
        "id": hex_id(row[0], "id"),
        "item": text(item, "item", altered),
        "start_timestamp": time(start, "start_timestamp", recorded),
        "end_timestamp": time(end, "end_timestamp", recorded),
        "completion_timestamp": optional_time(completed, "completion_timestamp", recorded, altered),
        "time_spent": amount(spent, "time_spent", altered),
        "complete": boolean(complete, "complete", altered),
        "correct": number(correct, "correct"),
        "hinted": boolean(hinted, "hinted", altered),
        "error": boolean(error, "error", altered),
        "answer": json_value(answer, "answer", None if answer is None else {}, altered),
        "simple_answer": optional_text(simple, "simple_answer", altered),
        "interaction_history": json_list(history, "interaction_history", altered),
    }


_ANSWERED = (
    "item",
    "start_timestamp",
    "end_timestamp",
    "completion_timestamp",
    "time_spent",
    "complete",
    "correct",
    "hinted",
    "error",
    "answer",
    "simple_answer",
    "interaction_history",
)
_ANSWERED_DEFAULTS = {"time_spent": "0.0", "complete": "0", "hinted": "0", "error": "0", "answer": "'{}'"}


def _attempt(row: Row, altered: list[str]) -> Document:
    recorded: dict[str, str] = {}
    document = _answered(row, 6, recorded, altered)
    document["sessionlog_id"] = hex_id(row[18], "sessionlog_id")
    return _morango(document, row, recorded, altered)


def _exam_attempt(row: Row, altered: list[str]) -> Document:
    recorded: dict[str, str] = {}
    document = _answered(row, 6, recorded, altered)
    document["content_id"] = uuid(row[18], "content_id")
    return _morango(document, row, recorded, altered)


def _try(row: Row, altered: list[str]) -> Document:
    criterion, start, end, completed, level, complete, spent = row[6:13]
    recorded: dict[str, str] = {}
    document = {
        "id": hex_id(row[0], "id"),
        "mastery_criterion": json_object(criterion, "mastery_criterion", altered),
        "start_timestamp": time(start, "start_timestamp", recorded),
        "end_timestamp": optional_time(end, "end_timestamp", recorded, altered),
        "completion_timestamp": optional_time(completed, "completion_timestamp", recorded, altered),
        "mastery_level": integer(level, "mastery_level"),
        "complete": boolean(complete, "complete", altered),
        "time_spent": None if spent is None else amount(spent, "time_spent", altered),
        "attempt_count": 0,
        "correct_sum": 0.0,
    }
    _morango(document, row, recorded, altered, follows=f"{row[13]}:{level}")
    document["attempts"] = []
    return document


def _summary(row: Row, altered: list[str]) -> Document:
    content, channel, start, end, completed, spent, progress, kind, extra = row[6:15]
    recorded: dict[str, str] = {}
    key = {
        "_id": hex_id(row[0], "id"),
        "dataset_id": hex_id(row[4], "dataset_id"),
        "user_id": hex_id(row[5], "user_id"),
    }
    fields = {
        "content_id": uuid(content, "content_id"),
        "channel_id": optional_uuid(channel, "channel_id", altered),
        "start_timestamp": time(start, "start_timestamp", recorded),
        "end_timestamp": optional_time(end, "end_timestamp", recorded, altered),
        "completion_timestamp": optional_time(completed, "completion_timestamp", recorded, altered),
        "time_spent": amount(spent, "time_spent", altered),
        "progress": amount(progress, "progress", altered),
        "kind": short_text(kind, "kind", _LONGEST_KIND, altered),
        "extra_fields": json_object(extra, "extra_fields", altered),
    }
    return {**_whole(key, row, fields, recorded, altered, uuid(content, "content_id")), "mastery_logs": []}


def _session(row: Row, altered: list[str]) -> Document:
    visitor, content, channel, start, end, spent, progress, kind, extra = row[6:15]
    recorded: dict[str, str] = {}
    key = {
        "_id": hex_id(row[0], "id"),
        "dataset_id": hex_id(row[4], "dataset_id"),
        "user_id": None if row[5] is None else hex_id(row[5], "user_id"),
    }
    fields = {
        "visitor_id": optional_uuid(visitor, "visitor_id", altered),
        "content_id": uuid(content, "content_id"),
        "channel_id": optional_uuid(channel, "channel_id", altered),
        "start_timestamp": time(start, "start_timestamp", recorded),
        "end_timestamp": optional_time(end, "end_timestamp", recorded, altered),
        "time_spent": amount(spent, "time_spent", altered),
        "progress": amount(progress, "progress", altered),
        "kind": short_text(kind, "kind", _LONGEST_KIND, altered),
        "extra_fields": json_object(extra, "extra_fields", altered),
    }
    return _whole(key, row, fields, recorded, altered)


def _user_session(row: Row, altered: list[str]) -> Document:
    channels, start, last, pages, device = row[6:11]
    recorded: dict[str, str] = {}
    key = {
        "_id": hex_id(row[0], "id"),
        "dataset_id": hex_id(row[4], "dataset_id"),
        "user_id": hex_id(row[5], "user_id"),
    }
    fields = {
        "channels": text(channels, "channels", altered),
        "start_timestamp": time(start, "start_timestamp", recorded),
        "last_interaction_timestamp": optional_time(last, "last_interaction_timestamp", recorded, altered),
        "pages": text(pages, "pages", altered),
        "device_info": None if device is None else short_text(device, "device_info", LONGEST_DEVICE_INFO, altered),
    }
    return _whole(key, row, fields, recorded, altered)


def _exam_log(row: Row, altered: list[str]) -> Document:
    exam, closed, completed = row[6:9]
    recorded: dict[str, str] = {}
    key = {
        "_id": hex_id(row[0], "id"),
        "dataset_id": hex_id(row[4], "dataset_id"),
        "user_id": hex_id(row[5], "user_id"),
    }
    fields = {
        "exam_id": hex_id(exam, "exam_id"),
        "closed": boolean(closed, "closed", altered),
        "completion_timestamp": optional_time(completed, "completion_timestamp", recorded, altered),
    }
    return {**_whole(key, row, fields, recorded, altered, f"{exam}:{row[5]}"), "attempts": []}


SUMMARIES = LogTable(
    "logger_contentsummarylog",
    "contentsummarylog",
    "content summaries",
    _columns(
        *("content_id", "channel_id", "start_timestamp", "end_timestamp", "completion_timestamp"),
        *("time_spent", "progress", "kind", "extra_fields"),
        time_spent="0.0",
        progress="0.0",
        extra_fields="'{}'",
    ),
    _summary,
)
TRIES = LogTable(
    "logger_masterylog",
    "masterylog",
    "mastery logs",
    _columns(
        *("mastery_criterion", "start_timestamp", "end_timestamp", "completion_timestamp"),
        *("mastery_level", "complete", "time_spent", "summarylog_id"),
        mastery_criterion="'{}'",
        complete="0",
    ),
    _try,
)
ATTEMPTS = LogTable(
    "logger_attemptlog",
    "attemptlog",
    "attempts",
    _columns(*_ANSWERED, "sessionlog_id", "masterylog_id", **_ANSWERED_DEFAULTS),
    _attempt,
)
SESSIONS = LogTable(
    "logger_contentsessionlog",
    "contentsessionlog",
    "content sessions",
    _columns(
        *("visitor_id", "content_id", "channel_id", "start_timestamp", "end_timestamp"),
        *("time_spent", "progress", "kind", "extra_fields"),
        time_spent="0.0",
        progress="0.0",
        extra_fields="'{}'",
    ),
    _session,
)
USER_SESSIONS = LogTable(
    "logger_usersessionlog",
    "usersessionlog",
    "user sessions",
    _columns(
        *("channels", "start_timestamp", "last_interaction_timestamp", "pages", "device_info"),
        channels="''",
        pages="''",
    ),
    _user_session,
    end="last_interaction_timestamp",
)
EXAM_LOGS = LogTable(
    "logger_examlog",
    "examlog",
    "exam logs",
    _columns("exam_id", "closed", "completion_timestamp", closed="0"),
    _exam_log,
    end="completion_timestamp",
)
EXAM_ATTEMPTS = LogTable(
    "logger_examattemptlog",
    "examattemptlog",
    "exam attempts",
    _columns(*_ANSWERED, "content_id", "examlog_id", **_ANSWERED_DEFAULTS),
    _exam_attempt,
)
TABLES = (SUMMARIES, TRIES, ATTEMPTS, SESSIONS, USER_SESSIONS, EXAM_LOGS, EXAM_ATTEMPTS)
