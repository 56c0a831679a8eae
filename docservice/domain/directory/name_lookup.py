"""Finds the person or facility for a text that a user typed: an id, a name, or both parts of a name."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Literal

from docservice.domain.directory.rules import folded_username
from docservice.domain.values.ids import parse_uuid
from docservice.errors import InvalidReference

_MOST_LISTED = 10
_HOW = "Name a person by id, by username, or as FACILITY/USERNAME."


@dataclass(frozen=True)
class NamedFacility:
    """A facility with what it can be called by.

    Attributes:
        id: 32 hex characters.
        name: as people see it; several may have the same.
    """

    id: str
    name: str


@dataclass(frozen=True)
class NamedClassroom:
    """A class with what it can be called by.

    Attributes:
        id: 32 hex characters.
        name: as people see it; several may have the same.
        facility: whose class it is.
    """

    id: str
    name: str
    facility: NamedFacility


@dataclass(frozen=True)
class NamedPerson:
    """A person with what they can be called by.

    Attributes:
        id: 32 hex characters.
        username: unique in the facility, in upper or lower case.
        full_name: as people see it; may be empty.
        facility: whose account it is.
    """

    id: str
    username: str
    full_name: str
    facility: NamedFacility


RecordKind = Literal["group", "lesson", "quiz", "channel", "topic", "content"]
"""What has a name and is neither a person, a facility nor a class."""


@dataclass(frozen=True)
class NamedRecord:
    """A group, lesson, quiz, channel, topic or content with what it can be called by.

    Attributes:
        id: 32 hex characters; of a content its content id.
        name: name or title, as people see it; several may have the same.
        place: what it belongs to, for who has to choose; may be empty.
    """

    id: str
    name: str
    place: str = ""


def id_in(text: str) -> str | None:
    """Return the id that a text spells; None if it spells none."""
    try:
        return parse_uuid(text)
    except ValueError:
        return None


def usernames_in(text: str) -> set[str]:
    """Return the usernames, folded, that a text may mean: all of it, or what is behind the last `/`."""
    return {folded_username(text), folded_username(text.rpartition("/")[2])}


def chosen_person(text: str, people: Sequence[NamedPerson], known: Iterable[str] = ()) -> NamedPerson:
    """Return the one person that a text means.

    Upper and lower case are the same in names, as Kolibri has it.

    Args:
        text: an id in any spelling, a username, or `FACILITY/USERNAME` with the facility's name or id.
        people: with this id or one of these usernames; others may be among them.
        known: existing usernames, for suggestions if no person matches.

    Raises:
        InvalidReference: no person matches, or several do; the message lists candidates.
    """
    facility, _, username = text.rpartition("/")
    wanted_id = id_in(text)
    matches = [person for person in people if wanted_id is not None and person.id == wanted_id]
    if not matches and facility:
        matches = [
            person
            for person in people
            if folded_username(person.username) == folded_username(username) and _is_called(person.facility, facility)
        ]
    # Only then: a username with a `/` in it must not keep anybody of the facility that it names from being named.
    matches = matches or [person for person in people if folded_username(person.username) == folded_username(text)]
    if not matches:
        raise InvalidReference(_nobody(text, people, known))
    if len(matches) > 1:
        listed = _listed(f"{_shown(person)} ({person.id})" for person in matches)
        raise InvalidReference(f"Several people are called {text!r}: {listed}. {_HOW}")
    return matches[0]


def chosen_facility(text: str, facilities: Sequence[NamedFacility]) -> NamedFacility:
    """Return the one facility that a text means.

    Args:
        text: an id in any spelling, or a name; upper and lower case are the same.
        facilities: all that there are.

    Raises:
        InvalidReference: none fits, or several do; the message lists those that there are, or may be meant.
    """
    wanted_id = id_in(text)
    matches = [facility for facility in facilities if facility.id == wanted_id]
    matches = matches or [facility for facility in facilities if _is_called(facility, text)]
    if len(matches) == 1:
        return matches[0]
    listed = _listed(f"{facility.id} ({facility.name})" for facility in matches or facilities)
    if matches:
        raise InvalidReference(f"Several facilities are called {text!r}: {listed}. Name one by id.")
    raise InvalidReference(f"There is no facility {text!r}. There are: {listed or 'none yet'}.")


def chosen_record(text: str, kind: RecordKind, records: Sequence[NamedRecord]) -> NamedRecord:
    """Return the one record that a text means.

    Args:
        text: an id in any spelling, or a name; upper and lower case are the same.
        kind: what it is, for the message.
        records: with this id or name; others may be among them.

    Raises:
        InvalidReference: none fits, or several do; the message lists these.
    """
    wanted_id = id_in(text)
    by_id = {record.id: record for record in records if record.id == wanted_id}
    matches = by_id or {
        record.id: record for record in records if folded_username(record.name) == folded_username(text)
    }
    if len(matches) == 1:
        return next(iter(matches.values()))
    if not matches:
        raise InvalidReference(f"There is no {kind} {text!r}. Name it by id or by its whole name.")
    listed = _listed(f"{record.id} ({record.name}, {record.place})" for record in matches.values())
    raise InvalidReference(f"There are several: {kind} {text!r} may be {listed}. Name one by id.")


def chosen_classroom(text: str, classrooms: Sequence[NamedClassroom]) -> NamedClassroom:
    """Return the one class that a text means.

    Args:
        text: an id in any spelling, a name, or `FACILITY/NAME`; upper and lower case are the same.
        classrooms: all that there are.

    Raises:
        InvalidReference: none fits, or several do; the message lists those that there are, or may be meant.
    """
    facility, _, name = text.rpartition("/")
    wanted_id = id_in(text)
    matches = [each for each in classrooms if each.id == wanted_id]
    matches = matches or [
        each
        for each in classrooms
        if folded_username(each.name) == folded_username(text)
        or (facility and folded_username(each.name) == folded_username(name) and _is_called(each.facility, facility))
    ]
    if len(matches) == 1:
        return matches[0]
    listed = _listed(
        f"{each.facility.name or each.facility.id}/{each.name} ({each.id})" for each in matches or classrooms
    )
    if matches:
        raise InvalidReference(f"Several classes are called {text!r}: {listed}. Name one by id, or as FACILITY/CLASS.")
    raise InvalidReference(f"There is no class {text!r}. There are: {listed or 'none yet'}.")


def _is_called(facility: NamedFacility, text: str) -> bool:
    return facility.id == id_in(text) or folded_username(facility.name) == folded_username(text)


def _nobody(text: str, people: Sequence[NamedPerson], known: Iterable[str]) -> str:
    elsewhere = [_shown(person) for person in people]
    username = folded_username(text.rpartition("/")[2])
    near = elsewhere or get_close_matches(username, sorted(set(known)), n=3)
    hint = f" Did you mean {_listed(near)}?" if near else ""
    return f"The directory has no person {text!r}.{hint} {_HOW}"


def _shown(person: NamedPerson) -> str:
    return f"{person.facility.name or person.facility.id}/{person.username}"


def _listed(names: Iterable[str]) -> str:
    all_names = list(names)
    more = len(all_names) - _MOST_LISTED
    return ", ".join(all_names[:_MOST_LISTED]) + (f" and {more:,} more" if more > 0 else "")
