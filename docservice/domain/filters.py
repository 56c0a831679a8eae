"""Filters of the log lists, as Kolibri's API has them."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class LogFilters:
    """What a list is narrowed to; None: not narrowed.

    Attributes:
        facility: people of this facility.
        classroom: direct members of this class, or of a group in it.
        learner_group: direct members of this group.
        content: logs of this content.
        user: logs of this person.
        complete: only complete, or only incomplete ones.
        quiz: only tries at quizzes (negative levels), or only others; mastery logs.
        masterylog: attempts of this try.
        mastery_level: attempts of tries of this level.
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


@dataclass(frozen=True)
class Page:
    """Which part of a list is asked for.

    Attributes:
        size: how many rows a page has, at least 1.
        number: counted from 1.
    """

    size: int
    number: int = 1
