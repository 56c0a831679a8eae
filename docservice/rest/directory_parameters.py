"""The parameters of the lists of the directory."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from docservice.domain.directory.records import SECTIONS
from docservice.domain.requests.directory_pages import ROLE_FILTERS, DirectoryFilters
from docservice.domain.requests.document_pages import DEFAULT_PAGE_SIZE
from docservice.rest.list_parameters import CURSOR_PAGES
from docservice.rest.parameters import Parameter, one_of, uuid
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
