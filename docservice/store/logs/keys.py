"""What finds a log on every kind of server."""

from __future__ import annotations

from typing import NamedTuple


class LogKey(NamedTuple):
    """A log and its partition, which is the shard key."""

    partition: str
    log_id: str
