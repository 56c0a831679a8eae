"""Logs flattened to the rows of exported tables: one tuple a row, its values in the order of the table's columns.

Fields of logs are read by their stored names, and not through the models: an export reads very many.
Rule: kolibri/core/logger/csv_export.py.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import cached_property
from typing import Any, NamedTuple

from docservice.domain.exports.quiz_tries import Fields, QuizTry
from docservice.domain.exports.tables import TableName
from docservice.domain.logs.migrated_quizzes import QUIZ
from docservice.domain.values.rounding import finite
from docservice.domain.values.times import exact_moment, exact_time, to_milliseconds

Row = tuple[Any, ...]

_FACILITY_TYPES = {"admin": "Admin", "coach": "Facility coach", "classroom assignable coach": "Class coach"}
"""From the role that counts most to the one that counts least; the real server takes any of several."""


class LearnerColumns(NamedTuple):
    """The columns of a row that name the learner."""

    facility_name: str | None = None
    username: str | None = None
    user_type: str = "Learner"


UNKNOWN = LearnerColumns()
"""A learner who is not in the directory, as Kolibri writes it."""

_ANONYMOUS = LearnerColumns(user_type="Anonymous")


class LearnerNames(NamedTuple):
    """What the tables for analysts say of a learner besides: full name, and the names of classes and groups."""

    full_name: str | None = None
    classes: str | None = None
    groups: str | None = None


class ContentLocation(NamedTuple):
    """The place of a content in its channel: its title, and the titles of the topics above it, from the top down."""

    title: str = ""
    folders: tuple[str, ...] = ()


@dataclass(frozen=True)
class Span:
    """Which logs are exported, by when they began.

    Attributes:
        start: the first moment; None: from the beginning.
        end: a day before the last moment, so that a date means the whole day; None: to the end.
    """

    start: datetime | None = None
    end: datetime | None = None

    def holds(self, log: Fields, field: str = "start_timestamp") -> bool:
        """Whether a log that began then is exported; microseconds that its device recorded count."""
        moment = log[field]
        first, last = self._milliseconds
        if not first <= moment <= last:
            return False
        if moment not in (first, last):
            return True
        # Microseconds are read only where they decide: an export asks this for very many logs.
        began = exact_moment(log, field)
        return (self.start is None or began >= self.start) and (self._last is None or began <= self._last)

    @cached_property
    def _milliseconds(self) -> tuple[datetime, datetime]:
        first, last = self.start, self._last
        return (
            datetime.min.replace(tzinfo=UTC) if first is None else to_milliseconds(first),
            datetime.max.replace(tzinfo=UTC) if last is None else to_milliseconds(last),
        )

    @cached_property
    def _last(self) -> datetime | None:
        try:
            return None if self.end is None else self.end + timedelta(days=1)
        except OverflowError:  # on the last day that there is
            return None


class Catalogue:
    """The places of contents in their channels, and the names of channels and quizzes, for some rows."""

    def __init__(self) -> None:
        self._nodes: dict[str, ContentLocation] = {}
        self._first: dict[tuple[str, str], tuple[tuple[int, str], ContentLocation]] = {}
        self._levels: dict[str, int] = {}
        self.channels: dict[str, str] = {}
        self.exams: dict[str, Fields] = {}
        self.deepest = 0
        """Folder columns that the contents shown so far need."""

    def add(self, node_id: str, node: Fields) -> None:
        """Take in a node of the directory, with the ancestors that lead to it."""
        ancestors = node.get("ancestors") or []
        place = ContentLocation(
            node.get("title") or "", tuple(str(topic.get("title") or "") for topic in ancestors[1:])
        )
        self._nodes[node_id] = place
        # Several nodes may have the same content; the one that comes first in the channel counts.
        key, rank = (node["content_id"], node["channel_id"]), (node.get("lft") or 0, node_id)
        if key not in self._first or rank < self._first[key][0]:
            self._first[key] = rank, place
        level = node.get("level")
        levels = (len(ancestors) if level is None else level) - 1
        self._levels[node["content_id"]] = max(levels, self._levels.get(node["content_id"], 0))

    def show(self, content_ids: Iterable[str]) -> None:
        """Make folder columns for all nodes of these contents."""
        self.deepest = max(self.deepest, *(self._levels.get(content_id, 0) for content_id in content_ids), 0)

    def place(self, content_id: str, channel_id: str | None, node_id: str | None) -> ContentLocation:
        """Return the place of a log's content: the node that was visited, else the first node of the content."""
        if node_id is not None:
            return self._nodes.get(node_id, ContentLocation())
        ranked = self._first.get((content_id, channel_id or ""))
        return ranked[1] if ranked else ContentLocation()

    def exam(self, exam_id: str) -> Fields:
        """Return what the directory says of a quiz; empty if nothing."""
        return self.exams.get(exam_id, {})


