"""Which build of the engine runs, and how the native one gets onto the machine."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
from pathlib import Path
from typing import Any

import pytest
from pymongo import AsyncMongoClient
from pymongo.errors import OperationFailure

from docservice import DocService, Principal, StartSession, UpdateSession, demo
from docservice.engine import EmbeddedEngine, chosen_build, running_engine
from docservice.engine.builds import PROGRAM, installed_program
from docservice.engine.install import VERSION, install
from docservice.errors import EngineInUse, EngineNotBuilt, EngineNotInstalled, SettingsInvalid

NATIVE = shutil.which(PROGRAM) or os.environ.get("DOCSERVICE_TEST_ENGINE", "")
needs_native = pytest.mark.skipif(not Path(NATIVE).is_file(), reason="needs the native build of the engine")


def program(path: Path, script: str) -> Path:
    """A program of the test's own."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return path


@pytest.fixture
def tools(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that is the whole PATH, without the choice of an engine."""
    folder = tmp_path / "tools"
    folder.mkdir()
    for name in ("sh", "mkdir", "cp", "chmod", "sleep", "cat", "rm"):
        found = shutil.which(name)
        assert found is not None
        (folder / name).symlink_to(found)
    monkeypatch.setenv("PATH", str(folder))
    monkeypatch.delenv("DOCSERVICE_ENGINE", raising=False)
    return folder


def test_where_the_native_build_is_found(tmp_path: Path, tools: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By the variable before the data folder, there before the PATH; else it is the Python build."""
    data_dir = tmp_path / "data"
    chosen = [chosen_build(data_dir)]
    program(tools / PROGRAM, "echo secantusd-rs 1")
    chosen.append(chosen_build(data_dir))
    program(installed_program(data_dir), "echo secantusd-rs 2")
    chosen.append(chosen_build(data_dir))
    monkeypatch.setenv("DOCSERVICE_ENGINE", str(program(tmp_path / "own", "echo secantusd-rs 3")))
    chosen.append(chosen_build(data_dir))
    monkeypatch.setenv("DOCSERVICE_ENGINE", "python")
    chosen.append(chosen_build(data_dir))
    monkeypatch.setenv("DOCSERVICE_ENGINE", "native")
    chosen.append(chosen_build(data_dir))

    assert [build.name for build in chosen] == ["python", "native", "native", "native", "python", "native"]
    assert [build.version() for build in chosen[1:4]] == ["1", "2", "3"]
    assert chosen[5].program == str(installed_program(data_dir))


@pytest.mark.parametrize("choice", ["natve", "/no/such/program", "."])
def test_a_choice_that_is_no_program(tmp_path: Path, choice: str) -> None:
    """A mistyped choice is an error that names the variable; the other build is not taken in its place."""
    with pytest.raises(SettingsInvalid, match="DOCSERVICE_ENGINE") as refused:
        chosen_build(tmp_path, choice)

    assert choice in str(refused.value)


def test_the_native_build_is_asked_for_and_not_there(tmp_path: Path, tools: Path) -> None:
    """The error says how to get it."""
    with pytest.raises(EngineNotInstalled, match="docservice engine install"):
        chosen_build(tmp_path, "native")


def cargo(tools: Path, script: str) -> None:
    """A machine with a compiler, CMake and a cargo that does this; `$ROOT` is where it is told to install."""
    program(tools / "cc", "exit 0")
    program(tools / "cmake", "exit 0")
    find_root = 'while [ "$1" != --root ]; do shift; done; ROOT=$2'
    program(tools / "cargo", f"{find_root}\necho '   Compiling one v1'\n{script}")


MAKES_IT = f"""mkdir -p $ROOT/bin
cat > $ROOT/bin/{PROGRAM} <<'END'
#!/bin/sh
echo secantusd-rs {VERSION}
END
chmod 755 $ROOT/bin/{PROGRAM}"""


async def test_install(tmp_path: Path, tools: Path) -> None:
    """The program is in its place, the build folder is gone, and doing it again does nothing."""
    cargo(tools, MAKES_IT)
    said: list[str] = []

    made = await install(tmp_path, said.append)
    cargo(tools, "exit 1")
    again = await install(tmp_path, said.append)

    assert made == again == installed_program(tmp_path)
    assert chosen_build(tmp_path).version() == VERSION
    assert said == ["   Compiling one v1"]
    assert sorted(path.name for path in made.parent.iterdir()) == ["install.lock", PROGRAM]


async def test_an_older_program_is_replaced(tmp_path: Path, tools: Path) -> None:
    """What an earlier version of docservice compiled is compiled again."""
    program(installed_program(tmp_path), "echo secantusd-rs 0.1")
    cargo(tools, MAKES_IT)

    await install(tmp_path, lambda line: None)

    assert chosen_build(tmp_path).version() == VERSION


@pytest.mark.parametrize("missing", [("cargo",), ("cc",), ("cmake",), ("cargo", "cc", "cmake")])
async def test_install_without_a_tool(tmp_path: Path, tools: Path, missing: tuple[str, ...]) -> None:
    """Everything that is missing is named at once, with what to do; nothing is made."""
    cargo(tools, MAKES_IT)
    for name in missing:
        (tools / name).unlink()

    with pytest.raises(EngineNotBuilt) as refused:
        await install(tmp_path / "data", lambda line: None)

    words = {"cargo": "cargo is missing", "cc": "C compiler is missing", "cmake": "CMake is missing"}
    assert {name for name, word in words.items() if word in str(refused.value)} == set(missing)
    assert not (tmp_path / "data").exists()


@pytest.mark.parametrize(
    ("script", "told"),
    [
        ("echo 'error: linker failed'; exit 101", "linker failed"),
        ("echo 'error: failed to download from `https://index`'; exit 101", "needs the network"),
        ("exit 0", "nothing was installed"),
    ],
)
async def test_cargo_fails(tmp_path: Path, tools: Path, script: str, told: str) -> None:
    """Its last words are in the error, and no program is in the place of one."""
    cargo(tools, script)

    with pytest.raises(EngineNotBuilt, match=told):
        await install(tmp_path, lambda line: None)

    assert not installed_program(tmp_path).exists()


async def test_install_is_interrupted(tmp_path: Path, tools: Path) -> None:
    """Cargo ends with it, nothing is half installed, and another one can begin; two at once cannot."""
    cargo(tools, f"echo $$ > {tmp_path}/pid\nsleep 60")
    begun = asyncio.Event()
    first = asyncio.create_task(install(tmp_path, lambda line: begun.set()))
    async with asyncio.timeout(30):
        await begun.wait()
    with pytest.raises(EngineInUse):
        await install(tmp_path, lambda line: None)
    first.cancel()
    await asyncio.wait([first])
    assert not installed_program(tmp_path).exists()
    pid = int((tmp_path / "pid").read_text())
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)

    cargo(tools, MAKES_IT)
    await install(tmp_path, lambda line: None)

    assert installed_program(tmp_path).exists()


