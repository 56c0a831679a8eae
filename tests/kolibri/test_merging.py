"""Which of two versions of a record stays."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from docservice.kolibri.merging import merged
from docservice.kolibri.records import SUMMARIES
from docservice.kolibri.report import ImportReport

DAYS = [datetime(2024, 9, day, tzinfo=UTC) for day in range(1, 5)]


def attempt(name: str, end: datetime, **more: Any) -> dict[str, Any]:
    """An attempt that began on the first day."""
    return {"id": name, "start_timestamp": DAYS[0], "end_timestamp": end, "complete": False, **more}


def summary(*attempts: dict[str, Any], end: datetime = DAYS[1], **more: Any) -> dict[str, Any]:
    """A summary with one try."""
    log = {"id": "try", "start_timestamp": DAYS[0], "end_timestamp": end, "complete": False, "attempts": list(attempts)}
    return {"_id": "s", "end_timestamp": end, "completion_timestamp": None, "mastery_logs": [log | more]}


def outcome(here: dict[str, Any], brought: dict[str, Any]) -> tuple[dict[str, Any], dict[str, dict[str, int]]]:
    """The merged attempts by id, and what was counted (only what is not 0)."""
    report = ImportReport()
    document = merged(SUMMARIES, here, brought, report)
    counts = {
        kind: {name: number for name, number in vars(found).items() if number} for kind, found in report.counts.items()
    }
    return {one["id"]: one for one in document["mastery_logs"][0]["attempts"]}, counts


def test_each_record_is_looked_at_for_itself() -> None:
    """Later ends win, attempt by attempt, whatever the summaries' ends are; what one side has only is kept."""
    here = summary(
        attempt("a", DAYS[2], time_spent=1), attempt("b", DAYS[1], time_spent=1), attempt("mine", DAYS[1]), end=DAYS[3]
    )
    brought = summary(
        attempt("a", DAYS[1], time_spent=2), attempt("b", DAYS[2], time_spent=2), attempt("theirs", DAYS[1])
    )

    attempts, counts = outcome(here, brought)

    assert {name: one.get("time_spent") for name, one in attempts.items()} == {
        "a": 1,
        "b": 2,
        "mine": None,
        "theirs": None,
    }
    assert counts == {
        "content summaries": {"kept": 1},
        "mastery logs": {"kept": 1},
        "attempts": {"kept": 1, "updated": 1, "new": 1},
    }


@pytest.mark.parametrize(
    ("mine", "theirs", "stays"), [(False, False, 1), (False, True, 2), (True, False, 1), (True, True, 1)]
)
def test_at_the_same_end_the_complete_one_stays(mine: bool, theirs: bool, stays: int) -> None:
    """Of two that ended at the same moment the complete one stays, else the one that is here."""
    here = summary(attempt("a", DAYS[1], time_spent=1, complete=mine))
    brought = summary(attempt("a", DAYS[1], time_spent=2, complete=theirs))

    assert outcome(here, brought)[0]["a"]["time_spent"] == stays


def test_the_same_twice_is_unchanged() -> None:
    """Merging a document into itself changes nothing, and fields that are only here do not count as a difference."""
    here = summary(attempt("a", DAYS[1]))
    document = {**here, "recent_actions": ["x"], "has_dirty": True}

    attempts, counts = outcome(document, here)

    assert list(attempts) == ["a"]
    assert all(set(found) == {"unchanged"} for found in counts.values())


def test_attempts_that_were_merged_here_do_not_come_back() -> None:
    """An attempt that became part of another here is not added a second time."""
    here = summary(attempt("a", DAYS[2]), merged_attempt_ids=["b"])
    brought = summary(attempt("a", DAYS[2]), attempt("b", DAYS[1]))

    attempts, counts = outcome(here, brought)

    assert list(attempts) == ["a"]
    assert counts["attempts"] == {"unchanged": 1, "kept": 1}


def test_the_text_of_a_time_goes_with_its_date() -> None:
    """A record that is replaced takes no text of a time from the one before."""
    here = summary(attempt("a", DAYS[1], _recorded={"completion_timestamp": "x"}))
    brought = summary(attempt("a", DAYS[2]))

    assert "_recorded" not in outcome(here, brought)[0]["a"]
