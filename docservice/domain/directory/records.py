"""Records of the directory: people, classes, memberships, roles, assignments, content.

Records have Kolibri's fields; more fields than those named here are kept as they are.
Rule: kolibri/core/auth/models.py, exams/models.py, lessons/models.py, courses/models.py.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal

from pydantic import AliasChoices, BaseModel, ConfigDict, Field, ValidationError, model_validator

from docservice.domain.logs.content_logs import HexId
from docservice.domain.values.ids import is_hex_id
from docservice.domain.values.json_values import require_storable
from docservice.domain.values.validation_messages import validation_message
from docservice.errors import FieldError, UnstorableValue, ValidationFailed


def _reference(name: str) -> Any:
    """Return a field `name_id` that a file may also call `name`."""
    return Field(validation_alias=AliasChoices(f"{name}_id", name))


@dataclass(frozen=True)
class References:
    """What a record belongs to and points at.

    Attributes:
        dataset_ids: facilities' datasets.
        collection_ids: facilities, classes and groups.
        user_ids: people.
        anywhere: it belongs to no facility at all.
    """

    dataset_ids: tuple[str, ...] = ()
    collection_ids: tuple[str, ...] = ()
    user_ids: tuple[str, ...] = ()
    anywhere: bool = False


class DirectoryRecord(BaseModel):
    """A record of the directory.

    Attributes:
        collection_name: the MongoDB collection it is kept in.
    """

    model_config = ConfigDict(extra="allow")
    collection_name: ClassVar[str]

    id: HexId

    @model_validator(mode="before")
    @classmethod
    def _refuse_reserved_names(cls, fields: Any) -> Any:
        # More fields than known are kept as they are, but these would change which document is written, and how.
        if isinstance(fields, dict) and any(name == "_id" or str(name).startswith("$") for name in fields):
            raise ValueError("no field may be called _id or begin with a dollar sign")
        return fields

    def references(self) -> References:
        """Return what decides whose record it is."""
        return References(anywhere=True)


class FacilityDataset(DirectoryRecord):
    """What a facility's data belongs to."""

    collection_name = "facility_datasets"

    def references(self) -> References:
        """Return the dataset itself: it belongs to no other."""
        return References(dataset_ids=(self.id,))


class Collection(DirectoryRecord):
    """A facility, a class of it, or a group of a class."""

    collection_name = "facility_collections"

    kind: Literal["facility", "classroom", "learnergroup", "adhoclearnersgroup"]
    name: str = ""
    dataset_id: HexId = _reference("dataset")
    parent_id: HexId | None = Field(default=None, validation_alias=AliasChoices("parent_id", "parent"))

    def references(self) -> References:
        """Return its dataset, and the collection that it is in."""
        return References((self.dataset_id,), (self.parent_id,) if self.parent_id else ())


class FacilityUser(DirectoryRecord):
    """A person of a facility.

    Attributes:
        is_superuser: may do everything on this server; Kolibri keeps this beside the user, per device.
    """

    collection_name = "facility_users"

    username: Annotated[str, Field(min_length=1)]
    full_name: str = ""
    dataset_id: HexId = _reference("dataset")
    facility_id: HexId = _reference("facility")
    is_superuser: bool = False

    def references(self) -> References:
        """Return the person's dataset and facility."""
        return References((self.dataset_id,), (self.facility_id,))


class Membership(DirectoryRecord):
    """A person in a class or group."""

    collection_name = "memberships"

    user_id: HexId = _reference("user")
    collection_id: HexId = _reference("collection")

    def references(self) -> References:
        """Class or group, and the person."""
        return References(collection_ids=(self.collection_id,), user_ids=(self.user_id,))


class Role(DirectoryRecord):
    """What a person is allowed to do for a facility or class."""

    collection_name = "roles"

    user_id: HexId = _reference("user")
    collection_id: HexId = _reference("collection")
    kind: Literal["admin", "coach", "classroom assignable coach"]

    def references(self) -> References:
        """Facility or class, and the person."""
        return References(collection_ids=(self.collection_id,), user_ids=(self.user_id,))