EXERCISE = {
    "node_id": "e" * 32,
    "content_id": "c" * 32,
    "channel_id": "b" * 32,
    "kind": "exercise",
    "mastery_model": {"type": "m_of_n", "m": 5, "n": 7},
}


async def answer_once(data_dir: Path, number: int, *, kill: bool) -> tuple[str, int]:
    """Enter a service, answer a question, and leave in order or have the engine killed.

    Returns:
        The build that ran, and how many answers there were before.
    """
    async with DocService(data_dir=data_dir) as logs:
        await logs.import_directory(demo.directory())
        running = await running_engine(data_dir)
        assert running is not None
        me = logs.acting_as(Principal(user_id=demo.directory()["users"][1]["id"]))
        started = await me.start_session(StartSession.parse(EXERCISE))
        question = {"item": f"q{number}", "correct": 1, "time_spent": 1, "answer": {}}
        await me.update_session(started.session_id, UpdateSession.parse({"interactions": [question]}))
        if kill:
            os.kill(running.pid, signal.SIGKILL)
        return running.build.name, started.totalattempts


@needs_native
@pytest.mark.slow
@pytest.mark.parametrize("kill", [False, True])
async def test_a_data_folder_changes_builds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kill: bool) -> None:
    """From one build to the other and back, also after kill -9: all answers are there, and the checks are clean."""
    for number, build in enumerate(["python", NATIVE, "python", NATIVE, "python"]):
        monkeypatch.setenv("DOCSERVICE_ENGINE", build)
        answered = await answer_once(tmp_path, number, kill=kill)
        assert answered == ("python" if build == "python" else "native", number)

    async with DocService(data_dir=tmp_path) as logs:
        findings: list[Any] = []
        await logs.admin.verify(findings.append)
        assert findings == []
        assert (await logs.admin.check_indexes()).complete


@needs_native
async def test_the_native_build_asks_for_the_password(tmp_path: Path) -> None:
    """It is made and opened as the Python build is: with an account, and closed to everybody else."""
    async with EmbeddedEngine(tmp_path, engine=NATIVE) as engine:
        address = engine.uri.split("@")[1].split("/")[0]
        async with AsyncMongoClient[dict[str, Any]](f"mongodb://{address}/?directConnection=true") as stranger:
            with pytest.raises(OperationFailure, match="auth"):
                await stranger["docservice"]["content_session_logs"].find_one({})
        async with AsyncMongoClient[dict[str, Any]](engine.uri) as owner:
            assert (await owner.admin.command("ping"))["ok"] == 1
