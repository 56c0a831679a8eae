"""Query strings of Kolibri's log lists.

Rule: django_filters over kolibri/core/logger/api.py (MasteryFilter, AttemptFilter) and content/api.py
(OptionalPageNumberPagination).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from aiohttp import web

from docservice.domain.filters import LogFilters, Page
from docservice.domain.ids import parse_uuid
from docservice.errors import FieldError, MissingParameters, PageNotFound, ValidationFailed

_NO_CHOICE = "Select a valid choice. That choice is not one of the available choices."


class _Refused(Exception):
    """A parameter's value does not fit; holds code and message."""


def _uuid(value: str) -> str:
    try:
        return parse_uuid(value.strip())
    except ValueError:
        raise _Refused("invalid", "Enter a valid UUID.") from None


def _choice(value: str) -> str:
    try:
        return parse_uuid(value)
    except ValueError:
        raise _Refused("invalid_choice", _NO_CHOICE) from None


def _boolean(value: str) -> bool | None:
    """Words that are no boolean do not filter."""
    return {"true": True, "1": True, "false": False, "0": False}.get(value.lower())


def _number(value: str) -> float:
    try:
        number = float(value)
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise _Refused("invalid", "Enter a number.")
    return number


_READERS: dict[str, Callable[[str], Any]] = {
    "masterylog": _choice,
    "content": _uuid,
    "user": _choice,
    "complete": _boolean,
    "quiz": _boolean,
    "item": str,
    "mastery_level": _number,
    "facility": _uuid,
    "classroom": _uuid,
    "learner_group": _uuid,
}


def last_values(request: web.Request) -> dict[str, str]:
    """The query string; of a parameter that comes several times the last value counts, as in Django."""
    return dict(request.query.items())


def log_filters(query: Mapping[str, str], offered: Sequence[str]) -> LogFilters:
    """The filters of a query string; empty and unknown parameters do not filter.

    Args:
        query: of the request.
        offered: which of the filters the list has.

    Raises:
        ValidationFailed: with each value that does not fit.
    """
    found: dict[str, Any] = {}
    errors = []
    for name, read in _READERS.items():
        value = query.get(name, "")
        if name in offered and value.strip():
            try:
                found[name] = read(value)
            except _Refused as refused:
                code, message = refused.args
                errors.append(FieldError((name,), code, message))
    if errors:
        raise ValidationFailed(errors)
    return LogFilters(**found)


def require(query: Mapping[str, str], *names: str) -> None:
    """Do nothing if the parameters are there; they may be empty.

    Raises:
        MissingParameters: with those that are not.
    """
    missing = [name for name in names if name not in query]
    if missing:
        raise MissingParameters(missing)


def page(query: Mapping[str, str]) -> Page | None:
    """The page that is asked for; None, the whole list, unless `page_size` is a positive integer.

    Raises:
        PageNotFound: `page` is no number.
    """
    try:
        size = int(query.get("page_size", ""))
    except ValueError:
        return None
    if size < 1:
        return None
    try:
        return Page(size, int(query.get("page", "1")))
    except ValueError:
        raise PageNotFound() from None
