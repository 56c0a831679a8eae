"""The command's side of a lease; `lease_server` says what goes over the connection."""

from __future__ import annotations

import asyncio
import contextlib
import json
import secrets
import shutil
import time
from collections.abc import AsyncIterator
from typing import Any

from docservice.engine import locks
from docservice.engine.builds import EngineBuild
from docservice.engine.disk_space import LEAST_BYTES_TO_START, mib
from docservice.engine.files import EngineFiles, EngineState, last_lines, password_wrong, refused
from docservice.engine.launch import PASSWORD_WRONG, SupervisorProcess, spawn
from docservice.errors import EngineNotRunning

_ANSWER_SECONDS = 5.0
_LOOK_AGAIN_SECONDS = 0.03
_LINE_LIMIT_BYTES = 65_536


class Lease:
    """A claim on the running engine, held until it is released or the process ends.

    Attributes:
        uri: connection string of the engine.
        port: its TCP port on loopback.
        pid: its process id when the lease began.
        supervisor: the supervisor, when this process started it for the lease; None when one was running.
    """

    def __init__(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        answer: dict[str, Any],
        supervisor: SupervisorProcess | None,
    ) -> None:
        self._reader = reader
        self._writer = writer
        self.uri = str(answer["uri"])
        self.port = int(answer["port"])
        self.pid = int(answer["pid"])
        self.supervisor = supervisor

    async def events(self) -> AsyncIterator[dict[str, Any]]:
        """Yield the messages of the supervisor, in order, until the connection ends."""
        with contextlib.suppress(OSError, ValueError):
            while line := await self._reader.readline():
                message = json.loads(line)
                if message.get("event") == "ping":
                    self._writer.write(b'{"pong": true}\n')
                else:
                    yield message

    def name_session(self, session_id: bytes) -> None:
        """Tell the supervisor of a session, whose transaction is ended if this process dies or is halted."""
        self._writer.write(json.dumps({"session": session_id.hex()}).encode() + b"\n")

    async def release(self) -> None:
        """Give the lease back. After the last one, wait until the engine has stopped; set a deadline around it."""
        last = False
        try:
            with contextlib.suppress(OSError, ValueError):
                self._writer.write(b'{"release": true}\n')
                while line := await self._reader.readline():
                    last = last or bool(json.loads(line).get("last"))
        finally:
            self.drop()
        # The process that this one started has to end, too.
        if last and self.supervisor:
            await self.supervisor.ended()

    def drop(self) -> None:
        """Close the connection without waiting."""
        self._writer.close()


async def ask(
    files: EngineFiles, want: str
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter, dict[str, Any]] | None:
    """Speak to the supervisor that runs now.

    Args:
        files: the engine's files.
        want: `lease`, or `uri` to look only.

    Returns:
        The connection, which the caller closes, and the answer; None when there is no supervisor, or it is starting
        or stopping.
    """
    # A state file alone proves nothing: after a crash its port may be another program's. Neither does the lock prove
    # that the file is of its holder, who may have it for a moment only. So the other side has to send the proof, which
    # was never sent before.
    if not await asyncio.to_thread(locks.is_taken, files.lock):
        return None
    state = await asyncio.to_thread(EngineState.read, files)
    if state is None or state.lease_port is None or not state.lease_proof:
        return None
    try:
        async with asyncio.timeout(_ANSWER_SECONDS):
            reader, writer = await asyncio.open_connection("127.0.0.1", state.lease_port, limit=_LINE_LIMIT_BYTES)
            try:
                writer.write(json.dumps({"secret": state.lease_secret, "want": want}).encode() + b"\n")
                answer = json.loads(await reader.readline())
                if answer["status"] == "ready" and secrets.compare_digest(
                    str(answer["proof"]).encode(), state.lease_proof.encode()
                ):
                    return reader, writer, answer
            except BaseException:
                writer.close()
                raise
            writer.close()
    except (OSError, TimeoutError, ValueError, KeyError, TypeError):
        pass
    return None


async def acquire(files: EngineFiles, build: EngineBuild, *, cache_size: str, timeout_seconds: float) -> Lease:
    """Get a lease, and start a supervisor when none runs.

    Raises:
        SettingsInvalid: the data directory cannot be used.
        EnginePasswordWrong: there are data, and the password file is missing or does not open them.
        EngineNotRunning: the engine could not be started, or not in time, or its database is not whole.
    """
    deadline = time.monotonic() + timeout_seconds
    await asyncio.to_thread(files.prepare)
    await asyncio.to_thread(files.has_database)  # a damaged one is named here, not in the log of a supervisor
    ours: SupervisorProcess | None = None
    while True:
        if connection := await ask(files, "lease"):
            reader, writer, answer = connection
            # Of several commands that start at once each may start a supervisor, and one of these got the lock.
            return Lease(reader, writer, answer, ours if ours and ours.pid == answer["supervisor_pid"] else None)
        if ours and ours.exit_code == PASSWORD_WRONG:
            raise await asyncio.to_thread(password_wrong, files)
        if ours and ours.exit_code:
            raise await _not_running(files, "did not start")
        if (ours is None or ours.exit_code is not None) and not await asyncio.to_thread(locks.is_taken, files.lock):
            try:
                ours = await asyncio.to_thread(spawn, files, build, cache_size)
            except OSError as error:
                raise refused(files.data_dir, error) from error
        if time.monotonic() >= deadline:
            raise await _not_running(files, f"was not ready within {timeout_seconds:g} s")
        await asyncio.sleep(_LOOK_AGAIN_SECONDS)


async def _not_running(files: EngineFiles, what: str) -> EngineNotRunning:
    free_bytes = (await asyncio.to_thread(shutil.disk_usage, files.directory)).free
    if free_bytes < LEAST_BYTES_TO_START:
        return EngineNotRunning(
            f"The embedded engine {what}: {mib(free_bytes)} are free on the disk of {files.data_dir}, and it may need "
            f"{mib(LEAST_BYTES_TO_START)} to start. Make room and try again. Its log is {files.supervisor_log}."
        )
    lines = await asyncio.to_thread(last_lines, files.supervisor_log)
    return EngineNotRunning(f"The embedded engine {what}. Its log {files.supervisor_log} ends with:\n{lines}")
