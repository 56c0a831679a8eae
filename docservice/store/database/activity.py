"""Counters of a database connection since it was made."""

from __future__ import annotations

from pymongo.monitoring import (
    ConnectionCheckedInEvent,
    ConnectionCheckedOutEvent,
    ConnectionCheckOutFailedEvent,
    ConnectionCheckOutStartedEvent,
    ConnectionClosedEvent,
    ConnectionCreatedEvent,
    ConnectionPoolListener,
    ConnectionReadyEvent,
    PoolClearedEvent,
    PoolClosedEvent,
    PoolCreatedEvent,
    PoolReadyEvent,
)


class Activity:
    """Counts of one database.

    Attributes:
        transactions: actions that were begun in a transaction.
        transaction_retries: how often one of them was begun again, after a write conflict or a lost race.
        pool: the connections of an own client; None for a borrowed one, which is its owner's to watch.
    """

    def __init__(self) -> None:
        self.transactions = 0
        self.transaction_retries = 0
        self.pool: PoolActivity | None = None


class PoolActivity(ConnectionPoolListener):
    """Counts of a client's connections, from events of the driver.

    Attributes:
        open: connections to the servers.
        in_use: those that a statement uses now.
        waiting: statements that wait for one.
        failed: statements that did not get one in time.
    """

    def __init__(self) -> None:
        self.open = 0
        self.in_use = 0
        self.waiting = 0
        self.failed = 0

    def connection_created(self, event: ConnectionCreatedEvent) -> None:
        """See `ConnectionPoolListener`."""
        self.open += 1

    def connection_closed(self, event: ConnectionClosedEvent) -> None:
        """See `ConnectionPoolListener`."""
        self.open -= 1

    def connection_check_out_started(self, event: ConnectionCheckOutStartedEvent) -> None:
        """See `ConnectionPoolListener`."""
        self.waiting += 1

    def connection_checked_out(self, event: ConnectionCheckedOutEvent) -> None:
        """See `ConnectionPoolListener`."""
        self.waiting -= 1
        self.in_use += 1

    def connection_check_out_failed(self, event: ConnectionCheckOutFailedEvent) -> None:
        """See `ConnectionPoolListener`."""
        self.waiting -= 1
        self.failed += 1

    def connection_checked_in(self, event: ConnectionCheckedInEvent) -> None:
        """See `ConnectionPoolListener`."""
        self.in_use -= 1

    def connection_ready(self, event: ConnectionReadyEvent) -> None:
        """Nothing to count."""

    def pool_created(self, event: PoolCreatedEvent) -> None:
        """Nothing to count."""

    def pool_ready(self, event: PoolReadyEvent) -> None:
        """Nothing to count."""

    def pool_cleared(self, event: PoolClearedEvent) -> None:
        """Nothing to count."""

    def pool_closed(self, event: PoolClosedEvent) -> None:
        """Nothing to count."""
