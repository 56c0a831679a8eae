"""Pseudonyms: exported rows and documents in which nobody is called by name or id.

An id becomes an HMAC of it: the same key gives the same pseudonym, in each table and in later exports, and without the
key nobody finds the person. That is done with every id that is not of public content, because ids of logs follow from
the id of their learner. What is not listed here as harmless is left out, so that a field that is added later does not
get out.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Literal, get_args

from docservice.domain.exports.table_rows import Row
from docservice.domain.exports.tables import TABLES, Column, TableName
from docservice.domain.logs.migrated_quizzes import QUIZ

Kept = Literal["names", "usernames", "birth-years", "answers"]
"""What can be kept: names of people, facilities, classes and quizzes; usernames; years of birth; what learners answered
and what resources have saved for them."""

KEPT: tuple[Kept, ...] = get_args(Kept)
LEAST_KEY_BYTES = 32
_HEX_ID_LENGTH = 32
_DAY_SECONDS = 86_400

COLLECTIONS = (
    "facility_datasets",
    "facility_collections",
    "facility_users",
    "roles",
    "memberships",
    "exams",
    "lessons",
    "course_sessions",
    "content_nodes",
    "channels",
    "content_summary_logs",
    "content_session_logs",
    "attempt_overflow",
    "exam_logs",
    "user_session_logs",
)
"""The collections of which documents can be exported under pseudonyms."""

PUBLIC_COLLECTIONS = frozenset({"content_nodes", "channels"})
"""Content: the same for everybody, and about nobody."""

PUBLIC_COLUMNS = frozenset(
    {"user_type", "channel_id", "channel_name", "folders", "content_title", "kind", "item", "mastery_model"}
)
"""Columns of tables that hold words of a fixed list, or of public content."""

CHECKED_KINDS = frozenset({"text", "id", "folders"})
"""The kinds of columns whose cells are texts; a number may well be somebody's username."""

PUBLIC_FIELDS = PUBLIC_COLUMNS | {"device_info", "type"}
"""Fields of documents that hold words of a fixed list, or of public content."""

_ID_COLUMNS = frozenset(
    {"user_id", "exam_id", "attempt_id", "masterylog_id", "sessionlog_id", "examlog_id", "summarylog_id"}
)
_NAME_COLUMNS = frozenset({"facility_name", "exam_title", "full_name", "classes", "groups", "question_title"})
_ANSWER_COLUMNS = frozenset({"simple_answer", "wrong_answer"})
_PLAIN_COLUMNS = PUBLIC_COLUMNS | {"content_id"}
"""Columns of texts that stay; those of numbers and flags all do."""

_IDS = frozenset(
    {
        *("_id", "id", "user_id", "dataset_id", "facility_id", "collection_id", "parent_id", "visitor_id", "log_id"),
        *("sessionlog_id", "masterylog_id", "summarylog_id", "examlog_id", "exam_id"),
    }
)
_ID_LISTS = frozenset({"assignments", "learner_ids"})
_TIMES = frozenset(
    {
        *("start_timestamp", "end_timestamp", "completion_timestamp", "last_interaction_timestamp"),
        "last_start_timestamp",
    }
)
_HARMLESS = frozenset(
    {
        *("kind", "channel_id", "progress", "time_spent", "complete", "correct", "hinted", "error", "item"),
        *("mastery_level", "mastery_criterion", "attempt_count", "correct_sum", "closed", "is_superuser", "active"),
        *("question_count", "device_info", "loose_attempt_count"),
    }
)
_NAMES = frozenset({"name", "full_name", "title"})
_ANSWERS = frozenset({"answer", "simple_answer", "extra_fields"})
_RECORDS = frozenset({"mastery_logs", "attempts"})
_OF_AN_INTERACTION = ("type", "correct")


