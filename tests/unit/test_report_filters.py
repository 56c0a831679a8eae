"""The filters of reports: what fits, and the moments that days mean."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any

import pytest

from docservice import ReportFilters, TimeSpan
from docservice.errors import FilterInvalid


def test_values_are_read() -> None:
    """Ids are spelled as logs hold them, days may be text, and JSON has the filters that have a value."""
    filters = ReportFilters(classroom="258095D2-371E-8002-859E-A34D8291DC8B", since="2024-09-02")  # type: ignore[arg-type]

    assert filters.classroom == "258095d2371e8002859ea34d8291dc8b"
    assert filters.since == date(2024, 9, 2)
    assert filters.as_json() == {"classroom": "258095d2371e8002859ea34d8291dc8b", "since": "2024-09-02"}
    assert filters.people.classroom == filters.classroom


@pytest.mark.parametrize(
    "wrong",
    [
        {"classroom": "Class 1"},
        {"since": "yesterday"},
        {"since": datetime(2024, 9, 2, tzinfo=UTC)},
        {"until": 5},
        {"zone": "Nowhere/At all"},
        {"zone": "../UTC"},
        {"by": "year"},
        {"tries": "some"},
        {"least_learners": 0},
        {"least_learners": "5"},
        {"since": date(2024, 9, 3), "until": date(2024, 9, 2)},
    ],
    ids=str,
)
def test_what_does_not_fit_is_refused(wrong: dict[str, Any]) -> None:
    """Each error names the filter."""
    with pytest.raises(FilterInvalid, match=list(wrong)[-1]):
        ReportFilters(**wrong)


def test_filters_of_other_reports_are_refused() -> None:
    """A filter that the report does not have, and one that it needs, are named."""
    with pytest.raises(FilterInvalid, match="channel"):
        ReportFilters(channel="c" * 32).refuse_unused(("classroom",))
    with pytest.raises(FilterInvalid, match="classroom"):
        ReportFilters().refuse_unused(("classroom",), ("classroom",))


def test_days_begin_at_midnight_of_the_zone() -> None:
    """The last day is whole, also where its clock changes, and a moment without a time is in no limited span."""
    nairobi = ReportFilters(since=date(2024, 9, 2), until=date(2024, 9, 2), zone="Africa/Nairobi").span
    berlin = ReportFilters(since=date(2024, 3, 31), until=date(2024, 3, 31), zone="Europe/Berlin").span

    assert nairobi.condition() == {
        "$gte": datetime(2024, 9, 1, 21, tzinfo=UTC),
        "$lt": datetime(2024, 9, 2, 21, tzinfo=UTC),
    }
    assert berlin == TimeSpan(datetime(2024, 3, 30, 23, tzinfo=UTC), datetime(2024, 3, 31, 22, tzinfo=UTC))
    assert nairobi.holds(datetime(2024, 9, 2, 20, 59, tzinfo=UTC))
    assert not nairobi.holds(datetime(2024, 9, 2, 21, tzinfo=UTC))
    assert not nairobi.holds(None)
    assert TimeSpan().holds(None)
    assert ReportFilters(until=date.max).span.end is not None
