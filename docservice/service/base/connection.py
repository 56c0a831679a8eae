"""The connection of a service to its database: opens and closes it if the service owns it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import AsyncExitStack
from pathlib import Path

from docservice.domain.values.database_names import DEFAULT_DATABASE, named_database
from docservice.engine import EmbeddedEngine, EngineEvent
from docservice.engine.disk_space import DiskSpace
from docservice.errors import NotEntered
from docservice.store.database.adapters import DatabaseSource, adapted
from docservice.store.database.port import Database
from docservice.store.database.pymongo_db import PyMongoDatabase


class Connection:
    """An own embedded engine, an own client of an address, or a borrowed handle; entered, it gives the database.

    Attributes:
        engine: the embedded engine while it is used.
    """

    def __init__(
        self,
        source: DatabaseSource,
        *,
        database: str | None,
        data_dir: Path,
        timeout_seconds: float,
        min_free_disk_bytes: int,
        on_engine_event: Callable[[EngineEvent], None] | None,
        on_session: Callable[[bytes], None] | None = None,
    ) -> None:
        """See `DocService`.

        Raises:
            TypeError: the source is none of these.
            ValueError: a handle and a name are given.
        """
        if source is not None and not isinstance(source, str):
            adapted(source, timeout_seconds=timeout_seconds)
            if database is not None:
                raise ValueError("A database handle has a name: give either the handle or an address and a name.")
        self.engine: EmbeddedEngine | None = None
        self._source = source
        named = named_database(source) if isinstance(source, str) else None
        self._name = database or named or DEFAULT_DATABASE
        self._data_dir = data_dir
        self._timeout_seconds = timeout_seconds
        self._min_free_disk_bytes = min_free_disk_bytes
        self._on_engine_event = on_engine_event
        self._on_session = on_session
        self._exit: AsyncExitStack | None = None
        self._own: PyMongoDatabase | None = None
        self._moves: set[asyncio.Task[None]] = set()

    @property
    def address(self) -> str:
        """See `DocService.connection_string`."""
        if isinstance(self._source, str):
            return self._source
        if self._source is not None:
            raise ValueError("The database handle is the program's own: ask its client for the address.")
        if self.engine is None:
            raise NotEntered(
                "The embedded engine has no address before the service is entered: async with DocService() as logs."
            )
        return self.engine.uri

    async def __aenter__(self) -> Database:
        """Start or join the engine, connect; see `DocService.__aenter__` for the errors."""
        if self._exit is not None:
            raise RuntimeError("The service is entered already. Make another one: they can share a database.")
        self._exit = AsyncExitStack()
        try:
            async with self._exit:
                database = await self._opened(self._exit)
                await database.require_transactions()
                self._exit = self._exit.pop_all()
        except BaseException:
            self._exit = None
            raise
        return database

    async def __aexit__(self, *details: object) -> None:
        """Close what is our own, last made first."""
        stack, self._exit = self._exit, None
        if stack is not None:
            await stack.aclose()

    async def _opened(self, stack: AsyncExitStack) -> PyMongoDatabase:
        if self._source is not None and not isinstance(self._source, str):
            return adapted(self._source, timeout_seconds=self._timeout_seconds, on_session=self._on_session)
        has_room = transaction_lock = None
        if self._source is None:
            has_room = DiskSpace(self._data_dir, self._min_free_disk_bytes).require
            stack.callback(setattr, self, "engine", None)
            engine = EmbeddedEngine(self._data_dir, on_event=self._engine_event)
            self.engine = await stack.enter_async_context(engine)
            transaction_lock = engine.turn
        self._own = PyMongoDatabase.connect(
            self.address,
            self._name,
            timeout_seconds=self._timeout_seconds,
            has_room=has_room,
            transaction_lock=transaction_lock,
            on_session=self._session_used,
        )
        stack.push_async_callback(self._close_own)
        return self._own

    async def _close_own(self) -> None:
        if self._moves:
            await asyncio.wait(self._moves)
        if self._own is not None:
            await self._own.close()
            self._own = None

    def _session_used(self, session_id: bytes) -> None:
        if self.engine is not None:
            self.engine.name_session(session_id)
        if self._on_session is not None:
            self._on_session(session_id)

    def _engine_event(self, event: EngineEvent) -> None:
        if event.name == "engine-moved" and self.engine is not None and self._own is not None:
            move = asyncio.create_task(self._own.move(self.engine.uri))
            self._moves.add(move)
            move.add_done_callback(self._moves.discard)
        if self._on_engine_event is not None:
            self._on_engine_event(event)
