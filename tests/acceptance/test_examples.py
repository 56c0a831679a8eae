"""The examples of README and manual run: as they are written, as processes, outside of the repository."""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import signal
import sys
import sysconfig
import uuid
import venv
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from docservice import demo

from .manual import OUTPUTS, ROOT, blocks
from .mongo_shell import shell_uri
from .running import START_SECONDS, STOP_SECONDS, environment, run

pytestmark = pytest.mark.slow

EXAMPLES = Path(__file__).parents[1] / "examples"
WARNING_FREE = ("-W", "error")
VIDEO = {"node_id": "a" * 32, "content_id": "b" * 32, "channel_id": "c" * 32, "kind": "video"}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder outside of the repository with copies of the examples."""
    return Path(shutil.copytree(EXAMPLES, tmp_path / "examples", ignore=shutil.ignore_patterns("__pycache__")))


def test_the_manual_quotes_them() -> None:
    """Each example file is a Python block of README or manual, word for word."""
    for path in EXAMPLES.glob("*.py"):
        assert path.read_text(encoding="utf-8") in blocks("python"), path.name


async def try_plain(python: str, folder: Path) -> None:
    """The plain examples print what the manual shows and leave no engine behind."""
    for name in ("who_is_stuck.py", "plain_asyncio.py", "query_logs.py", "change_directory.py", "class_report.py"):
        ended = await run(*WARNING_FREE, name, cwd=folder, program=(python,))

        assert (ended.code, ended.err) == (0, "")
        assert ended.out == OUTPUTS[(EXAMPLES / name).read_text(encoding="utf-8")]
    for data_dir in ("school-data", "docservice-data", "example-data", "directory-data"):
        assert (folder / data_dir / "engine").is_dir()
        assert not (folder / data_dir / "engine" / "state.json").exists()


async def try_motor(python: str, folder: Path, mongodb_uri: str) -> None:
    """The Motor example goes on with its own client after the service was left."""
    ended = await run(*WARNING_FREE, "motor_host.py", cwd=folder, program=(python,), env={"MONGODB_URI": mongodb_uri})

    assert (ended.code, ended.err) == (0, "")
    assert ended.out == OUTPUTS[(EXAMPLES / "motor_host.py").read_text(encoding="utf-8")]


async def try_aiohttp(python: str, folder: Path, env: dict[str, str]) -> None:
    """The aiohttp host serves API and manual below /logs, its own page, and stops in good order."""
    process = await asyncio.create_subprocess_exec(
        *(python, *WARNING_FREE, "aiohttp_host.py"),
        cwd=folder,
        env=environment({"PORT": "0", "PYTHONUNBUFFERED": "1", **env}),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        assert process.stdout
        line = await asyncio.wait_for(process.stdout.readline(), START_SECONDS)
        said = re.search(rb"Running on (http://\S+)", line)
        assert said, f"the host does not serve: {line!r}"
        async with aiohttp.ClientSession(said[1].decode(), timeout=aiohttp.ClientTimeout(total=60)) as http:
            async with http.get("/logs/readyz") as ready:
                pass
            track, signed_in = "/logs/api/logger/trackprogress/", {"Cookie": "session=s3cret"}
            async with http.post(track, json=VIDEO, headers=signed_in) as started:
                session_id = (await started.json())["session_id"]
            async with http.put(f"{track}{session_id}/", json={"progress": 0.5}, headers=signed_in) as reported:
                pass
            async with http.post(track, json=VIDEO) as anonymous:
                pass
            async with http.get("/my-progress", headers=signed_in) as mine:
                progress = await mine.json()
            async with http.get("/logs/docs/tutorial") as manual, http.get("/logs/docs/files/manual.css") as sheet:
                pass
        process.send_signal(signal.SIGTERM)
        _, err = await asyncio.wait_for(process.communicate(), STOP_SECONDS)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()

    assert (ready.status, started.status, reported.status, anonymous.status) == (200, 200, 200, 200)
    assert (manual.status, manual.content_type, sheet.status) == (200, "text/html", 200)
    assert progress == {VIDEO["content_id"]: 0.5}
    assert (process.returncode, err) == (0, b"")


async def test_motor(folder: Path, mongodb_uri: str, mongo: Any) -> None:
    """See `try_motor`."""
    name = f"test_{uuid.uuid4().hex[:12]}"

    await try_motor(sys.executable, folder, shell_uri(mongodb_uri, name))

    assert await mongo[name]["facility_users"].count_documents({}) == len(demo.directory()["users"])
    await mongo.drop_database(name)


@pytest.mark.engine
async def test_aiohttp(folder: Path) -> None:
    """See `try_aiohttp`."""
    await try_aiohttp(sys.executable, folder, {})


@pytest.fixture(scope="module")
async def installed(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The Python of a fresh environment with the built wheel; what it needs it finds in the present environment."""
    folder = tmp_path_factory.mktemp("wheel")
    built = await run(
        *("-m", "pip", "wheel", "--quiet", "--disable-pip-version-check", "--no-deps"),
        *("--no-build-isolation", "--wheel-dir", str(folder), str(ROOT)),  # What builds it is there: no network.
        cwd=folder,
        seconds=100,
        program=(sys.executable,),
    )
    assert built.code == 0, built.err
    [wheel] = folder.glob("docservice-*.whl")
    await asyncio.to_thread(venv.create, folder / "env", with_pip=False, symlinks=os.name != "nt")
    python = folder / "env" / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    put = await run(
        *("-m", "pip", "--python", str(python), "install", "--quiet", "--disable-pip-version-check", "--no-deps"),
        str(wheel),
        cwd=folder,
        seconds=60,
        program=(sys.executable,),
    )
    assert put.code == 0, put.err
    where = await run("-c", "import sysconfig; print(sysconfig.get_path('purelib'))", program=(str(python),))
    # A path file adds a folder to the search, behind the environment's own; path files in that folder do not count, so
    # that a checkout which is installed there stays invisible.
    (Path(where.out.strip()) / "present.pth").write_text(sysconfig.get_path("purelib") + "\n", encoding="utf-8")
    return str(python)


@pytest.mark.slow
@pytest.mark.engine
@pytest.mark.skipif(not (ROOT / "pyproject.toml").exists(), reason="needs a checkout")
async def test_from_the_wheel(installed: str, folder: Path, mongodb_uri: str, mongo: Any) -> None:
    """All examples run from the built wheel in a fresh environment; it has its indexes and imports no Motor."""
    asked = "import docservice, sys, docservice.rest; print(docservice.__file__); print('motor' in sys.modules)"
    told = await run("-c", asked, cwd=folder, program=(installed,))
    location, motor = told.out.split()
    assert not Path(location).is_relative_to(ROOT)
    assert Path(location).is_relative_to(Path(installed).parents[1])
    assert motor == "False"
    assert (Path(location).parent / "indexes").is_dir()

    await try_plain(installed, folder)
    shutil.rmtree(folder / "docservice-data")
    await try_aiohttp(installed, folder, {})
    name = f"test_{uuid.uuid4().hex[:12]}"
    await try_motor(installed, folder, shell_uri(mongodb_uri, name))
    await mongo.drop_database(name)