@dataclass(frozen=True)
class Pseudonyms:
    """Makes pseudonyms with one key.

    Attributes:
        key: at least 32 bytes.
        keep: what is not left out.
        shift_days: times of a person are moved by so many days at most, back or forth; all by the same, so that what is
            between them stays.
    """

    key: bytes = field(repr=False)
    keep: frozenset[Kept] = frozenset()
    shift_days: int = 0

    def __post_init__(self) -> None:
        """Check the key.

        Raises:
            ValueError: it is too short.
        """
        if len(self.key) < LEAST_KEY_BYTES:
            raise ValueError(f"the key has {len(self.key)} bytes, and {LEAST_KEY_BYTES} are the least")

    def id(self, value: str) -> str:
        """Return the pseudonym of an id: 32 hex characters."""
        return self._digest("id", value).hex()[:_HEX_ID_LENGTH]

    def shifted(self, moment: datetime, user_id: str | None) -> datetime | None:
        """Return a moment as it is exported; None if that is not in the calendar.

        Args:
            moment: aware.
            user_id: whose it is; visitors are moved together.
        """
        if not self.shift_days:
            return moment
        reach = self.shift_days * _DAY_SECONDS
        seconds = int.from_bytes(self._digest("shift", user_id or "")[:8], "big") % (2 * reach + 1) - reach
        try:
            # Added in UTC: the clocks of a zone change between two moments.
            return (moment.astimezone(UTC) + timedelta(seconds=seconds)).astimezone(moment.tzinfo)
        except OverflowError:
            return None

    def rows(self, table: TableName, rows: Sequence[Row], username: Callable[[str], str | None]) -> list[Row]:
        """Return rows of a table as they are exported.

        Args:
            table: which one.
            rows: with the id of the learner in the place of the username.
            username: of a person, by id.
        """
        columns = TABLES[table].columns
        names = [column.name for column in columns]
        person_at = names.index("username") if "username" in names else None
        kind_at = names.index("kind") if "kind" in names else None
        made = []
        for row in rows:
            user_id = None if person_at is None else row[person_at]
            is_quiz = kind_at is not None and row[kind_at] == QUIZ
            cells = [self._cell(*cell, user_id, is_quiz=is_quiz) for cell in zip(columns, row, strict=True)]
            if person_at is not None:
                cells[person_at] = self._username(user_id, username)
            made.append(tuple(cells))
        return made

    def _username(self, user_id: str | None, username: Callable[[str], str | None]) -> str | None:
        if user_id is None:
            return None
        return username(user_id) if "usernames" in self.keep else self.id(user_id)

    def _cell(self, column: Column, value: Any, user_id: str | None, *, is_quiz: bool) -> Any:
        name = column.name
        if value is None:
            return None
        if column.kind == "time":
            return self.shifted(value, user_id)
        if name == "day":
            return self._day(value, user_id)
        if name in _ID_COLUMNS or (is_quiz and name == "content_id"):
            return self.id(value)
        if name in _NAME_COLUMNS or (is_quiz and name == "content_title"):
            return value if "names" in self.keep else None
        if name in _ANSWER_COLUMNS:
            return value if "answers" in self.keep else None
        if name == "birth_year":
            return value if "birth-years" in self.keep else None
        return value if column.kind not in CHECKED_KINDS or name in _PLAIN_COLUMNS else None

    def _day(self, day: str, user_id: str | None) -> str | None:
        """Return a day moved as its noon is, so that days of a person stay as far apart as they are."""
        noon = self.shifted(datetime.fromisoformat(day).replace(hour=12, tzinfo=UTC), user_id)
        return None if noon is None else noon.date().isoformat()

    def document(self, collection: str, document: Mapping[str, Any]) -> dict[str, Any]:
        """Return a document as it is exported, without what may say who it is about.

        Args:
            collection: one of `COLLECTIONS`.
            document: as it is stored.
        """
        if collection in PUBLIC_COLLECTIONS:
            return dict(document)
        user_id = document.get("user_id")
        made = self._record(document, user_id, is_quiz=document.get("kind") == QUIZ)
        if collection == "facility_users":
            made["username"] = document["username"] if "usernames" in self.keep else self.id(str(document["_id"]))
            if "birth-years" in self.keep:
                made["birth_year"] = document.get("birth_year")
        if collection == "attempt_overflow":
            # The id of a bucket is that of its log with a number; its content may be a quiz, which the log tells.
            log_id, _, number = str(document["_id"]).partition(":")
            made["_id"] = f"{self.id(log_id)}:{number}"
            made.pop("content_id", None)
        return made

    def _record(self, record: Mapping[str, Any], user_id: str | None, *, is_quiz: bool) -> dict[str, Any]:
        made: dict[str, Any] = {}
        for name, value in record.items():
            if name in _IDS or (name == "content_id" and is_quiz):
                made[name] = self.id(value) if isinstance(value, str) else None
            elif name in _ID_LISTS:
                made[name] = [self.id(each) for each in value if isinstance(each, str)]
            elif name in _TIMES:
                made[name] = self.shifted(value, user_id) if isinstance(value, datetime) else None
            elif name in _HARMLESS or name == "content_id":
                made[name] = value
            elif name in _RECORDS:
                made[name] = [self._record(each, user_id, is_quiz=False) for each in value]
            elif name == "interaction_history":
                made[name] = [self._interaction(each) for each in value or ()]
            elif (name in _NAMES and "names" in self.keep) or (name in _ANSWERS and "answers" in self.keep):
                made[name] = value
        return made

    def _interaction(self, interaction: Any) -> dict[str, Any]:
        """Return what stays of an interaction: its own time would tell what times are moved by."""
        if not isinstance(interaction, Mapping):
            return {}
        names = (*_OF_AN_INTERACTION, "answer") if "answers" in self.keep else _OF_AN_INTERACTION
        return {name: interaction[name] for name in names if name in interaction}

    def _digest(self, purpose: str, value: str) -> bytes:
        return hmac.new(self.key, f"{purpose}:{value}".encode(), hashlib.sha256).digest()
