"""Starts and ends the `docservice` command as a person or a service manager does, and looks at what it leaves."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import re
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from docservice.console import shell_address

COMMAND = (sys.executable, "-m", "docservice")
# What takes a second here may take long on a busy machine. Nobody waits for these but a test that fails.
START_SECONDS = 90.0
STOP_SECONDS = 30.0

linux_only = pytest.mark.skipif(sys.platform != "linux", reason="looks for processes in /proc")

_BASE_URL = re.compile(r"serving on (http://\S+:\d+)\n")
_MONGOSH = re.compile(r"mongosh '(mongodb://[^']+)'")


_OF_A_TERMINAL = {"CLICOLOR_FORCE", "COLUMNS", "FORCE_COLOR", "LINES", "PY_COLORS", "TTY_COMPATIBLE", "TTY_INTERACTIVE"}
_OF_A_DEVELOPER = {"PYTHONDEVMODE", "PYTHONWARNINGS"}


def environment(changes: Mapping[str, str] | None = None) -> dict[str, str]:
    """The environment with these changes, without the settings of the person who runs the tests and what programs show
    because of a terminal's colours and width, or of Python's warnings."""
    without = _OF_A_TERMINAL | _OF_A_DEVELOPER
    kept = {name: value for name, value in os.environ.items() if not name.startswith("DOCSERVICE_")}
    kept["DOCSERVICE_ENGINE"] = os.environ.get("DOCSERVICE_TEST_ENGINE", "python")
    return {name: value for name, value in kept.items() if name not in without} | dict(changes or {})


async def eventually(check: Callable[[], Any], what: str, seconds: float = 30.0) -> Any:
    """Ask until the answer is true, and give it; fail after the deadline."""
    try:
        async with asyncio.timeout(seconds):
            while True:
                answer = check()
                if isinstance(answer, Awaitable):
                    answer = await answer
                if answer:
                    return answer
                await asyncio.sleep(0.02)
    except TimeoutError:
        pytest.fail(f"not within {seconds:g} s: {what}")


@contextlib.contextmanager
def interruptible() -> Iterator[None]:
    """A block in which Ctrl-C counts for this process, and for good for those that are started in it.

    A shell script starts what it puts in the background with SIGINT ignored, and programs inherit that from the tests.
    """
    before = signal.getsignal(signal.SIGINT)
    if before is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


@contextlib.contextmanager
def ignoring_ctrl_c() -> Iterator[None]:
    """A block in which programs are started as a script starts them with `&`."""
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


@contextlib.asynccontextmanager
async def connection(base: str) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    """A bare connection to a service, for what no HTTP client would do; closed at the end of the block."""
    address = urlsplit(base)
    reader, writer = await asyncio.open_connection(address.hostname, address.port)
    try:
        yield reader, writer
    finally:
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()


@dataclass(frozen=True)
class Finished:
    """A command that has ended: its exit code and what it wrote."""

    code: int
    out: str
    err: str


async def run(
    *arguments: str,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    stdin: bytes = b"",
    seconds: float = 90.0,
    program: tuple[str, ...] = COMMAND,
) -> Finished:
    """Run a command to its end; it is killed and the test fails when that takes too long."""
    with interruptible():
        process = await asyncio.create_subprocess_exec(
            *program,
            *arguments,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env=environment(env),
            cwd=cwd,
        )
    try:
        async with asyncio.timeout(seconds):
            out, err = await process.communicate(stdin)
    except TimeoutError:
        pytest.fail(f"did not end within {seconds:g} s: {' '.join(arguments)}")
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    assert process.returncode is not None
    return Finished(process.returncode, out.decode(), err.decode())


def names_in(folder: Path) -> list[str]:
    """What a folder holds."""
    return sorted(entry.name for entry in folder.iterdir())


def processes_of(path: Path) -> dict[int, str]:
    """The processes whose command line names a folder: their ids and command lines."""
    found = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal():
            with contextlib.suppress(OSError):
                line = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
                if f"{path} " in line or f"{path}/" in line:
                    found[int(entry.name)] = line
    return found


def engine_state(data_dir: Path) -> dict[str, Any]:
    """What the embedded engine of a data directory says about itself."""
    state: dict[str, Any] = json.loads((data_dir / "engine" / "state.json").read_text())
    return state


@dataclass
class Service:
    """A `docservice serve` that runs.

    Attributes:
        process: its process.
        data_dir: its folder.
        log: the file that its standard error goes to.
        base: the URL that it printed.
        address: of the server that it was given, if it was.
        database: the name of its database.
    """

    process: asyncio.subprocess.Process
    data_dir: Path
    log: Path
    base: str = ""
    address: str = ""
    database: str = "docservice"

    @property
    def err(self) -> str:
        """What it has written to standard error so far."""
        return self.log.read_text()

    @property
    def mongodb_uri(self) -> str:
        """The address that it was given, or the connection string in the mongosh line that it printed."""
        if self.address:
            return shell_address(self.address, self.database)
        found = _MONGOSH.search(self.err)
        assert found, self.err
        return found[1]

    async def listening(self) -> None:
        """Wait until it has printed its URL."""

        def found() -> re.Match[str] | None:
            assert self.process.returncode is None, f"ended with {self.process.returncode}: {self.err}"
            return _BASE_URL.search(self.err)

        self.base = (await eventually(found, "serving", START_SECONDS))[1]

    async def ended(self, seconds: float = STOP_SECONDS) -> int:
        """Wait for its end and give the exit code."""
        try:
            return await asyncio.wait_for(self.process.wait(), seconds)
        except TimeoutError:
            pytest.fail(f"serve did not end within {seconds:g} s: {self.err}")

    async def stop(self, number: int = signal.SIGTERM) -> int:
        """Send it a signal, wait for its end and give the exit code."""
        self.process.send_signal(number)
        return await self.ended()


@dataclass
class Services:
    """Starts services, and ends all that are left."""

    folder: Path
    started: list[Service] = field(default_factory=list)

    async def spawn(
        self,
        *options: str,
        data_dir: Path | None = None,
        env: Mapping[str, str] | None = None,
        started_by: Callable[[], contextlib.AbstractContextManager[None]] = interruptible,
    ) -> Service:
        """Start `docservice serve` on a free port and do not wait for it."""
        number = len(self.started)
        data_dir = data_dir or self.folder / f"data{number}"
        log = self.folder / f"serve{number}.log"
        with log.open("wb") as output, started_by():
            process = await asyncio.create_subprocess_exec(
                *COMMAND,
                *("serve", "--port", "0", "--data-dir", str(data_dir), *options),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                env=environment(env),
                cwd=self.folder,
            )
        given = dict(pairwise(options))
        service = Service(process, data_dir, log, address=given.get("--mongodb-uri", ""))
        service.database = given.get("--database", service.database)
        self.started.append(service)
        return self.started[-1]

    async def start(self, *options: str, data_dir: Path | None = None, env: Mapping[str, str] | None = None) -> Service:
        """Start `docservice serve` on a free port and wait until it listens, with `--demo` until that is shown."""
        service = await self.spawn(*options, data_dir=data_dir, env=env)
        await service.listening()
        if "--mongodb-uri" not in options:
            await eventually(lambda: _MONGOSH.search(service.err), "the Mongo shell line is shown", START_SECONDS)
        if "--demo" in options:
            await eventually(lambda: ".sort({progress: 1})\n" in service.err, "the demo is shown", START_SECONDS)
        return service

    async def end(self) -> None:
        """End all that still run; an engine ends when the last service that uses it has gone."""
        for service in self.started:
            if service.process.returncode is None:
                service.process.kill()
                await service.process.wait()
        if sys.platform == "linux":
            await eventually(lambda: not processes_of(self.folder), "no process is left", STOP_SECONDS)


def workers_of(service: Service) -> list[int]:
    """The ids of its workers' processes, the oldest first."""
    return sorted(pid for pid, line in processes_of(service.data_dir).items() if "docservice.serving.worker" in line)
