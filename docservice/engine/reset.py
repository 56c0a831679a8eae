"""A new password for the engine of a data directory, when its owner asks for it."""

from __future__ import annotations

import asyncio
from pathlib import Path

from docservice.engine import locks, startup
from docservice.engine.builds import chosen_build
from docservice.engine.files import EngineFiles, make_password, read_password, refused
from docservice.engine.process import EngineProcess, StartFailed
from docservice.errors import EngineInUse, EngineNotRunning, SettingsInvalid

_CACHE_SIZE = "512M"
_LOCK_SECONDS = 0.5


async def reset_password(data_dir: Path) -> list[str]:
    """Make a new password for the engine's account and write it to the password file. The data stay as they are.

    Killed on the way, it leaves a file that does not open the data, or none; then call it again.

    Args:
        data_dir: data directory whose engine does not run.

    Returns:
        Names of other users that the database has, as `database.user`; they keep their passwords.

    Raises:
        EngineInUse: the engine runs.
        EngineNotInstalled: it is not installed.
        EngineNotRunning: it does not start.
        SettingsInvalid: there are no data in the directory, or it cannot be used.
    """
    files = await asyncio.to_thread(EngineFiles, data_dir)
    try:
        return await _reset_locked(files)
    except StartFailed as error:
        raise EngineNotRunning(f"The password was not reset: {error}") from error
    except OSError as error:
        raise refused(data_dir, error) from error


async def _reset_locked(files: EngineFiles) -> list[str]:
    if not await asyncio.to_thread(files.has_database):
        raise SettingsInvalid(
            f"There is no embedded engine's database in {files.database}, so there is no password to reset. "
            "Name its data directory with --data-dir."
        )
    await asyncio.to_thread(files.prepare)
    lock = await asyncio.to_thread(locks.take_within, files.lock, _LOCK_SECONDS)
    if lock is None:
        raise EngineInUse(
            f"The embedded engine of {files.data_dir} is running. Stop all commands that use this data directory, then "
            "try again."
        )
    try:
        return await _reset(files)
    finally:
        locks.release(lock)


async def _reset(files: EngineFiles) -> list[str]:
    if old := await asyncio.to_thread(read_password, files):
        await startup.end_predecessor(files, old)
    build = await asyncio.to_thread(chosen_build, files.data_dir)
    engine, password = EngineProcess(files, build, _CACHE_SIZE), make_password()
    others = await startup.retried(lambda: startup.reset(engine, files, password))
    await asyncio.to_thread(files.state.unlink, missing_ok=True)
    return others
