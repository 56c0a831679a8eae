"""What a report is narrowed to."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any, Literal, get_args
from zoneinfo import ZoneInfo

from docservice.domain.requests.filter_values import ValueKind, normalized, refuse_unused
from docservice.domain.requests.lists import LogFilters
from docservice.errors import FieldError, FilterInvalid

ReportPeriod = Literal["day", "week", "month", "topic", "device"]
"""What the rows of `activity` are: a day, a week from Monday, a month, a topic of a channel, or a device."""

CountedTries = Literal["first", "all"]
"""Which tries a statistic of questions counts: each learner's first, or all of them."""

LEAST_LEARNERS = 5
"""Below this many learners a statistic of questions is not shown, unless the request names another number."""

_KINDS: dict[str, ValueKind] = {
    **dict.fromkeys(
        ("facility", "classroom", "learner_group", "user", "channel", "topic", "content", "lesson", "quiz"), "id"
    ),
    "zone": "text",
    "least_learners": "integer",
}
_CHOICES = {"by": get_args(ReportPeriod), "tries": get_args(CountedTries)}
_LAST_DAY = date(9999, 12, 30)


@dataclass(frozen=True)
class ReportFilters:
    """What a report is narrowed to; None: not narrowed.

    Ids may be spelled in any way, dates be text (`2024-09-02`); here they are as logs hold them. Values of other types
    raise `FilterInvalid`, and so does a filter that the report does not have.

    Attributes:
        facility: people of this facility.
        classroom: members of this class.
        learner_group: members of this group.
        user: this learner.
        channel: content of this channel.
        topic: id of a node: content below it in its channel.
        content: this content.
        lesson: the resources of this lesson, and the learners whom it is assigned to.
        quiz: this quiz of a coach.
        since: the first day, in `zone`.
        until: the last day, in `zone`.
        zone: name of the time zone that days begin in, `Africa/Nairobi`; None: UTC.
        by: what the rows of `activity` are; None: days.
        tries: which tries count; None: the first of each learner.
        least_learners: a statistic of fewer learners is not shown; None: 5.
    """

    facility: str | None = None
    classroom: str | None = None
    learner_group: str | None = None
    user: str | None = None
    channel: str | None = None
    topic: str | None = None
    content: str | None = None
    lesson: str | None = None
    quiz: str | None = None
    since: date | None = None
    until: date | None = None
    zone: str | None = None
    by: ReportPeriod | None = None
    tries: CountedTries | None = None
    least_learners: int | None = None

    def __post_init__(self) -> None:
        values = normalized(vars(self), _KINDS)
        values |= {name: _day(name, getattr(self, name)) for name in ("since", "until")}
        for name, value in values.items():
            object.__setattr__(self, name, value)
        for name, choices in _CHOICES.items():
            if getattr(self, name) not in (None, *choices):
                raise _invalid(name, f"One of {', '.join(choices)} is expected.")
        if self.least_learners is not None and self.least_learners < 1:
            raise _invalid("least_learners", "A number from 1 is expected.")
        if self.since is not None and self.until is not None and self.since > self.until:
            raise _invalid("until", "The last day is before the first one.")
        zone_of(self.zone)

    def refuse_unused(self, offered: Iterable[str], required: Iterable[str] = (), one_of: Sequence[str] = ()) -> None:
        """Check that only filters of this report have a value, and those that it needs have one.

        Args:
            offered: that the report has.
            required: that it needs.
            one_of: of which it needs one at least.

        Raises:
            FilterInvalid: with every other one.
        """
        refuse_unused(vars(self), offered)
        missing = [name for name in required if getattr(self, name) is None]
        if missing:
            raise FilterInvalid([FieldError((name,), "required", "The report needs this filter.") for name in missing])
        if one_of and all(getattr(self, name) is None for name in one_of):
            message = f"The report needs one of {', '.join(one_of)}: without, it would read all logs."
            raise FilterInvalid([FieldError((one_of[0],), "required", message)])

    @property
    def people(self) -> LogFilters:
        """Return those that name people."""
        return LogFilters(
            facility=self.facility, classroom=self.classroom, learner_group=self.learner_group, user=self.user
        )

    @property
    def timezone(self) -> ZoneInfo:
        """Return the zone that days begin in."""
        return zone_of(self.zone)

    @property
    def span(self) -> TimeSpan:
        """Return the moments that are between the first and the last day."""
        start = None if self.since is None else _midnight(self.since, self.timezone)
        end = None if self.until is None else _midnight(min(self.until, _LAST_DAY) + timedelta(days=1), self.timezone)
        return TimeSpan(start, end)

    def as_json(self) -> dict[str, Any]:
        """Return the filters that have a value, dates as text."""
        given = {name: value for name, value in vars(self).items() if value is not None}
        return {name: value.isoformat() if isinstance(value, date) else value for name, value in given.items()}


@dataclass(frozen=True)
class TimeSpan:
    """Moments from `start` on and before `end`; None: without a limit."""

    start: datetime | None = None
    end: datetime | None = None

    def holds(self, moment: datetime | None) -> bool:
        """Whether a moment is in it; what has no moment is only where there is no limit."""
        if moment is None:
            return self.start is None and self.end is None
        return (self.start is None or moment >= self.start) and (self.end is None or moment < self.end)

    def condition(self) -> dict[str, datetime]:
        """Return what a stored time has to fit; empty without a limit."""
        limits = {"$gte": self.start, "$lt": self.end}
        return {operator: moment for operator, moment in limits.items() if moment is not None}


def zone_of(name: str | None) -> ZoneInfo:
    """Return a time zone by its name; UTC for None.

    Raises:
        FilterInvalid: there is no such zone.
    """
    try:
        return ZoneInfo(name or "UTC")
    except (KeyError, ValueError, OSError):
        raise _invalid("zone", "The name of a time zone is expected, as Africa/Nairobi.") from None


def _midnight(day: date, zone: ZoneInfo) -> datetime:
    return datetime.combine(day, time.min, zone).astimezone(UTC)


def _day(name: str, value: object) -> date | None:
    if value is None:
        return None
    if isinstance(value, date) and not isinstance(value, datetime):
        return value
    try:
        return date.fromisoformat(value) if isinstance(value, str) else _no_day()
    except ValueError:
        raise _invalid(name, "A date is expected, as 2024-09-02.") from None


def _no_day() -> date:
    raise ValueError


def _invalid(name: str, message: str) -> FilterInvalid:
    return FilterInvalid([FieldError((name,), "invalid", message)])
