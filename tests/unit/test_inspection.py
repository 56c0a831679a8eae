"""What is wrong with a stored summary, found without a database."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest

from docservice import ContentSummaryLog
from docservice.domain.logs.schema import SUMMARY_LOG
from docservice.domain.upkeep.inspection import Inspection, bucket_owner, misplaced
from docservice.store.mapping.extended_json import encoded
from docservice.store.mapping.log_documents import log_document, model_values
from docservice.testing import School

Document = dict[str, Any]


def _made() -> Document:
    document = log_document(SUMMARY_LOG, School().content_summary_log(1, attempts=3).identified())
    (log,) = document["mastery_logs"]
    log |= {"attempt_count": 3, "correct_sum": sum(attempt["correct"] for attempt in log["attempts"])}
    return dict(document)


_STORED = _made()


def stored() -> Document:
    """A summary with three attempts, as it is stored; the same each time."""
    return copy.deepcopy(_STORED)


def inspected(document: Document) -> Inspection:
    """The inspection of a log without buckets."""
    inspection = Inspection(ContentSummaryLog, document, encoded, model_values)
    inspection.finish()
    return inspection


def test_a_good_log_has_no_problems() -> None:
    """Nothing is found, and the document comes out as it is."""
    inspection = inspected(stored())

    assert inspection.problems == []
    assert (inspection.document, inspection.readable, inspection.wants_buckets) == (stored(), True, False)


def change(path: str, value: Any) -> Callable[[Document], None]:
    """Sets a part of a document."""

    def apply(document: Document) -> None:
        *way, name = path.split(".")
        part: Any = document
        for step in way:
            part = part[int(step)] if isinstance(part, list) else part[step]
        part[name] = value

    return apply


def twice(document: Document) -> None:
    """Puts the first attempt at the end once more."""
    attempts = document["mastery_logs"][0]["attempts"]
    attempts.append(copy.deepcopy(attempts[0]))


@pytest.mark.parametrize(
    ("spoil", "rule", "path"),
    [
        (change("_morango_partition", "x:user-rw:y"), "partition", "_morango_partition"),
        (change("_morango_source_id", "f" * 32), "source id", "_morango_source_id"),
        (change("has_dirty", False), "has_dirty", "has_dirty"),
        (change("mastery_logs.0.attempt_count", 7), "counter", "mastery_logs.0.attempt_count"),
        (change("mastery_logs.0.correct_sum", 0.25), "counter", "mastery_logs.0.correct_sum"),
        (twice, "duplicate", "mastery_logs.0.attempts.3"),
    ],
    ids=["partition", "source id", "mark", "count", "sum", "twice"],
)
def test_what_follows_from_the_rest_is_repaired(spoil: Any, rule: str, path: str) -> None:
    """The problem is named by rule and path, and the document comes out as it was before."""
    document = stored()
    spoil(document)
    given = copy.deepcopy(document)

    inspection = inspected(document)

    assert [(problem.rule, problem.path, problem.mendable) for problem in inspection.problems] == [(rule, path, True)]
    assert inspection.document == stored()
    assert document == given


def test_an_object_in_the_place_of_a_history() -> None:
    """It becomes the only entry of the list."""
    document = stored()
    document["mastery_logs"][0]["attempts"][1]["interaction_history"] = entry = {"type": "hint"}

    inspection = inspected(document)

    path = "mastery_logs.0.attempts.1.interaction_history"
    assert ("invalid", path, True) in {(found.rule, found.path, found.mendable) for found in inspection.problems}
    assert inspection.document["mastery_logs"][0]["attempts"][1]["interaction_history"] == [entry]


@pytest.mark.parametrize(
    ("spoil", "rule", "path", "readable"),
    [
        (change("progress", "half"), "invalid", "progress", True),
        (change("schema_version", 99), "invalid", "schema_version", True),
        (change("mastery_logs.0.attempts.0.item", 3), "invalid", "mastery_logs.0.attempts.0.item", True),
        (change("mastery_logs.0.attempts.0.id", 3), "invalid", "mastery_logs.0.attempts.0", False),
        (change("mastery_logs.0.attempts", {}), "invalid", "mastery_logs.0.attempts", False),
        (change("mastery_logs.0.id", "0" * 32), "id", "mastery_logs.0.id", True),
        (change("mastery_logs", "none"), "invalid", "mastery_logs", False),
        (change("_id", "0" * 32), "id", "_id", True),
    ],
)
def test_what_cannot_be_known_is_reported(spoil: Any, rule: str, path: str, readable: bool) -> None:
    """It is named by rule and path, and not repaired."""
    document = stored()
    spoil(document)

    inspection = inspected(document)

    assert (rule, path, False) in {(problem.rule, problem.path, problem.mendable) for problem in inspection.problems}
    assert inspection.readable is readable


def test_a_log_that_says_that_it_has_more() -> None:
    """Attempts that are counted and not there, or a number of buckets, mean that there are buckets."""
    more, bucket = stored(), stored()
    more["mastery_logs"][0]["attempt_count"] = 4
    bucket["overflow_buckets"] = 1

    found = [Inspection(ContentSummaryLog, document, encoded, model_values) for document in (more, bucket)]

    assert [inspection.wants_buckets for inspection in found] == [True, True]


@pytest.mark.parametrize(
    ("name", "owner"),
    [
        ("a:0", ("a", 0)),
        ("a:12", ("a", 12)),
        ("a:b:3", ("a:b", 3)),
        ("a", None),
        (":1", None),
        ("a:", None),
        ("a:-1", None),
    ],
)
def test_the_owner_of_a_bucket(name: str, owner: tuple[str, int] | None) -> None:
    """Log and number, by the bucket's own name."""
    assert bucket_owner(name) == owner


def test_a_bucket_says_what_its_log_says() -> None:
    """What it repeats of its log is compared and set right; without a log nothing can be."""
    document = stored()
    right, _ = misplaced({"_id": f"{document['_id']}:0"}, document)

    assert right["log_id"] == document["_id"]
    assert misplaced(right, document) == ({}, [])
    changed = dict.fromkeys(right, "other")
    setting, problems = misplaced(changed, document)
    assert setting == right
    assert {problem.path for problem in problems} == set(right)
    assert [problem.rule for problem in misplaced(right, None)[1]] == ["orphan"]
