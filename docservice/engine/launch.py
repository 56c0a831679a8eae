"""Starts a supervisor as a process of its own."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import threading
from pathlib import Path

from docservice.engine.builds import EngineBuild
from docservice.engine.files import LOG_LIMIT_BYTES, EngineFiles, open_private, set_aside

FAILED = 3
"""Exit code of a supervisor that could not start the engine; its log says why."""

PASSWORD_WRONG = 4
"""Exit code of a supervisor whose password file is missing, or does not open the data."""


class SupervisorProcess:
    """A supervisor that this process has started and that may outlive it.

    Args:
        process: its process.
    """

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self._process = process
        # A command may leave its engine while other commands keep the supervisor: something has to wait for its
        # end, or it stays as a zombie in a host program that runs for months. The thread ends with it.
        self._reaper = threading.Thread(target=process.wait, name="docservice-engine-reaper", daemon=True)
        self._reaper.start()

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    @property
    def exit_code(self) -> int | None:
        """Its exit code, or None as long as it runs."""
        return self._process.poll()

    async def ended(self) -> None:
        """Wait for its end; set a deadline around it."""
        while self._reaper.is_alive():  # noqa: ASYNC110 (a process and a thread have no asyncio.Event)
            await asyncio.sleep(0.02)


def spawn(files: EngineFiles, build: EngineBuild, cache_size: str) -> SupervisorProcess:
    """Start a supervisor for a build. Blocks for some milliseconds.

    Raises:
        OSError: the log cannot be written or no process can be made.
    """
    set_aside(files.supervisor_log, over_bytes=LOG_LIMIT_BYTES)
    command = [sys.executable, "-m", "docservice.engine.supervisor", str(files.data_dir), "--cache-size", cache_size]
    command += ["--engine", build.program or build.name]
    # The supervisor runs in the engine's folder, so that it holds no folder of the user and no stray module of the
    # current one is imported. Then it needs to be told where this docservice is, which may be a checkout.
    package_root = str(Path(__file__).resolve().parents[2])
    search_path = os.pathsep.join(filter(None, [package_root, os.environ.get("PYTHONPATH", "")]))
    with open_private(files.supervisor_log, os.O_WRONLY | os.O_CREAT | os.O_APPEND) as output:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            close_fds=True,
            start_new_session=True,  # A Ctrl-C at the terminal is for the command, not for the engine of all commands.
            cwd=files.directory,
            env={**os.environ, "PYTHONPATH": search_path},
        )
    return SupervisorProcess(process)
