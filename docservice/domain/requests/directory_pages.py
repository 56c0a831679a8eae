"""Requests for lists of the directory: which filters each list has."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass

from docservice.domain.requests.filter_values import ValueKind, normalized, refuse_unused
from docservice.errors import FieldError, FilterInvalid

ROLE_FILTERS = ("admin", "coach", "classroom assignable coach", "learner")
"""The kinds of roles that people can be listed by; a learner is a person without a role."""

LONGEST_SEARCH = 200
"""Engines refuse patterns of some thousand characters, and no name is that long."""

_KINDS: dict[str, ValueKind] = {
    **dict.fromkeys(("search", "username", "user", "role", "kind"), "text"),
    **dict.fromkeys(("facility", "classroom", "learner_group", "parent", "channel", "content"), "id"),
}

_GROUPED = ("search", "facility", "parent", "classroom")
_MADE_FOR_A_CLASS = ("search", "facility", "classroom")
DIRECTORY_FILTERS: dict[str, tuple[str, ...]] = {
    "datasets": ("facility",),
    "facilities": ("search", "facility"),
    "classrooms": ("search", "facility", "parent"),
    "learnergroups": _GROUPED,
    "adhoclearnersgroups": _GROUPED,
    "users": ("search", "username", "facility", "classroom", "learner_group", "role"),
    "roles": ("user", "facility", "classroom", "kind"),
    "memberships": ("user", "facility", "classroom", "learner_group"),
    "exams": _MADE_FOR_A_CLASS,
    "lessons": _MADE_FOR_A_CLASS,
    "course_sessions": _MADE_FOR_A_CLASS,
    "content_nodes": ("search", "parent", "channel", "content", "kind"),
    "channels": ("search",),
}
"""The filters that each list of the directory has."""

_SEARCHED = {
    "users": ("username", "full_name"),
    **dict.fromkeys(("exams", "lessons", "course_sessions", "content_nodes"), ("title",)),
}


@dataclass(frozen=True)
class DirectoryFilters:
    """What a list of the directory is narrowed to; None: not narrowed.

    Ids may be spelled in any way; here they are as records hold them. Values of other types raise `FilterInvalid`, and
    so does a filter that the list does not have.

    Attributes:
        search: a part of the username or full name, of a name or a title; upper and lower case are the same.
        username: people with this username; upper and lower case are the same.
        user: roles and memberships of this person: an id, a username, or `FACILITY/USERNAME`.
        facility: records of this facility.
        classroom: people in this class or in a group of it; groups, memberships, roles, quizzes, lessons and courses
            of it. With `role`: people who have that role for it.
        learner_group: people or memberships of this group.
        role: people who have such a role, one of `ROLE_FILTERS`.
        kind: roles, or content nodes, of this kind.
        parent: classes of this facility, groups of this class, nodes right below this node.
        channel: nodes of this channel.
        content: nodes with this content.
    """

    search: str | None = None
    username: str | None = None
    user: str | None = None
    facility: str | None = None
    classroom: str | None = None
    learner_group: str | None = None
    role: str | None = None
    kind: str | None = None
    parent: str | None = None
    channel: str | None = None
    content: str | None = None

    def __post_init__(self) -> None:
        for name, value in normalized(vars(self), _KINDS).items():
            object.__setattr__(self, name, value)
        if self.search is not None and len(self.search) > LONGEST_SEARCH:
            message = f"A text to search for has at most {LONGEST_SEARCH} characters."
            raise FilterInvalid([FieldError(("search",), "invalid", message)])
        if self.role is not None and self.role not in ROLE_FILTERS:
            message = f"The roles are {', '.join(ROLE_FILTERS)}."
            raise FilterInvalid([FieldError(("role",), "invalid", message)])

    def refuse_unused(self, section: str) -> None:
        """Check that only filters of a list have a value.

        Raises:
            FilterInvalid: with every other one.
        """
        refuse_unused(vars(self), DIRECTORY_FILTERS[section])

    def digest(self, section: str) -> str:
        """Return a short text that stays the same as long as the filters and the list do."""
        text = json.dumps([section, vars(self)], sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:16]


def searched_fields(section: str) -> tuple[str, ...]:
    """Return the fields of a list that `search` looks at."""
    return _SEARCHED.get(section, ("name",))
