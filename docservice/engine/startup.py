"""From whatever an earlier supervisor left behind to an engine that runs and takes our sign-in.

The engine has no exception for the first user: as long as it has no account, it runs either open to everybody or closed
to everybody. So the account is made in a *bootstrap*: the engine runs without sign-in on a port that nobody knows yet,
gets the account, and stops. The file `bootstrap` is there from before that until no other account can be left from it.
A supervisor that is killed on the way leaves a database that refuses our sign-in, or the file, or both, and the next
one does what is missing.

A new database is made in a folder of its own and moved to its place when it is whole and the engine has stopped in
order: an engine that is killed while it makes a table (or a power cut) leaves a database that cannot be opened again.
That one holds nothing yet, and is made anew.
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

from docservice.engine import account
from docservice.engine.files import EngineFiles, EngineState, connection_string, remembered_port, write_private
from docservice.engine.process import EngineProcess, StartFailed

log = logging.getLogger(__name__)

START_SECONDS = 120.0
"""How long an engine may take to listen: it may have a long journal to read. Commands stop waiting sooner."""

STOP_SECONDS = 10.0
"""How long an engine may take to stop. It gives its connections 5 s and then writes a checkpoint."""

_PORTS = range(20_000, 30_000)
"""Where a port is looked for: below those of outgoing connections, so that none takes it while the engine restarts."""

_SAME_PORT_SECONDS = 10.0


async def start(engine: EngineProcess, files: EngineFiles, password: str, *, port: int) -> None:
    """Start the engine and sign in, with a bootstrap when there is no account that works.

    Args:
        engine: not running.
        files: its files.
        password: what the account has or gets.
        port: TCP port, or 0 for any.

    Raises:
        StartFailed: the engine does not start, or does not take the sign-in. It does not run any more.
    """
    if not files.database.exists():
        await _make(engine, files, password)
    try:
        await _start_closed(engine, password, port)
    except account.SignInRefused as error:
        log.warning("the engine does not know our account, it is made again: %s", error)
        await _bootstrap(engine, files, password)
        try:
            await _start_closed(engine, password, port)
        except account.SignInRefused as again:
            raise StartFailed(f"the engine refuses the sign-in: {again}") from again
    if files.bootstrap.exists():
        try:
            dropped = await asyncio.to_thread(account.drop_others, connection_string(engine.port, password))
        except account.NotAnswering as error:
            await engine.stop(STOP_SECONDS)
            raise StartFailed(f"the engine's users could not be looked through: {error}") from error
        if dropped:
            log.warning("dropped %d users that somebody else made", dropped)
        files.bootstrap.unlink()


async def choose_port(files: EngineFiles, *, keep: bool) -> int:
    """The port to start on: the one used last, when it is free.

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
    # Commands that read the file must not find the old lease port, which may be somebody else's by now.
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
    await engine.start(port, auth=True, timeout_seconds=START_SECONDS)
    deadline = time.monotonic() + START_SECONDS
    while True:
        try:
            await asyncio.to_thread(account.check, connection_string(engine.port, password))
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
    write_private(files.bootstrap, "")
    if files.unfinished.exists():
        await asyncio.to_thread(shutil.rmtree, files.unfinished)
    await engine.start(0, auth=False, timeout_seconds=START_SECONDS, database=files.unfinished)
    try:
        await asyncio.to_thread(account.make_tables, engine.port)
        await asyncio.to_thread(account.create, engine.port, password)
    except account.NotAnswering as error:
        raise StartFailed(f"the engine's database could not be made: {error}") from error
    finally:
        await engine.stop(STOP_SECONDS)
    if code := await engine.wait():
        raise StartFailed(f"the engine ended with {code} while its database was made")
    files.unfinished.replace(files.database)


async def _bootstrap(engine: EngineProcess, files: EngineFiles, password: str) -> None:
    log.info("making the engine's account")
    write_private(files.bootstrap, "")
    await engine.start(0, auth=False, timeout_seconds=START_SECONDS)
    try:
        await asyncio.to_thread(account.create, engine.port, password)
    except account.NotAnswering as error:
        raise StartFailed(f"the engine's account could not be made: {error}") from error
    finally:
        await engine.stop(STOP_SECONDS)


async def _end(pid: int) -> None:
    for number in (signal.SIGTERM, getattr(signal, "SIGKILL", signal.SIGTERM)):
        deadline = time.monotonic() + STOP_SECONDS
        try:
            os.kill(pid, number)
            while time.monotonic() < deadline:
                await asyncio.sleep(0.05)
                os.kill(pid, 0)
        except OSError:  # It is gone.
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
