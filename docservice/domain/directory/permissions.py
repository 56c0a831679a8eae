"""Rules of access: which logs a person may read, which records a person may write.

Rule: kolibri/core/auth/permissions and logger/models.py; section 6.1 of the recorded behaviour.
"""

from __future__ import annotations

from dataclasses import dataclass

_READING_KINDS = ("admin", "coach")


@dataclass(frozen=True)
class HeldRole:
    """A role of a person, with the collection it is for.

    Attributes:
        kind: `admin`, `coach` or `classroom assignable coach`.
        collection_kind: `facility` or `classroom`.
        dataset_id: of the collection.
    """

    kind: str
    collection_id: str
    collection_kind: str
    dataset_id: str


@dataclass(frozen=True)
class Person:
    """What the directory says of the caller.

    Attributes:
        user_id: None for an anonymous visitor, who has no dataset either.
    """

    user_id: str | None = None
    dataset_id: str | None = None
    is_superuser: bool = False
    roles: tuple[HeldRole, ...] = ()


@dataclass(frozen=True)
class ReadScope:
    """Which logs a person may read: the union of what the attributes name.

    Attributes:
        everything: all logs of all facilities.
        dataset_id: all logs of a facility, anonymous ones too.
        classroom_ids: logs of the direct members of these classes and of the groups in them.
        user_id: the person's own logs.
    """

    everything: bool = False
    dataset_id: str | None = None
    classroom_ids: tuple[str, ...] = ()
    user_id: str | None = None


def log_read_scope(person: Person) -> ReadScope:
    """Return the logs that a person may read.

    Lists are filtered by it, never refused; a single log outside it is as if it were not there.
    """
    if person.user_id is None:
        return ReadScope()
    if person.is_superuser:
        return ReadScope(everything=True, user_id=person.user_id)
    if _reads_the_facility(person):
        return ReadScope(dataset_id=person.dataset_id, user_id=person.user_id)
    return ReadScope(classroom_ids=_coached_classes(person), user_id=person.user_id)


def _reading_roles(person: Person) -> list[HeldRole]:
    return [role for role in person.roles if role.kind in _READING_KINDS and role.dataset_id == person.dataset_id]


def _reads_the_facility(person: Person) -> bool:
    return any(role.collection_kind == "facility" for role in _reading_roles(person))


def _coached_classes(person: Person) -> tuple[str, ...]:
    return tuple(sorted(role.collection_id for role in _reading_roles(person) if role.collection_kind == "classroom"))


def administers(person: Person, dataset_id: str) -> bool:
    """Whether a person manages a facility: its admin, or a superuser."""
    return person.is_superuser or any(
        role.kind == "admin" and role.collection_kind == "facility" and role.dataset_id == dataset_id
        for role in person.roles
        if role.dataset_id == person.dataset_id
    )


def may_write_log(person: Person, user_id: str, dataset_id: str) -> bool:
    """Whether a person may create and change a learner's log directly: the own one, or as admin of the learner.

    Args:
        person: who asks; an anonymous visitor may not.
        user_id: the learner.
        dataset_id: the learner's.

    Rule: kolibri/core/logger/permissions.py and auth/permissions/general.py (IsOwn, IsAdminForOwnFacility).
    """
    return person.user_id is not None and (person.user_id == user_id or administers(person, dataset_id))


@dataclass(frozen=True)
class DirectoryScope:
    """Which records of the directory may be written.

    Attributes:
        everything: all of them.
        dataset_id: those of this facility; who is a superuser there is not for its admins to say.
    """

    everything: bool = False
    dataset_id: str | None = None


def directory_write_scope(person: Person, *, is_service: bool = False) -> DirectoryScope | None:
    """Return the records of the directory that a person may write; None if there are none.

    Args:
        person: who asks; an anonymous one for a program.
        is_service: a program with a service token asks.
    """
    if is_service or person.is_superuser:
        return DirectoryScope(everything=True)
    if person.dataset_id is not None and administers(person, person.dataset_id):
        return DirectoryScope(dataset_id=person.dataset_id)
    return None


@dataclass(frozen=True)
class DirectoryReadScope:
    """Which records of the directory may be read: the union of what the attributes name.

    `domain.directory.readable_records` says what that means for each kind of record.

    Attributes:
        everything: all records of all facilities.
        dataset_id: all records of this facility.
        classroom_ids: the people, groups, memberships, roles, quizzes, lessons and courses of these classes.
        user_id: the person's own record, classes, memberships and roles, and what is assigned to the person.
        home_dataset_id: the record of this dataset, and of its facility.
    """

    everything: bool = False
    dataset_id: str | None = None
    classroom_ids: tuple[str, ...] = ()
    user_id: str | None = None
    home_dataset_id: str | None = None


def directory_read_scope(person: Person, *, is_service: bool = False) -> DirectoryReadScope | None:
    """Return the records of the directory that a person may read; None for an anonymous visitor, who reads none.

    A program with a service token reads everything: it may write all of it, and has to find what it wrote. A learner
    of Kolibri reads the own classes and what is assigned by routes of their own (plugins/learn/viewsets.py). The names
    of all facilities, which Kolibri shows to everybody for its sign-in page, are not shown here.

    Args:
        person: who asks; an anonymous one for a program.
        is_service: a program with a service token asks.

    Rule: kolibri/core/auth/models.py (`permissions` of each model), permissions/base.py (`readable_by_user_filter`),
    lessons/models.py, exams/permissions.py and courses/models.py.
    """
    if is_service or person.is_superuser:
        return DirectoryReadScope(everything=True, user_id=person.user_id)
    if person.user_id is None:
        return None
    if _reads_the_facility(person):
        return DirectoryReadScope(dataset_id=person.dataset_id, user_id=person.user_id)
    return DirectoryReadScope(
        classroom_ids=_coached_classes(person), user_id=person.user_id, home_dataset_id=person.dataset_id
    )
