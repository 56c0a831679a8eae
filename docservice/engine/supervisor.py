"""The process that runs the engine of one data directory for all commands that use it.

    python -m docservice.engine.supervisor DATA_DIR [--cache-size SIZE] [--engine CHOICE]

The first command starts it, in a session of its own, and does not own it: it stays while any command holds a lease (see
`lease_server`) and stops the engine when the last one has ended. Its log is its stderr.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import logging
import os
import signal
import sys
import time
from pathlib import Path
from typing import Any

from docservice.engine import account, locks, startup
from docservice.engine.abandoned_sessions import AbandonedSessions
from docservice.engine.builds import EngineBuild, chosen_build
from docservice.engine.files import EngineFiles, EngineState, connection_string, ensure_password, refused, write_private
from docservice.engine.launch import FAILED, PASSWORD_WRONG
from docservice.engine.lease_server import LeaseServer
from docservice.engine.process import EngineProcess, StartFailed
from docservice.errors import DocServiceError, EnginePasswordWrong

log = logging.getLogger("docservice.engine.supervisor")

FIRST_LEASE_SECONDS = 15.0
_DRAIN_SECONDS = 20.0
_LOCK_SECONDS = 0.5
_LONGEST_PAUSE_SECONDS = 5.0
_HEALTHY_SECONDS = 60.0


class Supervisor:
    """Runs one engine until no command uses it. The lock must be held.

    Args:
        files: the engine's files.
        build: which build runs.
        cache_size: memory for the engine's cache, as `512M`.
    """

    def __init__(self, files: EngineFiles, build: EngineBuild, cache_size: str) -> None:
        self._files = files
        self._build = build
        self._engine = EngineProcess(files, build, cache_size)
        self._abandoned = AbandonedSessions(self._end_sessions)
        self._leases = LeaseServer(self._describe, self._abandoned.add)
        self._terminated = asyncio.Event()
        self._password = ""
        self._count = 0

    async def run(self) -> None:
        """Start the engine, keep it running, stop it.

        Raises:
            StartFailed: it could not be started.
            OSError: the data directory cannot be written.
        """
        self._take_signals()
        try:
            await self._start()
            await self._leases.start()
            self._write_state()
            await self._stay()
        finally:
            self._leases.refuse()
            await self._engine.stop(startup.STOP_SECONDS)
            self._files.state.unlink(missing_ok=True)
            await self._leases.close()
        log.info("stopped")

    async def _start(self) -> None:
        began = time.monotonic()
        self._password = ensure_password(self._files)
        unclean = await startup.end_predecessor(self._files, self._password)

        async def start() -> None:
            port = await startup.choose_port(self._files, keep=unclean)
            await startup.start(self._engine, self._files, self._password, port=port)

        await startup.retried(start)
        write_private(self._files.port, f"{self._engine.port}\n")
        elapsed = time.monotonic() - began
        log.info(
            "engine %d (%s build, %s) is ready on port %d after %.2f s",
            self._engine.pid,
            self._build.name,
            self._build.why,
            self._engine.port,
            elapsed,
        )

    async def _stay(self) -> None:
        keeping = asyncio.create_task(self._keep_running())
        unused = asyncio.create_task(self._leases.wait_until_unused(FIRST_LEASE_SECONDS))
        terminated = asyncio.create_task(self._terminated.wait())
        waited = {keeping, unused, terminated}
        tasks = {*waited, asyncio.create_task(self._leases.watch()), asyncio.create_task(self._abandoned.run())}
        try:
            await asyncio.wait(waited, return_when=asyncio.FIRST_COMPLETED)
            if keeping.done():
                await keeping
            if self._terminated.is_set() and self._leases.count:
                # At a shutdown all processes get the signal at once: the commands first finish what they have begun.
                log.info("asked to stop: waiting for %d commands", self._leases.count)
                self._leases.refuse()
                await asyncio.wait({unused}, timeout=_DRAIN_SECONDS)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _keep_running(self) -> None:
        engine, port = self._engine, self._engine.port
        pause = 0.0
        while True:
            began = time.monotonic()
            code = await engine.wait()
            log.error("engine %d died (exit code %d)", engine.pid, code)
            self._leases.broadcast({"event": "engine-died", "pid": engine.pid, "count": self._count, "exit_code": code})
            if time.monotonic() - began > _HEALTHY_SECONDS:
                pause = 0.0
            while True:
                await asyncio.sleep(pause)
                pause = min(max(0.1, pause * 2), _LONGEST_PAUSE_SECONDS)
                try:
                    # Never on another port: the commands could not find it there.
                    await startup.start(engine, self._files, self._password, port=port)
                    break
                except (StartFailed, DocServiceError, OSError) as error:
                    log.error("the engine does not come back, next attempt in %g s: %s", pause, error)
            self._count += 1
            log.warning("engine %d restarted on port %d (%d times so far)", engine.pid, port, self._count)
            with contextlib.suppress(OSError):
                self._write_state()
            self._leases.broadcast({"event": "engine-restarted", "pid": engine.pid, "count": self._count})

    def _end_sessions(self, ids: list[bytes]) -> None:
        account.end_sessions(connection_string(self._engine.port, self._password), ids)

    def _write_state(self) -> None:
        EngineState(
            os.getpid(),
            self._engine.pid,
            self._engine.port,
            self._leases.port,
            self._leases.secret,
            self._leases.proof,
        ).write(self._files)

    def _describe(self) -> dict[str, Any]:
        return {
            "uri": connection_string(self._engine.port, self._password),
            "port": self._engine.port,
            "pid": self._engine.pid,
            "count": self._count,
            "supervisor_pid": os.getpid(),
            "build": self._build.name,
            "program": self._build.program,
            "why": self._build.why,
        }

    def _take_signals(self) -> None:
        if sys.platform == "win32":
            return
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            loop.add_signal_handler(number, self._terminated.set)


def main(arguments: list[str] | None = None) -> int:
    """Run a supervisor.

    Returns:
        0 when it has done its work or another one does it, `FAILED` or `PASSWORD_WRONG` otherwise.
    """
    parser = argparse.ArgumentParser(prog="docservice.engine.supervisor")
    parser.add_argument("data_dir", type=Path)
    parser.add_argument("--cache-size", default="512M")
    parser.add_argument("--engine", default="")
    options = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(process)d %(levelname)s %(message)s")
    logging.getLogger("pymongo").setLevel(logging.WARNING)
    files = EngineFiles(options.data_dir)
    try:
        files.prepare()
        lock = locks.take_within(files.lock, _LOCK_SECONDS)
        if lock is None:
            log.info("another supervisor runs")
            return 0
        build = chosen_build(files.data_dir, options.engine)
        asyncio.run(Supervisor(files, build, options.cache_size).run())
    except EnginePasswordWrong as error:
        log.error("%s", error)
        return PASSWORD_WRONG
    except (StartFailed, DocServiceError) as error:
        log.error("%s", error)
        return FAILED
    except OSError as error:
        log.error("%s", refused(files.data_dir, error))
        return FAILED
    # The lock goes with the process: the next supervisor starts when nothing of this one is left.
    return 0


if __name__ == "__main__":
    code = main()
    logging.shutdown()
    # Nothing is left to be done. A usual exit waits up to half a second for PyMongo's threads, and the command with it.
    os._exit(code)
