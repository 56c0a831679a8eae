"""How commands end before they are done: what they say, their exit code, and that it is at once."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
import signal
import struct
import sys
import termios
from pathlib import Path
from typing import Any

import pytest

from docservice.console import resumable, run
from docservice.errors import DirectoryIncomplete, DocServiceError, SettingsInvalid, StoreUnavailable

from .running import COMMAND, START_SECONDS, environment, eventually, interruptible, linux_only
from .running import run as run_command

pytestmark = pytest.mark.slow

AGAIN = "Run the same command again"


@pytest.mark.parametrize(
    ("error", "code", "said"),
    [
        (
            StoreUnavailable("The connection is gone"),
            1,
            f"The connection is gone. {AGAIN}: it goes on where it stopped.",
        ),
        (StoreUnavailable("The disk is full: make room and try again."), 1, "make room and try again."),
        (DirectoryIncomplete("No facility."), 1, "No facility."),
        (SettingsInvalid("No such file."), 2, "No such file."),
    ],
)
def test_an_error_says_what_to_do(
    error: DocServiceError, code: int, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """One line; of long work that the same command goes on with it says so, once, where that may succeed later."""

    async def fails() -> None:
        with resumable():
            raise error

    with pytest.raises(SystemExit) as ended:
        run(fails())

    assert ended.value.code == code
    assert capsys.readouterr().err.endswith(f"{said}\n")


def test_an_error_before_the_work_promises_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    """What fails before long work began has nothing to go on with, though it may succeed later."""

    async def fails() -> None:
        raise StoreUnavailable("The connection is gone.")

    with pytest.raises(SystemExit) as ended:
        run(fails())

    assert ended.value.code == 1
    assert capsys.readouterr().err == "docservice: The connection is gone.\n"


@pytest.mark.parametrize(
    "arguments",
    [
        ("import", "kolibri", "home", "--mongodb-uri", "mongodb://127.0.0.1:1/"),
        ("import", "ndjson", "file", "--mongodb-uri", "mongodb://127.0.0.1:1/"),
        ("generate", "--mongodb-uri", "mongodb://127.0.0.1:1/"),
        ("consolidate", "progress", "--mongodb-uri", "mongodb://127.0.0.1:1/"),
        ("verify", "--mongodb-uri", "mongodb://127.0.0.1:1/"),
        ("indexes", "apply", "--mongodb-uri", "mongodb://127.0.0.1:1/"),
        ("serve", "--port", "0", "--mongodb-uri", "mongodb://127.0.0.1:1/"),
        ("engine", "uri"),
    ],
    ids=lambda value: " ".join(value[:2]),
)
async def test_what_never_began_is_not_called_resumable(arguments: tuple[str, ...], tmp_path: Path) -> None:
    """A mistyped host and an engine that does not run: exit code 1 and one line without such a promise."""
    ended = await run_command(*arguments, env={"DOCSERVICE_MONGODB_TIMEOUT_MS": "300"}, cwd=tmp_path)

    assert (ended.code, len(ended.err.splitlines())) == (1, 1), ended.err
    assert AGAIN not in ended.err


async def test_a_question_is_not_work_to_go_on_with(tmp_path: Path) -> None:
    """Ctrl-C at a command that only looks: one line, 130, no promise."""
    program = (
        "import asyncio\n"
        "from docservice.console import run\n"
        "async def looks():\n"
        "    print('here', flush=True)\n"
        "    await asyncio.sleep(60)\n"
        "run(looks())\n"
    )
    with interruptible():
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-c", program),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env=environment(),
            cwd=tmp_path,
        )
    assert process.stdout
    await asyncio.wait_for(process.stdout.readline(), START_SECONDS)
    process.send_signal(signal.SIGINT)
    _, err = await asyncio.wait_for(process.communicate(), START_SECONDS)

    assert (process.returncode, err.decode()) == (130, "docservice: interrupted.\n")


@linux_only
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_stop_that_gets_lost_is_asked_for_again(capsys: pytest.CaptureFixture[str], number: int, code: int) -> None:
    """A command in which something loses its cancellation still ends."""

    async def loses_one() -> None:
        os.kill(os.getpid(), number)
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.sleep(30)
        with resumable():
            await asyncio.sleep(30)

    with interruptible(), pytest.raises(SystemExit) as ended:
        run(loses_one(), cancel_again_seconds=0.05)

    assert ended.value.code == code
    assert AGAIN in capsys.readouterr().err


@linux_only
async def test_a_second_signal_ends_it_at_once(tmp_path: Path) -> None:
    """A command that does not end in order can still be ended."""
    program = (
        "import asyncio, contextlib\n"
        "from docservice.console import run\n"
        "async def deaf():\n"
        "    print('here', flush=True)\n"
        "    while True:\n"
        "        with contextlib.suppress(asyncio.CancelledError):\n"
        "            await asyncio.sleep(60)\n"
        "            return\n"
        "        print('deaf', flush=True)\n"
        "run(deaf())\n"
    )
    with interruptible():
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-c", program), stdout=asyncio.subprocess.PIPE, env=environment(), cwd=tmp_path
        )
    assert process.stdout
    for said in (b"here\n", b"deaf\n"):
        assert await asyncio.wait_for(process.stdout.readline(), START_SECONDS) == said
        process.send_signal(signal.SIGINT)

    assert await asyncio.wait_for(process.wait(), START_SECONDS) == 130


def unread(pipe: int) -> int:
    """How many bytes a pipe holds that nobody has read."""
    count: int = struct.unpack("i", fcntl.ioctl(pipe, termios.FIONREAD, b"\0\0\0\0"))[0]
    return count


@linux_only
@pytest.mark.engine
@pytest.mark.slow
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
@pytest.mark.parametrize("path", ["-", "pipe"])
async def test_an_import_that_waits_for_a_pipe_ends_at_once(
    mongodb_uri: str, database: Any, tmp_path: Path, path: str, number: int, code: int
) -> None:
    """Ctrl-C and SIGTERM end it though nobody sends more or closes the pipe."""
    os.mkfifo(tmp_path / "pipe")
    ends = os.pipe() if path == "-" else (os.open(tmp_path / "pipe", os.O_RDWR),) * 2
    with interruptible():
        process = await asyncio.create_subprocess_exec(
            *COMMAND,
            *("import", "ndjson", path, "--mongodb-uri", mongodb_uri, "--database", database.name),
            stdin=ends[0],
            stderr=asyncio.subprocess.PIPE,
            env=environment(),
            cwd=tmp_path,
        )
    try:
        os.write(ends[1], b'{"collection": ')
        await eventually(lambda: not unread(ends[0]), "it reads", START_SECONDS)
        process.send_signal(number)
        async with asyncio.timeout(20):
            _, err = await process.communicate()
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        for end in set(ends):
            os.close(end)

    assert process.returncode == code
    assert AGAIN in err.decode().splitlines()[-1]
    assert "Traceback" not in err.decode()
