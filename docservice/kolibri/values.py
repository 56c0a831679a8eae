"""Converts values of Kolibri's columns to values of documents; refuses others with a reason.

These run for every column of millions of rows, so the usual case comes first and costs little.
"""

from __future__ import annotations

import math
import re
from datetime import datetime
from typing import Any

from docservice.domain.values.ids import is_hex_id, parse_uuid
from docservice.domain.values.json_columns import as_history, as_object, column_value, storable
from docservice.domain.values.json_values import MAX_NESTING
from docservice.domain.values.times import KolibriTime, to_milliseconds
from docservice.store.mapping.json_codec import to_bson

_USUAL_TIME = re.compile(r"(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3})\d{3}\([^()]+\)", re.ASCII)
# What a document cannot hold as it is: references, NUL, half surrogates, long integers, numbers that are not finite.
_UNUSUAL_JSON = re.compile(
    r"\$(?:ref|id|db)|＄|\\u(?:0000|0024|[dD][89a-fA-F]|[fF][fF]04)|\d{19}|NaN|Infinity|\d[eE]\+?\d{2}|[\x00\ud800-\udfff]"
)


class RowRefused(ValueError):
    """A row that cannot become a record; the message names the column and what is wrong with it, not the value."""


def hex_id(value: Any, column: str) -> str:
    """Return an id that other rows name: 32 lower-case hex characters."""
    if not is_hex_id(value):
        raise RowRefused(f"{column} is not an id of 32 hex characters")
    return str(value)


def uuid(value: Any, column: str) -> str:
    """Return an id in any form that Kolibri reads in its columns of UUIDs, as 32 lower-case hex characters."""
    if is_hex_id(value):
        return str(value)
    try:
        return parse_uuid(value)
    except (AttributeError, TypeError, ValueError):
        raise RowRefused(f"{column} is not a UUID") from None


def optional_uuid(value: Any, column: str, altered: list[str]) -> str | None:
    """Like `uuid`, or None; also for something else, and then the column's name goes to `altered`."""
    if value is None or value == "":
        return None
    try:
        return uuid(value, column)
    except RowRefused:
        altered.append(column)
        return None


def text(value: Any, column: str, altered: list[str]) -> str:
    """Return a text, perhaps empty; of something else the nearest, and its name goes to `altered`.

    That is what of bytes is UTF-8, the digits of a number, and an empty text for NULL.
    """
    if type(value) is str and value.isascii():
        return value
    if not isinstance(value, (str, bytes)):
        altered.append(column)
        return "" if value is None else str(value)
    held = storable(value)
    if not held.is_exact:
        altered.append(column)
    return str(held.value)


def optional_text(value: Any, column: str, altered: list[str]) -> str | None:
    """Like `text`, or None."""
    return None if value is None else text(value, column, altered)


def short_text(value: Any, column: str, longest: int, altered: list[str]) -> str:
    """Like `text`; of a longer one the beginning, and its name goes to `altered`."""
    found = text(value, column, altered)
    if len(found) <= longest:
        return found
    altered.append(column)
    return found[:longest]


def is_key_text(value: Any, longest: int) -> bool:
    """Whether a value is a text that an id is computed from: not empty, UTF-8, not longer than `longest` characters."""
    if not isinstance(value, str) or not 0 < len(value) <= longest:
        return False
    return value.isascii() or storable(value).is_exact


def time(value: Any, column: str, recorded: dict[str, str]) -> datetime:
    """Return a time as a BSON date holds it; its text goes to `recorded`."""
    moment = _time(value, column, recorded)
    if moment is None:
        raise RowRefused(f"{column} is missing")
    return moment


def optional_time(value: Any, column: str, recorded: dict[str, str], altered: list[str]) -> datetime | None:
    """Like `time`, or None; also for one that cannot be read, and then the column's name goes to `altered`."""
    try:
        return _time(value, column, recorded)
    except RowRefused:
        altered.append(column)
        return None


def _time(value: Any, column: str, recorded: dict[str, str]) -> datetime | None:
    if value is None or value == "":
        return None
    try:
        usual = _USUAL_TIME.fullmatch(value)
        if usual is not None:
            moment = datetime.fromisoformat(usual[1] + "+00:00")
        else:
            moment = to_milliseconds(KolibriTime.parse(value).moment)
    except (TypeError, ValueError, OverflowError):
        raise RowRefused(f"{column} is not a Kolibri time") from None
    recorded[column] = value
    return moment


def number(value: Any, column: str) -> float:
    """Return a finite number. Kolibri shows one that is out of the range that its forms allow like any other."""
    if not isinstance(value, (float, int)):
        raise RowRefused(f"{column} is not a number")
    if not math.isfinite(value):
        raise RowRefused(f"{column} is not finite")
    return float(value)


def amount(value: Any, column: str, altered: list[str]) -> float:
    """Like `number`; 0 for something else, and then the column's name goes to `altered`."""
    try:
        return number(value, column)
    except RowRefused:
        altered.append(column)
        return 0.0


def integer(value: Any, column: str) -> int:
    """Return an integer."""
    if not isinstance(value, int):
        raise RowRefused(f"{column} is not an integer")
    return value


def boolean(value: Any, column: str, altered: list[str]) -> bool:
    """A boolean, which SQLite keeps as 0 or 1; of something else whether it is true, and its name goes to `altered`."""
    if value not in (0, 1):
        altered.append(column)
    return bool(value)


def json_value(value: Any, column: str, default: Any, altered: list[str]) -> Any:
    """Return the value of a column that holds JSON text, as a document can hold it; `default` for an empty one.

    Args:
        value: as SQLite gives it; see `column_value` for what is read.
        column: its name.
        default: used for an empty text and for NULL.
        altered: gets the column's name if the document cannot hold the value as it is.
    """
    if value is None or value == "":
        return default
    found = column_value(value)
    is_usual = type(value) is str and value[0] in "{[" and not _UNUSUAL_JSON.search(value)
    if is_usual and not isinstance(found, str) and value.count("{") + value.count("[") <= MAX_NESTING:
        return found
    held = storable(found)
    if not held.is_exact:
        altered.append(column)
    return to_bson(held.value)


def json_object(value: Any, column: str, altered: list[str]) -> dict[str, Any]:
    """Return a JSON object; empty if the column is, or holds something else (then its name goes to `altered`)."""
    if value == "{}":
        return {}
    held = as_object(json_value(value, column, {}, altered))
    if not held.is_exact:
        altered.append(column)
    found: dict[str, Any] = held.value
    return found


def json_list(value: Any, column: str, altered: list[str]) -> list[Any]:
    """Return an interaction history; see `as_history`."""
    return as_history(json_value(value, column, [], altered))


_LONGEST_RAW = 100_000
"""Characters or bytes of a value that is set aside: some dozens of them stay below MongoDB's 16 MiB."""


def plain(value: Any) -> Any:
    """Return a raw value as a document can hold it, whatever it is: text that is not UTF-8 becomes bytes.

    Of one that is too long for a document, the beginning is kept.
    """
    if isinstance(value, (str, bytes)):
        value = value[:_LONGEST_RAW]
    if isinstance(value, str):
        try:
            value.encode()
        except UnicodeEncodeError:
            return _bytes_of(value)
    return value


def _bytes_of(unusual: str) -> bytes:
    """Return the bytes that were read as a text that is not UTF-8, or was made of half a surrogate pair in JSON."""
    try:
        return unusual.encode(errors="surrogateescape")
    except UnicodeEncodeError:
        return unusual.encode(errors="surrogatepass")
