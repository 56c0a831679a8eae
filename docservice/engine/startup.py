"""Starts the engine and signs in, whatever an earlier supervisor left behind.

The engine has no exception for the first user: as long as it has no account, it runs either without a sign-in or closed
to everybody. So the account is made in a *bootstrap*: the engine runs without sign-in, but takes only TLS connections
with a client certificate that was made for this moment (`certificates`), gets the account, and stops. At no moment does
any other program send a command:

- `EngineProcess.start` has two ways to run an engine, with a sign-in or with certificates. The engine shakes hands on
  TLS before it reads the first command.
- Only a new database is bootstrapped by itself. It is made in a folder of its own, looked through for anything that is
  not ours as the last act before the engine stops, and then moved to its place: what is in its place has our account.
- A database in its place is never opened without its password. When the file is missing or wrong that is an error, and
  `docservice engine reset-password` (`reset`) does the bootstrap on request.
- A supervisor that is killed on the way leaves an unfinished folder and certificates, which the next one removes. The
  engine is killed with it, or (not on Linux) goes on to take the lost certificate alone.

`tests/engine/test_bootstrap.py` proves it: another user tries all ports, plain and over TLS, all the time, while an
engine is started, killed at each step, and its password reset.

The folder of its own has a second reason: an engine that is killed while it makes a table (or a power cut) leaves a
database that cannot be opened again. That one holds nothing yet, and is made again.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import random
import shutil
import signal
import socket
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import TypeVar

from docservice.engine import account
from docservice.engine.certificates import Certificates, certificates_in, remove
from docservice.engine.files import (
    EngineFiles,
    EngineState,
    connection_string,
    password_wrong,
    remembered_port,
    sync_folder,
    write_private,
)
from docservice.engine.process import EngineProcess, StartFailed

log = logging.getLogger(__name__)

START_SECONDS = 120.0
"""How long an engine may take to listen: it may have a long journal to read. Commands stop waiting sooner."""

STOP_SECONDS = 10.0
"""How long an engine may take to stop. It gives its connections 5 s and then writes a checkpoint."""

_PORTS = range(20_000, 30_000)
"""Where a port is looked for: below those of outgoing connections, so that none takes it while the engine restarts."""

_SAME_PORT_SECONDS = 10.0

_ATTEMPTS = 3

_Result = TypeVar("_Result")


async def start(engine: EngineProcess, files: EngineFiles, password: str, *, port: int) -> None:
    """Start the engine and sign in; with a bootstrap before when there is no database.

    Args:
        engine: not running.
        files: its files.
        password: what the account has, or gets in a new database.
        port: TCP port, or 0 for any.

    Raises:
        StartFailed: the engine does not start. It does not run any more.
        EnginePasswordWrong: the engine does not take the sign-in. It does not run any more.
    """
    await asyncio.to_thread(remove, files.certificates)
    if not await asyncio.to_thread(files.has_database):
        await _make(engine, files, password)
    try:
        await _start_closed(engine, password, port)
    except account.SignInRefused as error:
        log.error("the engine refuses the sign-in: %s", error)
        raise password_wrong(files) from error
    if files.bootstrap.exists():
        # An earlier version was killed while it made the account, with an engine that was open.
        try:
            dropped = await asyncio.to_thread(account.drop_others, connection_string(engine.port, password))
        except account.NotAnswering as error:
            await engine.stop(STOP_SECONDS)
            raise StartFailed(f"the engine's users could not be looked through: {error}") from error
        if dropped:
            log.warning("dropped %d users that were not made by docservice", dropped)
        files.bootstrap.unlink()


async def reset(engine: EngineProcess, files: EngineFiles, password: str) -> list[str]:
    """Give the account of a database that is there another password. The engine does not run before and after.

    The file is written when the password is set, so that it never holds one which was not set; both in one thread,
    which a command that is stopped waits for.

    Returns:
        Names of other users in the database, as `database.user`.

    Raises:
        StartFailed: the engine does not start, or did not do it. The old password may be valid or not.
    """
    async with _bootstrap(engine, files, files.database) as certificates:
        return await asyncio.to_thread(_set_password, engine.port, files, certificates, password)


def _set_password(port: int, files: EngineFiles, certificates: Certificates, password: str) -> list[str]:
    others = account.reset(port, certificates, password)
    write_private(files.password, password + "\n")
    return others


async def retried(action: Callable[[], Awaitable[_Result]]) -> _Result:
    """Return the result of the action, which is tried three times.

    The engine of a supervisor that was just killed may hold its files a moment longer, or another program took the
    port.

    Raises:
        StartFailed: what the last attempt raised.
    """
    for attempt in range(1, _ATTEMPTS):
        try:
            return await action()
        except StartFailed as error:
            log.warning("attempt %d: %s", attempt, error)
            await asyncio.sleep(0.2 * attempt)
    return await action()


async def choose_port(files: EngineFiles, *, keep: bool) -> int:
    """Return the port to start on: the one used last, when it is free.

    Args:
        files: where it is remembered.
        keep: the last supervisor was killed and commands may still know the port: wait for it some seconds.

    Returns:
        A port that was free just now, or 0 when none was found.
    """
    port = remembered_port(files)
    deadline = time.monotonic() + (_SAME_PORT_SECONDS if keep else 0.0)
    while port:
        if _is_free(port):
            return port
        if time.monotonic() >= deadline:
            log.warning("port %d, used last, is taken: another one is used", port)
            break
        await asyncio.sleep(0.05)
    return next(filter(_is_free, random.sample(_PORTS, 20)), 0)


async def end_predecessor(files: EngineFiles, password: str) -> bool:
    """End the engine of a supervisor that was killed.

    Call it with the lock held. Where the kernel has done it already nothing is left to do.

    Returns:
        Whether the last supervisor ended uncleanly.
    """
    state = EngineState.read(files)
    if state is None:
        return False
    log.warning("the supervisor %d did not end cleanly", state.supervisor_pid)
    # Commands that read the file must not find the old lease port, which may be another program's by now.
    EngineState(os.getpid(), state.engine_pid, state.engine_port).write(files)
    if state.engine_port and not _is_free(state.engine_port):
        pid = 0
        with contextlib.suppress(account.NotAnswering, account.SignInRefused):
            # The process id comes from a server that proved that it knows our password, not from a file that may be
            # old.
            pid = await asyncio.to_thread(account.check, connection_string(state.engine_port, password))
        if pid > 1:
            log.warning("ending the engine %d that the last supervisor left behind", pid)
            await _end(pid)
    return True


async def _start_closed(engine: EngineProcess, password: str, port: int) -> None:
    await engine.start(port, timeout_seconds=START_SECONDS)
    deadline = time.monotonic() + START_SECONDS
    while True:
        try:
            uri = connection_string(engine.port, password)
            await asyncio.to_thread(account.check, uri)
            await asyncio.to_thread(account.shorten_transactions, uri)
            return
        except account.NotAnswering as error:
            if time.monotonic() >= deadline:
                await engine.stop(STOP_SECONDS)
                raise StartFailed(f"the engine listens but does not answer: {error}") from error
            await asyncio.sleep(0.05)
        except BaseException:
            await engine.stop(STOP_SECONDS)
            raise


async def _make(engine: EngineProcess, files: EngineFiles, password: str) -> None:
    log.info("making the engine's database")
    if files.unfinished.exists():
        await asyncio.to_thread(shutil.rmtree, files.unfinished)
    async with _bootstrap(engine, files, files.unfinished) as certificates:
        strangers = await asyncio.to_thread(account.fill, engine.port, certificates, password)
    if strangers:
        await asyncio.to_thread(shutil.rmtree, files.unfinished)
        raise StartFailed(f"the new database was thrown away, because another program wrote into it: {strangers}")
    if files.database.exists():
        files.database.rmdir()
    # The password comes before the database also after a power cut.
    await asyncio.to_thread(sync_folder, files.directory)
    files.unfinished.replace(files.database)


@contextlib.asynccontextmanager
async def _bootstrap(engine: EngineProcess, files: EngineFiles, database: Path) -> AsyncIterator[Certificates]:
    """An engine without sign-in that only the holder of these certificates can use; it has stopped after the block."""
    with certificates_in(files.certificates) as certificates:
        try:
            await engine.start(0, timeout_seconds=START_SECONDS, certificates=certificates, database=database)
            yield certificates
        except account.NotAnswering as error:
            raise StartFailed(
                f"the engine could not be prepared: {error} (if this happens again, look for a program on this machine "
                "that connects to each new port and holds the connection)"
            ) from error
        finally:
            await engine.stop(STOP_SECONDS)
        if code := await engine.wait():
            raise StartFailed(f"the engine ended with {code} while it was prepared")


async def _end(pid: int) -> None:
    for number in (signal.SIGTERM, getattr(signal, "SIGKILL", signal.SIGTERM)):
        deadline = time.monotonic() + STOP_SECONDS
        try:
            os.kill(pid, number)
            while time.monotonic() < deadline:
                await asyncio.sleep(0.05)
                os.kill(pid, 0)
        except OSError:  # It has ended.
            return


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        # As the engine does it: connections of the last one that are still winding down do not count.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True
