"""JSON values inside BSON documents, equal on the way back whatever they hold.

BSON holds JSON natively but for two things: integers over 64 bits, which become Decimal128 (up to 34 digits) or a
binary value of decimal digits, types that no JSON document has; and the keys `$ref`, `$id` and `$db`, which servers
and drivers take for a database reference, and which get a full-width dollar sign in front in place of their own.
"""

from __future__ import annotations

import re
from typing import Any

from bson.binary import USER_DEFINED_SUBTYPE, Binary
from bson.decimal128 import Decimal128
from bson.int64 import Int64

_INT64_MIN, _INT64_MAX = -(2**63), 2**63 - 1
_DECIMAL_DIGITS = 34
_SAME = frozenset({str, int, float, bool, type(None)})
"""Types of most values; an exact match, because `Int64` is an `int`, too."""
_WIDE_DOLLAR = "＄"
_REFERENCE_KEY = re.compile(rf"(?:\$|{_WIDE_DOLLAR}+)(?:ref|id|db)")
_ESCAPED_KEY = re.compile(rf"{_WIDE_DOLLAR}+(?:ref|id|db)")


def to_bson(value: Any) -> Any:
    """Return a JSON value as BSON can hold it; see the module. The value itself is not changed."""
    if isinstance(value, dict):
        return {_escape(key): to_bson(child) for key, child in value.items()}
    if isinstance(value, list):
        return [to_bson(child) for child in value]
    if isinstance(value, int) and not isinstance(value, bool) and not _INT64_MIN <= value <= _INT64_MAX:
        digits = str(value)
        if len(digits.lstrip("-")) <= _DECIMAL_DIGITS:
            return Decimal128(digits)
        return Binary(digits.encode(), USER_DEFINED_SUBTYPE)
    return value


def from_bson(value: Any) -> Any:
    """Return the JSON value that `to_bson` was given."""
    if type(value) in _SAME:
        return value
    # The looks at keys and values save most of the calls, which are what a long list of answers costs.
    if isinstance(value, dict):
        return {
            key if key[:1] != _WIDE_DOLLAR else _unescape(key): child if type(child) in _SAME else from_bson(child)
            for key, child in value.items()
        }
    if isinstance(value, list):
        return [child if type(child) in _SAME else from_bson(child) for child in value]
    if isinstance(value, Int64):
        return int(value)
    if isinstance(value, Decimal128):
        return int(value.to_decimal())
    if isinstance(value, Binary):
        return int(value.decode())
    return value


def _escape(key: str) -> str:
    if _REFERENCE_KEY.fullmatch(key):
        return _WIDE_DOLLAR + key.removeprefix("$")
    return key


def _unescape(key: str) -> str:
    if not _ESCAPED_KEY.fullmatch(key):
        return key
    rest = key[1:]
    return rest if rest.startswith(_WIDE_DOLLAR) else "$" + rest