def user_type(is_superuser: bool, facility_roles: Collection[str], all_roles: Collection[str]) -> str:
    """Return what a person is called in exports.

    Args:
        is_superuser: of this device.
        facility_roles: kinds of the roles on the own facility.
        all_roles: kinds of all roles.
    """
    if is_superuser:
        return "Super admin"
    for kind, name in _FACILITY_TYPES.items():
        if kind in facility_roles:
            return name
    return "Class coach" if "coach" in all_roles else "Learner"


def visitor(table: TableName) -> LearnerColumns:
    """Return what the rows of a table say of an anonymous visitor; the real server calls all of them learners."""
    return UNKNOWN if table in ("session", "summary") else _ANONYMOUS


def visited_node(session: Fields) -> str | None:
    """Return the node that a visit was to; None if the visit does not say."""
    extra_fields = session.get("extra_fields")
    context = extra_fields.get("context") if isinstance(extra_fields, dict) else None
    node_id = context.get("node_id") if isinstance(context, dict) else None
    return node_id if isinstance(node_id, str) and node_id else None


def session_row(session: Fields, learner: LearnerColumns, catalogue: Catalogue) -> Row:
    """Return a row of `SESSION`."""
    content_id, channel_id = session["content_id"], session["channel_id"]
    place = catalogue.place(content_id, channel_id, visited_node(session))
    return (
        *learner,
        channel_id,
        catalogue.channels.get(channel_id, ""),
        place.folders,
        content_id,
        place.title,
        _time(session, "start_timestamp"),
        _time(session, "end_timestamp"),
        session["time_spent"],
        session["progress"],
        session["kind"],
    )


def summary_row(summary: Fields, node_id: str | None, learner: LearnerColumns, catalogue: Catalogue) -> Row:
    """Return a row of `SUMMARY`; `node_id` is of the learner's latest visit to the content."""
    return (
        *learner,
        *_content(summary, node_id, catalogue),
        *_times(summary),
        summary["time_spent"],
        summary["progress"],
        summary["kind"],
    )


def attempt_row(
    attempt: Fields,
    log: Fields,
    node_id: str | None,
    learner: Row,
    catalogue: Catalogue,
    *,
    try_number: int | None = None,
    masterylog_id: str | None = None,
    examlog_id: str | None = None,
) -> Row:
    """Return a row of `ATTEMPT`.

    Args:
        attempt: as it is embedded or in a bucket.
        log: the summary or session that it belongs to; of an exam log `kind` and `content_id` are enough.
        node_id: of the visit that names the content.
        learner: the columns that say whose it is.
        catalogue: has the content.
        try_number: of the try it belongs to; None if to none.
        masterylog_id: of that try.
        examlog_id: of the exam log that holds that try.
    """
    if log["kind"] == QUIZ:
        content = (None, None, (), log["content_id"], catalogue.exam(log["content_id"]).get("title"))
    else:
        content = _content(log, node_id, catalogue)
    ids = (attempt["id"], masterylog_id, attempt.get("sessionlog_id"), examlog_id)
    return (*learner, *content, log["kind"], try_number, *_answered(attempt), *ids)


