"""Times: aware UTC, cut to milliseconds, and the exact text that Kolibri devices keep.

A BSON date has milliseconds and no zone; a Kolibri time has microseconds and the name of a zone. A record that came
from a Kolibri therefore keeps that text beside its date.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta, timezone
from functools import cache, lru_cache
from importlib.resources import files
from typing import Any
from zoneinfo import ZoneInfo, available_timezones

_NOTHING = timedelta(0)
_MILLISECOND = timedelta(milliseconds=1)
_MINUTE = timedelta(minutes=1)
_FIRST = datetime(1901, 12, 13, 20, 45, 52, tzinfo=UTC)
_LAST = datetime(2038, 1, 19, 3, 14, 7, tzinfo=UTC)
"""The range of 32 bits of seconds around 1970: Kolibri's table of zones has no clock changes outside of it."""
_LONG_AGO = datetime(1, 1, 2, tzinfo=UTC)
_KOLIBRI_TEXT = re.compile(
    r"(?P<digits>\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(?:\.\d{1,6})?)"
    r"(?:\((?P<zone>[^()]+)\)|(?P<offset>[+-]\d\d:?\d\d))?",
    re.ASCII,
)
_LOOSE_TEXT = re.compile(
    r"\s*(\d{1,4})-(\d{1,2})-(\d{1,2})\s+(\d{1,2}):(\d{1,2}):(\d{1,2})(?:\.(\d*))?\s*"
    r"(?:\(([^()]+)\)|([+-]\d\d:?\d\d))?\s*",
    re.ASCII,
)
"""Kolibri reads numbers of any width, as a Python before 3.12 writes the year 999, and more digits of a second."""


