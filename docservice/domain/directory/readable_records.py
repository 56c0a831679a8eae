"""Which records of the directory a scope reaches, as conditions on their fields.

The same conditions make the query of a list and decide about a single record. They need to know some ids that only the
database has (who is in which class): `ScopeFacts`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from docservice.domain.directory.permissions import DirectoryReadScope

CONTENT = frozenset({"content_nodes", "channels"})
"""Collections that belong to no facility: everybody who is signed in reads them."""

ASSIGNED = frozenset({"exams", "lessons", "course_sessions"})
"""Collections of what a coach makes for a class and assigns to learners."""

_BY_OWN_ID = frozenset({"facility_users", "facility_collections"})


@dataclass(frozen=True)
class ScopeFacts:
    """What the conditions need to know of the people and classes around a scope. Facts that are not needed are empty.

    Attributes:
        facility_ids: the facility that the person belongs to.
        facility_collection_ids: the facility, its classes and groups, for a scope of a whole facility.
        coached_ids: the classes of the scope, and the groups in them.
        coached_user_ids: the direct members of those.
        joined_ids: the classes and groups that the person is a direct member of.
        answered_exam_ids: quizzes that the person has begun; they are shown to their end and after it.
    """

    facility_ids: frozenset[str] = frozenset()
    facility_collection_ids: frozenset[str] = frozenset()
    coached_ids: frozenset[str] = frozenset()
    coached_user_ids: frozenset[str] = frozenset()
    joined_ids: frozenset[str] = frozenset()
    answered_exam_ids: frozenset[str] = frozenset()


@dataclass(frozen=True)
class FieldCondition:
    """What one field of a record has to be.

    Attributes:
        field: its name as it is stored; `_id` for the record itself.
        values: it has one of these; of a list, one item has.
        active: the record must not be switched off, either.
    """

    field: str
    values: frozenset[str]
    active: bool = False

    def admits(self, document: Mapping[str, Any]) -> bool:
        """Whether a stored record fits."""
        value = document.get(self.field)
        fits = not self.values.isdisjoint(value) if isinstance(value, list) else value in self.values
        return fits and (not self.active or is_active(document))


def is_active(document: Mapping[str, Any]) -> bool:
    """Whether a quiz, lesson or course is not switched off. Kolibri's tables call the field of two `is_active`."""
    return document.get("active") is not False and document.get("is_active") is not False


@dataclass(frozen=True)
class Reach:
    """Which records of one collection may be read.

    Attributes:
        conditions: a record fits one of them; None: all records.
    """

    conditions: tuple[FieldCondition, ...] | None = None

    def admits(self, document: Mapping[str, Any]) -> bool:
        """Whether a stored record may be read."""
        return self.conditions is None or any(condition.admits(document) for condition in self.conditions)


def reach_of(collection: str, scope: DirectoryReadScope, facts: ScopeFacts) -> Reach:
    """Return which records of a collection a scope reaches.

    Args:
        collection: as MongoDB calls it, `facility_users`.
        scope: of the person.
        facts: around the scope.
    """
    if scope.everything or collection in CONTENT:
        return Reach()
    if scope.dataset_id is not None:
        return Reach((_of_the_facility(collection, scope.dataset_id, facts),))
    conditions = [*_coached(collection, facts), *_own(collection, scope, facts)]
    return Reach(tuple(condition for condition in conditions if condition.values))


def _of_the_facility(collection: str, dataset_id: str, facts: ScopeFacts) -> FieldCondition:
    if collection == "facility_datasets":
        return FieldCondition("_id", frozenset({dataset_id}))
    if collection in _BY_OWN_ID:
        return FieldCondition("dataset_id", frozenset({dataset_id}))
    return FieldCondition("collection_id", facts.facility_collection_ids)


def _coached(collection: str, facts: ScopeFacts) -> list[FieldCondition]:
    """The records of a class that its coach reads; who else coaches it is told by roles, not by their accounts."""
    match collection:
        case "facility_datasets":
            return []
        case "facility_users":
            return [FieldCondition("_id", facts.coached_user_ids)]
        case "facility_collections":
            return [FieldCondition("_id", facts.coached_ids)]
    return [FieldCondition("collection_id", facts.coached_ids)]


def _own(collection: str, scope: DirectoryReadScope, facts: ScopeFacts) -> list[FieldCondition]:
    """The records that a person reads without a role."""
    user = frozenset() if scope.user_id is None else frozenset({scope.user_id})
    match collection:
        case "facility_datasets":
            home = scope.home_dataset_id
            return [FieldCondition("_id", frozenset() if home is None else frozenset({home}))]
        case "facility_users":
            return [FieldCondition("_id", user)]
        case "facility_collections":
            return [FieldCondition("_id", facts.facility_ids | facts.joined_ids)]
        case "memberships" | "roles":
            return [FieldCondition("user_id", user)]
    given = FieldCondition("assignments", facts.joined_ids, active=True)
    if collection == "course_sessions":
        return [given]  # courses are for classes and groups
    return [
        given,
        FieldCondition("learner_ids", user, active=True),
        FieldCondition("_id", facts.answered_exam_ids),
    ]
