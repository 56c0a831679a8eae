"""Which records of the directory are possible together, and what a device of some learners may change."""

from __future__ import annotations

from typing import Any

import pytest

from docservice.domain.directory.partial_copies import beside_stored
from docservice.domain.directory.records import SECTIONS, DirectoryRecord
from docservice.domain.directory.rules import (
    RelatedRecords,
    add_to,
    checked_part,
    folded_username,
    left_behind,
    referenced_ids,
    referenced_part,
    taken,
    unique_key,
    violations,
)

DATASET, OTHER_DATASET, NOBODY = "d" * 32, "e" * 32, "0" * 32
FACILITY, OTHER_FACILITY, CLASS, GROUP = "1" * 32, "2" * 32, "3" * 32, "4" * 32
LEARNER, STRANGER = "a" * 32, "b" * 32
ROOT, TOPIC, LEAF = "7" * 32, "8" * 32, "9" * 32
BELOW_ITSELF = [("parent_id", False)]


def record(section: str, **fields: Any) -> DirectoryRecord:
    """A record with an id of its own, if none is given."""
    return SECTIONS[section].model_validate({"id": "5" * 32, **fields})


def facility(facility_id: str, dataset_id: str) -> DirectoryRecord:
    """A facility."""
    return record("facilities", id=facility_id, kind="facility", dataset_id=dataset_id)


def classroom(**changes: Any) -> DirectoryRecord:
    """The class of the school."""
    return record(
        "classrooms", **{"id": CLASS, "kind": "classroom", "dataset_id": DATASET, "parent_id": FACILITY, **changes}
    )


def user(**changes: Any) -> DirectoryRecord:
    """The learner of the school."""
    fields = {"id": LEARNER, "username": "ada", "dataset_id": DATASET, "facility_id": FACILITY}
    return record("users", **{**fields, **changes})


def exam(**changes: Any) -> DirectoryRecord:
    """A quiz of the class."""
    return record("exams", **{"collection_id": CLASS, "active": True, "assignments": [CLASS], **changes})


@pytest.fixture
def school() -> RelatedRecords:
    """Two facilities, one with a class, a group and a learner; a channel of three nodes."""
    related = RelatedRecords()
    nodes = [(ROOT, None), (TOPIC, ROOT), (LEAF, TOPIC)]
    add_to(
        related,
        [
            record("datasets", id=DATASET),
            record("datasets", id=OTHER_DATASET),
            facility(FACILITY, DATASET),
            facility(OTHER_FACILITY, OTHER_DATASET),
            classroom(),
            record("learnergroups", id=GROUP, kind="learnergroup", dataset_id=DATASET, parent_id=CLASS),
            user(),
            user(id=STRANGER, username="bob", dataset_id=OTHER_DATASET, facility_id=OTHER_FACILITY),
            *(
                record("content_nodes", id=node, parent_id=parent, content_id=node, channel_id=ROOT, kind="topic")
                for node, parent in nodes
            ),
        ],
    )
    return related


def flaws(one: DirectoryRecord, related: RelatedRecords) -> list[tuple[Any, ...]]:
    """What is wrong: the paths, and whether what they name is missing."""
    return [(*flaw.path, flaw.missing) for flaw in violations(one, related)]


@pytest.mark.parametrize(
    ("changes", "found"),
    [
        ({}, []),
        ({"parent_id": None}, [("parent_id", True)]),
        ({"parent_id": NOBODY}, [("parent_id", True)]),
        ({"parent_id": GROUP}, [("parent_id", False)]),
        ({"parent_id": OTHER_FACILITY}, [("dataset_id", False)]),
        ({"dataset_id": NOBODY}, [("dataset_id", True), ("dataset_id", False)]),
    ],
)
def test_a_class_belongs_to_a_facility(school: RelatedRecords, changes: dict[str, Any], found: list[Any]) -> None:
    """Its parent is a facility, of the same dataset, and both are there."""
    assert flaws(classroom(**changes), school) == found


