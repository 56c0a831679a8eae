"""Rows of Kolibri's logger tables as the logs that documents hold.

The documents are those that `store.documents` makes of models, made without the models: an import reads millions of
rows. A test holds the two against each other.
Rule: kolibri/core/logger/models.py.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from docservice.kolibri.tables import Row
from docservice.kolibri.values import (
    RowRefused,
    boolean,
    hex_id,
    integer,
    json_object,
    json_value,
    number,
    optional_id,
    optional_text,
    optional_time,
    text,
    time,
)
from docservice.store.port import Document

Columns = Mapping[str, str]
Owner = tuple[Any, Any, Any]
"""Partition, dataset and learner: what an embedded log has from the document around it."""

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
        read: makes the log of a row, without what belongs to the document as a whole.
        end: the column that says when the log was last worked on.
    """

    name: str
    model_name: str
    label: str
    columns: Columns
    read: Callable[[Row], Document]
    end: str = "end_timestamp"

    def raw(self, row: Row) -> dict[str, Any]:
        """The columns of a row by name."""
        return dict(zip(self.columns, row, strict=False))


def owner_of(row: Row) -> Owner:
    """Whose row it is."""
    return row[2], row[4], row[5]


def _morango(document: Document, row: Row, recorded: dict[str, str]) -> Document:
    document["_morango_source_id"] = text(row[1], "_morango_source_id")
    document["_morango_dirty_bit"] = boolean(row[3], "_morango_dirty_bit")
    if recorded:
        document["_recorded"] = recorded
    return document


def _whole(key: Document, row: Row, fields: Document, recorded: dict[str, str]) -> Document:
    """A log that is a document of its own."""
    document = {
        **key,
        **fields,
        "_morango_source_id": text(row[1], "_morango_source_id"),
        "_morango_partition": text(row[2], "_morango_partition"),
        "_morango_dirty_bit": boolean(row[3], "_morango_dirty_bit"),
    }
    if recorded:
        document["_recorded"] = recorded
    return document


def _answered(row: Row, at: int, recorded: dict[str, str]) -> Document:
    """The fields that attempts in visits and in exams have in common; `item` stands at position `at`."""
    (item, start, end, completed, spent, complete, correct, hinted, error, answer, simple, history) = row[at : at + 12]
    answered = json_value(answer, "answer", None if answer is None else {})
    if not (answered is None or isinstance(answered, dict)):
        raise RowRefused("answer is no JSON object")
    interactions = json_value(history, "interaction_history", [])
    if not isinstance(interactions, (list, dict)):
        raise RowRefused("interaction_history is no JSON list")
    return {
        "id": hex_id(row[0], "id"),
        "item": text(item, "item"),
        "start_timestamp": time(start, "start_timestamp", recorded),
        "end_timestamp": time(end, "end_timestamp", recorded),
        "completion_timestamp": optional_time(completed, "completion_timestamp", recorded),
        "time_spent": number(spent, "time_spent"),
        "complete": boolean(complete, "complete"),
        "correct": number(correct, "correct", 1),
        "hinted": boolean(hinted, "hinted"),
        "error": boolean(error, "error"),
        "answer": answered,
        "simple_answer": optional_text(simple, "simple_answer"),
        "interaction_history": interactions,
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


def _attempt(row: Row) -> Document:
    recorded: dict[str, str] = {}
    document = _answered(row, 6, recorded)
    document["sessionlog_id"] = hex_id(row[18], "sessionlog_id")
    return _morango(document, row, recorded)


def _exam_attempt(row: Row) -> Document:
    recorded: dict[str, str] = {}
    document = _answered(row, 6, recorded)
    document["content_id"] = hex_id(row[18], "content_id")
    return _morango(document, row, recorded)


def _try(row: Row) -> Document:
    criterion, start, end, completed, level, complete, spent = row[6:13]
    recorded: dict[str, str] = {}
    document = {
        "id": hex_id(row[0], "id"),
        "mastery_criterion": json_object(criterion, "mastery_criterion"),
        "start_timestamp": time(start, "start_timestamp", recorded),
        "end_timestamp": optional_time(end, "end_timestamp", recorded),
        "completion_timestamp": optional_time(completed, "completion_timestamp", recorded),
        "mastery_level": integer(level, "mastery_level"),
        "complete": boolean(complete, "complete"),
        "time_spent": None if spent is None else number(spent, "time_spent"),
        "attempt_count": 0,
        "correct_sum": 0.0,
    }
    _morango(document, row, recorded)
    document["attempts"] = []
    return document


def _summary(row: Row) -> Document:
    content, channel, start, end, completed, spent, progress, kind, extra = row[6:15]
    recorded: dict[str, str] = {}
    key = {
        "_id": hex_id(row[0], "id"),
        "dataset_id": hex_id(row[4], "dataset_id"),
        "user_id": hex_id(row[5], "user_id"),
    }
    fields = {
        "content_id": hex_id(content, "content_id"),
        "channel_id": optional_id(channel, "channel_id"),
        "start_timestamp": time(start, "start_timestamp", recorded),
        "end_timestamp": optional_time(end, "end_timestamp", recorded),
        "completion_timestamp": optional_time(completed, "completion_timestamp", recorded),
        "time_spent": number(spent, "time_spent"),
        "progress": number(progress, "progress", 1.01),
        "kind": text(kind, "kind"),
        "extra_fields": json_object(extra, "extra_fields"),
    }
    return {**_whole(key, row, fields, recorded), "mastery_logs": []}


def _session(row: Row) -> Document:
    visitor, content, channel, start, end, spent, progress, kind, extra = row[6:15]
    recorded: dict[str, str] = {}
    key = {
        "_id": hex_id(row[0], "id"),
        "dataset_id": hex_id(row[4], "dataset_id"),
        "user_id": optional_id(row[5], "user_id"),
    }
    fields = {
        "visitor_id": optional_id(visitor, "visitor_id"),
        "content_id": hex_id(content, "content_id"),
        "channel_id": optional_id(channel, "channel_id"),
        "start_timestamp": time(start, "start_timestamp", recorded),
        "end_timestamp": optional_time(end, "end_timestamp", recorded),
        "time_spent": number(spent, "time_spent"),
        "progress": number(progress, "progress"),
        "kind": text(kind, "kind"),
        "extra_fields": json_object(extra, "extra_fields"),
    }
    return _whole(key, row, fields, recorded)


def _user_session(row: Row) -> Document:
    channels, start, last, pages, device = row[6:11]
    recorded: dict[str, str] = {}
    key = {
        "_id": hex_id(row[0], "id"),
        "dataset_id": hex_id(row[4], "dataset_id"),
        "user_id": hex_id(row[5], "user_id"),
    }
    fields = {
        "channels": text(channels, "channels", blank=True),
        "start_timestamp": time(start, "start_timestamp", recorded),
        "last_interaction_timestamp": optional_time(last, "last_interaction_timestamp", recorded),
        "pages": text(pages, "pages", blank=True),
        "device_info": optional_text(device, "device_info"),
    }
    return _whole(key, row, fields, recorded)


def _exam_log(row: Row) -> Document:
    exam, closed, completed = row[6:9]
    recorded: dict[str, str] = {}
    key = {
        "_id": hex_id(row[0], "id"),
        "dataset_id": hex_id(row[4], "dataset_id"),
        "user_id": hex_id(row[5], "user_id"),
    }
    fields = {
        "exam_id": hex_id(exam, "exam_id"),
        "closed": boolean(closed, "closed"),
        "completion_timestamp": optional_time(completed, "completion_timestamp", recorded),
    }
    return {**_whole(key, row, fields, recorded), "attempts": []}


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
