"""The clock: base class of the parts of the service that take the time."""

from __future__ import annotations

from collections.abc import Callable
from copy import copy
from datetime import datetime
from typing import Self

from docservice.domain.values.times import to_milliseconds


class Clocked:
    """Something that reads a clock, which loading the past replaces."""

    def __init__(self, clock: Callable[[], datetime]) -> None:
        """Read `clock`, which gives the current time, aware."""
        self._clock = clock

    def now(self) -> datetime:
        """Return the current time as it is kept: aware, cut to milliseconds."""
        return to_milliseconds(self._clock())

    def with_clock(self, clock: Callable[[], datetime]) -> Self:
        """Return the same under another clock."""
        other = copy(self)
        other._clock = clock
        return other
