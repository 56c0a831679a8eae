"""JSON in documents is equal on the way back, whatever it holds."""

from __future__ import annotations

import json
from typing import Any

import pytest
from bson.decimal128 import Decimal128
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from docservice.store.mapping.json_codec import from_bson, to_bson

ODD_KEYS = [
    "",
    ".",
    "a.b",
    ".a",
    "$",
    "$set",
    "$ref",
    "$id",
    "$db",
    "＄ref",
    "＄＄id",
    "＄＄＄db",
    "＄$id",
    "＄",
    "$refs",
    "_id",
]
usual = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]))
keys = st.one_of(st.sampled_from(ODD_KEYS), usual, st.text(st.sampled_from("＄$refidb"), max_size=6))
integers = st.one_of(
    st.integers(), st.integers(1, 4200).map(lambda digits: 10**digits), st.integers(1, 4200).map(lambda n: 3 - 10**n)
)
scalars = st.one_of(
    st.none(), st.booleans(), integers, st.floats(allow_nan=False, allow_infinity=False), usual, st.just("a\0b")
)
values = st.recursive(
    scalars,
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(keys, inner, max_size=5)),
    max_leaves=15,
)
EDGES: list[Any] = [
    2**63 - 1,
    2**63,
    -(2**63),
    -(2**63) - 1,
    10**34 - 1,
    10**34,
    1 - 10**34,
    -(10**34),
    10**4000,
    -(10**20),
    1.0,
    1,
    -0.0,
    1e308,
    5e-324,
    True,
    {"$ref": "c", "$id": 1, "$db": "x"},
    {"$id": {"$ref": 1}, "＄id": 2, "＄＄id": 3},
    {key: position for position, key in enumerate(ODD_KEYS)},
]


def same(one: Any, other: Any) -> bool:
    """Whether two JSON values are equal to the last digit, types and order of keys included."""
    return json.dumps(one) == json.dumps(other)


@given(values)
def test_round_trip(value: Any) -> None:
    """A value comes back equal, and is not changed itself."""
    before = json.dumps(value)

    back = from_bson(to_bson(value))

    assert json.dumps(back) == json.dumps(value) == before


@given(st.dictionaries(keys, st.integers(0, 9), max_size=8))
def test_keys_stay_apart(value: dict[str, int]) -> None:
    """No two keys of an object become one."""
    assert len(to_bson(value)) == len(value)


async def test_round_trip_through_the_engine(database: Any) -> None:
    """What was written to a real database is read equal, types, digits and order of keys included."""
    collected: list[Any] = list(EDGES)

    @settings(max_examples=200, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(values)
    def collect(value: Any) -> None:
        collected.append(value)

    collect()
    await database["values"].insert_many(
        [{"_id": number, "value": to_bson(value)} for number, value in enumerate(collected)]
    )
    read = [document["value"] async for document in database["values"].find({}).sort("_id")]

    assert len(read) == len(collected)
    for back, value in zip(read, collected, strict=True):
        assert same(from_bson(back), value)


@pytest.mark.parametrize(
    ("value", "stored"),
    [
        ({"a.b": {"$set": [1, 2.5, None, True, "x"]}}, {"a.b": {"$set": [1, 2.5, None, True, "x"]}}),
        ({"$ref": 1}, {"＄ref": 1}),
        (2**63, Decimal128("9223372036854775808")),
    ],
)
def test_stored_form(value: Any, stored: Any) -> None:
    """What BSON holds natively is stored as it is; only reference keys and very long integers are not."""
    assert to_bson(value) == stored