def test_a_facility_has_no_parent(school: RelatedRecords) -> None:
    """It is the root of its dataset."""
    below = record("facilities", kind="facility", dataset_id=DATASET, parent_id=OTHER_FACILITY)

    assert flaws(below, school) == [("parent_id", False)]


@pytest.mark.parametrize(
    ("changes", "found"),
    [
        ({}, []),
        ({"facility_id": NOBODY}, [("facility_id", True)]),
        ({"facility_id": CLASS}, [("facility_id", False)]),
        ({"dataset_id": OTHER_DATASET}, [("dataset_id", False)]),
    ],
)
def test_a_person_belongs_to_a_facility(school: RelatedRecords, changes: dict[str, Any], found: list[Any]) -> None:
    """It is there, a facility, and has the person's dataset."""
    assert flaws(user(**changes), school) == found


@pytest.mark.parametrize(
    ("section", "fields", "found"),
    [
        ("memberships", {"user_id": LEARNER, "collection_id": CLASS}, []),
        ("memberships", {"user_id": LEARNER, "collection_id": GROUP}, []),
        ("memberships", {"user_id": LEARNER, "collection_id": FACILITY}, [("collection_id", False)]),
        ("memberships", {"user_id": NOBODY, "collection_id": CLASS}, [("user_id", True)]),
        ("memberships", {"user_id": LEARNER, "collection_id": NOBODY}, [("collection_id", True)]),
        ("memberships", {"user_id": STRANGER, "collection_id": CLASS}, [("collection_id", False)]),
        ("roles", {"user_id": LEARNER, "collection_id": FACILITY, "kind": "admin"}, []),
        ("roles", {"user_id": LEARNER, "collection_id": CLASS, "kind": "coach"}, []),
        ("roles", {"user_id": LEARNER, "collection_id": CLASS, "kind": "admin"}, [("kind", False)]),
        ("roles", {"user_id": LEARNER, "collection_id": GROUP, "kind": "coach"}, [("collection_id", False)]),
        ("roles", {"user_id": STRANGER, "collection_id": FACILITY, "kind": "coach"}, [("collection_id", False)]),
    ],
)
def test_members_and_roles(school: RelatedRecords, section: str, fields: dict[str, Any], found: list[Any]) -> None:
    """Members are in classes and groups; roles are for a facility, or coaches of a class; all of one facility."""
    assert flaws(record(section, **fields), school) == found


@pytest.mark.parametrize(
    ("changes", "found"),
    [
        ({"learner_ids": [LEARNER]}, []),
        ({"collection_id": NOBODY}, [("collection_id", True)]),
        ({"assignments": [CLASS, NOBODY]}, [("assignments", 1, True)]),
        ({"assignments": [OTHER_FACILITY]}, [("assignments", 0, False)]),
        ({"learner_ids": [NOBODY, STRANGER]}, [("learner_ids", 0, True), ("learner_ids", 1, False)]),
    ],
)
def test_quizzes_are_for_people_of_their_facility(
    school: RelatedRecords, changes: dict[str, Any], found: list[Any]
) -> None:
    """Each collection and learner of an assignment is there and of the facility of the quiz."""
    assert flaws(exam(**changes), school) == found


@pytest.mark.parametrize(
    ("parent", "found"), [(None, []), (TOPIC, [("parent_id", False)]), (LEAF, [("parent_id", False)])]
)
def test_no_node_is_below_itself(school: RelatedRecords, parent: str | None, found: list[Any]) -> None:
    """A root that is put below a node of its own tree would be; a circle elsewhere does not hang the check."""
    root = record("content_nodes", id=ROOT, parent_id=parent, content_id=ROOT, channel_id=ROOT, kind="topic")
    add_to(school, [root])

    assert flaws(root, school) == found
    leaf = record("content_nodes", id=NOBODY, parent_id=LEAF, content_id=LEAF, channel_id=ROOT, kind="video")
    assert flaws(leaf, school) == []


