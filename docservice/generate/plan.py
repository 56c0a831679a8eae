"""The plan of a data set: its size, its seed, and the days that it covers. Everything else follows from them."""

from __future__ import annotations

import random
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta

from docservice.domain.values.ids import record_id

LEARNERS_OF_A_CLASS = 30
_TERM_WEEKS = 12
_HALF_TERM_WEEK = 6
MOST_WEEKS = 520
"""Ten years: longer than learners stay at a school; all logs of one learner are made at once."""


@dataclass(frozen=True)
class Plan:
    """The size of a data set and the seed of its chance.

    Two plans that are equal give the same data set; its ids follow from the plan, so that data sets of different
    plans can be in one database.

    Attributes:
        seed: any integer.
        learners: at least 1.
        weeks: from 1 to `MOST_WEEKS`, whole weeks from Monday to Sunday.
        channels: at least 1, of about 90 contents each.
        classes: None for one for each 30 learners.
    """

    seed: int = 1
    learners: int = 100
    weeks: int = 8
    channels: int = 2
    classes: int | None = None

    def __post_init__(self) -> None:
        """Give the plan the number of its classes.

        Raises:
            ValueError: a size is less than 1, there are more classes than learners, or too many weeks.
        """
        if self.classes is None:
            object.__setattr__(self, "classes", -(-self.learners // LEARNERS_OF_A_CLASS))
        for name in ("learners", "weeks", "channels", "classes"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1")
        if self.weeks > MOST_WEEKS:
            raise ValueError(f"weeks must be at most {MOST_WEEKS}")
        if self.class_count > self.learners:
            raise ValueError("there cannot be more classes than learners")

    @property
    def class_count(self) -> int:
        """How many classes there are."""
        return self.classes or 1

    @property
    def key(self) -> str:
        """A text that no other plan has."""
        return f"{self.seed}/{self.learners}/{self.weeks}/{self.channels}/{self.classes}"

    @property
    def dataset_id(self) -> str:
        """Of the one facility."""
        return self.id("dataset")

    @property
    def facility_id(self) -> str:
        """The one facility."""
        return self.id("facility")

    def id(self, what: str) -> str:
        """Return the id of a record of the directory, by a name that it has in the plan."""
        return record_id("docservice-generate", f"{self.key}:{what}", "generated")

    def chance(self, what: str) -> random.Random:
        """Chance for one part of the data set, independent of all other parts."""
        return random.Random(f"{self.key}:{what}")


@dataclass(frozen=True)
class Calendar:
    """The days that a plan covers.

    Weeks are counted from the first one, and holidays with them: data sets of the same plan that end on different days
    are the same but for a shift by whole weeks.

    Attributes:
        first: a Monday.
        weeks: how many.
    """

    first: date
    weeks: int

    @classmethod
    def ending(cls, until: date, weeks: int) -> Calendar:
        """Return the weeks before a day: the last one ends on the last Sunday that is not after it."""
        sunday = until - timedelta(days=(until.weekday() + 1) % 7)
        return cls(sunday + timedelta(days=1 - 7 * weeks), weeks)

    def moment(self, week: int, weekday: int, hour: float = 0) -> datetime:
        """Return a time: UTC, whole seconds; weekday 0 is Monday."""
        day = self.first + timedelta(weeks=week, days=weekday)
        return datetime.combine(day, time(), UTC) + timedelta(seconds=round(hour * 3600))

    def is_school_day(self, week: int, weekday: int) -> bool:
        """Monday to Friday, but for half-term, the week between terms, and the Monday of every fifth week."""
        if weekday > 4:
            return False
        week_of_term = week % _TERM_WEEKS
        if week_of_term in (_HALF_TERM_WEEK, _TERM_WEEKS - 1):
            return False
        return not (weekday == 0 and week % 5 == 4)
