"""What to know of the data before it is believed: clocks, duplicates, rows set aside, and the latest data."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from docservice.domain.reports.class_progress import Fields, ReportRow

FIRST_KOLIBRI = datetime(2016, 1, 1, tzinfo=UTC)
"""A log with an earlier time is of a device whose clock was not set."""

_LONGEST = timedelta(days=1)


@dataclass
class QualityCounts:
    """Counts of what was found, by dataset, check and subject.

    Attributes:
        now: when the report is made.
    """

    now: datetime
    _found: dict[tuple[str | None, str, str], _Found] = field(default_factory=dict)
    _seen: set[tuple[Any, ...]] = field(default_factory=set)

    def add_session(self, session: Fields) -> None:
        """Take a content session."""
        start, end = session["start_timestamp"], session["end_timestamp"]
        self._clock(session, "content sessions", start, end)
        key = (session["user_id"], session["content_id"], start)
        if session["user_id"] is not None:
            if key in self._seen:
                self._count(session["dataset_id"], "same learner, content and start", "content sessions", start)
            self._seen.add(key)
        self._count(session["dataset_id"], "latest data", "content sessions", end or start)

    def add_user_session(self, session: Fields) -> None:
        """Take a user session."""
        start, last = session["start_timestamp"], session["last_interaction_timestamp"]
        self._clock(session, "user sessions", start, last)
        device = str(session.get("device_info") or "unknown device")
        self._count(session["dataset_id"], "latest data by device", device, last or start)

    def add_summary(self, summary: Fields) -> None:
        """Take a summary."""
        start, end = summary["start_timestamp"], summary["end_timestamp"]
        self._clock(summary, "content summaries", start, end, at_once=False)
        self._count(summary["dataset_id"], "latest data", "content summaries", end or start)

    def add_people(self, people: Iterable[Fields]) -> None:
        """Take people of the directory: several accounts with the same full name in a facility may be one person."""
        names: dict[tuple[str, str], int] = {}
        for person in people:
            name = " ".join(str(person.get("full_name") or "").casefold().split())
            if name:
                names[person["dataset_id"], name] = names.get((person["dataset_id"], name), 0) + 1
        for (dataset_id, _), count in names.items():
            if count > 1:
                self._count(dataset_id, "accounts with the same full name", "people", None, count)

    def add_set_aside(self, row: Fields) -> None:
        """Take a row that an import has set aside."""
        partition = str(row.get("_morango_partition") or "")
        dataset_id = partition.partition(":")[0] or None
        self._count(dataset_id, "set aside by an import", f"{row['model_name']}: {row['reason']}", None)

    def rows(self, facility_of: Callable[[str | None], tuple[str | None, str]]) -> Iterator[ReportRow]:
        """Yield the rows of `data-quality`.

        Args:
            facility_of: gives id and name of the facility of a dataset.
        """
        for (dataset_id, check, subject), found in sorted(self._found.items(), key=lambda item: str(item[0])):
            facility_id, name = facility_of(dataset_id)
            yield {
                "facility_id": facility_id,
                "facility": name,
                "check": check,
                "subject": subject,
                "count": found.count,
                "first": found.first,
                "last": found.last,
            }

    def _clock(
        self, log: Fields, subject: str, start: datetime | None, end: datetime | None, *, at_once: bool = True
    ) -> None:
        dataset_id = log["dataset_id"]
        if start is None:
            return
        if start > self.now or (end is not None and end > self.now):
            self._count(dataset_id, "time in the future", subject, start)
        if start < FIRST_KOLIBRI:
            self._count(dataset_id, "time before the first Kolibri", subject, start)
        if end is not None and end < start:
            self._count(dataset_id, "end before start", subject, start)
        if at_once and end is not None and end - start > _LONGEST:
            self._count(dataset_id, "longer than a day", subject, start)

    def _count(self, dataset_id: str | None, check: str, subject: str, moment: datetime | None, count: int = 1) -> None:
        self._found.setdefault((dataset_id, check, subject), _Found()).add(moment, count)


@dataclass
class _Found:
    count: int = 0
    first: datetime | None = None
    last: datetime | None = None

    def add(self, moment: datetime | None, count: int) -> None:
        self.count += count
        if moment is not None:
            self.first = moment if self.first is None else min(self.first, moment)
            self.last = moment if self.last is None else max(self.last, moment)
