"""Who or which facility a text means."""

from __future__ import annotations

import pytest

from docservice.domain.directory.name_lookup import (
    NamedClassroom,
    NamedFacility,
    NamedPerson,
    chosen_classroom,
    chosen_facility,
    chosen_person,
    usernames_in,
)
from docservice.errors import InvalidReference

HILL = NamedFacility("1" * 32, "Hill School")
LAKE = NamedFacility("2" * 32, "Lake School")
TWIN = NamedFacility("3" * 32, "lake school")
ANN = NamedPerson("a" * 32, "ann", "Ann Adams", HILL)
BEN = NamedPerson("b" * 32, "ben", "", HILL)
BEN_TOO = NamedPerson("c" * 32, "Ben", "Ben Brown", LAKE)
HEX = NamedPerson("d" * 32, "a" * 32, "", LAKE)
SLASH = NamedPerson("e" * 32, "x/ann", "", LAKE)
EVERYBODY = [ANN, BEN, BEN_TOO, HEX, SLASH]


@pytest.mark.parametrize(
    ("text", "person"),
    [
        ("b" * 32, BEN),
        ("BBBBBBBB-BBBB-BBBB-BBBB-BBBBBBBBBBBB", BEN),
        ("ann", ANN),
        ("ANN", ANN),
        ("Hill School/ben", BEN),
        ("LAKE school/BEN", BEN_TOO),
        (f"{'2' * 32}/ben", BEN_TOO),
        ("a" * 32, ANN),
        (f"Lake School/{'a' * 32}", HEX),
        ("x/ann", SLASH),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_one_person_is_meant(text: str, person: NamedPerson) -> None:
    """An id comes before a username; facilities are named by name or id; upper and lower case are the same."""
    assert chosen_person(text, EVERYBODY) == person


def test_a_username_that_looks_like_somebody_of_another_facility() -> None:
    """Who is of the facility that is named comes first: nobody takes a person's name away by such a username."""
    posing = NamedPerson("f" * 32, "Hill School/ben", "", LAKE)

    assert chosen_person("Hill School/ben", [*EVERYBODY, posing]) == BEN
    assert chosen_person("hill school/BEN", [posing]) == posing


def test_a_name_of_several_people() -> None:
    """The message lists them with facility and id, and says how to name one."""
    with pytest.raises(InvalidReference) as refused:
        chosen_person("ben", EVERYBODY)

    message = str(refused.value)
    assert f"Hill School/ben ({'b' * 32})" in message
    assert f"Lake School/Ben ({'c' * 32})" in message
    assert "FACILITY/USERNAME" in message
    assert "Adams" not in message


def test_a_long_list_is_cut() -> None:
    """At most ten are listed, with how many more there are."""
    people = [NamedPerson(f"{n:032x}", "ann", "", NamedFacility(f"{n:032x}", f"School {n}")) for n in range(13)]

    with pytest.raises(InvalidReference, match=r"School 9/ann .* and 3 more"):
        chosen_person("ann", people)


@pytest.mark.parametrize(
    ("text", "people", "hint"),
    [
        ("anna", [], "Did you mean ann?"),
        ("Sea School/ann", [ANN], "Did you mean Hill School/ann?"),
        ("zzzz", [], "person 'zzzz'. Name a person by id"),
    ],
)
def test_nobody_is_meant(text: str, people: list[NamedPerson], hint: str) -> None:
    """The message says who may be meant and what can be given."""
    with pytest.raises(InvalidReference) as refused:
        chosen_person(text, people, known=["ann", "ben"])

    assert hint in str(refused.value)


@pytest.mark.parametrize(
    ("text", "facility"),
    [("1" * 32, HILL), ("hill school", HILL), ("22222222-2222-2222-2222-222222222222", LAKE)],
)
def test_one_facility_is_meant(text: str, facility: NamedFacility) -> None:
    """By id in any spelling, or by a name that one has."""
    assert chosen_facility(text, [HILL, LAKE, TWIN]) == facility


@pytest.mark.parametrize(
    ("text", "facilities", "said"),
    [
        ("Lake School", [HILL, LAKE, TWIN], f"{LAKE.id} (Lake School), {TWIN.id} (lake school). Name one by id."),
        ("Sea School", [HILL, LAKE], f"There are: {HILL.id} (Hill School), {LAKE.id} (Lake School)."),
        ("Sea School", [], "There are: none yet."),
    ],
)
def test_no_facility_or_several(text: str, facilities: list[NamedFacility], said: str) -> None:
    """The message lists those that there are, or those that may be meant."""
    with pytest.raises(InvalidReference) as refused:
        chosen_facility(text, facilities)

    assert said in str(refused.value)


def test_what_is_looked_up() -> None:
    """All of a text may be a username, and what is behind its last slash."""
    assert usernames_in("A/B/Ann") == {"a/b/ann", "ann"}


def test_a_class_by_name() -> None:
    """A class is found by id, by name in any case, and where two have it by facility; else those that there are, are
    listed."""
    here, there = NamedFacility("a" * 32, "Lakeside"), NamedFacility("b" * 32, "Hillside")
    one, two = NamedClassroom("1" * 32, "Class 6", here), NamedClassroom("2" * 32, "Class 6", there)
    three = NamedClassroom("3" * 32, "a/b", there)
    rooms = [one, two, three]

    assert chosen_classroom("1" * 32, rooms) == one
    assert chosen_classroom("HILLSIDE/class 6", rooms) == two
    assert chosen_classroom("A/B", rooms) == three
    for text, said in (("class 6", "Several classes.*Lakeside/Class 6"), ("nothing", "There are: Lakeside/Class 6")):
        with pytest.raises(InvalidReference, match=said):
            chosen_classroom(text, rooms)
