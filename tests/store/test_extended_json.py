"""A document is the same after it was a line, whatever a learner's answer holds."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import bson
import pytest
from bson import Decimal128, Int64, ObjectId
from hypothesis import given
from hypothesis import strategies as st

from docservice.store.mapping.extended_json import encoded, from_line, to_line
from docservice.store.mapping.json_codec import to_bson

KEYS = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=5) | st.sampled_from(
    ["$date", "$oid", "$numberLong", "$binary", "$ref", "$id", "$uuid", "$regex", "a.b", "collection", "bson"]
)
JSON: Any = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(st.characters(codec="utf-8")),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3),
    max_leaves=8,
)


@given(JSON)
def test_any_answer(answer: Any) -> None:
    """Byte for byte the same document, in one line."""
    document = {"_id": "x", "answer": to_bson(answer), "at": datetime(2024, 9, 2, 5, 0, 0, 123000, tzinfo=UTC)}

    line = to_line("exams", document)
    collection, back = from_line(line)

    assert line.endswith("\n")
    assert line.count("\n") == 1
    assert (collection, encoded(back)) == ("exams", encoded(document))


def test_types_are_kept() -> None:
    """Numbers that are equal keep their types, and what is not JSON comes back as what it was."""
    values = [1, Int64(1), 1.0, True, Decimal128("1"), ObjectId("0" * 24), b"\x00", 2**40, -0.0, None]

    _, back = from_line(to_line("exams", {"_id": 1, "values": values}))

    assert [type(value) for value in back["values"]] == [
        *(int, Int64, float, bool, Decimal128, ObjectId, bytes, Int64, float, type(None)),
    ]
    assert bson.encode({"v": back["values"]}) == bson.encode({"v": values})


@pytest.mark.parametrize(
    "line",
    [
        *("", "{", "[]", "1", "null", '{"collection": 1, "document": {}}', '{"collection": "a", "document": []}'),
        '{"collection": "a", "document": {"_id": {"$date": {"$numberLong": []}}}}',
        '{"collection": "a", "document": {"_id": {"$numberDecimal": "x"}}}',
        '{"collection": "a", "document": {"_id": {"$binary": 1}}}',
        '{"collection": "a", "document": {"_id": {"$regularExpression": 1}}}',
        '{"collection": "a", "bson": 1}',
        '{"collection": "a", "document": ' + '{"a":' * 100_000,
    ],
    ids=lambda line: line[:60],
)
def test_what_is_no_line(line: str) -> None:
    """One kind of error, whatever is wrong, that does not repeat what the line holds."""
    with pytest.raises(ValueError, match="it"):
        from_line(line)
