"""Replacing the lists of a facility: which lists, how many records, and when that is refused."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from docservice.domain.values.ids import parse_uuid
from docservice.errors import FieldError, ValidationFailed

FACILITY_SECTIONS = (
    "classrooms",
    "learnergroups",
    "adhoclearnersgroups",
    "users",
    "roles",
    "memberships",
    "exams",
    "lessons",
    "course_sessions",
)
"""The lists that can be replaced: what such a list lacks is withdrawn. Others are only added to."""

MAX_REPLACED = 20_000
"""Records that a replacement holds, and records that it or a removal withdraws and changes: each is one transaction,
which the database keeps in memory and ends after a minute, and which the service gives up at its deadline."""


def withdraws_most(withdrawn: int, people: int) -> bool:
    """Whether a replacement withdraws more than half of the people: most likely its list is not whole."""
    return 2 * withdrawn > people


def named_facility(content: Mapping[str, Any], facility_id: str | None) -> str:
    """Return the id of the facility to replace: the one that is named, or the only one among the records.

    Args:
        content: of a directory file.
        facility_id: an id in any spelling; None: the content says it.

    Raises:
        ValidationFailed: nothing names one facility.
    """
    facilities = content.get("facilities") or []
    found = facility_id
    if found is None and len(facilities) == 1 and isinstance(facilities[0], dict):
        found = facilities[0].get("id")
    try:
        return parse_uuid(found or "")
    except ValueError:
        message = "Name the facility to replace, by its id."
        raise ValidationFailed([FieldError(("facility",), "invalid", message)]) from None
