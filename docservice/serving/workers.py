"""Several processes behind one listening socket, and the one that keeps them running.

    serve ── channel ── worker 0 ┐
      └───── channel ── worker 1 ┴─ the same listening socket; a free worker takes the next connection

The first process owns the socket and the lease of the embedded engine, and answers nothing itself. A channel is a pair
of sockets: the settings go down, `ready` comes up, then the name of each session that transactions run in, and its end
means that the other side has ended, for whatever reason. Of a worker that has died the first process ends the
transactions.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
import signal
import socket
import sys
import tempfile
import time
from collections import deque
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from docservice.errors import DocServiceError, SettingsInvalid
from docservice.settings import Settings

logger = logging.getLogger(__name__)

READY = b"ready\n"
_SESSION = b"session "
_SESSIONS_KEPT = 1_000
_RECEIVED_BYTES = 4096

_HEALTHY_SECONDS = 60.0
_FIRST_PAUSE_SECONDS = 0.1
_LONGEST_PAUSE_SECONDS = 5.0
_SPARE_SECONDS = 10.0
"""How long after its own deadlines a worker is killed that does not stop."""


def session_line(session_id: bytes) -> bytes:
    """Return what a worker says of a session before the first transaction in it."""
    return _SESSION + session_id.hex().encode() + b"\n"


@dataclass
class _Worker:
    process: asyncio.subprocess.Process
    channel: socket.socket
    sessions: deque[bytes] = field(default_factory=lambda: deque(maxlen=_SESSIONS_KEPT))


class Workers:
    """The workers of one `serve`."""

    def __init__(
        self,
        settings: Settings,
        listener: socket.socket,
        end_sessions: Callable[[Iterable[bytes]], Coroutine[Any, Any, None]],
    ) -> None:
        """Nothing is started yet.

        Args:
            settings: `workers` says how many there are.
            listener: the socket they share.
            end_sessions: ends the transactions in these sessions of the database; takes some seconds.

        Raises:
            SettingsInvalid: this system cannot hand a socket to another process.
        """
        if sys.platform == "win32":
            raise SettingsInvalid("On Windows there is one worker: leave --workers (DOCSERVICE_WORKERS) at 1.")
        self._settings = settings
        self._data_dir = settings.data_dir.absolute()
        self._listener = listener
        self._end_sessions = end_sessions
        self._ending: set[asyncio.Task[None]] = set()
        self._live: dict[int, _Worker] = {}
        self._stopping = asyncio.Event()

    @asynccontextmanager
    async def running(self, stopping: asyncio.Event) -> AsyncIterator[None]:
        """All workers respond when the block begins, those that die are restarted, and none is left at its end.

        Args:
            stopping: set when the start is no longer wanted.

        Raises:
            DocServiceError: a worker ended before it was ready.
        """
        with tempfile.TemporaryDirectory(prefix="docservice-") as folder:
            ready = [asyncio.Event() for _ in range(self._settings.workers)]
            keepers = [
                asyncio.create_task(self._keep(number, folder, event), name=f"docservice-worker-{number}")
                for number, event in enumerate(ready)
            ]
            try:
                await _first(stopping.wait(), _all(ready), *(asyncio.shield(keeper) for keeper in keepers))
                for keeper in keepers:
                    if keeper.done():
                        keeper.result()
                yield
            finally:
                await self._stop()
                await asyncio.gather(*keepers, return_exceptions=True)

    async def _keep(self, number: int, folder: str, ready: asyncio.Event) -> None:
        pause, restarts = 0.0, 0
        while not self._stopping.is_set():
            began = time.monotonic()
            worker = self._live[number] = await self._spawn(number, folder, restarts)
            if self._stopping.is_set():
                worker.process.terminate()
            try:
                await self._hear(worker, ready)
                code = await worker.process.wait()
            finally:
                worker.channel.close()
            self._end_transactions(worker)
            if self._stopping.is_set():
                return
            if not ready.is_set():
                raise DocServiceError(f"Worker {number} ended with exit code {code} while it was starting.")
            if time.monotonic() - began > _HEALTHY_SECONDS:
                pause = 0.0
            restarts += 1
            logger.error(
                "worker ended and is restarted",
                extra={"number": number, "pid": worker.process.pid, "exit_code": code, "pause_seconds": pause},
            )
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(pause):
                    await self._stopping.wait()
            pause = min(max(_FIRST_PAUSE_SECONDS, pause * 2), _LONGEST_PAUSE_SECONDS)

    async def _spawn(self, number: int, folder: str, restarts: int) -> _Worker:
        ours, theirs = socket.socketpair()
        with theirs:
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "docservice.serving.worker"),
                *(str(theirs.fileno()), str(self._listener.fileno()), str(self._data_dir)),
                stdin=asyncio.subprocess.DEVNULL,
                pass_fds=(theirs.fileno(), self._listener.fileno()),
            )
        ours.setblocking(False)
        order: dict[str, Any] = {
            "number": number,
            "restarts": restarts,
            "folder": folder,
            "settings": self._settings.revealed(),
        }
        worker = _Worker(process, ours)
        with contextlib.suppress(OSError):  # It has already ended; that is noticed in a moment.
            await asyncio.get_running_loop().sock_sendall(ours, json.dumps(order).encode() + b"\n")
        return worker

    async def _hear(self, worker: _Worker, ready: asyncio.Event) -> None:
        """Process the messages of a worker until it ends."""
        loop, rest = asyncio.get_running_loop(), b""
        with contextlib.suppress(OSError):
            while received := await loop.sock_recv(worker.channel, _RECEIVED_BYTES):
                *lines, rest = (rest + received).splitlines(keepends=True)
                if rest.endswith(b"\n"):
                    lines, rest = [*lines, rest], b""
                for line in lines:
                    if line == READY:
                        ready.set()
                    elif line.startswith(_SESSION):
                        worker.sessions.append(bytes.fromhex(line.removeprefix(_SESSION).decode()))

    def _end_transactions(self, worker: _Worker) -> None:
        task = asyncio.create_task(self._end_sessions(worker.sessions))
        self._ending.add(task)
        task.add_done_callback(self._ending.discard)

    async def _stop(self) -> None:
        self._stopping.set()
        for worker in self._live.values():
            with contextlib.suppress(ProcessLookupError):
                worker.process.terminate()
        ends = [asyncio.create_task(worker.process.wait()) for worker in self._live.values()]
        if ends:
            await asyncio.wait(ends, timeout=self._settings.drain_seconds)
        # From now on no worker accepts connections: new ones are refused and do not wait in the socket's queue.
        self._listener.close()
        if ends:
            await asyncio.wait(ends, timeout=self._settings.shutdown_timeout_seconds + _SPARE_SECONDS)
        for worker in self._live.values():
            if worker.process.returncode is None:
                logger.error("worker does not stop and is killed", extra={"pid": worker.process.pid})
                worker.process.kill()
        await asyncio.gather(*ends)
        for task in self._ending:
            task.cancel()
        await asyncio.gather(*self._ending, return_exceptions=True)

    def kill(self) -> None:
        """End all at once, without finishing anything."""
        for worker in self._live.values():
            with contextlib.suppress(ProcessLookupError):
                os.kill(worker.process.pid, signal.SIGKILL)


async def _all(events: list[asyncio.Event]) -> None:
    for event in events:
        await event.wait()


async def _first(*awaitables: Any) -> None:
    tasks = [asyncio.ensure_future(each) for each in awaitables]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
