"""Times keep what a device recorded."""

from __future__ import annotations

import json
import re
import zoneinfo
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from docservice.domain.values.times import KolibriTime, iso_text, to_milliseconds

VECTORS: list[dict[str, str]] = json.loads(
    (Path(__file__).parents[1] / "data" / "morango-test-vectors.json").read_text(encoding="utf-8")
)["timestamps"]
ZONES = ["UTC", "Etc/UTC", "Africa/Nairobi", "America/New_York", "Asia/Kathmandu", "Nowhere/Unknown"]
moments = st.timedeltas(timedelta(0), timedelta(days=3_650_000)).map(datetime(2, 1, 1, tzinfo=UTC).__add__)


@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: vector["wire"])
def test_recorded_time(vector: dict[str, str]) -> None:
    """A time from the wire is the moment that the device meant, and is written as the device writes it."""
    if "error" in vector:
        with pytest.raises(ValueError, match="Kolibri time"):
            KolibriTime.parse(vector["wire"])
        return

    time = KolibriTime.parse(vector["wire"])

    assert time.moment == datetime.fromisoformat(vector["utc_iso"])
    assert str(time) == vector["reserialized"]


@given(moments, st.sampled_from(ZONES))
def test_round_trip(moment: datetime, zone: str) -> None:
    """Any moment in any zone comes back equal, to the microsecond, also from a zone that this machine lacks."""
    time = KolibriTime(moment, zone)

    assert KolibriTime.parse(str(time)) == time
    assert time.local() == moment


@given(moments, st.integers(-23 * 60 - 59, 23 * 60 + 59))
def test_milliseconds(moment: datetime, offset: int) -> None:
    """A moment is cut, never rounded, to milliseconds in UTC; twice gives the same."""
    elsewhere = moment.astimezone(timezone(timedelta(minutes=offset)))

    cut = to_milliseconds(elsewhere)

    assert timedelta(0) <= moment - cut < timedelta(milliseconds=1)
    assert cut.tzinfo is UTC
    assert cut.microsecond % 1000 == 0
    assert to_milliseconds(cut) == cut


def test_naive_time_is_refused() -> None:
    """A time without a zone means nothing."""
    with pytest.raises(ValueError, match="zone"):
        to_milliseconds(datetime(2024, 1, 1))  # noqa: DTZ001


@pytest.mark.parametrize(
    "text",
    [
        "",
        "2024-01-01",
        "2024-01-01T00:00:00(UTC)",
        "2024-01-01 00:00:00.12x(UTC)",
        "2024-01-01 00:00:00(UTC",
        "2024-01-01 00:00(UTC)",
        "2024-13-01 00:00:00",
        "2024-01-01 00:00:00+25",
    ],
)
def test_other_form(text: str) -> None:
    """A text of another form is refused."""
    with pytest.raises(ValueError, match=r"Kolibri time|month|offset|between"):
        KolibriTime.parse(text)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("2024-09-02 05:12:24.158293(Africa/Nairobi)", "2024-09-02T08:12:24.158293+03:00"),
        ("2024-09-02 05:12:24.000000(Etc/UTC)", "2024-09-02T05:12:24Z"),
        ("2024-09-02 05:12:24.000000(UTC)", "2024-09-02T05:12:24Z"),
        ("2024-09-02 05:12:24+02:00", "2024-09-02T05:12:24+02:00"),
        ("2024-09-02 05:12:24.1(America/New_York)", "2024-09-02T01:12:24.100000-04:00"),
        ("2024-9-2 5:12:4.1582934 (africa/nairobi) ", "2024-09-02T08:12:04.158293+03:00"),
        ("999-01-02 05:12:24.(utc)", "0999-01-02T05:12:24Z"),
        ("9999-12-31 23:59:59(Pacific/Kiritimati)", "9999-12-31T23:59:59Z"),
        ("0001-01-01 00:00:00(America/Los_Angeles)", "0001-01-01T00:00:00Z"),
    ],
)
def test_shown_in_its_own_zone(text: str, shown: str) -> None:
    """Answers show a time in the zone that it was recorded in, as Kolibri does."""
    assert iso_text(KolibriTime.parse(text).local()) == shown


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("1970-01-01 00:00:05.000000(Africa/Monrovia)", "1969-12-31T23:16:05-00:44"),
        ("1911-06-01 00:00:00.000000(Africa/Luanda)", "1911-06-01T00:14:00+00:14"),
        ("1971-12-31 23:59:59.500000(Africa/Monrovia)", "1971-12-31T23:15:59.500000-00:44"),
        ("1972-02-01 00:00:00.000000(Africa/Monrovia)", "1972-02-01T00:00:00Z"),
        ("1850-06-01 00:00:00.000000(Asia/Kolkata)", "1850-06-01T05:53:00+05:53"),
        ("1895-01-01 00:00:00.000000(Africa/Algiers)", "1895-01-01T00:12:00+00:12"),
        ("1910-01-01 00:00:00.000000(Africa/Algiers)", "1910-01-01T00:09:00+00:09"),
        ("1899-12-31 23:59:59.000000(America/New_York)", "1899-12-31T19:03:59-04:56"),
        ("1905-01-01 00:00:00.000000(Africa/Lagos)", "1905-01-01T00:14:00+00:14"),
        ("1901-12-13 20:45:51.000000(Europe/Paris)", "1901-12-13T20:54:51+00:09"),
        ("1910-06-01 00:00:00.000000(Europe/Paris)", "1910-06-01T00:09:00+00:09"),
        ("1915-01-01 00:00:00.000000(Europe/Dublin)", "1914-12-31T23:35:00-00:25"),
        ("1930-01-01 00:00:00.000000(Asia/Kuala_Lumpur)", "1930-01-01T07:00:00+07:00"),
        ("2024-01-01 00:00:00.000000(Etc/GMT+5)", "2023-12-31T19:00:00-05:00"),
        ("2024-07-01 12:00:00.000000(Asia/Kathmandu)", "2024-07-01T17:45:00+05:45"),
        ("2037-07-01 12:00:00.000000(America/New_York)", "2037-07-01T08:00:00-04:00"),
        ("2038-01-19 03:14:08.000000(Europe/Berlin)", "2038-01-19T04:14:08+01:00"),
        ("2040-07-01 12:00:00.000000(America/New_York)", "2040-07-01T07:00:00-05:00"),
        ("2040-07-01 12:00:00.000000(Australia/Sydney)", "2040-07-01T23:00:00+11:00"),
    ],
)
def test_offsets_are_those_of_kolibri(text: str, shown: str) -> None:
    """Offsets have whole minutes, and are what Kolibri 0.19.5 answers, before zones had laws and after 2037 too."""
    time = KolibriTime.parse(text)

    assert iso_text(time.local()) == shown
    assert time.local() == time.moment
    assert str(time) == text


@given(moments, st.sampled_from(sorted(zoneinfo.available_timezones())))
def test_offsets_have_whole_minutes(moment: datetime, zone: str) -> None:
    """In every zone and year a time is shown as RFC 3339 has it, and is the same moment."""
    shown = iso_text(KolibriTime(moment, zone).local())

    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{6})?(Z|[+-]\d\d:\d\d)", shown)
    assert datetime.fromisoformat(shown) == moment
