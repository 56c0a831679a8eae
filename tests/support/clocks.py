"""Clocks for services whose time stands still."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime


def stopped_at(moment: datetime) -> Callable[[], datetime]:
    """A clock that always shows one moment."""
    return lambda: moment
