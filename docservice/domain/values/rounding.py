"""Adds up numbers and rounds the sums, for answers and files."""

from __future__ import annotations

import math
import sys
from collections.abc import Iterable

_DECIMALS = 6


def rounded_sum(total: float) -> float:
    """Return a sum of floats, rounded to millionths (microseconds): 1462.5 for 1462.4999999999998.

    What is stored stays as it is, so that a later sum is the same as on the device.
    """
    return round(finite(total), _DECIMALS)


def exact_sum(values: Iterable[float]) -> float:
    """Return the sum of floats without the dust of adding them one by one."""
    numbers = list(values)
    try:
        return math.fsum(numbers)
    except OverflowError:
        return finite(sum(numbers))


def finite(total: float) -> float:
    """Return a sum, or the largest number in place of one that grew past it: JSON has no infinity."""
    return max(-sys.float_info.max, min(total, sys.float_info.max))
