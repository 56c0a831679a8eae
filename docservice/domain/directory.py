"""The directory: who is who, who is in which class, what is assigned to whom.

Records have Kolibri's fields; more fields than those named here are kept as they are.
Rule: kolibri/core/auth/models.py, exams/models.py, lessons/models.py, courses/models.py.
"""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal

from pydantic import AliasChoices, BaseModel, ConfigDict, Field

from docservice.domain.logs import HexId


def _reference(name: str) -> Any:
    """A field `name_id` that a file may also call `name`."""
    return Field(validation_alias=AliasChoices(f"{name}_id", name))


class DirectoryRecord(BaseModel):
    """A record of the directory.

    Attributes:
        collection_name: the MongoDB collection it is kept in.
    """

    model_config = ConfigDict(extra="allow")
    collection_name: ClassVar[str]

    id: HexId


class FacilityDataset(DirectoryRecord):
    """What a facility's data belongs to."""

    collection_name = "facility_datasets"


class Collection(DirectoryRecord):
    """A facility, a class of it, or a group of a class."""

    collection_name = "facility_collections"

    kind: Literal["facility", "classroom", "learnergroup", "adhoclearnersgroup"]
    name: str = ""
    dataset_id: HexId = _reference("dataset")
    parent_id: HexId | None = Field(default=None, validation_alias=AliasChoices("parent_id", "parent"))


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


class Membership(DirectoryRecord):
    """A person in a class or group."""

    collection_name = "memberships"

    user_id: HexId = _reference("user")
    collection_id: HexId = _reference("collection")


class Role(DirectoryRecord):
    """What a person is allowed to do for a facility or class."""

    collection_name = "roles"

    user_id: HexId = _reference("user")
    collection_id: HexId = _reference("collection")
    kind: Literal["admin", "coach", "classroom assignable coach"]


class Exam(DirectoryRecord):
    """A coach's quiz; for the collections in `assignments` and the single learners in `learner_ids`."""

    collection_name = "exams"

    title: str = ""
    collection_id: HexId = _reference("collection")
    active: bool
    assignments: list[HexId]
    learner_ids: list[HexId] = []


class Lesson(DirectoryRecord):
    """A coach's lesson; for the collections in `assignments` and the single learners in `learner_ids`."""

    collection_name = "lessons"

    title: str = ""
    collection_id: HexId = _reference("collection")
    assignments: list[HexId]
    learner_ids: list[HexId] = []


class CourseSession(DirectoryRecord):
    """A course that a class takes; `assignments` are the collections it is for."""

    collection_name = "course_sessions"

    title: str = ""
    collection_id: HexId = _reference("collection")
    assignments: list[HexId]


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
}
"""The lists of a directory file, each with the record it holds."""
