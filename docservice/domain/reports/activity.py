"""How much learners do: by day, week or month, by topic, or by device."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from docservice.domain.reports.class_progress import Fields, ReportRow
from docservice.domain.reports.filters import ReportFilters, ReportPeriod


@dataclass(frozen=True)
class TopicPlace:
    """The topic that a content is in.

    Attributes:
        id: of the topic's node; None if it is not known.
        path: titles from the top of the channel down.
    """

    id: str | None = None
    path: tuple[str, ...] = ()


@dataclass
class _Sums:
    learners: set[str] = field(default_factory=set)
    visits: int = 0
    seconds: list[float] = field(default_factory=list)
    completions: int = 0

    def row(self) -> ReportRow:
        return {
            "learners": len(self.learners),
            "visits": self.visits,
            "time_spent": math.fsum(self.seconds),
            "completions": self.completions,
        }


def activity_rows(
    visits: Iterable[Fields],
    completed: Iterable[Fields],
    filters: ReportFilters,
    topics: Mapping[str, TopicPlace],
) -> list[ReportRow]:
    """Return the rows of `activity` by day, week, month or topic.

    Args:
        visits: content sessions; those that began in the span of the filters count.
        completed: summaries; those whose completion is in the span count.
        filters: of the report.
        topics: of contents, by content id; needed by topic only.
    """
    by, zone, span = filters.by or "day", filters.timezone, filters.span
    sums: dict[Any, _Sums] = {}
    for visit in visits:
        moment = visit["start_timestamp"]
        if span.holds(moment):
            one = sums.setdefault(_key(by, moment, zone, topics, visit["content_id"]), _Sums())
            one.visits += 1
            one.seconds.append(visit["time_spent"])
            if visit["user_id"] is not None:
                one.learners.add(visit["user_id"])
    for summary in completed:
        moment = summary["completion_timestamp"]
        if moment is not None and span.holds(moment):
            sums.setdefault(_key(by, moment, zone, topics, summary["content_id"]), _Sums()).completions += 1
    if by == "topic":
        rows = [{"topic_id": place.id, "topic": " > ".join(place.path), **one.row()} for place, one in sums.items()]
        return sorted(rows, key=lambda row: (-row["time_spent"], row["topic"]))
    return [{"day": day, **sums[day].row()} for day in sorted(sums)]


def device_rows(user_sessions: Iterable[Fields], filters: ReportFilters) -> list[ReportRow]:
    """Return the rows of `activity` by device; a visit is a user session, its time from start to last interaction."""
    span = filters.span
    sums: dict[str, _Sums] = {}
    for session in user_sessions:
        if span.holds(session["start_timestamp"]):
            one = sums.setdefault(str(session.get("device_info") or ""), _Sums())
            one.visits += 1
            last = session["last_interaction_timestamp"]
            one.seconds.append(0.0 if last is None else (last - session["start_timestamp"]).total_seconds())
            if session["user_id"] is not None:
                one.learners.add(session["user_id"])
    rows = [{"device": device, **one.row(), "completions": None} for device, one in sums.items()]
    return sorted(rows, key=lambda row: (-row["visits"], row["device"]))


def _key(
    by: ReportPeriod, moment: datetime, zone: ZoneInfo, topics: Mapping[str, TopicPlace], content_id: str
) -> date | TopicPlace:
    if by == "topic":
        return topics.get(content_id, TopicPlace())
    return first_day(by, moment.astimezone(zone).date())


def first_day(by: ReportPeriod, day: date) -> date:
    """Return the first day of the week (Monday) or month that a day is in; the day itself by day."""
    if by == "week":
        return day - timedelta(days=day.weekday())
    return day.replace(day=1) if by == "month" else day
