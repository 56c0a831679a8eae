"""Query strings of Kolibri's log lists.

Rule: django_filters over kolibri/core/logger/api.py (MasteryFilter, AttemptFilter) and content/api.py
(OptionalPageNumberPagination).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from aiohttp import web

from docservice.domain.requests.lists import LogFilters, Page
from docservice.domain.values.ids import parse_uuid
from docservice.errors import FieldError, MissingParameters, PageNotFound, ValidationFailed
from docservice.rest.operations import Parameter

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


_WORD = {"type": "string"}
_TRUTH = {"type": "boolean"}

FILTERS: dict[str, Parameter] = {
    parameter.name: parameter
    for parameter in (
        Parameter("masterylog", "Attempts of this try.", read=_choice),
        Parameter("content", "Logs of this content.", read=_uuid),
        Parameter("user", "Logs of this learner.", read=_choice),
        Parameter("complete", "Logs that are complete, or those that are not.", _TRUTH, _boolean),
        Parameter("quiz", "Tries at quizzes, or all others.", _TRUTH, _boolean),
        Parameter("item", "Attempts at this question.", _WORD),
        Parameter("mastery_level", "Attempts of tries of this level.", {"type": "number"}, _number),
        Parameter("facility", "Logs of the learners of this facility.", read=_uuid),
        Parameter("classroom", "Logs of the learners of this class.", read=_uuid),
        Parameter("learner_group", "Logs of the learners of this group.", read=_uuid),
    )
}
"""Every filter that a list of logs may have."""

PAGING = (
    Parameter("page_size", "Rows in a page; without it the answer is the whole list.", {"type": "integer"}),
    Parameter("page", "Which page, from 1.", {"type": "integer"}),
)


def parameters(offered: Sequence[str], required: Sequence[str] = ()) -> tuple[Parameter, ...]:
    """The filters of a list; those that are required may be empty, as all others may."""
    return tuple(replace(FILTERS[name], required=name in required) for name in offered)


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
    for name, parameter in FILTERS.items():
        value = query.get(name, "")
        if name in offered and value.strip():
            try:
                found[name] = parameter.read(value)
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
