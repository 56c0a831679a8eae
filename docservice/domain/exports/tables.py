"""The tables that are exported: which columns they have, in which order, under which names.

`session` and `summary` are Kolibri's own, down to the column names; the others are what it lacks. These name the
learner so that the rows can be used without the directory: id, full name, classes and groups.
Rule: kolibri/core/logger/csv_export.py.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

ColumnKind = Literal["text", "id", "time", "seconds", "progress", "number", "count", "flag", "folders"]
"""What a column holds: free text; an id; an aware time or None; a float of seconds, from 0 to 1 or of any size; an
integer; a boolean; the titles of the topics that lead to the content, the highest first."""

TableName = Literal["session", "summary", "attempt", "exam", "mastery", "learner", "activity", "item"]


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
_LEARNER = (
    Column("user_id", "User id", "id"),
    Column("full_name", "Full name", "text"),
    Column("classes", "Classes", "text"),
    Column("groups", "Groups", "text"),
)
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
        *_LEARNER,
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
        *_LEARNER,
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

MASTERY = Table(
    "mastery",
    "a mastery log: a try at an exercise, practice quiz or quiz, as it is stored",
    (
        _FACILITY,
        _USERNAME,
        _USER_TYPE,
        *_LEARNER,
        *_CONTENT,
        _KIND,
        Column("try_number", "Try number", "count"),
        Column("mastery_model", "Mastery model", "text"),
        _FIRST,
        _LAST,
        _COMPLETION,
        _SECONDS,
        Column("complete", "Complete", "flag"),
        Column("attempt_count", "Questions answered", "count"),
        Column("correct_sum", "Questions correct", "number"),
        Column("mastery_level", "Mastery level", "count"),
        Column("masterylog_id", "Try id", "id"),
        Column("summarylog_id", "Summary id", "id"),
    ),
)
LEARNER = Table(
    "learner",
    "a person of the directory who has an account in the facility, with or without logs",
    (
        _FACILITY,
        _USERNAME,
        _USER_TYPE,
        *_LEARNER,
        Column("birth_year", "Birth year", "text"),
        Column("gender", "Gender", "text"),
    ),
)
ACTIVITY = Table(
    "activity",
    "a learner and a day (of the learner's device) with visits or completed content",
    (
        _FACILITY,
        _USERNAME,
        _USER_TYPE,
        *_LEARNER,
        Column("day", "Day", "text"),
        Column("visits", "Visits", "count"),
        Column("contents", "Contents visited", "count"),
        _SECONDS,
        Column("completions", "Contents completed", "count"),
    ),
)
ITEM = Table(
    "item",
    "a question of an exercise or quiz, over all learners of the facility, however few",
    (
        _FACILITY,
        Column("content_id", "Content id", "id"),
        Column("content_title", "Content title", "text"),
        _KIND,
        Column("item", "Question", "text"),
        Column("question_title", "Question title", "text"),
        Column("number", "Number", "count"),
        Column("learners", "Learners", "count"),
        Column("responses", "Tries counted", "count"),
        Column("answered", "Answers", "count"),
        Column("facility_index", "Facility index (%)", "number"),
        Column("facility_low", "Facility index, low (%)", "number"),
        Column("facility_high", "Facility index, high (%)", "number"),
        Column("facility_sd", "Standard deviation (%)", "number"),
        Column("discrimination_index", "Discrimination index (%)", "number"),
        Column("discriminative_efficiency", "Discriminative efficiency (%)", "number"),
        Column("median_time", "Median time (sec)", "seconds"),
        Column("share_hinted", "Share with hints", "number"),
        Column("share_error", "Share with errors", "number"),
        Column("wrong_answer", "Most frequent wrong answer", "text"),
        Column("wrong_answer_count", "Times given", "count"),
    ),
)

TABLES: dict[TableName, Table] = {
    table.name: table for table in (SESSION, SUMMARY, ATTEMPT, EXAM, MASTERY, LEARNER, ACTIVITY, ITEM)
}
