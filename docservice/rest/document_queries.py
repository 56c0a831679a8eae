"""Query strings of the lists of documents. Unlike Kolibri's lists they refuse what they do not know."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from docservice.domain.requests.document_pages import (
    DEFAULT_PAGE_SIZE,
    MAX_CONTENT_IDS,
    MAX_PAGE_SIZE,
    DocumentFilters,
    FieldChoice,
)
from docservice.domain.requests.field_types import UUID_SCHEMA
from docservice.domain.requests.lists import LogFilters
from docservice.domain.values.ids import parse_uuid
from docservice.domain.values.times import read_time
from docservice.errors import FieldError, ValidationFailed
from docservice.rest.operations import Parameter

_PAGING = ("page_size", "cursor")
_PEOPLE = ("user", "facility", "classroom", "learner_group")


@dataclass(frozen=True)
class DocumentQuery:
    """What a query string asks for."""

    filters: DocumentFilters
    fields: FieldChoice
    page_size: int
    cursor: str | None


def _uuid(value: str) -> str:
    try:
        return parse_uuid(value.strip())
    except ValueError:
        raise ValueError("Enter a valid UUID.") from None


def _uuids(value: str) -> tuple[str, ...]:
    listed = [part for part in value.split(",") if part.strip()]
    if len(listed) > MAX_CONTENT_IDS:
        raise ValueError(f"At most {MAX_CONTENT_IDS} ids in a request.")
    try:
        return tuple(sorted({parse_uuid(part.strip()) for part in listed}))
    except ValueError:
        raise ValueError("Enter valid UUIDs, separated by commas.") from None


def _time(value: str) -> Any:
    try:
        return read_time(value.strip())
    except ValueError:
        raise ValueError(
            "Enter a time as 2024-09-02T05:12:24Z or 2024-09-02 05:12:24(Africa/Nairobi). A + is sent as %2B."
        ) from None


def _page_size(value: str) -> int:
    message = f"Enter a number from 1 to {MAX_PAGE_SIZE}."
    try:
        size = int(value)
    except ValueError:
        raise ValueError(message) from None
    if not 1 <= size <= MAX_PAGE_SIZE:
        raise ValueError(message)
    return size


_TIME = {"type": "string", "format": "date-time"}

PARAMETERS: dict[str, Parameter] = {
    parameter.name: parameter
    for parameter in (
        Parameter("user", "Logs of this learner.", read=_uuid),
        Parameter("facility", "Logs of the learners of this facility.", read=_uuid),
        Parameter("classroom", "Logs of the learners of this class.", read=_uuid),
        Parameter("learner_group", "Logs of the learners of this group.", read=_uuid),
        Parameter("content", "Logs of this content.", read=_uuid),
        Parameter(
            "content_ids",
            "Logs of one of these contents.",
            {"type": "array", "items": UUID_SCHEMA, "maxItems": MAX_CONTENT_IDS},
            _uuids,
        ),
        Parameter("topic", "Logs of content that lies below this node in its channel.", read=_uuid),
        Parameter("channel", "Logs of visits through this channel.", read=_uuid),
        Parameter("kind", "Logs of this kind of content.", {"type": "string"}),
        Parameter("exam", "Logs of this exam.", read=_uuid),
        Parameter("start_after", "Logs that start at this time or later.", _TIME, _time),
        Parameter("start_before", "Logs that start earlier than this.", _TIME, _time),
        Parameter(
            "page_size",
            "At most so many documents in a page.",
            {"type": "integer", "minimum": 1, "maximum": MAX_PAGE_SIZE, "default": DEFAULT_PAGE_SIZE},
            _page_size,
        ),
        Parameter("cursor", "`next` of the page before, with the same filters.", {"type": "string"}),
    )
}
"""Every parameter that a list of documents may have, but for `fields`."""


def list_parameters(offered: Sequence[str], paths: Collection[str]) -> tuple[Parameter, ...]:
    """The parameters of a list that has these filters and these fields."""
    return (*(PARAMETERS[name] for name in (*offered, *_PAGING)), fields_parameter(paths))


def fields_parameter(paths: Collection[str]) -> Parameter:
    """The parameter that chooses parts of a document with these fields; see `FieldChoice.parse`."""
    choices = sorted(path for path in paths if "." not in path) + [f"-{path}" for path in sorted(paths)]
    return Parameter(
        "fields",
        "The parts to show: `progress,kind` only these, `-mastery_logs.attempts` all but these.",
        {"type": "array", "items": {"type": "string", "enum": choices}},
    )


def document_query(query: Mapping[str, str], offered: Sequence[str], paths: Collection[str]) -> DocumentQuery:
    """Read a query string; empty parameters count as absent.

    Args:
        query: of the request.
        offered: the filters that the list has.
        paths: of the fields that its documents have.

    Raises:
        ValidationFailed: with each parameter that is unknown or does not fit.
    """
    known = (*offered, *_PAGING, "fields")
    errors = _unknown(query, known)
    found: dict[str, Any] = {}
    for name in known:
        value = query.get(name, "")
        if name != "fields" and value.strip():
            try:
                found[name] = PARAMETERS[name].read(value)
            except ValueError as refused:
                errors.append(FieldError((name,), "invalid", str(refused)))
    if errors:
        raise ValidationFailed(errors)
    size, cursor = found.pop("page_size", DEFAULT_PAGE_SIZE), found.pop("cursor", None)
    people = LogFilters(**{name: found.pop(name) for name in _PEOPLE if name in found})
    return DocumentQuery(DocumentFilters(people=people, **found), chosen_fields(query, paths), size, cursor)


def detail_fields(query: Mapping[str, str], paths: Collection[str]) -> FieldChoice:
    """The parts that a request for one document asks for.

    Raises:
        ValidationFailed: it has other parameters, or a field is not known.
    """
    errors = _unknown(query, ("fields",))
    if errors:
        raise ValidationFailed(errors)
    return chosen_fields(query, paths)


def chosen_fields(query: Mapping[str, str], paths: Collection[str]) -> FieldChoice:
    """The parts of a document that `?fields=` asks for; see `FieldChoice.parse`."""
    return FieldChoice.parse(query.get("fields", ""), paths)


def _unknown(query: Mapping[str, str], known: Sequence[str]) -> list[FieldError]:
    message = f"Unknown parameter. Known are: {', '.join(sorted(known))}."
    unknown = [FieldError((name,), "invalid", message) for name in dict.fromkeys(query) if name not in known]
    several = Counter(name for name, _ in query.items())  # of a query string, which may have a name several times
    twice = [name for name in known if several[name] > 1]
    return unknown + [FieldError((name,), "invalid", "Give this parameter once.") for name in twice]
