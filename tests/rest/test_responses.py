"""What handlers return, written as JSON. (Pure: no service.)"""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel

from docservice.domain.answers.tracking import AttemptAnswer, SessionUpdated
from docservice.rest.responses import dump_json

ATTEMPT = {"id": "a" * 32, "correct": 1.0, "complete": True, "hinted": False, "error": False, "item": "q"}
JSON = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(),
        st.sampled_from([2**63, 2**64, -(2**63) - 1, 10**400]),
        st.floats(allow_nan=False, allow_infinity=False),
        st.text(st.characters(exclude_categories=["Cs"])),
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(st.text(st.characters(exclude_categories=["Cs"])), inner, max_size=3),
    ),
)


class Row(BaseModel):
    """A row that holds JSON."""

    value: Any


def same(one: Any, other: Any) -> bool:
    """Whether two JSON values are equal to the last digit, types and zeros' signs included."""
    return json.dumps(one) == json.dumps(other)


@given(JSON)
def test_every_json_value_is_written_exactly(value: Any) -> None:
    """A value, the same in a model, and in a model within a list read back as they were, integers of any size too."""
    assert same(json.loads(dump_json(value)), value)
    assert same(json.loads(dump_json(Row(value=value))), {"value": value})
    assert same(json.loads(dump_json([Row(value=value)])), [{"value": value}])


def test_half_a_surrogate_pair() -> None:
    """What UTF-8 cannot write is a question mark, in a value and in a model."""
    assert json.loads(dump_json(["a\ud800"])) == ["a?"]
    assert json.loads(dump_json(Row(value="a\ud800"))) == {"value": "a?"}


@pytest.mark.parametrize("answer", [{"x": 1}, {"x": 10**30}])
def test_fields_that_do_not_apply_are_left_out(answer: dict[str, Any]) -> None:
    """An answer of tracking shows only what was set, alone and inside a list."""
    attempt = AttemptAnswer(**ATTEMPT, answer=answer, time_spent=1.0)
    shown = {"complete": True, "attempts": [{**ATTEMPT, "answer": answer, "time_spent": 1.0}]}

    assert json.loads(dump_json(SessionUpdated(complete=True))) == {"complete": True}
    assert json.loads(dump_json(SessionUpdated(complete=True, attempts=[attempt]))) == shown
    assert json.loads(dump_json([SessionUpdated(complete=False)])) == [{"complete": False}]


def test_what_is_not_json_is_refused() -> None:
    """A value of another type is a fault of the handler and is not written somehow."""
    with pytest.raises(TypeError, match="datetime"):
        dump_json([datetime(2024, 1, 1, tzinfo=UTC)])
