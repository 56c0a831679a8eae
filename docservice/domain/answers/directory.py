"""The answers to reads from and writes into the directory."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from docservice.domain.directory.readable_records import ASSIGNED
from docservice.domain.directory.records import DirectoryRecord, FacilityUser

_SECRETS = frozenset({"password", "picture_password", "picture_password_settings", "pin_code", "last_login"})
_SETTINGS = frozenset({"extra_fields"})
"""Settings of a dataset, a PIN among them."""

_OF_PEOPLE = frozenset({"date_joined", "id_number", "gender", "birth_year", "extra_demographics"})
"""What Kolibri tells of people to those who may read them, beside the fields of the record.

Rule: kolibri/core/auth/api.py (FacilityUserViewSet.values).
"""


@dataclass(frozen=True)
class Upserted:
    """How many records a write created, changed and found unchanged."""

    created: int = 0
    changed: int = 0
    unchanged: int = 0

    def __add__(self, other: Upserted) -> Upserted:
        return Upserted(self.created + other.created, self.changed + other.changed, self.unchanged + other.unchanged)


@dataclass(frozen=True)
class Removed:
    """What a removal did, by collection of the directory (`users`, `classrooms` …).

    Attributes:
        removed: how many records are gone: the one that was named, and those that named it.
        changed: how many quizzes, lessons and courses are no longer assigned to it.
    """

    removed: Mapping[str, int] = field(default_factory=dict)
    changed: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Replaced:
    """What a replacement did, by collection of the directory.

    Attributes:
        written: how many records of each list were created, changed and found unchanged.
        removed: how many records were withdrawn: those that the lists lack, and those that named them.
        changed: how many quizzes, lessons and courses are no longer assigned to what was withdrawn.
    """

    written: Mapping[str, Upserted] = field(default_factory=dict)
    removed: Mapping[str, int] = field(default_factory=dict)
    changed: Mapping[str, int] = field(default_factory=dict)


def shown_record(
    model: type[DirectoryRecord], document: Mapping[str, Any], *, to_writer: bool, whose: frozenset[str] | None = None
) -> dict[str, Any]:
    """Return a stored record as answers show it: `_id` as `id`, no secret, no field of the store or of Morango.

    Args:
        model: of the record.
        document: as it is stored.
        to_writer: the reader may write it, and sees all other fields that were sent with it.
        whose: None, or the ids of a learner and the learner's classes and groups: of the others to whom a quiz or
            lesson is assigned nothing is said.
    """
    shown: dict[str, Any] = {"id": document["_id"]}
    for name, value in document.items():
        if name.startswith("_") or name in _SECRETS or "password" in name.lower():
            continue
        if model.collection_name == "facility_datasets" and name in _SETTINGS:
            continue
        if model is FacilityUser and not to_writer and name not in model.model_fields and name not in _OF_PEOPLE:
            continue
        shown[name] = value
    if whose is not None and model.collection_name in ASSIGNED:
        for name in ("assignments", "learner_ids"):
            if name in shown:
                shown[name] = [each for each in shown[name] if each in whose]
    return shown
