"""Events of an embedded engine, for the command that uses it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class EngineEvent:
    """Something happened to the engine.

    Attributes:
        name: `engine-died` and `engine-restarted` (the supervisor brings it back on the same port), `engine-lost` (the
            supervisor has ended), `engine-recovered` (a new supervisor runs it on the same port), `engine-moved` (it
            does on another port: clients must be created again), `engine-recovery-failed` (it will be tried again).
        message: a sentence for the log; holds no secret.
        pid: process id of the engine, or None when it is not known.
        count: how often the engine has been restarted.
    """

    name: str
    message: str
    pid: int | None = None
    count: int = 0

    @property
    def is_trouble(self) -> bool:
        """Whether it deserves a warning."""
        return self.name not in {"engine-restarted", "engine-recovered"}
