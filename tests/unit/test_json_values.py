"""Which JSON values can be stored."""

from __future__ import annotations

import json
from datetime import date
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from docservice.domain.values.json_columns import column_value, storable
from docservice.domain.values.json_values import MAX_NESTING, require_storable
from docservice.errors import UnstorableValue

text = st.text(st.characters(exclude_categories=["Cs"]))
keys = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]))
scalars = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False, allow_infinity=False), text)
values = st.recursive(scalars, lambda inner: st.one_of(st.lists(inner), st.dictionaries(keys, inner)), max_leaves=20)


def nested(levels: int, kind: type) -> Any:
    value: Any = kind()
    for _ in range(levels - 1):
        value = [value] if kind is list else {"a": value}
    return value


@given(values)
def test_usual_json(value: Any) -> None:
    """Any JSON of usual depth can be stored."""
    require_storable(value, ("answer",))


@pytest.mark.parametrize("kind", [list, dict])
def test_depth(kind: type) -> None:
    """The limit counts levels of objects and lists: the last that fits passes, one more does not, nor 100,000."""
    require_storable(nested(MAX_NESTING, kind))

    for levels in (MAX_NESTING + 1, 100_000):
        value = nested(levels, kind)
        with pytest.raises(UnstorableValue, match=f"{MAX_NESTING} levels"):
            require_storable(value)
        while value:  # taken apart by hand: a destructor as deep as this could end the interpreter
            value = value.pop() if kind is list else value.pop("a")


@pytest.mark.parametrize(
    ("value", "path", "reason"),
    [
        ({"a": [1, {"b\0": 2}]}, ("x", "a", 1), "NUL"),
        ({"\ud800": 2}, ("x",), "surrogate"),
        ({"a": {"b": "\udfff"}}, ("x", "a", "b"), "surrogate"),
        ([float("inf")], ("x", 0), "finite"),
        ({"a": float("-inf")}, ("x", "a"), "finite"),
        ({"a": float("nan")}, ("x", "a"), "finite"),
        ("\ud83d", ("x",), "surrogate"),
        ({"a": [date(2024, 9, 2)]}, ("x", "a", 0), "date is not JSON"),
        ({"a": (1, b"")}, ("x", "a", 1), "bytes is not JSON"),
    ],
)
def test_what_cannot_be_stored(value: Any, path: tuple[str | int, ...], reason: str) -> None:
    """The error says where the value stands and which limit it passes."""
    with pytest.raises(UnstorableValue, match=reason) as caught:
        require_storable(value, ("x",))

    assert caught.value.path == path


def test_nul_in_a_text_is_fine() -> None:
    """Only keys end at a NUL."""
    require_storable({"a": "b\0c"})


@given(values)
def test_json_in_text(value: Any) -> None:
    """JSON of an object, a list or null is read through any number of texts around it; other texts stay as they are."""
    encoded = json.dumps(value)

    assert column_value(encoded) == (value if not isinstance(value, str) else column_value(encoded))
    if value is None or isinstance(value, (dict, list)):
        assert column_value(json.dumps(json.dumps(encoded))) == value
    else:
        assert column_value(json.dumps(encoded)) == encoded


anything = st.recursive(
    st.one_of(st.none(), st.floats(), st.text(st.characters()), st.just(json.loads("[" * 200 + "]" * 200))),
    lambda inner: st.one_of(st.lists(inner), st.dictionaries(st.text(st.characters()), inner)),
    max_leaves=10,
)


@given(anything)
def test_the_nearest_value_that_can_be_stored(value: Any) -> None:
    """It can be stored, it is the value itself where that can be stored, and then it is said to be exact."""
    held = storable(value)

    require_storable(held.value)
    try:
        require_storable(value)
    except UnstorableValue:
        assert not held.is_exact
    else:
        assert (held.is_exact, held.value) == (True, value)
