"""What a real Kolibri answered, this service answers, too: recorded exchanges, replayed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from aiohttp.test_utils import TestClient

from .replaying import Comparison, Replayer, filled, scenarios

GROUPS = (
    "anonymous",
    "attemptlog",
    "content",
    "course",
    "csvrequest",
    "exercise",
    "interactions",
    "lesson",
    "masterylog",
    "mixed",
    "quiz",
    "userprogress",
    "validation",
)


@pytest.mark.parametrize("scenario", scenarios(*(f"transcripts/logger-{group}.json" for group in GROUPS)))
async def test_replay(
    shared_client: TestClient[Any, Any],
    headers_of: Callable[[str], dict[str, str]],
    recorded_directory: dict[str, Any],
    scenario: dict[str, Any],
) -> None:
    """Every answer of a recorded scenario comes out the same here."""
    replayer = Replayer(shared_client, headers_of, recorded_directory["ids"])

    await replayer.play(scenario)


@pytest.mark.parametrize(
    ("expected", "real", "options"),
    [
        ({"a": 1}, {"a": 2}, {}),
        ({"a": 1}, {"a": True}, {}),
        ({"a": 1}, {"a": 1, "b": 2}, {}),
        ({"a": 1, "b": 2}, {"a": 1}, {}),
        ([1, 2], [2, 1], {}),
        ([1, 1, 2], [1, 2, 2], {"unordered": [""]}),
        ({"l": [1]}, {"l": [1, 2]}, {"counts_only": ["l"]}),
        ("$~timestamp", "2024-09-02 05:12:24", {}),
        ("$~id", "0123", {}),
        ("$~int", True, {}),
        ("$x", "z", {"names": {"x": "y"}}),
        (None, {}, {}),
        ("0", 0, {}),
    ],
)
def test_comparison_notices(expected: Any, real: Any, options: dict[str, Any]) -> None:
    """The comparison that replays rely on reports each kind of difference."""
    found = Comparison(**options).differences(expected, real)

    assert found


@pytest.mark.parametrize(
    ("expected", "real", "options"),
    [
        ({"a": 1}, {"a": 1.0}, {}),
        ([1, 2, 1], [1, 1, 2], {"unordered": [""]}),
        ({"l": [1, 2]}, {"l": [3, 4]}, {"counts_only": ["l"]}),
        ("$~timestamp", "2024-09-02T05:12:24.158293+03:00", {}),
        ("$$x", "$x", {}),
        ("$x", "y", {"names": {"x": "y"}}),
    ],
)
def test_comparison_allows(expected: Any, real: Any, options: dict[str, Any]) -> None:
    """The comparison takes what the format calls equal."""
    found = Comparison(**options).differences(expected, real)

    assert found == []


def test_keys_are_never_placeholders() -> None:
    """A key that looks like a placeholder is sent as it is."""
    value = filled({"$x": "$x", "n": ["$$x", "a${x}"]}, {"x": "y"})

    assert value == {"$x": "y", "n": ["$x", "ay"]}