def quiz_row(exam_id: str, quiz_try: QuizTry, try_number: int, learner: Row, catalogue: Catalogue) -> Row:
    """Return a row of `EXAM`."""
    exam, log = catalogue.exam(exam_id), quiz_try.log
    return (
        *learner,
        exam_id,
        exam.get("title"),
        try_number,
        *_times(log),
        log["time_spent"],
        log["complete"],
        log["attempt_count"],
        finite(log["correct_sum"]),
        _count(exam.get("question_count")),
        quiz_try.masterylog_id,
        quiz_try.examlog_id,
    )


def mastery_row(
    log: Fields, mastery_log: Fields, try_number: int, node_id: str | None, learner: Row, catalogue: Catalogue
) -> Row:
    """Return a row of `MASTERY`.

    Args:
        log: the summary that it belongs to.
        mastery_log: as it is embedded.
        try_number: of the try among those of its kind.
        node_id: of the learner's latest visit to the content.
        learner: the columns that say whose it is.
        catalogue: has the content.
    """
    if log["kind"] == QUIZ:
        content = (None, None, (), log["content_id"], catalogue.exam(log["content_id"]).get("title"))
    else:
        content = _content(log, node_id, catalogue)
    return (
        *learner,
        *content,
        log["kind"],
        try_number,
        (mastery_log.get("mastery_criterion") or {}).get("type"),
        *_times(mastery_log),
        mastery_log["time_spent"],
        mastery_log["complete"],
        mastery_log["attempt_count"],
        float(mastery_log["correct_sum"]),
        mastery_log["mastery_level"],
        mastery_log["id"],
        log["_id"],
    )


def activity_rows(visits: Iterable[Fields], completed: Iterable[Fields], span: Span, learner: Row) -> Iterator[Row]:
    """Yield the rows of `ACTIVITY` of one learner, oldest first; days are those of the device where it says its zone.

    Args:
        visits: content sessions of the learner; those that began in the span count.
        completed: summaries of the learner; those whose completion is in the span count.
        span: which logs are exported.
        learner: the columns that say whose they are.
    """
    days: dict[date, list[Fields]] = {}
    done: dict[date, int] = {}
    for visit in visits:
        if span.holds(visit):
            days.setdefault(_day(visit, "start_timestamp"), []).append(visit)
    for summary in completed:
        if summary["completion_timestamp"] is not None and span.holds(summary, "completion_timestamp"):
            day = _day(summary, "completion_timestamp")
            done[day] = done.get(day, 0) + 1
    for day in sorted(days.keys() | done.keys()):
        listed = days.get(day, [])
        contents = {visit["content_id"] for visit in listed}
        seconds = math.fsum(visit["time_spent"] for visit in listed)
        yield (*learner, day.isoformat(), len(listed), len(contents), seconds, done.get(day, 0))


def _day(log: Fields, name: str) -> date:
    return exact_time(log[name], log.get("_recorded", {}).get(name)).date()


def _content(log: Fields, node_id: str | None, catalogue: Catalogue) -> Row:
    content_id, channel_id = log["content_id"], log["channel_id"]
    place = catalogue.place(content_id, channel_id, node_id)
    return (channel_id, catalogue.channels.get(channel_id, ""), place.folders, content_id, place.title)


def _times(log: Fields) -> Row:
    return (_time(log, "start_timestamp"), _time(log, "end_timestamp"), _time(log, "completion_timestamp"))


def _answered(attempt: Fields) -> Row:
    return (
        attempt["item"],
        *_times(attempt),
        attempt["time_spent"],
        float(attempt["correct"]),
        attempt["complete"],
        attempt["hinted"],
        attempt["error"],
        attempt["simple_answer"],
    )


def _time(log: Fields, name: str) -> datetime | None:
    moment = log[name]
    return None if moment is None else exact_time(moment, log.get("_recorded", {}).get(name))


def _count(value: Any) -> int | None:
    return value if isinstance(value, int) else None
