"""Which records of the directory a person may read, from the roles of the person and the ids around them."""

from __future__ import annotations

from typing import Any

import pytest

from docservice.domain.answers.directory import shown_record
from docservice.domain.directory.permissions import (
    DirectoryReadScope,
    HeldRole,
    Person,
    directory_read_scope,
)
from docservice.domain.directory.readable_records import ScopeFacts, reach_of
from docservice.domain.directory.records import SECTIONS, Exam, FacilityUser, Lesson

HERE, ELSEWHERE, ME, OTHER = "a" * 32, "b" * 32, "1" * 32, "2" * 32
CLASS, GROUP, FACILITY = "c" * 32, "d" * 32, "f" * 32
COLLECTIONS = sorted({model.collection_name for model in SECTIONS.values()})
CONTENT = {"content_nodes", "channels"}


def held(kind: str, where: str = "facility", dataset_id: str = HERE) -> HeldRole:
    """A role for the facility, or for the class."""
    return HeldRole(kind, CLASS if where == "classroom" else FACILITY, where, dataset_id)


def person(*roles: HeldRole, is_superuser: bool = False) -> Person:
    """Somebody of a facility."""
    return Person(ME, HERE, is_superuser=is_superuser, roles=roles)


OWN = DirectoryReadScope(user_id=ME, home_dataset_id=HERE)
WHOLE = DirectoryReadScope(dataset_id=HERE, user_id=ME)


@pytest.mark.parametrize(
    ("who", "is_service", "scope"),
    [
        (Person(), False, None),
        (Person(), True, DirectoryReadScope(everything=True)),
        (person(), False, OWN),
        (person(is_superuser=True), False, DirectoryReadScope(everything=True, user_id=ME)),
        (person(held("admin")), False, WHOLE),
        (person(held("coach")), False, WHOLE),
        (person(held("classroom assignable coach")), False, OWN),
        (person(held("coach", "classroom")), False, DirectoryReadScope(False, None, (CLASS,), ME, HERE)),
        (person(held("coach", dataset_id=ELSEWHERE)), False, OWN),
    ],
)
def test_scopes(who: Person, is_service: bool, scope: DirectoryReadScope | None) -> None:
    """Visitors read nothing, programs and superusers all, admins and coaches their facility or class, all the own."""
    assert directory_read_scope(who, is_service=is_service) == scope


FACTS = ScopeFacts(
    facility_ids=frozenset({FACILITY}),
    facility_collection_ids=frozenset({FACILITY, CLASS, GROUP}),
    coached_ids=frozenset({CLASS, GROUP}),
    coached_user_ids=frozenset({OTHER}),
    joined_ids=frozenset({"9" * 32}),
    answered_exam_ids=frozenset({"e" * 32}),
)
NONE = ScopeFacts(facility_ids=FACTS.facility_ids, joined_ids=FACTS.joined_ids)


@pytest.mark.parametrize("collection", COLLECTIONS)
def test_nobody_reads_another_facility(collection: str) -> None:
    """Whatever the role, a record of another facility is admitted to superusers alone; content is for everybody."""
    foreign: dict[str, Any] = {"_id": "0" * 32, "dataset_id": ELSEWHERE, "collection_id": "7" * 32, "user_id": "8" * 32}
    foreign |= {"assignments": ["7" * 32], "learner_ids": ["8" * 32], "active": True}
    for scope in (OWN, WHOLE, DirectoryReadScope(classroom_ids=(CLASS,), user_id=ME, home_dataset_id=HERE)):
        assert reach_of(collection, scope, FACTS).admits(foreign) is (collection in CONTENT)
    assert reach_of(collection, DirectoryReadScope(everything=True), ScopeFacts()).admits(foreign)


@pytest.mark.parametrize(
    ("collection", "document", "for_coach", "for_learner"),
    [
        ("facility_users", {"_id": OTHER}, True, False),
        ("facility_users", {"_id": ME}, True, True),
        ("facility_collections", {"_id": GROUP}, True, False),
        ("facility_collections", {"_id": "9" * 32}, True, True),
        ("facility_collections", {"_id": FACILITY}, True, True),
        ("facility_datasets", {"_id": HERE}, True, True),
        ("memberships", {"user_id": OTHER, "collection_id": GROUP}, True, False),
        ("memberships", {"user_id": ME, "collection_id": "9" * 32}, True, True),
        ("roles", {"user_id": OTHER, "collection_id": CLASS}, True, False),
        ("roles", {"user_id": ME, "collection_id": FACILITY}, True, True),
        ("roles", {"user_id": OTHER, "collection_id": FACILITY}, False, False),
        ("exams", {"_id": "5" * 32, "collection_id": CLASS, "active": False}, True, False),
        ("exams", {"_id": "5" * 32, "assignments": ["9" * 32], "active": True}, True, True),
        ("exams", {"_id": "5" * 32, "assignments": ["9" * 32], "active": False}, False, False),
        ("lessons", {"_id": "5" * 32, "learner_ids": [ME], "is_active": False}, False, False),
        ("lessons", {"_id": "5" * 32, "learner_ids": [ME]}, True, True),
        ("course_sessions", {"_id": "5" * 32, "collection_id": CLASS}, True, False),
    ],
)
def test_what_a_coach_and_a_learner_read(
    collection: str, document: dict[str, Any], for_coach: bool, for_learner: bool
) -> None:
    """A coach reads what belongs to the class, a learner what is the learner's own or assigned and switched on.

    Rule: kolibri/core/auth/models.py, compared with a Kolibri 0.19.5.
    """
    coach = DirectoryReadScope(classroom_ids=(CLASS,), user_id=ME, home_dataset_id=HERE)

    assert reach_of(collection, coach, FACTS).admits(document) is for_coach
    assert reach_of(collection, OWN, NONE).admits(document) is for_learner


def test_answers_have_no_secret() -> None:
    """Names of passwords in any case, marks of the store and settings of a dataset are left out for everybody."""
    stored = {"_id": ME, "username": "anna", "Password": "x", "_morango_partition": "x", "pin_code": "x", "note": "n"}

    assert shown_record(FacilityUser, stored, to_writer=False) == {"id": ME, "username": "anna"}
    assert shown_record(FacilityUser, stored, to_writer=True) == {"id": ME, "username": "anna", "note": "n"}


def test_a_learner_is_not_told_to_whom_else_it_is_assigned() -> None:
    """Of the assignments of a quiz or lesson a learner sees the own ones."""
    stored = {"_id": OTHER, "assignments": [CLASS, GROUP], "learner_ids": [ME, OTHER]}
    for model in (Exam, Lesson):
        shown = shown_record(model, stored, to_writer=False, whose=frozenset({ME, CLASS}))
        assert (shown["assignments"], shown["learner_ids"]) == ([CLASS], [ME])
