"""Filters of the log lists, as Kolibri's API has them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from docservice.domain.requests.filter_values import ValueKind, normalized, refuse_unused

PEOPLE_FILTERS = ("user", "facility", "classroom", "learner_group")
MASTERY_FILTERS = ("content", "user", "complete", "quiz", "facility", "classroom", "learner_group")
"""The filters of the list of mastery logs."""

ATTEMPT_FILTERS = (
    "masterylog",
    "complete",
    "user",
    "content",
    "item",
    "mastery_level",
    "facility",
    "classroom",
    "learner_group",
)
"""The filters of the list of attempts."""

_KINDS: dict[str, ValueKind] = {
    **dict.fromkeys((*PEOPLE_FILTERS, "content", "masterylog"), "id"),
    **dict.fromkeys(("complete", "quiz"), "boolean"),
    "mastery_level": "number",
    "item": "text",
}


@dataclass(frozen=True)
class LogFilters:
    """What a list is narrowed to; None: not narrowed.

    Ids may be spelled in any way; here they are as logs hold them. Values of other types raise `FilterInvalid`.

    Attributes:
        facility: people of this facility.
        classroom: direct members of this class, or of a group in it.
        learner_group: direct members of this group.
        content: logs of this content.
        user: logs of this person.
        complete: only complete, or only incomplete ones.
        quiz: only tries at quizzes (negative levels), or only others; mastery logs.
        masterylog: attempts of this mastery log.
        mastery_level: attempts of mastery logs of this level.
        item: attempts at this item.
    """

    facility: str | None = None
    classroom: str | None = None
    learner_group: str | None = None
    content: str | None = None
    user: str | None = None
    complete: bool | None = None
    quiz: bool | None = None
    masterylog: str | None = None
    mastery_level: float | None = None
    item: str | None = None

    def __post_init__(self) -> None:
        for name, value in normalized(vars(self), _KINDS).items():
            object.__setattr__(self, name, value)

    def refuse_unused(self, offered: Iterable[str]) -> None:
        """Check that only filters of this list have a value.

        Raises:
            FilterInvalid: with every other one.
        """
        refuse_unused(vars(self), offered)


@dataclass(frozen=True)
class Page:
    """Which part of a list is asked for.

    Attributes:
        size: how many rows a page has, at least 1.
        number: counted from 1.
    """

    size: int
    number: int = 1
