"""The parameters of all lists of logs: Kolibri's lists of rows, and the lists of documents.

Rule of the former: kolibri/core/logger/api.py (MasteryFilter, AttemptFilter), content/api.py
(OptionalPageNumberPagination).
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from typing import Any

from docservice.domain.requests.document_pages import (
    DEFAULT_PAGE_SIZE,
    MAX_CONTENT_IDS,
    MAX_PAGE_SIZE,
    DocumentFilters,
    FieldChoice,
)
from docservice.domain.requests.field_types import UUID_SCHEMA
from docservice.domain.requests.lists import PEOPLE_FILTERS, LogFilters, Page
from docservice.domain.values.ids import is_hex_id
from docservice.errors import PageNotFound
from docservice.rest.parameters import (
    Parameter,
    boolean,
    id_or_name,
    integer_between,
    number,
    positive_or_none,
    related,
    time,
    uuid,
    uuids,
)
from docservice.rest.query_strings import QueryString

_WORD = {"type": "string"}
_TRUTH = {"type": "boolean"}
_TIME = {"type": "string", "format": "date-time"}


def _by_name(*parameters: Parameter) -> dict[str, Parameter]:
    return {parameter.name: parameter for parameter in parameters}


_GROUPS = (
    Parameter("facility", "Logs of the learners of this facility.", read=uuid),
    Parameter("classroom", "Logs of the learners of this class.", read=uuid),
    Parameter("learner_group", "Logs of the learners of this group.", read=uuid),
)

LOG_FILTERS = _by_name(
    Parameter("masterylog", "Attempts of this mastery log.", read=related),
    Parameter("content", "Logs of this content.", read=uuid),
    Parameter("user", "Logs of this learner.", read=related),
    Parameter("complete", "Logs that are complete, or those that are not.", _TRUTH, boolean),
    Parameter("quiz", "Tries at quizzes, or all others.", _TRUTH, boolean),
    Parameter("item", "Attempts at this question.", _WORD),
    Parameter("mastery_level", "Attempts of mastery logs of this level.", {"type": "number"}, number),
    *_GROUPS,
)
"""Every filter that a list of rows may have."""

_NUMBERED_PAGES = (
    Parameter(
        "page_size",
        "Rows in a page; without it the answer is the whole list.",
        {"type": "integer"},
        positive_or_none,
    ),
    # An empty number is not found, either, as on the real server.
    Parameter("page", "Which page, from 1.", {"type": "integer"}, empty_counts=True),
)

DOCUMENT_FILTERS = _by_name(
    Parameter("user", "Logs of this learner: id, username, or `FACILITY/USERNAME`.", _WORD, id_or_name),
    *_GROUPS,
    Parameter("content", "Logs of this content.", read=uuid),
    Parameter(
        "content_ids",
        "Logs of one of these contents.",
        {"type": "array", "items": UUID_SCHEMA, "maxItems": MAX_CONTENT_IDS},
        uuids(MAX_CONTENT_IDS),
    ),
    Parameter("topic", "Logs of content below this node in its channel.", read=uuid),
    Parameter("channel", "Logs of content sessions through this channel.", read=uuid),
    Parameter("kind", "Logs of this kind of content.", _WORD),
    Parameter("exam", "Logs of this exam.", read=uuid),
    Parameter("start_after", "Logs that start at this time or later.", _TIME, time),
    Parameter("start_before", "Logs that start earlier than this.", _TIME, time),
)
"""Every filter that a list of documents may have."""

CURSOR_PAGES = (
    Parameter(
        "page_size",
        "The most documents of a page.",
        {"type": "integer", "minimum": 1, "maximum": MAX_PAGE_SIZE, "default": DEFAULT_PAGE_SIZE},
        integer_between(1, MAX_PAGE_SIZE),
    ),
    Parameter("cursor", "`next` of the page before, with the same filters.", _WORD),
)


@dataclass(frozen=True)
class LogQuery:
    """What is asked of a list of rows.

    Attributes:
        page: None asks for the whole list.
    """

    filters: LogFilters
    page: Page | None


@dataclass(frozen=True)
class DocumentQuery:
    """What is asked of a list of documents.

    Attributes:
        filters: what it is narrowed to.
        username: the learner to narrow it to besides, by name; None: the filters say it by id, or not at all.
        fields: the parts to show.
        page_size: the most documents of a page.
        cursor: where it starts; None: at the beginning.
    """

    filters: DocumentFilters
    username: str | None
    fields: FieldChoice
    page_size: int
    cursor: str | None


def log_list(offered: Sequence[str], required: Collection[str] = (), *, paged: bool = True) -> QueryString[LogQuery]:
    """Return the query string of a list of rows, by Kolibri's lenient rules.

    Args:
        offered: the filters of the list, in Kolibri's order.
        required: those that must be sent, if only empty.
        paged: whether a page of it can be asked for.
    """
    filters = tuple(replace(LOG_FILTERS[name], required=name in required) for name in offered)
    return QueryString((*filters, *(_NUMBERED_PAGES if paged else ())), _log_query, strict=False)


def _log_query(values: dict[str, Any]) -> LogQuery:
    size, page = values.pop("page_size", None), values.pop("page", "1")
    return LogQuery(LogFilters(**values), None if size is None else Page(size, _page_number(page)))


def _page_number(text: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise PageNotFound() from None


def document_list(offered: Sequence[str], paths: Collection[str]) -> QueryString[DocumentQuery]:
    """Return the query string of a list of documents.

    Args:
        offered: the filters of the list.
        paths: of the fields that its documents have.
    """
    filters = tuple(DOCUMENT_FILTERS[name] for name in offered)
    return QueryString((*filters, *CURSOR_PAGES, _fields(paths)), _document_query)


def _document_query(values: dict[str, Any]) -> DocumentQuery:
    fields, cursor = values.pop("fields", FieldChoice()), values.pop("cursor", None)
    size = values.pop("page_size", DEFAULT_PAGE_SIZE)
    username = None if is_hex_id(values.get("user", "0" * 32)) else values.pop("user")
    people = LogFilters(**{name: values.pop(name) for name in PEOPLE_FILTERS if name in values})
    return DocumentQuery(DocumentFilters(people=people, **values), username, fields, size, cursor)


def one_document(paths: Collection[str]) -> QueryString[FieldChoice]:
    """Return the query string of a single document, which chooses the parts to show.

    Args:
        paths: of the fields that the document has.
    """
    return QueryString((_fields(paths),), lambda values: values.get("fields", FieldChoice()))


def _fields(paths: Collection[str]) -> Parameter:
    """Return the parameter that chooses parts of a document; see `FieldChoice.parse`."""
    choices = sorted(path for path in paths if "." not in path) + [f"-{path}" for path in sorted(paths)]
    return Parameter(
        "fields",
        "The parts to show: `progress,kind` only these, `-mastery_logs.attempts` all but these.",
        {"type": "array", "items": {"type": "string", "enum": choices}},
        lambda text: FieldChoice.parse(text, paths),
    )
