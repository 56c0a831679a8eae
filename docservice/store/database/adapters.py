"""The types of a database that a program may pass, and the adapter for each driver."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeAlias

from pymongo.asynchronous.database import AsyncDatabase

from docservice.store.database.motor_db import MotorDatabase
from docservice.store.database.pymongo_db import PyMongoDatabase

if TYPE_CHECKING:
    from motor.motor_asyncio import AsyncIOMotorDatabase

    DatabaseHandle: TypeAlias = AsyncDatabase[Any] | AsyncIOMotorDatabase[Any]
else:
    # Tools that read annotations at run time get the types that can be named without importing Motor.
    DatabaseHandle = AsyncDatabase[Any] | Any
"""A database of a program's own client."""

DatabaseSource: TypeAlias = str | DatabaseHandle | None
"""An address, a handle, or None for the embedded engine."""


def adapted(
    handle: object, *, timeout_seconds: float, on_session: Callable[[bytes], None] | None = None
) -> PyMongoDatabase:
    """Return the adapter of a handle, which stays the program's: closing the adapter leaves it open.

    Args:
        handle: a `DatabaseHandle`.
        timeout_seconds: deadline for each transaction or guarded block.
        on_session: see `Sessions`.

    Raises:
        TypeError: it is none; the message says what to give.
    """
    # Handles of both drivers have an attribute for any name, and no truth value: only their type is reliable.
    if isinstance(handle, AsyncDatabase):
        return PyMongoDatabase(handle, owned=False, timeout_seconds=timeout_seconds, on_session=on_session)
    # A program that holds a Motor handle has imported Motor; for others it is not imported.
    motor = sys.modules.get("motor.motor_asyncio")
    if motor is not None and isinstance(handle, motor.AsyncIOMotorDatabase):
        return MotorDatabase(handle, timeout_seconds=timeout_seconds, on_session=on_session)
    kind = type(handle)
    raise TypeError(
        f"DocService takes a MongoDB address, a PyMongo AsyncDatabase, a Motor AsyncIOMotorDatabase or nothing, not "
        f"{kind.__module__}.{kind.__qualname__}. Of a client give a database: DocService(client['logs'])."
    )
