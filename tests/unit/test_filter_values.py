"""What filters of the library take, and the conditions that they become."""

from __future__ import annotations

import math
from datetime import UTC, date, datetime, timedelta, timezone
from typing import Any

import pytest

from docservice.domain.requests.filter_values import (
    FilterField,
    ValueKind,
    conditions,
    filter_value,
    filter_values,
    normalized,
    refuse_unused,
)
from docservice.errors import FilterInvalid

ID = "0123456789abcdef" * 2
FIELDS = {
    "user": FilterField("user_id", "id", optional=True),
    "user_id": FilterField("user_id", "id", optional=True),
    "start_timestamp": FilterField("start_timestamp", "time"),
    "progress": FilterField("progress", "number"),
    "complete": FilterField("complete", "boolean"),
    "summarylog__kind": FilterField("kind", "text"),
}


@pytest.mark.parametrize(
    ("kind", "value", "read"),
    [
        ("id", ID, ID),
        ("id", "01234567-89AB-CDEF-0123-456789ABCDEF", ID),
        ("time", datetime(2024, 9, 2, 8, 0, 0, 123999, UTC), datetime(2024, 9, 2, 8, 0, 0, 123000, UTC)),
        ("time", datetime(2024, 9, 2, 8, tzinfo=timezone(timedelta(hours=3))), datetime(2024, 9, 2, 5, tzinfo=UTC)),
        ("time", date(2024, 9, 2), datetime(2024, 9, 2, tzinfo=UTC)),
        ("time", " 2024-09-02 ", datetime(2024, 9, 2, tzinfo=UTC)),
        ("integer", 3, 3),
        ("integer", 3.0, 3),
        ("number", 3, 3.0),
        ("boolean", False, False),
        ("text", "é", "é"),
    ],
)
def test_a_value_is_as_logs_hold_it(kind: ValueKind, value: object, read: object) -> None:
    """Ids are 32 hex characters, times UTC in milliseconds, numbers of their type."""
    found = filter_value("x", kind, value)

    assert (found, type(found)) == (read, type(read))


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("id", "no id"),
        ("id", 3),
        ("time", datetime(2024, 9, 2)),  # noqa: DTZ001 (a time without a zone is what is refused)
        ("time", "yesterday"),
        ("time", 3),
        ("integer", True),
        ("integer", 3.5),
        ("integer", 2**63),
        ("integer", "3"),
        ("number", True),
        ("number", math.nan),
        ("number", math.inf),
        ("number", "3"),
        ("boolean", 1),
        ("text", 3),
        ("text", "\ud800"),
    ],
)
def test_a_value_that_means_nothing(kind: ValueKind, value: object) -> None:
    """Values of other types, and those that no log can have, are refused by the name of the filter."""
    with pytest.raises(FilterInvalid) as refused:
        filter_value("x", kind, value)

    assert [error.path for error in refused.value.errors] == [("x",)]


def test_several_values() -> None:
    """Any collection of values is read one by one; None only where the field may be None."""
    assert filter_values("x", "id", {ID}) == [ID]
    assert filter_values("x", "id", iter([ID, None]), optional=True) == [ID, None]


@pytest.mark.parametrize("values", [ID, ID.encode(), {ID: 1}, 3, [ID, None], [ID, "no id"]])
def test_what_is_not_a_list_of_values(values: object) -> None:
    """A text is not a list of its characters, and each of the values has to fit."""
    with pytest.raises(FilterInvalid):
        filter_values("x", "id", values)


@pytest.mark.parametrize(
    ("filters", "query"),
    [
        ({}, {}),
        ({"user": ID}, {"user_id": {"$eq": ID}}),
        ({"user": None}, {"user_id": {"$eq": None}}),
        ({"user__in": [ID, None]}, {"user_id": {"$in": [ID, None]}}),
        ({"progress__gte": 0.5, "progress__lt": 1}, {"progress": {"$gte": 0.5, "$lt": 1.0}}),
        ({"complete": True, "summarylog__kind": "video"}, {"complete": {"$eq": True}, "kind": {"$eq": "video"}}),
        ({"summarylog__kind__in": ["video"]}, {"kind": {"$in": ["video"]}}),
    ],
)
def test_filters_become_conditions(filters: dict[str, Any], query: dict[str, Any]) -> None:
    """Each names a field, alone or with a suffix, and is a condition on the stored field."""
    assert conditions(FIELDS, filters, "logs") == query


@pytest.mark.parametrize(
    "argument", ["nope", "user__near", "user__", "user__in__in", "progress__", "__in", "complete__gte", "$where"]
)
def test_what_is_not_a_filter(argument: str) -> None:
    """Unknown fields and suffixes, and an order of what has none, are refused by their name."""
    with pytest.raises(FilterInvalid) as refused:
        conditions(FIELDS, {argument: True}, "logs")

    assert [error.path for error in refused.value.errors] == [(argument,)]


def test_all_wrong_filters_are_named_at_once() -> None:
    """Among them one field under two names, and None where a field always has a value."""
    filters = {"user": ID, "user_id": ID, "progress": None, "start_timestamp": "soon", "complete": True}

    with pytest.raises(FilterInvalid) as refused:
        conditions(FIELDS, filters, "logs")

    assert [error.path for error in refused.value.errors] == [("user_id",), ("progress",), ("start_timestamp",)]


def test_named_filters() -> None:
    """Those that are None stay, the others are read, and all that do not fit are named."""
    assert normalized({"a": None, "b": ID.upper()}, {"a": "id", "b": "id"}) == {"a": None, "b": ID}
    with pytest.raises(FilterInvalid) as refused:
        normalized({"a": "x", "b": 1}, {"a": "id", "b": "text"})
    assert [error.path for error in refused.value.errors] == [("a",), ("b",)]


def test_filters_without_use() -> None:
    """A filter with a value that is not offered is refused; None does not count as a value, False does."""
    refuse_unused({"a": 1, "b": None}, ["a"])
    with pytest.raises(FilterInvalid) as refused:
        refuse_unused({"a": 1, "b": False, "c": None}, ["a"])
    assert [error.path for error in refused.value.errors] == [("b",)]
