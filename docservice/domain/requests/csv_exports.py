"""Requests for a CSV export of a facility's logs.

Rule: kolibri/core/logger/models.py (GenerateCSVLogRequest) and api.py (its serializer).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Literal

from pydantic import BeforeValidator, WithJsonSchema
from pydantic_core import PydanticCustomError

from docservice.domain.requests.field_types import UUID_SCHEMA, Time, choice
from docservice.domain.requests.tracking import Request
from docservice.domain.values.ids import parse_uuid
from docservice.domain.values.times import KolibriTime, iso_text

LogType = Literal["session", "summary"]
LOG_TYPES: tuple[LogType, ...] = ("session", "summary")


def _facility(value: object) -> str:
    try:
        return parse_uuid(value) if isinstance(value, str) else _no_key(value)
    except ValueError:
        return _no_key(value)


def _no_key(value: object) -> str:
    raise PydanticCustomError(
        "incorrect_type", "Incorrect type. Expected pk value, received {given}.", {"given": type(value).__name__}
    )


FacilityKey = Annotated[str, BeforeValidator(_facility), WithJsonSchema(UUID_SCHEMA)]
LogTypeName = Annotated[
    str, BeforeValidator(choice(LOG_TYPES)), WithJsonSchema({"type": "string", "enum": list(LOG_TYPES)})
]


class CsvLogRequest(Request):
    """A request for an export, as a client sends it.

    Attributes:
        facility: id of the facility.
        log_type: which logs.
        selected_start_date: first day; None: from the beginning.
        selected_end_date: last day; None: to the end.
        date_requested: when it was asked for; now, if absent.
    """

    nullable = frozenset({"selected_start_date", "selected_end_date"})

    facility: FacilityKey
    log_type: LogTypeName
    selected_start_date: Time | None = None
    selected_end_date: Time | None = None
    date_requested: Time | None = None


class CsvLogRequestChange(Request):
    """Some fields of a `CsvLogRequest`; those that are not sent stay as they are."""

    nullable = CsvLogRequest.nullable

    facility: FacilityKey | None = None
    log_type: LogTypeName | None = None
    selected_start_date: Time | None = None
    selected_end_date: Time | None = None
    date_requested: Time | None = None


@dataclass(frozen=True)
class StoredCsvRequest:
    """A request for an export, as it is kept.

    Attributes:
        id: an integer, counted up.
        times: `selected_start_date`, `selected_end_date` and `date_requested`; None where not given.
    """

    id: int
    facility: str
    log_type: str
    times: dict[str, KolibriTime | None] = field(default_factory=dict)

    def row(self) -> dict[str, str | None]:
        """Return the request as Kolibri's API shows it, which leaves the id out."""
        shown = {name: iso_text(time.local()) if time else None for name, time in self.times.items()}
        return {"facility": self.facility, "log_type": self.log_type, **shown}
