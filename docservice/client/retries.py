"""Retries of requests: how often, and after which delay."""

from __future__ import annotations

import math
import random
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

RETRIED_STATUSES = frozenset({429, 502, 503, 504})
"""Answers that say: not now."""


@dataclass(frozen=True)
class Retries:
    """How often a request is sent and how long to wait in between.

    Attributes:
        attempts: how often a request is sent at most; 1: never again.
        first_delay_seconds: about how long to wait after the first failure; it doubles with each further one.
        longest_delay_seconds: never wait longer; a service that asks for more time is given up.
    """

    attempts: int = 5
    first_delay_seconds: float = 0.2
    longest_delay_seconds: float = 10.0

    def delay_seconds(self, attempt: int, retry_after: str | None = None) -> float | None:
        """Return how long to wait after a failure; None: give up.

        Args:
            attempt: how often the request was sent, from 1.
            retry_after: the header of the answer, seconds or a date; what it asks for is kept, other text ignored.
        """
        if attempt >= self.attempts:
            return None
        server_seconds = _asked_seconds(retry_after)
        if server_seconds > self.longest_delay_seconds:
            return None
        delay = min(self.longest_delay_seconds, self.first_delay_seconds * 2.0 ** min(attempt - 1, 60))
        # Half of it is left to chance, so that clients that failed together do not come back together.
        return max(server_seconds, delay * random.uniform(0.5, 1.0))  # noqa: S311


def _asked_seconds(retry_after: str | None) -> float:
    """Return what `Retry-After` asks for; 0 if it says nothing that can be read. Rule: RFC 9110, section 10.2.3."""
    if not retry_after:
        return 0.0
    if retry_after.isascii() and retry_after.isdigit():
        return float(retry_after) if len(retry_after) < 10 else math.inf
    try:
        moment = parsedate_to_datetime(retry_after)
    except ValueError:
        return 0.0
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return max(0.0, (moment - datetime.now(UTC)).total_seconds())