def to_milliseconds(moment: datetime) -> datetime:
    """`moment` in UTC, cut (not rounded) to milliseconds: what a BSON date can hold.

    Raises:
        ValueError: `moment` is naive.
    """
    if moment.tzinfo is None:
        raise ValueError("a time needs a zone")
    moment = moment.astimezone(UTC)
    return moment.replace(microsecond=moment.microsecond // 1000 * 1000)


@dataclass(frozen=True)
class KolibriTime:
    """A time as a Kolibri device stores it.

    Attributes:
        moment: aware, UTC, with microseconds.
        zone: name of the zone that the device was in (`Africa/Nairobi`), `UTC` if the text gave none.
        offset: the offset that the text gave in place of a zone; shown, but not stored.
    """

    moment: datetime
    zone: str = "UTC"
    offset: timezone | None = field(default=None, compare=False)

    @classmethod
    def parse(cls, text: str) -> KolibriTime:
        """Read `YYYY-MM-DD HH:MM:SS[.ffffff][(Zone)|+HH:MM]`; the digits are UTC unless an offset follows.

        Raises:
            ValueError: `text` has another form.

        Rule: kolibri/core/fields.py, parse_timezonestamp.
        """
        return cls(*_read(text))

    def __str__(self) -> str:
        return f"{self.moment.astimezone(UTC).isoformat(' ', 'microseconds')[:26]}({self.zone})"

    def local(self) -> datetime:
        """Return the moment in its own zone or offset, which has whole minutes.

        Offsets are those that Kolibri shows: local mean times are rounded to the minute, a moment before December 1901
        has the offset that the zone began with, and one after January 2038 the offset of that month all year.
        It is in UTC where this machine does not know the zone, or where a clock in the zone would show no year that
        Python knows.

        Rule: pytz, tzfile.py, build_tzinfo.
        """
        return _local(self.moment, self.zone, self.offset)


def _read(text: str) -> tuple[datetime, str, timezone | None]:
    """See `KolibriTime.parse`."""
    match = _KOLIBRI_TEXT.fullmatch(text)
    if match is not None:
        digits, zone, offset = match.groups()
        moment = datetime.fromisoformat(digits + "+00:00")
    else:
        loose = _LOOSE_TEXT.fullmatch(text)
        if loose is None:
            raise ValueError("a Kolibri time reads YYYY-MM-DD HH:MM:SS.ffffff(Zone)")
        *numbers, fraction, zone, offset = loose.groups()
        year, month, day, hour, minute, second = map(int, numbers)
        microsecond = int(((fraction or "") + "000000")[:6])
        moment = datetime(year, month, day, hour, minute, second, microsecond, UTC)
    if offset is None:
        return moment, zone or "UTC", None
    minutes = int(offset[1:3]) * 60 + int(offset[-2:])
    shift = timezone(timedelta(minutes=minutes if offset[0] == "+" else -minutes))
    return moment.replace(tzinfo=shift).astimezone(UTC), "UTC", shift


def _local(moment: datetime, zone: str, offset: timezone | None) -> datetime:
    """See `KolibriTime.local`."""
    try:
        if offset is not None:
            return moment.astimezone(offset)
        place = _place(zone)
        if _FIRST <= moment <= _LAST:
            local = moment.astimezone(place)
            if not (shift := local.utcoffset() or _NOTHING) % _MINUTE:
                return local
        else:
            shift = (_LONG_AGO if moment < _FIRST else _LAST).astimezone(place).utcoffset() or _NOTHING
        # RFC 3339 has no seconds in an offset. Half a minute is rounded up, on both sides of Greenwich.
        return moment.astimezone(timezone((shift + _MINUTE / 2) // _MINUTE * _MINUTE))
    except (KeyError, ValueError, OSError, OverflowError):
        return moment


def _place(zone: str) -> ZoneInfo:
    """Return a zone by its name, in upper or lower case, as pytz finds it."""
    try:
        return _packaged(zone)
    except (KeyError, ValueError, OSError):
        name = _names_of_zones().get(zone.casefold())
        if name is None:
            raise
        return _packaged(name)


@lru_cache(maxsize=1000)
def _packaged(name: str) -> ZoneInfo:
    """Return a zone of the package tzdata, which has what Kolibri's pytz has; of the machine if the package lacks it.

    Machines differ for times before 1970: Debian's Luanda is at +01:00 in 1911, and that of the package, as Lagos is,
    at +00:14.
    """
    parts = name.split("/")
    if all(part.strip(".") and "\\" not in part for part in parts):
        with suppress(OSError, ValueError), files("tzdata").joinpath("zoneinfo", *parts).open("rb") as file:
            return ZoneInfo.from_file(file, key=name)
    return ZoneInfo(name)


@cache
def _names_of_zones() -> dict[str, str]:
    return {name.casefold(): name for name in available_timezones()}


def exact_time(moment: datetime, recorded_text: str | None) -> datetime:
    """A stored time as its device recorded it, with microseconds and zone; as it is stored if it was changed since.

    Args:
        moment: as it is stored, in milliseconds.
        recorded_text: what the device kept beside it; None: nothing.
    """
    if recorded_text is not None:
        # Without a `KolibriTime` in between, which takes as long again: exports do this for every time of every row.
        recorded, zone, offset = _read(recorded_text)
        if _NOTHING <= recorded - moment < _MILLISECOND:
            return _local(recorded, zone, offset)
    return moment


def exact_moment(record: Mapping[str, Any], field: str) -> datetime:
    """Return a time of a record, with the microseconds that its device recorded if it did."""
    moment: datetime = record[field]
    text = record.get("_recorded", {}).get(field)
    if text is not None:
        recorded = KolibriTime.parse(text).moment
        if to_milliseconds(recorded) == moment:
            return recorded
    return moment


def read_time(text: str) -> datetime:
    """Return a time as text, in UTC and cut to milliseconds.

    Args:
        text: ISO 8601 (a date is its first moment), or as a Kolibri device stores it; UTC if it names no zone.

    Raises:
        ValueError: `text` is neither.
    """
    try:
        try:
            return to_milliseconds(KolibriTime.parse(text).moment)
        except ValueError:
            moment = datetime.fromisoformat(text)
        return to_milliseconds(moment if moment.tzinfo else datetime.fromisoformat(f"{moment.isoformat()}Z"))
    except OverflowError:
        raise ValueError("the time is out of range") from None


def iso_text(moment: datetime) -> str:
    """Return a time as Kolibri's REST answers print it: `2024-09-02T08:12:24.158293+03:00`, `Z` for UTC.

    Rule: rest_framework, fields.py, DateTimeField.to_representation.
    """
    text = moment.isoformat()
    return text[:-6] + "Z" if text.endswith("+00:00") else text
