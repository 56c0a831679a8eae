"""Progress and time add up as on a real Kolibri."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from docservice.domain.tracking.progress import add_time, advance, is_complete, normalize
from docservice.errors import ValidationFailed

finite = st.floats(allow_nan=False, allow_infinity=False)


@pytest.mark.parametrize(
    ("given_progress", "expected"),
    [
        (0, 0),
        (0.0001, 0.001),
        (0.001, 0.001),
        (0.5, 0.5),
        (0.1 + 0.2, 0.301),
        (0.99901, 1.0),
        (0.999, 0.999),
        (1, 1),
        (1.1, 1),
        (-0.1, 0),
    ],
)
def test_normal(given_progress: float, expected: float) -> None:
    """Progress is rounded up to three places, float noise included, and kept within 0 and 1."""
    assert normalize(given_progress) == expected


def test_a_tenth_ten_times() -> None:
    """0.1 added ten times is what the real server was seen to make of it."""
    steps = itertools.accumulate([0.1] * 10, lambda old, d: advance(old, progress=None, progress_delta=d), initial=0.0)

    assert list(steps) == [0.0, 0.1, 0.2, 0.301, 0.401, 0.501, 0.601, 0.701, 0.801, 0.901, 1.0]


@given(st.floats(-1e300, 1e300))
def test_bounds(value: float) -> None:
    """Whatever comes in, 0 <= progress <= 1, and it is never lower than what was given within these bounds."""
    normal = normalize(value)

    assert 0 <= normal <= 1
    assert normal >= min(1.0, value)
    assert normal - max(0.0, min(1.0, value)) <= 0.001 + 1e-12


@given(st.floats(0, 1), st.floats(0, 1))
def test_delta_never_lowers(old: float, delta: float) -> None:
    """A delta never takes progress away."""
    assert advance(old, progress=None, progress_delta=delta) >= old


def test_value_may_lower() -> None:
    """A new value may be lower than the old one; no report leaves it, even one that no rule would make."""
    assert advance(0.9, progress=0.2, progress_delta=None) == 0.2
    assert advance(0.12345, progress=None, progress_delta=None) == 0.12345


@pytest.mark.parametrize(("progress", "complete"), [(0.999, False), (1.0, True), (1.01, True), (0.0, False)])
def test_complete(progress: float, complete: bool) -> None:
    """Complete is 1 and more."""
    assert is_complete(progress) is complete


def test_time_adds_up() -> None:
    """Time is a plain sum; a log from before the field existed starts at 0."""
    assert add_time(1.5, 2) == 3.5
    assert add_time(None, 2) == 2


def test_time_stays_finite() -> None:
    """A sum that no number holds is refused with the field."""
    with pytest.raises(ValidationFailed) as caught:
        add_time(1.7e308, 1.7e308)

    assert [error.pointer for error in caught.value.errors] == ["/time_spent_delta"]