class Exam(DirectoryRecord):
    """A coach's quiz; for the collections in `assignments` and the single learners in `learner_ids`."""

    collection_name = "exams"

    title: str = ""
    collection_id: HexId = _reference("collection")
    active: bool
    assignments: list[HexId]
    learner_ids: list[HexId] = []

    def references(self) -> References:
        """Return its class, and whom it is assigned to."""
        return References(collection_ids=(self.collection_id, *self.assignments), user_ids=tuple(self.learner_ids))


class Lesson(DirectoryRecord):
    """A coach's lesson; for the collections in `assignments` and the single learners in `learner_ids`."""

    collection_name = "lessons"

    title: str = ""
    collection_id: HexId = _reference("collection")
    assignments: list[HexId]
    learner_ids: list[HexId] = []

    def references(self) -> References:
        """Return its class, and whom it is assigned to."""
        return References(collection_ids=(self.collection_id, *self.assignments), user_ids=tuple(self.learner_ids))


class CourseSession(DirectoryRecord):
    """A course that a class takes; `assignments` are the collections it is for."""

    collection_name = "course_sessions"

    title: str = ""
    collection_id: HexId = _reference("collection")
    assignments: list[HexId]

    def references(self) -> References:
        """Return its class, and whom it is assigned to."""
        return References(collection_ids=(self.collection_id, *self.assignments))


MAX_LEVEL = 100
"""How deep a tree of content may be: an export has a column for each level, and real channels have about ten."""


class ContentNode(DirectoryRecord):
    """A place of a content in the tree of a channel.

    Attributes:
        level: 0 for the root of the channel.
        ancestors: `[{"id", "title"}]` from the root down.
    """

    collection_name = "content_nodes"

    content_id: HexId
    channel_id: HexId = _reference("channel")
    parent_id: HexId | None = Field(default=None, validation_alias=AliasChoices("parent_id", "parent"))
    title: str = ""
    kind: Annotated[str, Field(max_length=200)]
    level: Annotated[int, Field(ge=0, le=MAX_LEVEL)] | None = None
    lft: int | None = None
    rght: int | None = None
    tree_id: int | None = None
    ancestors: Annotated[list[dict[str, Any]], Field(max_length=MAX_LEVEL)] | None = None
    available: bool = True


class Channel(DirectoryRecord):
    """A channel of content; `root_id` is the node that its tree begins with."""

    collection_name = "channels"

    name: str = ""
    root_id: HexId | None = Field(default=None, validation_alias=AliasChoices("root_id", "root"))


DirectorySection = Literal[
    "datasets",
    "facilities",
    "classrooms",
    "learnergroups",
    "adhoclearnersgroups",
    "users",
    "roles",
    "memberships",
    "exams",
    "lessons",
    "course_sessions",
    "content_nodes",
    "channels",
]
"""A collection of the directory, as directory files and the API call it."""

SECTIONS: dict[str, type[DirectoryRecord]] = {
    "datasets": FacilityDataset,
    "facilities": Collection,
    "classrooms": Collection,
    "learnergroups": Collection,
    "adhoclearnersgroups": Collection,
    "users": FacilityUser,
    "roles": Role,
    "memberships": Membership,
    "exams": Exam,
    "lessons": Lesson,
    "course_sessions": CourseSession,
    "content_nodes": ContentNode,
    "channels": Channel,
}
"""The lists of a directory file, each with the record it holds."""

MAX_RECORDS = 5000
"""Records in one request: they are written in one transaction, and an engine keeps those in memory."""

COLLECTION_KINDS = {
    "facilities": "facility",
    "classrooms": "classroom",
    "learnergroups": "learnergroup",
    "adhoclearnersgroups": "adhoclearnersgroup",
}
"""The lists whose records are in one collection, each with the kind of its records."""


LONGEST_USERNAME = 250


def requested_records(section: str, body: Any) -> list[DirectoryRecord]:
    """Return the records of a request: a list of them, or an object with the list in `records`.

    Args:
        section: one of `SECTIONS`.
        body: a JSON value.

    Raises:
        ValidationFailed: with everything that is wrong with each record; paths begin with its position.
    """
    path: tuple[str | int, ...] = ()
    if isinstance(body, dict) and isinstance(body.get("records"), list):
        path, body = ("records",), body["records"]
    if not isinstance(body, list):
        message = 'A list of records is expected, or an object {"records": [...]}.'
        raise ValidationFailed([FieldError((), "invalid", message)])
    if len(body) > MAX_RECORDS:
        message = f"At most {MAX_RECORDS} records in a request, not {len(body)}. Send them in several."
        raise ValidationFailed([FieldError(path, "invalid", message)])
    records, errors = _records(section, body, path)
    if errors:
        raise ValidationFailed(errors)
    return records


