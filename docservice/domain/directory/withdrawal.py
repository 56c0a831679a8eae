"""Finds records of the directory to remove: those that the Kolibri of their facility no longer has."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

WITHDRAWN_KINDS = (
    "roles",
    "memberships",
    "facility_users",
    "exams",
    "lessons",
    "course_sessions",
    "facility_collections",
)
"""The collections whose records may be removed, in the order of removal: first what lets people read
logs. What belongs to a record by its class or person is withdrawn before these."""

_OWN_DATASET = ("facility_users", "facility_collections")


@dataclass(frozen=True)
class FacilityRecords:
    """What a Kolibri holds of its facilities.

    Attributes:
        dataset_ids: of the facilities that it holds as a whole; records of others are never removed.
        record_ids: for each collection the ids of all its records, also of those that cannot be read otherwise.
        unknown: by collection, why its records could not be listed; none of them is removed.
    """

    dataset_ids: frozenset[str]
    record_ids: Mapping[str, frozenset[str]]
    unknown: Mapping[str, str]


def facility_dataset(
    kind: str,
    record: Mapping[str, Any],
    datasets_of_collections: Mapping[str, str],
    datasets_of_users: Mapping[str, str],
) -> str | None:
    """Return the dataset of the facility that a record belongs to, None if nothing says so.

    What a role or a membership opens are the logs of its class or facility, so that decides, whatever else the record
    says; only where it is not known does the dataset that the record names, and then its person.

    Args:
        kind: one of `WITHDRAWN_KINDS`.
        record: with its `dataset_id`, `collection_id` and `user_id`, as far as it has them.
        datasets_of_collections: of all facilities, classes and groups, by id.
        datasets_of_users: of all people, by id.
    """
    own = record.get("dataset_id")
    if kind in _OWN_DATASET:
        return own
    return (
        datasets_of_collections.get(record.get("collection_id", ""))
        or own
        or datasets_of_users.get(record.get("user_id", ""))
    )
