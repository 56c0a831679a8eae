"""Nobody gets into the engine at any moment: while its account is made, while its password is lost, or reset."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import ssl
import stat
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from pymongo import AsyncMongoClient

import docservice
from docservice.engine import EmbeddedEngine
from docservice.engine.reset import reset_password
from docservice.errors import EngineInUse, EnginePasswordWrong, SettingsInvalid
from tests.engine.intruder import attack, ports

pytestmark = [pytest.mark.engine, pytest.mark.slow]

Client = AsyncMongoClient[dict[str, Any]]
Intruder = AbstractAsyncContextManager[dict[str, Any]]

ROOT = Path(docservice.__file__).resolve().parents[1]

linux = pytest.mark.skipif(sys.platform != "linux", reason="the other user finds the ports in /proc")


@pytest.fixture
def intruder(data_dir: Path) -> Callable[[], Intruder]:
    """A block during which another user tries to get in; what is yielded holds the result after the block."""

    @asynccontextmanager
    async def attack() -> AsyncIterator[dict[str, Any]]:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            str(Path(__file__).with_name("intruder.py")),
            env={**os.environ, "PYTHONPATH": str(ROOT), "DATA_DIR": str(data_dir)},
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
        )
        assert process.stdin
        assert process.stdout
        result: dict[str, Any] = {}
        try:
            assert await process.stdout.readline() == b"ready\n"
            yield result
            process.stdin.close()
            result |= json.loads(await asyncio.wait_for(process.stdout.readline(), 60))
            await process.wait()
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()

    return attack


def bootstrap_port(data_dir: Path) -> int:
    """The port of the engine's start before last, which was the one without a sign-in."""
    log = (data_dir / "engine" / "engine.log.1").read_text()
    return int(log.partition("listening on 127.0.0.1:")[2].split()[0])


def assert_nobody_got_in(result: dict[str, Any]) -> None:
    """Every way was tried on more than one port, and nothing was carried out."""
    assert result["success"] == []
    assert all(result["tried"][way] for way in ("plain", "tls", "foreign certificate"))
    assert len(result["ports"]) > 1


async def strangers(data_dir: Path) -> list[str]:
    """What is in a new database that is not of the engine."""
    async with EmbeddedEngine(data_dir) as engine, Client(engine.uri) as client:
        # One of the two is empty on each build.
        users = await client.admin["system.users"].find({}).to_list(10)
        users += (await client.admin.command({"usersInfo": {"forAllDBs": True}}))["users"]
        names = set(await client.list_database_names()) - {"admin", "config", "local"}
        return [f"{user['db']}.{user['user']}" for user in users if user["user"] != "docservice"] + sorted(names)


async def keep_something(data_dir: Path) -> None:
    async with EmbeddedEngine(data_dir) as engine, Client(engine.uri) as client:
        await client.docservice.facility_users.insert_one({"username": "ours"})


async def people(data_dir: Path) -> list[str]:
    async with EmbeddedEngine(data_dir) as engine, Client(engine.uri) as client:
        return [user["username"] async for user in client.docservice.facility_users.find({})]


@linux
async def test_the_other_user_of_these_tests_gets_into_an_open_engine(
    data_dir: Path, tmp_path: Path, intruder: Any, eventually: Any
) -> None:
    """Were an engine open for a moment, the tests below would see it."""
    (tmp_path / "empty.toml").touch()
    command = [sys.executable, "-m", "secantus", "--config", str(tmp_path / "empty.toml"), "--port", "0"]
    log = tmp_path / "open.log"

    async with intruder() as result:
        with log.open("wb") as output:
            process = await asyncio.create_subprocess_exec(
                *command, "--storage-path", str(data_dir), stdout=output, stderr=output
            )

        async def listening() -> bool:
            return "listening on" in log.read_text()

        await eventually(listening)
        await asyncio.sleep(0.5)
    process.terminate()
    await process.wait()

    for command_name in ("listDatabases", "find", "insert", "createUser"):
        assert any(entry.startswith(command_name) for entry in result["success"]), command_name


@linux
async def test_nobody_gets_in_at_the_first_start(data_dir: Path, intruder: Any) -> None:
    """While a database and its account are made, and after it, no command of another user is carried out."""
    async with intruder() as result:
        assert await strangers(data_dir) == []

    assert_nobody_got_in(result)
    assert bootstrap_port(data_dir) in result["ports"]


