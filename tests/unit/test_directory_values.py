"""The tree of contents, records that are gone, counts, and names and keys that can be used."""

from __future__ import annotations

from typing import Any

import pytest

from docservice.domain.answers.directory import Upserted
from docservice.domain.directory.content_tree import ancestors_of, parents_to_read, told_ancestors
from docservice.domain.directory.records import MAX_LEVEL
from docservice.domain.directory.withdrawal import facility_dataset
from docservice.domain.upkeep.comparison import Difference, difference
from docservice.domain.values.database_names import name_problem, named_database
from docservice.domain.values.rounding import exact_sum, rounded_sum
from docservice.domain.values.signing_keys import LEAST_KEY_BYTES, key_problem

ROOT, TOPIC, DEEP = {"title": "R"}, {"title": "T", "parent_id": "root"}, {"title": "D", "parent_id": "topic"}
TOPICS: dict[str, dict[str, Any]] = {"root": ROOT, "topic": TOPIC, "deep": DEEP}


def test_counts_are_added() -> None:
    """Each of its own kind."""
    assert Upserted(1, 2, 3) + Upserted(10, 20, 30) == Upserted(11, 22, 33)
    assert sum([Upserted(created=1)] * 3, Upserted()) == Upserted(created=3)


@pytest.mark.parametrize(
    ("value", "told"),
    [
        ([{"id": "a", "title": "A"}], [{"id": "a", "title": "A"}]),
        ([], []),
        (None, []),
        ("[]", []),
        ([{"id": "a"}], []),
        ([{"title": 1}], []),
        ([{"title": "A"}, "B"], []),
        ([{"title": "A"}] * (MAX_LEVEL + 1), []),
    ],
)
def test_ancestors_that_a_kolibri_tells(value: Any, told: list[dict[str, Any]]) -> None:
    """A list of topics with titles, not deeper than a tree may be; what is something else is as if it were not told."""
    assert told_ancestors(value) == told


@pytest.mark.parametrize(
    ("node", "ancestors"),
    [
        ({}, []),
        ({"parent_id": None}, []),
        ({"parent_id": "root"}, [("root", "R")]),
        ({"parent_id": "deep"}, [("root", "R"), ("topic", "T"), ("deep", "D")]),
        ({"parent_id": "unknown"}, [("unknown", "")]),
        ({"parent_id": "deep", "ancestors": [{"id": "x", "title": "X"}]}, [("x", "X")]),
    ],
)
def test_topics_above_a_node(node: dict[str, Any], ancestors: list[tuple[str, str]]) -> None:
    """From the root down, as the node says or as its parents do."""
    assert [(topic["id"], topic["title"]) for topic in ancestors_of(node, TOPICS)] == ancestors


def test_a_parent_that_knows_its_own_ancestors() -> None:
    """They come before it."""
    topics = {"topic": {"title": "T", "ancestors": [{"id": "root", "title": "R"}]}}

    assert ancestors_of({"parent_id": "topic"}, topics) == [
        {"id": "root", "title": "R"},
        {"id": "topic", "title": "T"},
    ]


def test_parents_in_a_circle_come_to_an_end() -> None:
    """Each topic is named once."""
    topics = {"a": {"title": "A", "parent_id": "b"}, "b": {"title": "B", "parent_id": "a"}}

    assert {topic["id"] for topic in ancestors_of({"parent_id": "a"}, topics)} == {"a", "b"}


def test_parents_that_are_not_known_yet() -> None:
    """Those of nodes that do not say their ancestors themselves."""
    nodes: list[dict[str, Any]] = [
        {"parent_id": "root"},
        {"parent_id": "x"},
        {"parent_id": "y", "ancestors": [ROOT]},
        {},
    ]

    assert parents_to_read(nodes, TOPICS) == {"x"}


@pytest.mark.parametrize(
    ("kind", "record", "dataset"),
    [
        ("facility_users", {"dataset_id": "own", "collection_id": "class"}, "own"),
        ("facility_users", {}, None),
        ("facility_collections", {"dataset_id": "own"}, "own"),
        ("roles", {"dataset_id": "own", "collection_id": "class", "user_id": "user"}, "of class"),
        ("memberships", {"dataset_id": "own", "collection_id": "unknown", "user_id": "user"}, "own"),
        ("memberships", {"collection_id": "unknown", "user_id": "user"}, "of user"),
        ("exams", {"collection_id": "class"}, "of class"),
        ("lessons", {"user_id": "unknown"}, None),
    ],
)
def test_the_facility_of_a_record(kind: str, record: dict[str, Any], dataset: str | None) -> None:
    """People and classes say it themselves; of the others the class decides, then the record, then the person."""
    assert facility_dataset(kind, record, {"class": "of class"}, {"user": "of user"}) == dataset


