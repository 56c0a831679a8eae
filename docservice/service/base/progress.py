"""The progress of long work, for callers that show it."""

from __future__ import annotations

from typing import Protocol


class Watch(Protocol):
    """Receives the progress of long work; both methods are quick and never raise."""

    def begin(self, part: str, total: int | None = None) -> None:
        """A part of the work begins.

        Args:
            part: what is worked on, in the user's words (`content sessions`).
            total: how many steps it has; None if unknown.
        """

    def advance(self, part: str, steps: int = 1) -> None:
        """Add steps of a part that are done."""


class NoWatch:
    """Ignores the progress."""

    def begin(self, part: str, total: int | None = None) -> None:
        """Ignore it."""

    def advance(self, part: str, steps: int = 1) -> None:
        """Ignore it."""
