"""The engine as a child process of the supervisor."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import re
import sys
from collections import deque
from pathlib import Path
from typing import cast

from docservice.engine.builds import EngineBuild
from docservice.engine.certificates import Certificates
from docservice.engine.files import EngineFiles, open_private, set_aside

log = logging.getLogger(__name__)

_LISTENING = re.compile(rb"secantus\S* listening on \S+:(\d+)")
_BROKE_OFF = re.compile(rb"\[\d+:\d+\]\[\d+:0x[0-9a-f]+\].*WT_PANIC")
"""What its storage says when it has given up, after a write that failed: it refuses everything until a new start."""

_CHUNK_BYTES = 64 * 1024
_LINES_SHOWN = 12

# Every commit reaches the disk before it is acknowledged. Without it the engine honours `j: true` for plain writes, but
# not for commitTransaction: kill -9 right after the acknowledgement lost 89 of 89 transactions, and 212 of 272 writes
# with w:1.
_CONFIG = """\
# Written by docservice at each start: changes are lost.
[server]
log_level = "{log_level}"

[oplog]
retention_seconds = 3600.0
max_entries = 100000
noop_heartbeat_seconds = 10.0

[storage]
cache_size = "{cache_size}"
session_max = 1000
sync_on_commit = true
"""

_LOG_LEVELS = {"native": "WARNING", "python": "INFO"}
"""The native build notes each slow statement on INFO, with the names of collections."""


class StartFailed(Exception):
    """The engine ended, or did not listen in time."""


class EngineProcess:
    """One engine at a time, started and stopped by its supervisor.

    Use it from the main thread's event loop only: the kernel ends the engine when the *thread* that started it ends.

    Args:
        files: where the engine keeps its things.
        build: which build it is.
        cache_size: memory for the cache, as `512M` or `2G`; a limit, taken as it is needed.
    """

    def __init__(self, files: EngineFiles, build: EngineBuild, cache_size: str) -> None:
        self._files = files
        self._build = build
        self._cache_size = cache_size
        self._process: asyncio.subprocess.Process | None = None
        self._listens = asyncio.Event()
        self._output: asyncio.Task[None] | None = None
        self._last_lines: deque[str] = deque(maxlen=_LINES_SHOWN)
        self.port = 0

    @property
    def pid(self) -> int:
        """Process id of the engine that runs or ran last; 0 before the first."""
        return self._process.pid if self._process else 0

    async def start(
        self,
        port: int,
        *,
        timeout_seconds: float,
        certificates: Certificates | None = None,
        database: Path | None = None,
    ) -> None:
        """Run the engine until it listens. It is closed to others in any case, by a sign-in or by certificates.

        Args:
            port: TCP port on loopback, or 0 for any.
            timeout_seconds: how long it may take, with the recovery after a crash.
            certificates: if set, it asks for no sign-in, and takes only connections with the client certificate among
                these. If unset, it asks for a sign-in.
            database: the folder of the database; if unset, the one of the files.

        Raises:
            StartFailed: it ended or was too slow; it does not run any more.
        """
        files = self._files
        _write_config(
            files.config, _CONFIG.format(cache_size=self._cache_size, log_level=_LOG_LEVELS[self._build.name])
        )
        set_aside(files.engine_log)
        self._process = process = await asyncio.create_subprocess_exec(
            *_command(self._build, files, port, database or files.database, certificates),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            cwd=files.directory,
            # A stray test switch of the engine in the user's environment would make it forget on a crash.
            env={name: value for name, value in os.environ.items() if not name.startswith("SECANTUS_")},
        )
        self._listens.clear()
        self._last_lines.clear()
        self._output = asyncio.create_task(self._follow(process, cast("asyncio.StreamReader", process.stdout)))
        try:
            async with asyncio.timeout(timeout_seconds):
                await self._listening(self._output)
        except TimeoutError:
            await self.stop(timeout_seconds=1.0)
            raise StartFailed(f"the engine did not listen within {timeout_seconds:g} s") from None
        except BaseException:
            await self.stop(timeout_seconds=1.0)
            raise

    async def _listening(self, output: asyncio.Task[None]) -> None:
        listens = asyncio.create_task(self._listens.wait())
        try:
            await asyncio.wait({listens, output}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            listens.cancel()
        if not self._listens.is_set():
            raise StartFailed(
                f"the engine ended with {await self.wait()}; {self._files.engine_log} says:\n"
                + "\n".join(self._last_lines)
            )

    async def _follow(self, process: asyncio.subprocess.Process, output: asyncio.StreamReader) -> None:
        """Write the output of the engine to its log, and react to it.

        It is not left to write the log itself: on a full disk it would not be noticed that its storage has stopped.
        """
        rest = b""
        while chunk := await output.read(_CHUNK_BYTES):
            with (
                contextlib.suppress(OSError),
                open_private(self._files.engine_log, os.O_WRONLY | os.O_CREAT | os.O_APPEND) as log_file,
            ):
                os.write(log_file, chunk)
            *lines, rest = (rest + chunk).split(b"\n")
            rest = rest[-_CHUNK_BYTES:]
            for line in lines:
                self._heed(process, line)

    def _heed(self, process: asyncio.subprocess.Process, line: bytes) -> None:
        self._last_lines.append(line.decode(errors="replace"))
        # The port is read here and not chosen before: so no other program can have taken it.
        if match := _LISTENING.search(line):
            self.port = int(match[1])
            self._listens.set()
        elif _BROKE_OFF.match(line) and process.returncode is None:
            log.error("the storage of engine %d broke off and is started again: %s", process.pid, self._last_lines[-1])
            process.kill()

    async def wait(self) -> int:
        """Wait until the engine has ended, and all it said is in its log; its exit code, negative for a signal."""
        if self._process is None:
            return 0
        if self._output is not None:
            await asyncio.wait({self._output})
        return await self._process.wait()

    async def stop(self, timeout_seconds: float) -> None:
        """End the engine: politely, and by force after the timeout. Nothing happens when it does not run.

        If this is cancelled it ends by force, at once: the caller's event loop may close next.
        """
        process = self._process
        if process is None or process.returncode is not None:
            return
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
        try:
            async with asyncio.timeout(timeout_seconds):
                await self._wake_until_ended(process)
        except TimeoutError:
            log.warning("engine %d did not stop within %g s and is killed", process.pid, timeout_seconds)
            await self._kill(process)
        except asyncio.CancelledError:
            await self._kill(process)
            raise
        await self.wait()

    async def _kill(self, process: asyncio.subprocess.Process) -> None:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()
        await self.wait()

    async def _wake_until_ended(self, process: asyncio.subprocess.Process) -> None:
        # On Linux the engine's accept() does not notice that its socket was closed, and the engine waits 2 s for it. A
        # connection wakes it.
        ended = asyncio.ensure_future(process.wait())
        try:
            while not ended.done():
                await asyncio.wait({ended}, timeout=0.05)
                if self.port and not ended.done():
                    with contextlib.suppress(OSError):
                        _, writer = await asyncio.open_connection("127.0.0.1", self.port)
                        writer.close()
        finally:
            ended.cancel()


def _write_config(path: Path, text: str) -> None:
    # Only if it changes: on a full disk the engine still starts, for reads.
    if not path.exists() or path.read_bytes() != text.encode():
        path.write_bytes(text.encode())


def _command(
    build: EngineBuild, files: EngineFiles, port: int, database: Path, certificates: Certificates | None
) -> list[str]:
    engine = [*build.command, "--config", str(files.config), "--host", "127.0.0.1"]
    engine += ["--port", str(port), "--storage-path", str(database)]
    # There is no third way, so that no caller can start an engine that is open.
    engine += ["--auth"] if certificates is None else _only_with_certificate(certificates)
    if sys.platform == "win32":  # No process can become another one there.
        return engine
    shim = Path(__file__).with_name("child.py")
    return [sys.executable, "-I", "-S", str(shim), str(os.getpid()), "--", *engine]


def _only_with_certificate(certificates: Certificates) -> list[str]:
    server = str(certificates.server)  # It holds the key, too.
    return [
        *("--tls-cert-file", server, "--tls-key-file", server),
        *("--tls-ca-file", str(certificates.authority), "--tls-require-client-cert"),
    ]
