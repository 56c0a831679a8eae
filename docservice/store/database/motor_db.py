"""A Motor database as the database of the repositories.

Motor runs PyMongo's blocking client in threads behind almost the same methods, so that the adapter of PyMongo does
for it but for three things: sessions, aggregations, and the event loop that a client belongs to. Deadlines
(`pymongo.timeout`) reach Motor's threads, because it hands them the context of the caller.
Rule: motor/core.py and motor/frameworks/asyncio, release 3.7.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, Any, cast

from pymongo.errors import PyMongoError, ServerSelectionTimeoutError

from docservice.errors import StoreTimeout
from docservice.store.database.port import Document, Result
from docservice.store.database.pymongo_db import ACKNOWLEDGED, SNAPSHOT, PyMongoDatabase

if TYPE_CHECKING:
    from motor.motor_asyncio import AsyncIOMotorDatabase

_FIRST_PAUSE_SECONDS = 0.005
_LONGEST_PAUSE_SECONDS = 0.5


class MotorDatabase(PyMongoDatabase):
    """A borrowed `AsyncIOMotorDatabase` with this project's codec, write concern and errors."""

    def __init__(
        self,
        database: AsyncIOMotorDatabase[Document],
        *,
        timeout_seconds: float,
        on_session: Callable[[bytes], None] | None = None,
    ) -> None:
        """Wrap a database of a client that the caller has made; see `PyMongoDatabase`."""
        super().__init__(cast("Any", database), owned=False, timeout_seconds=timeout_seconds, on_session=on_session)
        self._client: Any = database.client

    async def require_transactions(self) -> None:
        """See `PyMongoDatabase.require_transactions`.

        Raises:
            RuntimeError: the client belongs to another event loop.
        """
        if self._client.get_io_loop() is not asyncio.get_running_loop():
            raise RuntimeError("The Motor client belongs to another event loop. Make it inside the running one.")
        await super().require_transactions()

    async def _in_transaction(self, action: Callable[[Any], Awaitable[Result]]) -> Result:
        # Motor's own `with_transaction` has no deadline: after one it goes on for two minutes, without a
        # pause. PyMongo's stops there and pauses between runs, and so does this.
        deadline = time.monotonic() + self._timeout_seconds
        pause = _FIRST_PAUSE_SECONDS
        async with self._session() as session:
            while True:
                try:
                    async with session.start_transaction(read_concern=SNAPSHOT, write_concern=ACKNOWLEDGED):
                        result = await action(session)
                        if session.in_transaction:  # the action may have ended it
                            await _commit(session, deadline)
                    return result
                except PyMongoError as error:
                    if not error.has_error_label("TransientTransactionError"):
                        raise
                    if isinstance(error, ServerSelectionTimeoutError):  # it has waited for a server long enough
                        raise
                    wait = random.uniform(0, pause)  # noqa: S311 - two losers of a race should not meet again
                    if time.monotonic() + wait >= deadline:
                        raise StoreTimeout(f"The transaction did not get through in time: {error}") from error
                    await asyncio.sleep(wait)
                    pause = min(pause * 1.5, _LONGEST_PAUSE_SECONDS)

    async def _start_session(self) -> Any:
        return await self._client.start_session()

    async def _server(self) -> tuple[str, int]:
        with self.guarded():
            # The blocking client waits for a server here.
            return await asyncio.to_thread(lambda: self._client.address) or ("?", 0)

    async def _aggregation(self, collection: str, pipeline: list[Mapping[str, Any]]) -> Any:
        # Not awaited: the command is sent when the first batch is asked for.
        return cast("Any", self._database)[collection].aggregate(pipeline)


async def _commit(session: Any, deadline: float) -> None:
    """Commit, again while the answer is unknown: the server commits a transaction once, however often it is asked."""
    while True:
        try:
            await session.commit_transaction()
            return
        except PyMongoError as error:
            unknown = error.has_error_label("UnknownTransactionCommitResult")
            if not unknown or error.timeout or time.monotonic() >= deadline:
                raise