@linux
@pytest.mark.parametrize(
    ("step", "at_once"),
    [
        ("bootstrap.tls/client.pem", True),
        ("data.new/WiredTiger.turtle", True),
        ("data.new/WiredTiger.turtle", False),
        ("data", True),
    ],
)
async def test_nobody_gets_in_when_the_first_start_is_killed(
    data_dir: Path, intruder: Any, hold: Any, processes: Any, eventually: Any, step: str, *, at_once: bool
) -> None:
    """Killed when a file appears or a little later, the start leaves nothing open, and the next one completes it."""
    path = data_dir / "engine" / step
    async with intruder() as result:
        holder = await hold()
        async with asyncio.timeout(60):
            while not path.exists():  # noqa: ASYNC110 (files know no asyncio.Event)
                await asyncio.sleep(0.001)
        if not at_once:
            await asyncio.sleep(0.3)
        await holder.end(signal.SIGKILL)
        for pid, line in (await processes()).items():
            if "docservice.engine.supervisor" in line:
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)

        async def nobody() -> bool:
            return not any("secantus" in line for line in (await processes()).values())

        await eventually(nobody)

        assert await strangers(data_dir) == []

    assert_nobody_got_in(result)
    assert not (data_dir / "engine" / "bootstrap.tls").exists()
    assert not (data_dir / "engine" / "data.new").exists()


@linux
async def test_without_its_password_file_a_database_stays_closed(data_dir: Path, intruder: Any) -> None:
    """The engine is not even started, the error names the file and both ways out, and the file from a backup works."""
    await keep_something(data_dir)
    password = data_dir / "engine" / "password"
    kept = password.read_text()

    async with intruder() as result:
        for rest in (None, "\n"):
            password.unlink()
            if rest is not None:
                password.write_text(rest)
            with pytest.raises(EnginePasswordWrong) as raised:
                await EmbeddedEngine(data_dir).__aenter__()
            assert str(password) in str(raised.value)
            assert f"docservice engine reset-password --data-dir {data_dir}" in str(raised.value)
            assert "backup" in str(raised.value)
            password.touch()

    assert result["ports"] == []
    password.write_text(kept)
    assert await people(data_dir) == ["ours"]
    assert stat.S_IMODE(password.stat().st_mode) == 0o600


@linux
async def test_with_another_password_a_database_stays_closed(data_dir: Path, intruder: Any) -> None:
    """A password that the engine does not know is an error that names the file, and changes nothing."""
    await keep_something(data_dir)
    password = data_dir / "engine" / "password"
    kept = password.read_text()
    password.write_text("pass:word@with/signs%\n")

    async with intruder() as result:
        with pytest.raises(EnginePasswordWrong, match="does not take the password"):
            await EmbeddedEngine(data_dir).__aenter__()
    assert result["success"] == []  # It listens so shortly that there may have been no try at all.
    assert password.read_text() == "pass:word@with/signs%\n"

    password.write_text(kept)
    assert await people(data_dir) == ["ours"]


@linux
async def test_nobody_gets_in_while_the_password_is_reset(data_dir: Path, intruder: Any) -> None:
    """The data stay, the old password is not valid any more, other users are named, and nobody else gets in."""
    async with EmbeddedEngine(data_dir) as engine, Client(engine.uri) as client:
        old = engine.uri
        await client.docservice.facility_users.insert_one({"username": "ours"})
        await client.reports.command("createUser", "reader", pwd="known", roles=[{"role": "read", "db": "docservice"}])
    (data_dir / "engine" / "password").unlink()

    async with intruder() as result:
        assert await reset_password(data_dir) == ["reports.reader"]
        assert await people(data_dir) == ["ours"]

    assert_nobody_got_in(result)
    assert stat.S_IMODE((data_dir / "engine" / "password").stat().st_mode) == 0o600
    assert not (data_dir / "engine" / "bootstrap.tls").exists()
    async with EmbeddedEngine(data_dir) as engine:
        assert engine.uri.partition("@")[0] != old.partition("@")[0]


@linux
@pytest.mark.parametrize("step", ["bootstrap.tls/client.pem", "listening", "password"])
async def test_nobody_gets_in_when_a_reset_is_killed(data_dir: Path, intruder: Any, processes: Any, step: str) -> None:
    """Killed at any step, a reset leaves data that are closed; the next one completes it."""
    await keep_something(data_dir)
    folder = data_dir / "engine"
    (folder / "password").unlink()
    (folder / "engine.log").unlink()

    def reached() -> bool:
        if step != "listening":
            return (folder / step).exists()
        return (folder / "engine.log").exists() and "listening" in (folder / "engine.log").read_text()

    async with intruder() as result:
        command = [sys.executable, "-m", "docservice", "engine", "reset-password", "--data-dir", str(data_dir)]
        process = await asyncio.create_subprocess_exec(*command, stderr=asyncio.subprocess.DEVNULL)
        async with asyncio.timeout(60):
            while not reached():  # noqa: ASYNC110 (files know no asyncio.Event)
                await asyncio.sleep(0.001)
        process.kill()
        await process.wait()

        if step != "password":
            with pytest.raises(EnginePasswordWrong):
                await EmbeddedEngine(data_dir).__aenter__()
            await reset_password(data_dir)
        assert await people(data_dir) == ["ours"]

    assert result["success"] == []
    assert not (folder / "bootstrap.tls").exists()