def directory_records(content: Mapping[str, Any]) -> dict[str, list[DirectoryRecord]]:
    """Return the records of a directory file, by section; sections that are not there are left out.

    Args:
        content: lists of records under the names of `SECTIONS`, and `default_facility`, an id. Other lists are
            refused, other keys ignored.

    Raises:
        ValidationFailed: with everything that is wrong with each record; paths begin with section and position.
    """
    by_section: dict[str, list[DirectoryRecord]] = {}
    errors: list[FieldError] = []
    for section in SECTIONS:
        listed = content.get(section, [])
        if not isinstance(listed, list):
            errors.append(FieldError((section,), "invalid", "A list of records is expected."))
        elif listed:
            by_section[section], wrong = _records(section, listed, (section,))
            errors += wrong
    for name, value in content.items():
        if name not in SECTIONS and isinstance(value, list):
            errors.append(FieldError((name,), "invalid", f"There is no such list. Known are {', '.join(SECTIONS)}."))
    default = content.get("default_facility")
    if default is not None and not is_hex_id(default):
        errors.append(FieldError(("default_facility",), "invalid", "The id of a facility is expected."))
    if errors:
        raise ValidationFailed(errors)
    return by_section


def _records(
    section: str, listed: list[Any], path: tuple[str | int, ...]
) -> tuple[list[DirectoryRecord], list[FieldError]]:
    """Return the valid records of a list, and what is wrong with the others."""
    model, kind = SECTIONS[section], COLLECTION_KINDS.get(section)
    records: list[DirectoryRecord] = []
    errors: list[FieldError] = []
    positions: dict[str, int] = {}
    for position, fields in enumerate(listed):
        where = (*path, position)
        try:
            require_storable(fields, where)
            errors += _contradictions(model, fields, where)
            known = {"kind": kind} if kind and isinstance(fields, dict) else {}
            record = model.model_validate({**known, **fields} if known else fields)
        except UnstorableValue as error:
            errors.append(FieldError(error.path, "invalid", f"This value cannot be stored: {error.reason}."))
            continue
        except ValidationError as error:
            errors += [
                FieldError((*where, *e["loc"]), "invalid", validation_message(e))
                for e in error.errors(include_input=False)
            ]
            continue
        if record.id in positions:
            message = f"The record at position {positions[record.id]} has the same id."
            errors.append(FieldError((*where, "id"), "invalid", message))
        if isinstance(record, FacilityUser) and (message := _username_problem(record.username)):
            errors.append(FieldError((*where, "username"), "invalid", message))
        if isinstance(record, Collection) and record.kind != kind:
            errors.append(FieldError((*where, "kind"), "invalid", f"Here the kind is {kind}."))
        positions.setdefault(record.id, position)
        records.append(record)
    return records, errors


def _username_problem(username: str) -> str:
    """Return what is wrong with a username that is sent; empty if nothing is.

    Kolibri has 30 characters; a host's sign-in may know people by their addresses. What a Kolibri holds is imported
    whatever it is.
    """
    if len(username) > LONGEST_USERNAME:
        return f"A username has at most {LONGEST_USERNAME} characters."
    if not username.isprintable() or username != username.strip():
        return "A username has no characters that cannot be seen, and no blanks around it."
    return ""


def _contradictions(model: type[DirectoryRecord], fields: Any, where: tuple[str | int, ...]) -> Iterator[FieldError]:
    """Fields that are there under two names, as `user` and `user_id`: only one would count, and which was meant?"""
    if not isinstance(fields, dict):
        return
    for field in model.model_fields.values():
        if isinstance(field.validation_alias, AliasChoices):
            names = [str(name) for name in field.validation_alias.choices if name in fields]
            if any(fields[name] != fields[names[0]] for name in names[1:]):
                message = f"{' and '.join(names)} are the same field and say different things. Keep one."
                yield FieldError((*where, names[-1]), "invalid", message)
