"""What a filter may be compared with: each value is read as the stored type of its field, or refused by name.

A value of another type would fit no log and say nothing of it; an object that the database understands (a regular
expression, `{"$gt": ""}`) would be run.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Literal

from docservice.domain.values.ids import id_of_uuid
from docservice.domain.values.times import read_time, to_milliseconds
from docservice.errors import FieldError, FilterInvalid

ValueKind = Literal["id", "time", "integer", "number", "boolean", "text"]

_MAX_INTEGER = 2**63
_EXPECTED: dict[ValueKind, str] = {
    "id": "a UUID is expected: 32 hex characters, with or without dashes, or a uuid.UUID",
    "time": "a time is expected: a datetime with a time zone, a date, or text as 2024-09-02 or 2024-09-02T05:12:24Z",
    "integer": "an integer of at most 64 bits is expected",
    "number": "a finite number is expected",
    "boolean": "True or False is expected",
    "text": "a text is expected",
}


@dataclass(frozen=True)
class FilterField:
    """What a query can compare a field with.

    Attributes:
        stored: its name in the document.
        kind: of its values.
        optional: whether it may be None.
    """

    stored: str
    kind: ValueKind
    optional: bool = False


def _time(value: object) -> datetime:
    if isinstance(value, datetime):
        return to_milliseconds(value)  # refuses one without a zone, which may mean any hour
    if isinstance(value, date):
        return read_time(value.isoformat())
    if not isinstance(value, str):
        raise ValueError
    return read_time(value.strip())


def _integer(value: object) -> int:
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if not isinstance(value, int) or isinstance(value, bool) or not -_MAX_INTEGER <= value < _MAX_INTEGER:
        raise ValueError
    return int(value)


def _number(value: object) -> float:
    if not isinstance(value, (int, float)) or isinstance(value, bool) or not math.isfinite(value):
        raise ValueError
    return float(value)


def _boolean(value: object) -> bool:
    if not isinstance(value, bool):
        raise ValueError
    return value


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise ValueError
    value.encode()  # fails on half of a surrogate pair
    return str.__str__(value)


_READ: dict[ValueKind, Callable[[object], Any]] = {
    "id": id_of_uuid,
    "time": _time,
    "integer": _integer,
    "number": _number,
    "boolean": _boolean,
    "text": _text,
}

_SUFFIXES = {"in": "$in", "gte": "$gte", "lt": "$lt"}
_UNORDERED: set[ValueKind] = {"boolean"}


def filter_value(argument: str, kind: ValueKind, value: object) -> Any:
    """Return a value as logs hold it: ids as 32 lower-case hex characters, times in UTC to the millisecond.

    Args:
        argument: the name of the filter, for the error.
        kind: of the field.
        value: not None.

    Raises:
        FilterInvalid: it is of another type, or means nothing.
    """
    try:
        return _READ[kind](value)
    except (ValueError, OverflowError):
        raise _invalid(argument, f"{_EXPECTED[kind][0].upper()}{_EXPECTED[kind][1:]}.") from None


def filter_values(argument: str, kind: ValueKind, values: object, *, optional: bool = False) -> list[Any]:
    """Several values, each read by `filter_value`; None among them only if `optional`.

    Raises:
        FilterInvalid: a text or something that is not a collection, or one of the values does not fit.
    """
    if isinstance(values, (str, bytes, Mapping)) or not isinstance(values, Iterable):
        raise _invalid(argument, f"A list is expected, in which {_EXPECTED[kind]}.")
    return [None if value is None and optional else filter_value(argument, kind, value) for value in values]


def conditions(fields: Mapping[str, FilterField], filters: Mapping[str, object], about: str) -> dict[str, Any]:
    """Keyword filters as the conditions of a query.

    Args:
        fields: what can be compared, by each name that a field has.
        filters: values by the name of a field, alone or with `__in`, `__gte` or `__lt`.
        about: what the logs are called, for the errors.

    Raises:
        FilterInvalid: with every filter that names no field or whose value does not fit.
    """
    by_field: dict[str, dict[str, Any]] = {}
    errors: list[FieldError] = []
    for argument, value in filters.items():
        try:
            name, operator, compared = _condition(fields, argument, value, about)
            if operator in by_field.setdefault(name, {}):
                raise _invalid(argument, "This filter is given twice, under two names of the field.")
        except FilterInvalid as error:
            errors += error.errors
        else:
            by_field[name][operator] = compared
    if errors:
        raise FilterInvalid(errors)
    return by_field


def _condition(fields: Mapping[str, FilterField], argument: str, value: object, about: str) -> tuple[str, str, Any]:
    # A name may have underscores of its own: `summarylog__kind` is a field of the log around.
    name, suffix = (argument, "") if argument in fields else _split_suffix(argument)
    field = fields.get(name)
    if field is None or (suffix and suffix not in _SUFFIXES) or argument.endswith("__"):
        raise _invalid(
            argument,
            f"This is not a filter of {about}. The suffixes are {', '.join('__' + known for known in _SUFFIXES)}; "
            f"the fields {', '.join(sorted(fields))}.",
        )
    if suffix == "in":
        return field.stored, "$in", filter_values(argument, field.kind, value, optional=field.optional)
    if suffix and field.kind in _UNORDERED:
        raise _invalid(argument, f"This field has no order; leave out __{suffix}.")
    if value is None:
        if suffix or not field.optional:
            raise _invalid(argument, f"The field is never None; {_EXPECTED[field.kind]}.")
        return field.stored, "$eq", None
    return field.stored, _SUFFIXES.get(suffix, "$eq"), filter_value(argument, field.kind, value)


def _split_suffix(argument: str) -> tuple[str, str]:
    name, underscores, suffix = argument.rpartition("__")
    return (name, suffix) if underscores else (argument, "")


def _invalid(argument: str, message: str) -> FilterInvalid:
    return FilterInvalid([FieldError((argument,), "invalid", message)])


def normalized(values: Mapping[str, Any], kinds: Mapping[str, ValueKind]) -> dict[str, Any]:
    """Values of named filters, each read by its kind; those that are None stay.

    Raises:
        FilterInvalid: with every value that does not fit.
    """
    found: dict[str, Any] = {}
    errors: list[FieldError] = []
    for name, kind in kinds.items():
        try:
            found[name] = None if values[name] is None else filter_value(name, kind, values[name])
        except FilterInvalid as error:
            errors += error.errors
    if errors:
        raise FilterInvalid(errors)
    return found


def refuse_unused(filters: Mapping[str, Any], offered: Iterable[str]) -> None:
    """Check that only the offered filters have a value.

    Raises:
        FilterInvalid: with every other one: it would be passed over in silence.
    """
    names = set(offered)
    message = f"The list has no such filter. It has {', '.join(sorted(names))}."
    unused = [name for name, value in filters.items() if value is not None and name not in names]
    if unused:
        raise FilterInvalid([FieldError((name,), "invalid", message) for name in unused])