@pytest.mark.parametrize(
    ("one", "other", "paths"),
    [
        ({"a": 1}, {"a": 1.0}, None),
        ({"a": 1, "b": 2}, {"b": 2, "a": 1}, None),
        ({"a": 1}, {"a": True}, ("a",)),
        ({"a": {"b": [1, 2]}}, {"a": {"b": [1, 3]}}, ("a.b.1",)),
        ({"a": [1]}, {"a": [1, 2, 3]}, ("a.1", "a.2")),
        ({"a": [1, 2]}, {"a": [1]}, ("a.1",)),
        ({"a": 1}, {"b": 1}, ("a", "b")),
        ({"a": {}}, {"a": []}, ("a",)),
        ({str(n): 1 for n in range(9)}, {}, ("0", "1", "2", "3", "4")),
    ],
)
def test_where_documents_differ(one: dict[str, Any], other: dict[str, Any], paths: tuple[str, ...] | None) -> None:
    """Order of fields and type of numbers do not count, order of lists does; the first five places are named."""
    found = difference("logs", {"_id": "x", **one}, {"_id": "x", **other})

    assert found == (None if paths is None else Difference("logs", "x", "different", paths))


def test_a_document_that_only_one_has() -> None:
    """It is missing or extra; what neither has does not count."""
    assert difference("logs", {"_id": "x"}, None) == Difference("logs", "x", "missing")
    assert difference("logs", None, {"_id": "x"}) == Difference("logs", "x", "extra")
    assert difference("logs", None, None) is None


@pytest.mark.parametrize("name", ["logs", "école", "a" * 63, "a-b_c"])
def test_a_name_of_a_database(name: str) -> None:
    """It can be used."""
    assert name_problem(name) is None


@pytest.mark.parametrize("name", ["admin", "config", "local", "a b", "a/b", "a.b", "$a", "a\0", "a" * 64, "é" * 32])
def test_what_no_database_can_be_called(name: str) -> None:
    """Names of the server's own, those with signs that MongoDB refuses, and those of more than 63 bytes."""
    assert name_problem(name)


@pytest.mark.parametrize(
    ("uri", "name"),
    [
        ("mongodb://db.example", None),
        ("mongodb://db.example/", None),
        ("mongodb://db.example/logs", "logs"),
        ("mongodb://db.example/?a=/b", None),
        ("mongodb://u:p@one,two:1/%6cogs?authSource=admin", "logs"),
        ("mongodb+srv://db.example/admin", None),
    ],
)
def test_the_database_of_a_connection_string(uri: str, name: str | None) -> None:
    """What stands behind the hosts, if it is not the server's own."""
    assert named_database(uri) == name


@pytest.mark.parametrize(("total", "shown"), [(1462.4999999999998, 1462.5), (0.1 + 0.2, 0.3), (3, 3), (1e-7, 0)])
def test_sums_are_rounded(total: float, shown: float) -> None:
    """To the millionth."""
    assert rounded_sum(total) == shown


def test_keys_that_are_long_enough() -> None:
    """Bytes count, space around does not; a key that is too short is not shown."""
    short = "k" * (LEAST_KEY_BYTES - 1)

    assert key_problem("k" * LEAST_KEY_BYTES) is None
    assert key_problem("é" * (LEAST_KEY_BYTES // 2)) is None
    for key in (short, f" {short}\n", ""):
        problem = key_problem(key)
        assert problem
        assert short not in problem


def test_sums_of_very_large_numbers() -> None:
    """A sum that no float can hold is shown as the largest one, with its sign; others are exact."""
    largest = 1.7976931348623157e308

    assert [exact_sum([sign * largest] * 2) for sign in (1, -1)] == [largest, -largest]
    assert [rounded_sum(total) for total in (float("inf"), float("-inf"))] == [largest, -largest]
    assert exact_sum([0.1] * 10) == 1.0
