"""The parameters of the lists of the directory."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from docservice.domain.directory.records import SECTIONS
from docservice.domain.requests.directory_pages import ROLE_FILTERS, DirectoryFilters
from docservice.domain.requests.document_pages import DEFAULT_PAGE_SIZE
from docservice.errors import FieldError, ValidationFailed
from docservice.rest.list_parameters import CURSOR_PAGES
from docservice.rest.parameters import Parameter, Refused, boolean, one_of, uuid
from docservice.rest.query_strings import QueryString

_WORD = {"type": "string"}

COLLECTION = Parameter("collection", "Which records.", {"type": "string", "enum": list(SECTIONS)}, required=True)


@dataclass(frozen=True)
class DirectoryQuery:
    """What is asked of a list of the directory."""

    filters: DirectoryFilters
    page_size: int
    cursor: str | None


def _query(values: dict[str, Any]) -> DirectoryQuery:
    size, cursor = values.pop("page_size", DEFAULT_PAGE_SIZE), values.pop("cursor", None)
    return DirectoryQuery(DirectoryFilters(**values), size, cursor)


@dataclass(frozen=True)
class WriteQuery:
    """How records that are sent count.

    Attributes:
        replaces: the lists are whole: what they lack is withdrawn.
        facility: which facility's; None: the content says it.
        force: withdraw even most of the people.
    """

    replaces: bool
    facility: str | None
    force: bool

    def require_nothing_to_replace(self) -> None:
        """Check that a request which replaces nothing does not say what to replace.

        Raises:
            ValidationFailed: it does. The sign-in is asked for before this check.
        """
        sent = [name for name, value in (("facility", self.facility), ("force", self.force)) if value]
        if sent:
            message = "This is a parameter of mode=replace."
            raise ValidationFailed([FieldError((name,), "invalid", message) for name in sent])


def _write_query(values: dict[str, Any]) -> WriteQuery:
    return WriteQuery(values.get("mode") == "replace", values.get("facility"), bool(values.get("force")))


def _truth(text: str) -> bool:
    value = boolean(text)
    if value is None:
        raise Refused("Enter true or false.")
    return value


_REPLACEMENT = (
    Parameter("facility", "The facility whose lists are replaced.", read=uuid),
    Parameter("force", "Withdraw even more than half of the people.", {"type": "boolean"}, _truth),
)

UPSERT = QueryString(
    (
        Parameter(
            "mode",
            "`replace` withdraws the records of the facility that the list lacks; `upsert` leaves them.",
            {"type": "string", "enum": ["upsert", "replace"], "default": "upsert"},
            one_of(("upsert", "replace")),
        ),
        *_REPLACEMENT,
    ),
    _write_query,
)
REPLACE = QueryString(
    (
        Parameter(
            "mode", "The lists are whole.", {"type": "string", "enum": ["replace"]}, one_of(("replace",)), required=True
        ),
        *_REPLACEMENT,
    ),
    _write_query,
)

DIRECTORY_LIST = QueryString(
    (
        Parameter("search", "A part of the username, full name, name or title.", _WORD),
        Parameter("username", "People with this username.", _WORD),
        Parameter("user", "Roles or memberships of this person: id, username, or `FACILITY/USERNAME`.", _WORD),
        Parameter("facility", "Records of this facility.", read=uuid),
        Parameter("classroom", "People or records of this class; with `role`, who has that role for it.", read=uuid),
        Parameter("learner_group", "People or memberships of this group.", read=uuid),
        Parameter(
            "role",
            "People with such a role; a `learner` has none.",
            {"type": "string", "enum": list(ROLE_FILTERS)},
            one_of(ROLE_FILTERS),
        ),
        Parameter("kind", "Roles, or content nodes, of this kind.", _WORD),
        Parameter("parent", "Classes of a facility, groups of a class, nodes right below a node.", read=uuid),
        Parameter("channel", "Nodes of this channel.", read=uuid),
        Parameter("content", "Nodes with this content.", read=uuid),
        *CURSOR_PAGES,
    ),
    _query,
)
"""All filters of all lists; one that a list does not have is refused."""
