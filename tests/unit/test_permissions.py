"""Who may read and write what, from the roles of a person."""

from __future__ import annotations

import pytest

from docservice.domain.directory.permissions import (
    DirectoryScope,
    HeldRole,
    Person,
    ReadScope,
    administers,
    directory_write_scope,
    log_read_scope,
    may_write_log,
)

HERE, ELSEWHERE = "a" * 32, "b" * 32
ME, OTHER = "1" * 32, "2" * 32


def role(
    kind: str, collection_kind: str = "facility", collection_id: str = "c" * 32, dataset_id: str = HERE
) -> HeldRole:
    """A role in the own facility, if no other is named."""
    return HeldRole(kind, collection_id, collection_kind, dataset_id)


def person(*roles: HeldRole, is_superuser: bool = False) -> Person:
    """Somebody of a facility."""
    return Person(ME, HERE, is_superuser=is_superuser, roles=roles)


FACILITY = ReadScope(dataset_id=HERE, user_id=ME)
OWN = ReadScope(user_id=ME)


@pytest.mark.parametrize(
    ("who", "scope"),
    [
        (Person(), ReadScope()),
        (person(), OWN),
        (person(is_superuser=True), ReadScope(everything=True, user_id=ME)),
        (person(role("admin")), FACILITY),
        (person(role("coach")), FACILITY),
        (person(role("classroom assignable coach")), OWN),
        (person(role("coach", "classroom", "d" * 32)), ReadScope(classroom_ids=("d" * 32,), user_id=ME)),
        (
            person(role("coach", "classroom", "e" * 32), role("admin", "classroom", "d" * 32)),
            ReadScope(classroom_ids=("d" * 32, "e" * 32), user_id=ME),
        ),
        (person(role("coach", "classroom", "d" * 32), role("coach")), FACILITY),
        (person(role("admin", dataset_id=ELSEWHERE)), OWN),
        (person(role("coach", "classroom", dataset_id=ELSEWHERE)), OWN),
        (person(role("coach", "learnergroup")), OWN),
    ],
    ids=[
        "anonymous",
        "learner",
        "superuser",
        "admin",
        "facility coach",
        "assignable coach",
        "coach of a class",
        "coach of two classes",
        "coach of a class and the facility",
        "admin elsewhere",
        "coach of a class elsewhere",
        "coach of a group",
    ],
)
def test_what_a_person_may_read(who: Person, scope: ReadScope) -> None:
    """Own logs, those of coached classes, those of the facility for its admins and coaches; nothing of others."""
    assert log_read_scope(who) == scope


@pytest.mark.parametrize(
    ("who", "dataset_id", "answer"),
    [
        (person(role("admin")), HERE, True),
        (person(role("admin")), ELSEWHERE, False),
        (person(role("admin", dataset_id=ELSEWHERE)), ELSEWHERE, False),
        (person(role("coach")), HERE, False),
        (person(role("admin", "classroom")), HERE, False),
        (person(is_superuser=True), ELSEWHERE, True),
        (person(), HERE, False),
        (Person(), HERE, False),
    ],
)
def test_who_administers_a_facility(who: Person, dataset_id: str, answer: bool) -> None:
    """Superusers, and people with an admin role at the facility to which they belong."""
    assert administers(who, dataset_id) is answer


@pytest.mark.parametrize(
    ("who", "learner", "dataset_id", "answer"),
    [
        (person(), ME, HERE, True),
        (person(), OTHER, HERE, False),
        (person(role("coach")), OTHER, HERE, False),
        (person(role("admin")), OTHER, HERE, True),
        (person(role("admin")), OTHER, ELSEWHERE, False),
        (person(is_superuser=True), OTHER, ELSEWHERE, True),
        (Person(), ME, HERE, False),
        (Person(is_superuser=True), ME, HERE, False),
    ],
)
def test_who_may_write_a_log(who: Person, learner: str, dataset_id: str, answer: bool) -> None:
    """The learner, and who administers the learner's facility; no visitor without a name."""
    assert may_write_log(who, learner, dataset_id) is answer


@pytest.mark.parametrize(
    ("who", "is_service", "scope"),
    [
        (Person(), True, DirectoryScope(everything=True)),
        (Person(), False, None),
        (person(), False, None),
        (person(role("coach")), False, None),
        (person(role("admin")), False, DirectoryScope(dataset_id=HERE)),
        (person(role("admin", dataset_id=ELSEWHERE)), False, None),
        (person(is_superuser=True), False, DirectoryScope(everything=True)),
    ],
)
def test_who_may_write_the_directory(who: Person, is_service: bool, scope: DirectoryScope | None) -> None:
    """Programs and superusers all of it, admins that of their facility, others nothing."""
    assert directory_write_scope(who, is_service=is_service) == scope
