"""The database of a data directory made again from its documents, so that nothing is left of what was removed.

The engine frees the space of a removed document and does not overwrite it, keeps each change for a while in a log of
its own (the oplog), and has no command that compacts. So all documents, indexes and views are copied into a new
database, on a second engine, and the new one takes the place of the old one, whose files are removed.
"""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Awaitable, Callable
from pathlib import Path

from docservice.engine import account, locks, startup
from docservice.engine.builds import EngineBuild, chosen_build
from docservice.engine.files import (
    EngineFiles,
    connection_string,
    ensure_password,
    refused,
    sync_folder,
    write_private,
)
from docservice.engine.process import EngineProcess, StartFailed
from docservice.errors import EngineInUse, EngineNotRunning, SettingsInvalid

_CACHE_SIZE = "512M"
_LOCK_SECONDS = 20.0
"""How long the engine that this command used before takes to stop, with some to spare."""

Copy = Callable[[str, str], Awaitable[None]]
"""Copies everything from the engine with one address to that with another."""


async def rebuild(data_dir: Path, copy: Copy) -> None:
    """Make the database of a data directory again; nothing else may use it meanwhile.

    Killed on the way, it leaves the old database or the new one in its place, and the rest goes with the next call.
    The disk has to have room for a second copy.

    Args:
        data_dir: data directory of an engine that no other command uses.
        copy: copies everything.

    Raises:
        EngineInUse: another command uses the engine.
        EngineNotInstalled: it is not installed.
        EngineNotRunning: it does not start, or the disk is full.
        SettingsInvalid: the directory cannot be used, or its database has other users, which would be lost.
        StoreError: the copy failed; the old database is as it was.
    """
    files = await asyncio.to_thread(EngineFiles, data_dir)
    try:
        if not await asyncio.to_thread(files.has_database):
            raise SettingsInvalid(f"There is no embedded engine's database in {files.database}.")
        await asyncio.to_thread(files.prepare)
        lock = await asyncio.to_thread(locks.take_within, files.lock, _LOCK_SECONDS)
        if lock is None:
            raise _in_use(files)
        try:
            await _rebuild(files, copy)
        finally:
            locks.release(lock)
    except (StartFailed, account.NotAnswering) as error:
        raise EngineNotRunning(f"The engine's files were not made again: {error}") from error
    except OSError as error:
        raise refused(data_dir, error) from error


async def require_unused(data_dir: Path) -> None:
    """Check that no other command uses the engine of a data directory now.

    Raises:
        EngineInUse: another command does.
        EngineNotRunning: the directory cannot be used.
    """
    try:
        files = await asyncio.to_thread(EngineFiles, data_dir)
        await asyncio.to_thread(files.prepare)
        lock = await asyncio.to_thread(locks.take_within, files.lock, _LOCK_SECONDS)
    except OSError as error:
        raise refused(data_dir, error) from error
    if lock is None:
        raise _in_use(files)
    locks.release(lock)


def _in_use(files: EngineFiles) -> EngineInUse:
    return EngineInUse(
        f"The embedded engine of {files.data_dir} is running, and its files cannot be made again meanwhile. "
        "Stop all commands that use this data directory, then erase again with --compact."
    )


async def _rebuild(files: EngineFiles, copy: Copy) -> None:
    await asyncio.to_thread(_clear, files)
    password = await asyncio.to_thread(ensure_password, files)
    await startup.end_predecessor(files, password)
    build = await asyncio.to_thread(chosen_build, files.data_dir)
    fresh = await asyncio.to_thread(_fresh, files, password)
    old = EngineProcess(files, build, _CACHE_SIZE)
    await startup.retried(lambda: startup.start(old, files, password, port=0))
    try:
        source = connection_string(old.port, password)
        if others := await asyncio.to_thread(account.other_users, source):
            raise SettingsInvalid(
                f"The engine has users that a new database would not have: {', '.join(others)}. Drop them, erase again "
                "with --compact, and make them again."
            )
        await _fill(fresh, build, password, lambda target: copy(source, target))
    finally:
        await old.stop(startup.STOP_SECONDS)
    await asyncio.to_thread(_swap, files, fresh)


async def _fill(files: EngineFiles, build: EngineBuild, password: str, copy: Callable[[str], Awaitable[None]]) -> None:
    engine = EngineProcess(files, build, _CACHE_SIZE)
    await startup.start(engine, files, password, port=0)
    try:
        await copy(connection_string(engine.port, password))
    finally:
        await engine.stop(startup.STOP_SECONDS)
    if code := await engine.wait():
        raise StartFailed(f"the new engine ended with {code}, so what it holds may not be whole")


def _fresh(files: EngineFiles, password: str) -> EngineFiles:
    """Return the files of a second engine, which is to have the same password."""
    fresh = EngineFiles(files.rebuilding)
    fresh.prepare()
    write_private(fresh.password, password + "\n")
    return fresh


def _swap(files: EngineFiles, fresh: EngineFiles) -> None:
    files.database.replace(files.replaced)
    fresh.database.replace(files.database)
    sync_folder(files.directory)
    _clear(files)


def _clear(files: EngineFiles) -> None:
    """Remove what an earlier call has left; if it was killed between two steps, the old database is put back first."""
    files.has_database()
    for folder in (files.rebuilding, files.replaced):
        if folder.exists():
            shutil.rmtree(folder)
