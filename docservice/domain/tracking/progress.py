"""Progress and time of a log: how a report changes them."""

from __future__ import annotations

import math

from docservice.errors import FieldError, ValidationFailed

COMPLETE = 1.0


def normalize(progress: float) -> float:
    """Progress rounded up to three decimal places and kept within 0..1.

    The ceiling works on the binary product, so float noise counts (0.1 + 0.2 gives 0.301), as on the real server.
    Rule: kolibri/core/logger/api.py, _normalize_progress.
    """
    return max(0.0, min(1.0, math.ceil(progress * 1000) / 1000))


def advance(old: float, *, progress: float | None, progress_delta: float | None) -> float:
    """Return the progress after a report; `old` if the report says nothing of it.

    Args:
        old: the log's own progress, 0..1.
        progress: the new value, may be lower than `old`.
        progress_delta: what to add; wins over `progress`.
    """
    if progress_delta is not None:
        return normalize(old + progress_delta)
    if progress is not None:
        return normalize(progress)
    return old


def add_time(old: float | None, delta: float) -> float:
    """Seconds spent so far plus `delta`.

    Raises:
        ValidationFailed: the sum is not a finite number.
    """
    total = (old or 0.0) + delta
    if not math.isfinite(total):
        raise ValidationFailed([FieldError(("time_spent_delta",), "max_value", "The total time is too large.")])
    return total


def is_complete(progress: float) -> bool:
    """Whether progress has reached the end."""
    return progress >= COMPLETE
