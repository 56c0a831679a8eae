"""The progress of long work, for callers that show it."""

from __future__ import annotations

from typing import Protocol


class Watch(Protocol):
    """Somebody who watches long work; both methods are quick and never raise."""

    def begin(self, part: str, total: int | None = None) -> None:
        """A part of the work begins.

        Args:
            part: what is worked on, in the user's words (`content sessions`).
            total: how many steps it has; None if nobody knows.
        """

    def advance(self, part: str, steps: int = 1) -> None:
        """So many more steps of a part are done."""


class NoWatch:
    """Nobody watches."""

    def begin(self, part: str, total: int | None = None) -> None:
        """Say nothing."""

    def advance(self, part: str, steps: int = 1) -> None:
        """Say nothing."""
