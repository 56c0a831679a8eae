"""Estimates time and space of a data set before it is made."""

from __future__ import annotations

from dataclasses import dataclass

from docservice.generate.plan import Plan

# For each learner and week. Counts are those of data sets of 20 to 100 learners and 2 to 8 weeks; time and room were
# measured with the embedded engine on a busy machine with two cores, for 40 to 800 learner weeks (for 12,000 it was
# 0.07 seconds and 0.33 MB each).
_LOGS = 45
_ATTEMPTS = 135
_SECONDS = 0.1
_BYTES = 370_000
_EMPTY_BYTES = 10_000_000
"""Of a new store with its indexes."""


@dataclass(frozen=True)
class Estimate:
    """What loading a data set takes, roughly: twice or half as much is possible.

    Attributes:
        logs: visits, summaries, user sessions and exam logs.
        attempts: in these logs.
        seconds: on a small machine.
        bytes: on the disk of the database.
    """

    logs: int
    attempts: int
    seconds: float
    bytes: int


def estimate(plan: Plan) -> Estimate:
    """Return what a plan takes, from rates that were measured; nothing is made for it."""
    learner_weeks = plan.learners * plan.weeks
    return Estimate(
        logs=_LOGS * learner_weeks,
        attempts=_ATTEMPTS * learner_weeks,
        seconds=_SECONDS * learner_weeks,
        bytes=_EMPTY_BYTES + _BYTES * learner_weeks,
    )
