"""What goes with a removed record, and when a replacement is refused. (Pure: no database.)"""

from __future__ import annotations

from typing import Any

import pytest

from docservice.domain.directory.cascades import section_of, taken_with_memberships, taken_with_roles
from docservice.domain.directory.replacement import named_facility, withdraws_most
from docservice.errors import ValidationFailed

CLASS, GROUP, OTHER_GROUP, FACILITY = "c" * 32, "d" * 32, "e" * 32, "f" * 32
PARENTS = {GROUP: CLASS, OTHER_GROUP: "0" * 32, CLASS: FACILITY, FACILITY: None}


def member(record_id: str, user: str, collection: str, **more: Any) -> dict[str, Any]:
    """A membership or role, as it is stored."""
    return {"_id": record_id, "user_id": user, "collection_id": collection, **more}


def test_who_leaves_a_class_leaves_its_groups() -> None:
    """Memberships of the same person in groups of the class go, those of others and of other classes stay."""
    others = [member("1", "me", GROUP), member("2", "me", OTHER_GROUP), member("3", "you", GROUP)]

    assert list(taken_with_memberships([member("0", "me", CLASS)], others, PARENTS)) == ["1"]
    assert list(taken_with_memberships([member("1", "me", GROUP)], others, PARENTS)) == []


def test_who_may_coach_no_class_coaches_none() -> None:
    """The role that makes a person assignable takes the roles for classes of that facility with it; no other does."""
    assignable = member("0", "me", FACILITY, kind="classroom assignable coach")
    others = [member("1", "me", CLASS, kind="coach"), member("2", "you", CLASS, kind="coach"), assignable]

    assert list(taken_with_roles([assignable], others, PARENTS)) == ["1"]
    assert list(taken_with_roles([member("3", "me", FACILITY, kind="coach")], others, PARENTS)) == []


@pytest.mark.parametrize(("withdrawn", "people", "most"), [(0, 0, False), (1, 2, False), (2, 3, True), (5, 10, False)])
def test_most(withdrawn: int, people: int, most: bool) -> None:
    """More than half are most; half are not."""
    assert withdraws_most(withdrawn, people) is most


def test_which_facility() -> None:
    """The one that is named, else the only one in the list; none or several are an error."""
    one = {"facilities": [{"id": FACILITY}]}

    assert named_facility({}, FACILITY.upper()) == FACILITY
    assert named_facility(one, None) == FACILITY
    assert named_facility(one, CLASS) == CLASS
    wrong: list[dict[str, Any]] = [
        {},
        {"facilities": []},
        {"facilities": [{"id": FACILITY}, {"id": CLASS}]},
        {"facilities": [1]},
    ]
    for content in wrong:
        with pytest.raises(ValidationFailed):
            named_facility(content, None)


def test_lists_of_collections() -> None:
    """Facilities, classes and groups are told apart by their kind; others by their collection."""
    kinds = ["facility", "classroom", "learnergroup", "adhoclearnersgroup"]
    sections = [section_of("facility_collections", {"kind": kind}) for kind in kinds]

    assert sections == ["facilities", "classrooms", "learnergroups", "adhoclearnersgroups"]
    assert section_of("facility_users", {}) == "users"
