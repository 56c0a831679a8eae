"""Compile the native build of the embedded engine with cargo, into the `bin` folder of a data directory.

    DATA_DIR/bin/secantusd-rs      the program; it is there whole or not at all
    DATA_DIR/bin/build/            what cargo has compiled so far; removed when the program is there

Interrupted, it goes on with what is compiled already when it is run again.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import shutil
import signal
import sys
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import cast

from docservice.engine import locks
from docservice.engine.builds import PROGRAM, EngineBuild, installed_program
from docservice.engine.files import open_private
from docservice.errors import EngineInUse, EngineNotBuilt, SettingsInvalid

CRATE, VERSION = "secantus-mdb", "0.5.3-beta.196"
"""What is compiled: the version whose data folder the Python build shares."""

CRATES = 210
"""About how many crates are compiled, for the progress that is shown."""

ROOM_BYTES = 3 * 1024**3
"""What compiling takes on the disk, with some to spare."""

_LINES_SHOWN = 15
_STOP_SECONDS = 10.0
_COMPILERS = ("cc", "gcc", "clang")
_NO_NETWORK = re.compile(r"failed to (?:download|fetch|query)|Could not resolve|spurious network|network failure", re.I)


def require_tools(data_dir: Path) -> None:
    """Check that all is there to compile. Blocks for some milliseconds.

    Raises:
        EngineNotBuilt: something is missing; the message names all of it, and says what to do.
    """
    missing = []
    if shutil.which("cargo") is None:
        missing.append("cargo is missing: install Rust from https://rustup.rs, or the package cargo of your system.")
    if not any(shutil.which(name) for name in _COMPILERS):
        missing.append("A C compiler is missing: install gcc or clang (Debian: apt install build-essential).")
    if shutil.which("cmake") is None:
        missing.append("CMake is missing: install it (Debian: apt install cmake).")
    folder = next(each for each in (data_dir.absolute(), *data_dir.absolute().parents) if each.exists())
    free = shutil.disk_usage(folder).free
    if free < ROOM_BYTES:
        takes, has = f"{ROOM_BYTES / 1024**3:.0f} GiB", f"{free / 1024**3:.1f} GiB"
        missing.append(f"Compiling takes up to {takes} in {data_dir}, and {has} are free.")
    if missing:
        raise EngineNotBuilt("\n  - ".join(("The native build cannot be compiled here:", *missing)))


async def install(data_dir: Path, said: Callable[[str], None]) -> Path:
    """Compile the native build; return the path of its program. If it is there already, nothing is done.

    Args:
        data_dir: whose `bin` folder gets it.
        said: is called with each line that cargo prints.

    Raises:
        EngineInUse: another process is compiling it.
        EngineNotBuilt: something is missing, or cargo failed; nothing was installed.
        SettingsInvalid: the folder cannot be written.
    """
    program = installed_program(data_dir)
    if await asyncio.to_thread(is_installed, data_dir):
        return program
    await asyncio.to_thread(require_tools, data_dir)
    lock_file = program.parent / "install.lock"
    try:
        await asyncio.to_thread(_prepare, lock_file)
        lock = await asyncio.to_thread(locks.take_within, lock_file, 0.5)
    except OSError as error:
        raise SettingsInvalid(f"{program.parent} cannot be written: {error.strerror or error}.") from error
    if lock is None:
        raise EngineInUse(f"Another process is compiling the engine in {program.parent}. Wait for it to end.")
    try:
        await _compile(program.parent / "build", said)
        await asyncio.to_thread(_take_over, program)
    finally:
        locks.release(lock)
    return program


def is_installed(data_dir: Path) -> bool:
    """Whether the program is there in the version that this docservice compiles. Blocks."""
    program = installed_program(data_dir)
    return program.is_file() and EngineBuild("native", str(program), "").version() == VERSION


def _prepare(lock_file: Path) -> None:
    lock_file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with open_private(lock_file, os.O_RDWR | os.O_CREAT):
        pass


async def _compile(build: Path, said: Callable[[str], None]) -> None:
    command = ["cargo", "install", CRATE, "--version", VERSION, "--locked", "--ignore-rust-version"]
    command += ["--root", str(build / "root"), "--no-track", "--force", "--color", "never"]
    process = await asyncio.create_subprocess_exec(
        *command,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        env={**os.environ, "CARGO_TARGET_DIR": str(build / "target")},
        start_new_session=True,  # so that the compilers that cargo starts end with it
    )
    last_lines: deque[str] = deque(maxlen=_LINES_SHOWN)
    try:
        async for line in cast("asyncio.StreamReader", process.stdout):
            text = line.decode(errors="replace").rstrip()
            last_lines.append(text)
            said(text)
        code = await process.wait()
    finally:
        await _end(process)
    if code == 0:
        return
    text = "\n".join(last_lines)
    if _NO_NETWORK.search(text):
        text += "\nThe sources could not be downloaded: this machine needs the network for that, once."
    raise EngineNotBuilt(f"cargo failed with exit code {code}; nothing was installed. It says at last:\n{text}")


async def _end(process: asyncio.subprocess.Process) -> None:
    """End cargo and all that it has started, if it runs."""
    if process.returncode is not None:
        return
    for number in (signal.SIGTERM, getattr(signal, "SIGKILL", signal.SIGTERM)):
        with contextlib.suppress(ProcessLookupError):
            if sys.platform == "win32":
                process.terminate()
            else:
                os.killpg(process.pid, number)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_STOP_SECONDS):
                await process.wait()
                return


def _take_over(program: Path) -> None:
    build = program.parent / "build"
    made = build / "root" / "bin" / PROGRAM
    if not made.is_file():
        raise EngineNotBuilt(f"cargo ended well, but there is no {made}; nothing was installed.")
    made.replace(program)
    shutil.rmtree(build, ignore_errors=True)
