"""Reads JSON columns of Kolibri's tables, as tolerantly as Kolibri does, into values that documents can hold.

Kolibri 0.4 to 0.10 wrote JSON columns encoded twice, its SQL writes titles into JSON with raw control characters, and
its generator of example data writes an object where a list belongs. A row is not worthless because of that.
Rule: kolibri/core/fields.py (JSONField) and content/models.py (`ancestors`).
"""

from __future__ import annotations

import json
import math
from typing import Any, NamedTuple

from docservice.domain.values.json_values import MAX_NESTING

_REPLACEMENT = "\N{REPLACEMENT CHARACTER}"


class StorableValue(NamedTuple):
    """A value as a document holds it.

    Attributes:
        value: what the document holds.
        is_exact: False if that is less than the column says: then the row has to be kept beside it.
    """

    value: Any
    is_exact: bool = True


def column_value(column: Any) -> Any:
    """Return the value of a JSON column; a text that is not JSON stays the text that it is, as in Kolibri.

    Args:
        column: as SQLite gives it. JSON text inside of JSON text is read as well, however often, if an object, a list
            or null is in it; other texts stay texts ("5" stays a text).
    """
    if isinstance(column, bytes):
        column = column.decode(errors="surrogateescape")
    if not isinstance(column, str):
        return column
    try:
        outer = json.loads(column, strict=False)
    except (ValueError, RecursionError):
        return column
    inner = outer
    while isinstance(inner, str):
        try:
            inner = json.loads(inner, strict=False)
        except (ValueError, RecursionError):
            return outer
    return inner if inner is None or isinstance(inner, (dict, list)) else outer


def as_object(value: Any) -> StorableValue:
    """Return a value that is an object as it is, for others an empty object."""
    if isinstance(value, dict):
        return StorableValue(value)
    is_empty = not value.strip('"\\ ') if isinstance(value, str) else value is None or value == []
    return StorableValue({}, is_empty)


def as_history(value: Any) -> list[Any]:
    """Return an interaction history as a list: nothing and `{}` are an empty one, anything else is its only entry."""
    if isinstance(value, list):
        return value
    return [] if value is None or value in ({}, "") else [value]


def stored_history(value: Any) -> Any:
    """Return a stored or sent interaction history as the list that it should be.

    Versions before this rule kept an object where Kolibri had one; what is neither a list nor an object is returned as
    it is, for a validator to refuse.
    """
    return as_history(value) if isinstance(value, dict) else value


def storable(value: Any) -> StorableValue:
    """Return the nearest value that a document can hold; see `json_values.require_storable` for what it cannot.

    A number that is not finite becomes null, as in a browser's JSON. Bytes become the text that they are; what of them
    is not UTF-8, what UTF-8 cannot write, and a NUL in a key become the replacement character. What is nested too
    deeply becomes its JSON text.
    """
    changes: list[None] = []
    return StorableValue(_storable(value, 0, changes), not changes)


def _storable(value: Any, depth: int, changes: list[None]) -> Any:
    if isinstance(value, bytes):
        value = value.decode(errors="surrogateescape")
    if isinstance(value, str):
        return _storable_text(value, changes)
    if isinstance(value, float) and not math.isfinite(value):
        changes.append(None)
        return None
    if not isinstance(value, (dict, list)):
        return value
    if depth >= MAX_NESTING:
        changes.append(None)
        return _storable_text(json.dumps(value), changes)
    if isinstance(value, list):
        return [_storable(child, depth + 1, changes) for child in value]
    return {_storable_key(key, changes): _storable(child, depth + 1, changes) for key, child in value.items()}


def _storable_text(text: str, changes: list[None]) -> str:
    if text.isascii():
        return text
    try:
        text.encode()
    except UnicodeEncodeError:
        changes.append(None)
        return "".join(_REPLACEMENT if "\ud800" <= character <= "\udfff" else character for character in text)
    return text


def _storable_key(key: str, changes: list[None]) -> str:
    if "\x00" in key:
        changes.append(None)
        key = key.replace("\x00", _REPLACEMENT)
    return _storable_text(key, changes)
