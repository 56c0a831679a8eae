"""What the engine's tests share: data directories that all processes must leave, and programs that hold an engine."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

import docservice

ROOT = Path(docservice.__file__).resolve().parents[1]

HOLDER = """
import asyncio, json, signal, sys
from pathlib import Path
from docservice.engine import EmbeddedEngine

def say(**fields):
    print(json.dumps(fields), flush=True)

async def main():
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    async with EmbeddedEngine(Path(sys.argv[1]), on_event=lambda event: say(event=event.name)) as engine:
        say(uri=engine.uri, joined=engine.joined)
        await stop.wait()
    say(left=True)

asyncio.run(main())
"""

Processes = Callable[[], Awaitable[dict[int, str]]]


class Holder:
    """A program of its own that holds the engine of a data directory until SIGTERM."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process

    async def says(self) -> dict[str, Any]:
        """The next thing that it says."""
        assert self.process.stdout
        line = await asyncio.wait_for(self.process.stdout.readline(), 90)
        assert line, "the program has ended"
        said: dict[str, Any] = json.loads(line)
        return said

    async def end(self, number: int = signal.SIGTERM) -> int:
        """Send it a signal and wait for its end."""
        self.process.send_signal(number)
        return await asyncio.wait_for(self.process.wait(), 60)


def look_into_proc(data_dir: Path) -> dict[int, str]:
    found = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal():
            with contextlib.suppress(OSError):  # It has ended meanwhile.
                line = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
                if str(data_dir) in line:
                    found[int(entry.name)] = line
    return found


async def list_processes(data_dir: Path) -> dict[int, str]:
    if sys.platform == "linux":  # where `ps` may be missing: slim images of Python have none
        return await asyncio.to_thread(look_into_proc, data_dir)
    ps = await asyncio.create_subprocess_exec("ps", "-axww", "-o", "pid=,args=", stdout=asyncio.subprocess.PIPE)
    output, _ = await ps.communicate()
    rows = (line.split(None, 1) for line in output.decode(errors="replace").splitlines())
    return {int(row[0]): row[1] for row in rows if len(row) == 2 and str(data_dir) in row[1]}


async def poll(check: Callable[[], Awaitable[Any]], seconds: float = 60) -> Any:
    """Ask until the answer is true."""
    async with asyncio.timeout(seconds):
        while not (answer := await check()):  # noqa: ASYNC110 (processes know no asyncio.Event)
            await asyncio.sleep(0.05)
    return answer


@pytest.fixture
def eventually() -> Callable[..., Awaitable[Any]]:
    return poll


@pytest.fixture
async def data_dir(tmp_path: Path) -> AsyncIterator[Path]:
    """A data directory that no process may use when the test has ended."""
    path = tmp_path / "data"
    yield path

    async def nobody() -> bool:
        return not await list_processes(path)

    try:
        await poll(nobody, 30)
    except TimeoutError:
        left = await list_processes(path)
        for pid in left:  # Their command line names this test's own folder.
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        pytest.fail(f"processes were left behind: {left}")


@pytest.fixture
def processes(data_dir: Path) -> Processes:
    """The processes that name the data directory: their ids and command lines."""
    return lambda: list_processes(data_dir)


@pytest.fixture
async def hold(data_dir: Path) -> AsyncIterator[Callable[[], Awaitable[Holder]]]:
    """Starts programs that hold the engine of the data directory."""
    holders: list[Holder] = []

    async def start() -> Holder:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-c",
            HOLDER,
            str(data_dir),
            stdout=asyncio.subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
        )
        holders.append(Holder(process))
        return holders[-1]

    yield start
    for holder in holders:
        if holder.process.returncode is None:
            await holder.end(signal.SIGKILL)
