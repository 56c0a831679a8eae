"""Parameters of paths and query strings, and the readers that make values of their texts."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from docservice.domain.requests import kolibri_messages
from docservice.domain.requests.field_types import UUID_SCHEMA
from docservice.domain.values.ids import parse_uuid
from docservice.domain.values.times import read_time


class Refused(ValueError):
    """A text does not fit its parameter.

    Attributes:
        code: of the field error.
        message: what the caller should send.
    """

    def __init__(self, message: str, code: str = "invalid") -> None:
        super().__init__(message)
        self.code = code
        self.message = message


@dataclass(frozen=True)
class Parameter:
    """A parameter of a path or a query string.

    Attributes:
        description: what it says.
        schema: JSON Schema of its values.
        read: makes the value of the text; raises `Refused`, or the error of the whole request.
        required: a request without it is refused.
        empty_counts: an empty value is read, too; those of all other parameters count as absent.
    """

    name: str
    description: str
    schema: Mapping[str, Any] = field(default_factory=lambda: UUID_SCHEMA)
    read: Callable[[str], Any] = str
    required: bool = False
    empty_counts: bool = False


def uuid(text: str) -> str:
    """Return an id in the form that logs have, of any spelling."""
    try:
        return parse_uuid(text.strip())
    except ValueError:
        raise Refused("Enter a valid UUID.") from None


def id_or_name(text: str) -> str:
    """Return an id in the form that logs have; a text that is not one as it is: it may be a name."""
    try:
        return parse_uuid(text.strip())
    except ValueError:
        return text.strip()


def uuids(at_most: int) -> Callable[[str], tuple[str, ...]]:
    """Return a reader of ids that are separated by commas; it sorts them and drops repeated ones."""

    def read(text: str) -> tuple[str, ...]:
        listed = [part.strip() for part in text.split(",") if part.strip()]
        if len(listed) > at_most:
            raise Refused(f"At most {at_most} ids in a request.")
        try:
            return tuple(sorted({parse_uuid(part) for part in listed}))
        except ValueError:
            raise Refused("Enter valid UUIDs, separated by commas.") from None

    return read


def related(text: str) -> str:
    """Return the id of a record that the parameter refers to.

    Rule: django, forms/models.py (ModelChoiceField), which refuses what is not an id like an unknown record.
    """
    try:
        return parse_uuid(text)
    except ValueError:
        raise Refused(kolibri_messages.NOT_A_CHOICE, "invalid_choice") from None


def one_of(choices: tuple[str, ...]) -> Callable[[str], str]:
    """Return a reader of one of these words. Rule: django, forms/fields.py (ChoiceField)."""

    def read(text: str) -> str:
        if text not in choices:
            raise Refused(kolibri_messages.not_a_choice(text), "invalid_choice")
        return text

    return read


def boolean(text: str) -> bool | None:
    """Return a boolean; None, which does not filter, for every other word. Rule: django_filters, widgets.py."""
    return {"true": True, "1": True, "false": False, "0": False}.get(text.lower())


def number(text: str) -> float:
    """Return a finite number."""
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise Refused("Enter a number.")
    return value


def integer_between(least: int, most: int) -> Callable[[str], int]:
    """Return a reader of integers within limits."""
    refused = f"Enter a number from {least} to {most}."

    def read(text: str) -> int:
        try:
            value = int(text)
        except ValueError:
            raise Refused(refused) from None
        if not least <= value <= most:
            raise Refused(refused)
        return value

    return read


def positive_or_none(text: str) -> int | None:
    """Return a positive integer; None for everything else. Rule: rest_framework, pagination.py (get_page_size)."""
    try:
        value = int(text)
    except ValueError:
        return None
    return value if value > 0 else None


def time(text: str) -> Any:
    """Return a time; UTC if the text names no zone."""
    try:
        return read_time(text.strip())
    except ValueError:
        raise Refused(
            "Enter a time as 2024-09-02T05:12:24Z or 2024-09-02 05:12:24(Africa/Nairobi). A + is sent as %2B."
        ) from None
