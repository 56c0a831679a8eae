"""What goes with a record of the directory that is removed: the records that name it. Logs never do.

A class takes its groups, memberships, roles, quizzes, lessons and courses with it; a person the own memberships and
roles. Quizzes, lessons and courses that were only assigned to what is removed stay, without that assignment. What a
person made for a class stays, too, as it does in Kolibri when an account is deleted there.
Rule: kolibri/core/auth/models.py (`on_delete` of each reference, Membership.delete, Role.delete), exams/models.py,
lessons/models.py, courses/models.py, content/models.py.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from docservice.domain.directory.records import COLLECTION_KINDS, SECTIONS


@dataclass(frozen=True)
class Dependents:
    """Records that name a removed one in a field of their own.

    Attributes:
        collection: where they are.
        field: what names the removed record by its id.
    """

    collection: str
    field: str


_MADE_FOR_A_CLASS = ("exams", "lessons", "course_sessions")

REMOVED_WITH: Mapping[str, tuple[Dependents, ...]] = {
    "facility_datasets": (
        Dependents("facility_collections", "dataset_id"),
        Dependents("facility_users", "dataset_id"),
    ),
    "facility_collections": (
        Dependents("facility_collections", "parent_id"),
        Dependents("memberships", "collection_id"),
        Dependents("roles", "collection_id"),
        *(Dependents(collection, "collection_id") for collection in _MADE_FOR_A_CLASS),
    ),
    "facility_users": (Dependents("memberships", "user_id"), Dependents("roles", "user_id")),
    "content_nodes": (Dependents("content_nodes", "parent_id"),),
    "channels": (Dependents("content_nodes", "channel_id"),),
}
"""For each collection the records that are removed with one of its records."""

UNASSIGNED_WITH: Mapping[str, tuple[Dependents, ...]] = {
    "facility_collections": tuple(Dependents(collection, "assignments") for collection in _MADE_FOR_A_CLASS),
    "facility_users": (Dependents("exams", "learner_ids"), Dependents("lessons", "learner_ids")),
}
"""For each collection the lists of other records that one of its records is taken out of."""


def taken_with_memberships(
    removed: Iterable[Mapping[str, Any]], others: Iterable[Mapping[str, Any]], parents: Mapping[str, str | None]
) -> Iterator[str]:
    """Yield the ids of memberships in groups of classes that their people leave.

    Args:
        removed: memberships, each with `user_id` and `collection_id`.
        others: memberships of the same people.
        parents: of the groups, by id.
    """
    left = {(each.get("user_id"), each.get("collection_id")) for each in removed}
    for other in others:
        if (other.get("user_id"), parents.get(other.get("collection_id", ""))) in left:
            yield other["_id"]


def taken_with_roles(
    removed: Iterable[Mapping[str, Any]], others: Iterable[Mapping[str, Any]], parents: Mapping[str, str | None]
) -> Iterator[str]:
    """Yield the ids of roles for classes of people who may no longer be made coaches of classes.

    Args:
        removed: roles, each with `user_id`, `collection_id` and `kind`.
        others: roles of the same people.
        parents: of the classes, by id.
    """
    left = {
        (each.get("user_id"), each.get("collection_id"))
        for each in removed
        if each.get("kind") == "classroom assignable coach"
    }
    for other in others:
        if other.get("kind") == "coach" and (other.get("user_id"), parents.get(other.get("collection_id", ""))) in left:
            yield other["_id"]


def section_of(collection: str, document: Mapping[str, Any]) -> str:
    """Return the list of the directory that a stored record is in."""
    if collection == "facility_collections":
        kinds = {kind: section for section, kind in COLLECTION_KINDS.items()}
        return kinds.get(str(document.get("kind")), "facilities")
    return next(section for section, model in SECTIONS.items() if model.collection_name == collection)
