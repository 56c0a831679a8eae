"""Rounds sums for answers and files."""

from __future__ import annotations

_DECIMALS = 6


def rounded_sum(total: float) -> float:
    """Return a sum of floats, rounded to millionths (microseconds): 1462.5 for 1462.4999999999998.

    What is stored stays as it is, so that a later sum is the same as on the device.
    """
    return round(total, _DECIMALS)