async def test_the_keys_of_a_bootstrap_are_private_and_short_lived(data_dir: Path, hold: Any) -> None:
    """Only their owner can read them while they are there; the authority's key is in no file."""
    folder = data_dir / "engine" / "bootstrap.tls"
    holder = await hold()
    async with asyncio.timeout(60):
        while not (folder / "client.pem").exists():  # noqa: ASYNC110 (files know no asyncio.Event)
            await asyncio.sleep(0.001)
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in [folder, *folder.iterdir()]}
    with_keys = [path.name for path in folder.iterdir() if "PRIVATE KEY" in path.read_text()]
    await holder.says()

    assert modes == {"bootstrap.tls": 0o700, "authority.pem": 0o600, "server.pem": 0o600, "client.pem": 0o600}
    assert sorted(with_keys) == ["client.pem", "server.pem"]
    assert not folder.exists()


async def test_no_process_shows_a_password_or_a_key(data_dir: Path, hold: Any, processes: Any) -> None:
    """Command lines, which everybody on the machine can read, hold no password, no secret and no key."""
    lines: set[str] = set()
    holder = await hold()
    saying = asyncio.ensure_future(holder.says())
    while not saying.done():
        lines |= set((await processes()).values())
        await asyncio.sleep(0.02)
    lines |= set((await processes()).values())
    secrets = [
        (data_dir / "engine" / "password").read_text().strip(),
        json.loads((data_dir / "engine" / "state.json").read_text())["lease_secret"],
    ]

    assert len([line for line in lines if "secantus" in line]) > 1
    assert not [line for line in lines if any(secret in line for secret in secrets) or "PRIVATE" in line]


async def test_an_interrupted_bootstrap_of_the_version_before_is_made_good(data_dir: Path) -> None:
    """Where it was killed while it made the account, users that somebody made in the open moment are dropped."""
    async with EmbeddedEngine(data_dir) as engine, Client(engine.uri) as client:
        await client.elsewhere.command("createUser", "intruder", pwd="secret", roles=[{"role": "root", "db": "admin"}])
    (data_dir / "engine" / "bootstrap").touch()

    assert await strangers(data_dir) == []
    assert not (data_dir / "engine" / "bootstrap").exists()


@linux
async def test_a_new_database_with_something_of_others_is_thrown_away(
    data_dir: Path, hold: Any, processes: Any, eventually: Any
) -> None:
    """Had somebody got in, what was made would not be used: the log names what they left, a clean database is made."""
    folder = data_dir / "engine"
    commands: list[dict[str, Any]] = [
        {"createUser": "other", "pwd": "secret", "roles": [], "$db": "admin"},
        {"createUser": "other", "pwd": "secret", "roles": [], "$db": "elsewhere"},
        {"createRole": "other", "privileges": [], "roles": [], "$db": "admin"},
        {"insert": "facility_users", "documents": [{}], "$db": "docservice"},
        {"insert": "things", "documents": [{}], "$db": "admin"},
    ]
    holder = await hold()

    async def running(name: str) -> int:
        return next((pid for pid, line in (await processes()).items() if name in line), 0)

    async def listening() -> set[int]:
        return await asyncio.to_thread(ports, str(data_dir))

    await eventually(lambda: running("--storage-path"))
    supervisor = await running("docservice.engine.supervisor")
    os.kill(supervisor, signal.SIGSTOP)  # It waits while somebody who stole its key is at work.
    try:
        (port,) = await eventually(listening)
        context = ssl.create_default_context(cafile=folder / "bootstrap.tls" / "authority.pem")
        context.check_hostname = False
        context.load_cert_chain(folder / "bootstrap.tls" / "client.pem")
        greeted, done = await asyncio.to_thread(attack, port, context, commands)
    finally:
        os.kill(supervisor, signal.SIGCONT)
    await holder.says()
    await holder.end()

    assert (greeted, done) == (True, ["createUser", "createUser", "createRole", "insert", "insert"])
    log = (folder / "supervisor.log").read_text()
    for stranger in (
        "user admin.other",
        "user elsewhere.other",
        "role admin.other",
        "database docservice",
        "collection docservice.facility_users",
        "collection admin.things",
    ):
        assert f"'{stranger}'" in log.partition("thrown away")[2], stranger
    assert await strangers(data_dir) == []


async def test_an_empty_folder_for_the_database_is_filled(data_dir: Path) -> None:
    """A folder that somebody made ready is not a database whose password is lost."""
    (data_dir / "engine" / "data").mkdir(parents=True)

    assert await strangers(data_dir) == []


async def test_a_running_engine_is_not_reset(data_dir: Path) -> None:
    """The error says to stop the commands that use it; the password stays."""
    async with EmbeddedEngine(data_dir) as engine, Client(engine.uri) as client:
        with pytest.raises(EngineInUse, match="Stop all commands"):
            await reset_password(data_dir)
        await client.admin.command("ping")


async def test_without_data_there_is_nothing_to_reset(tmp_path: Path) -> None:
    """A mistyped data directory is named, and not made."""
    with pytest.raises(SettingsInvalid, match="no embedded engine's database"):
        await reset_password(tmp_path / "data")
    assert not (tmp_path / "data").exists()
