"""The tables that are exported: which columns they have, in which order, under which names.

`session` and `summary` are Kolibri's own, down to the column names; `attempt` and `exam` are what it lacks.
Rule: kolibri/core/logger/csv_export.py.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

ColumnKind = Literal["text", "id", "time", "seconds", "progress", "number", "count", "flag", "folders"]
"""What a column holds: free text; an id; an aware time or None; a float of seconds, from 0 to 1 or of any size; an
integer; a boolean; the titles of the topics that lead to the content, the highest first."""

TableName = Literal["session", "summary", "attempt", "exam"]


@dataclass(frozen=True)
class Column:
    """One column.

    Attributes:
        name: in Parquet files.
        label: in CSV files; of `folders`, what the label of each level begins with.
        kind: what it holds; any kind but `folders` may hold None.
    """

    name: str
    label: str
    kind: ColumnKind


@dataclass(frozen=True)
class Table:
    """One table.

    Attributes:
        name: as people ask for it.
        about: what one row is.
    """

    name: TableName
    about: str
    columns: tuple[Column, ...]


FOLDER_LABEL = "Folder level"

_FACILITY = Column("facility_name", "Facility name", "text")
_USERNAME = Column("username", "Username", "text")
_USER_TYPE = Column("user_type", "User type", "text")
_CONTENT = (
    Column("channel_id", "Channel id", "id"),
    Column("channel_name", "Channel name", "text"),
    Column("folders", FOLDER_LABEL, "folders"),
    Column("content_id", "Content id", "id"),
    Column("content_title", "Content title", "text"),
)
_FIRST = Column("start_timestamp", "Time of first interaction", "time")
_LAST = Column("end_timestamp", "Time of last interaction", "time")
_COMPLETION = Column("completion_timestamp", "Time of completion", "time")
_SECONDS = Column("time_spent", "Time Spent (sec)", "seconds")
_PROGRESS = Column("progress", "Progress (0-1)", "progress")
_KIND = Column("kind", "Content kind", "text")

SESSION = Table(
    "session",
    "a visit to a content, visits of anonymous visitors too; no quizzes",
    (_FACILITY, _USERNAME, _USER_TYPE, *_CONTENT, _FIRST, _LAST, _SECONDS, _PROGRESS, _KIND),
)
SUMMARY = Table(
    "summary",
    "a learner and a content; no quizzes",
    (_FACILITY, _USERNAME, _USER_TYPE, *_CONTENT, _FIRST, _LAST, _COMPLETION, _SECONDS, _PROGRESS, _KIND),
)
ATTEMPT = Table(
    "attempt",
    "an attempt at a question, of quizzes, anonymous visitors and old exam logs too",
    (
        _FACILITY,
        _USERNAME,
        _USER_TYPE,
        *_CONTENT,
        _KIND,
        Column("try_number", "Try number", "count"),
        Column("item", "Question", "text"),
        _FIRST,
        _LAST,
        _COMPLETION,
        _SECONDS,
        Column("correct", "Correct (0-1)", "number"),
        Column("complete", "Complete", "flag"),
        Column("hinted", "Hinted", "flag"),
        Column("error", "Error", "flag"),
        Column("simple_answer", "Answer", "text"),
        Column("attempt_id", "Attempt id", "id"),
        Column("masterylog_id", "Try id", "id"),
        Column("sessionlog_id", "Session id", "id"),
        Column("examlog_id", "Exam log id", "id"),
    ),
)
EXAM = Table(
    "exam",
    "a learner's try at a quiz, or an exam log of Kolibri up to 0.14",
    (
        _FACILITY,
        _USERNAME,
        _USER_TYPE,
        Column("exam_id", "Quiz id", "id"),
        Column("exam_title", "Quiz title", "text"),
        Column("try_number", "Try number", "count"),
        _FIRST,
        _LAST,
        _COMPLETION,
        _SECONDS,
        Column("closed", "Handed in", "flag"),
        Column("attempt_count", "Questions answered", "count"),
        Column("correct_sum", "Questions correct", "number"),
        Column("question_count", "Questions", "count"),
        Column("masterylog_id", "Try id", "id"),
        Column("examlog_id", "Exam log id", "id"),
    ),
)

TABLES: dict[TableName, Table] = {table.name: table for table in (SESSION, SUMMARY, ATTEMPT, EXAM)}