@pytest.mark.parametrize(
    ("one", "key"),
    [
        (user(username="ÀDA"), ("user", FACILITY, "Àda")),
        (user(date_deleted="2024-01-01"), None),
        (facility(FACILITY, DATASET), ("facility", DATASET)),
        (classroom(), None),
        (record("memberships", user_id=LEARNER, collection_id=CLASS), ("membership", LEARNER, CLASS)),
        (record("roles", user_id=LEARNER, collection_id=CLASS, kind="coach"), ("role", LEARNER, CLASS, "coach")),
        (exam(), None),
    ],
    ids=["user", "deleted", "facility", "class", "membership", "role", "quiz"],
)
def test_what_only_one_record_may_hold(one: DirectoryRecord, key: tuple[str, ...] | None) -> None:
    """A username in a facility (the case of A to Z aside) unless the account is deleted, a dataset, a place, a role."""
    assert unique_key(one) == key
    if key is not None:
        assert taken(key).path[0] in type(one).model_fields


def test_usernames_with_half_characters_are_compared() -> None:
    """What no UTF-8 can hold does not stop the comparison."""
    assert folded_username("A\ud800") == "a\ud800"


def test_what_records_name() -> None:
    """Ids by kind; a node names its parent only."""
    node = record("content_nodes", parent_id=TOPIC, content_id=LEAF, channel_id=ROOT, kind="video")

    ids = referenced_ids([user(), exam(learner_ids=[LEARNER]), node])

    assert (ids.datasets, ids.nodes) == ({DATASET}, {TOPIC})
    assert ids.collections == {FACILITY, CLASS}
    assert ids.users == {LEARNER}


def test_a_change_that_no_rule_looks_at() -> None:
    """Another name leaves the checked part as it is, another facility does not."""
    assert checked_part(user(full_name="Ada")) == checked_part(user(full_name="Ada L."))
    assert checked_part(user()) != checked_part(user(facility_id=OTHER_FACILITY))
    assert referenced_part(user(username="x")) == referenced_part(user())
    assert referenced_part(classroom()) != referenced_part(classroom(dataset_id=OTHER_DATASET))
    assert referenced_part(exam()) is None


def test_a_change_that_leaves_others_behind(school: RelatedRecords) -> None:
    """It is said at the field that changed, and names the kind of the records that depend on it."""
    add_to(school, [facility(CLASS, DATASET)])
    membership = record("memberships", user_id=LEARNER, collection_id=CLASS)
    (flaw,) = violations(membership, school)

    said = left_behind(membership, flaw)

    assert said.path == ("dataset_id",)
    assert said.message.startswith("Stored memberships that name this record would be impossible")


@pytest.mark.parametrize(
    ("sent", "stored", "kept"),
    [
        (user(is_superuser=True), None, {"is_superuser": False}),
        (user(is_superuser=True), {"is_superuser": True}, {"is_superuser": True}),
        (exam(), None, {"assignments": [CLASS]}),
        (exam(learner_ids=[LEARNER]), {"assignments": [CLASS]}, None),
        (exam(learner_ids=[LEARNER]), {"learner_ids": []}, None),
        (exam(learner_ids=[LEARNER]), {"learner_ids": [STRANGER]}, {"learner_ids": [STRANGER, LEARNER]}),
        (exam(learner_ids=[STRANGER]), {"learner_ids": [STRANGER]}, {"learner_ids": [STRANGER]}),
    ],
    ids=["superuser there", "superuser here", "new quiz", "whole quiz", "quiz of nobody", "another learner", "again"],
)
def test_a_device_of_some_learners(
    sent: DirectoryRecord, stored: dict[str, Any] | None, kept: dict[str, Any] | None
) -> None:
    """It makes nobody a superuser, replaces no whole quiz, and adds its learner to a copy for single learners."""
    found = beside_stored(sent, stored)

    assert (found is None) == (kept is None)
    if found is not None and kept is not None:
        assert {name: getattr(found, name) for name in kept} == kept
