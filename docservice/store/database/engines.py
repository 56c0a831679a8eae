"""Recognizes the engine of a server, and chooses its guard, traits and reads."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Any

from docservice.store.database.guard import EngineGuard
from docservice.store.database.port import Database, Document
from docservice.store.database.reads import EngineReads
from docservice.store.database.secantus_python import (
    SET_NAME,
    SecantusPythonGuard,
    SecantusPythonReads,
    is_python_build,
)
from docservice.store.database.traits import SECANTUS_NATIVE, SHARDED


@dataclass(frozen=True)
class ServerAccess:
    """How a guard reaches the server.

    Attributes:
        command: runs a database command once; raises the driver's errors.
        read: likewise, but again on another connection where one was closed.
        transaction_lock: a block that one process at a time is in; see `docservice.engine.transaction_lock`.
        timeout_seconds: how long a transaction waits for those before it.
    """

    command: Callable[[dict[str, Any]], Awaitable[Document]]
    read: Callable[[dict[str, Any]], Awaitable[Document]]
    transaction_lock: Callable[[], AbstractAsyncContextManager[None]]
    timeout_seconds: float


async def guard_of(hello: Document, access: ServerAccess) -> EngineGuard:
    """Return the guard that fits a server.

    Args:
        hello: what the server said of itself.
        access: to it.
    """
    if hello.get("msg") == "isdbgrid":
        return EngineGuard(SHARDED)
    if hello.get("setName") != SET_NAME:
        return EngineGuard()
    if not is_python_build(await access.read({"buildInfo": 1})):
        return EngineGuard(SECANTUS_NATIVE)
    return SecantusPythonGuard(access.command, access.read, access.transaction_lock, access.timeout_seconds, hello)


def reads_of(database: Database) -> EngineReads:
    """Return the questions of one list or export, in the words that the engine of a database understands."""
    traits = database.traits
    plain = traits.sorts_by_index and traits.plans_with_any_prefix
    return EngineReads(database) if plain else SecantusPythonReads(database)
