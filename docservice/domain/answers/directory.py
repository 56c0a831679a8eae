"""The answer to writes into the directory."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Upserted:
    """How many records a write created, changed and found unchanged, and left out because their person was erased."""

    created: int = 0
    changed: int = 0
    unchanged: int = 0
    erased: int = 0

    def __add__(self, other: Upserted) -> Upserted:
        return Upserted(
            self.created + other.created,
            self.changed + other.changed,
            self.unchanged + other.unchanged,
            self.erased + other.erased,
        )
