"""Progress of long work: bars on a terminal, else a line every few seconds."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from docservice.console import errors, say
from docservice.service.base.progress import Watch

SECONDS_BETWEEN_LINES = 5.0


@contextmanager
def progress() -> Iterator[Watch]:
    """A watch that writes to standard error, so that results can be piped."""
    if not errors.is_terminal:
        yield Lines()
        return
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=errors) as bars:
        yield Bars(bars)


class Bars:
    """A bar for each part."""

    def __init__(self, bars: Progress) -> None:
        self._bars = bars
        self._tasks: dict[str, TaskID] = {}

    def begin(self, part: str, total: int | None = None) -> None:
        """See `Watch.begin`."""
        self._tasks[part] = self._bars.add_task(part, total=total)

    def advance(self, part: str, steps: int = 1) -> None:
        """See `Watch.advance`."""
        self._bars.advance(self._tasks[part], steps)


class Lines:
    """A line every few seconds about the part that is under way."""

    def __init__(self, seconds_between_lines: float = SECONDS_BETWEEN_LINES) -> None:
        self._seconds_between_lines = seconds_between_lines
        self._totals: dict[str, int | None] = {}
        self._done: dict[str, int] = {}
        self._next_line = time.monotonic() + seconds_between_lines

    def begin(self, part: str, total: int | None = None) -> None:
        """See `Watch.begin`."""
        self._totals[part] = total
        self._done[part] = 0

    def advance(self, part: str, steps: int = 1) -> None:
        """See `Watch.advance`."""
        self._done[part] += steps
        if time.monotonic() < self._next_line:
            return
        self._next_line = time.monotonic() + self._seconds_between_lines
        total = self._totals[part]
        say(f"{part}: {self._done[part]:,}" + ("" if total is None else f" of {total:,}"))
