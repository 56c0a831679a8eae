"""Work-arounds around the writes of an engine; for MongoDB there are none."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from docservice.store.database.traits import MONGODB, EngineTraits


class EngineGuard:
    """The guard of an engine that needs none.

    Attributes:
        traits: what the engine can and cannot do.
        run: identifies the last known run of the engine; None if that does not matter.
    """

    traits: EngineTraits = MONGODB
    run: object = None

    def __init__(self, traits: EngineTraits = MONGODB) -> None:
        """Guard an engine with these traits."""
        self.traits = traits

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[None]:
        """A block for one transaction, with its repetitions.

        Raises:
            StoreTimeout: the transactions before it took too long.
        """
        yield

    async def confirm(self, run: object) -> None:
        """Make sure that what was acknowledged is stored.

        Args:
            run: of the engine, as it was known before the write.

        Raises:
            StoreUnavailable: it may be lost.
        """

    @asynccontextmanager
    async def writing(self) -> AsyncIterator[None]:
        """A block of writes outside transactions; at its end they are stored.

        Raises:
            StoreUnavailable: some may be lost.
        """
        yield
