"""One process and its engine: starting, signing in, stopping."""

from __future__ import annotations

import json
import os
import socket
import stat
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from blockbuster import blockbuster_ctx
from pymongo import AsyncMongoClient
from pymongo.errors import OperationFailure

import docservice
from docservice import DocService
from docservice.engine import EmbeddedEngine, has_python_build, running_uri
from docservice.errors import EngineNotRunning, SettingsInvalid, StoreUnavailable

pytestmark = [pytest.mark.engine, pytest.mark.slow]

Client = AsyncMongoClient[dict[str, Any]]


async def test_an_engine_starts_keeps_data_and_leaves_no_process(data_dir: Path, processes: Any) -> None:
    """Data, password and port survive a restart; after each stop no process and no state file is left."""
    seen = []
    for expected in (1, 2):
        async with EmbeddedEngine(data_dir) as engine:
            seen.append(engine.uri)
            assert not engine.joined
            async with Client(engine.uri) as client:
                await client.things.kept.insert_one({})
                assert await client.things.kept.count_documents({}) == expected
            assert len(await processes()) == 2  # supervisor and engine

        assert await processes() == {}
        assert not (data_dir / "engine" / "state.json").exists()

    assert seen[0] == seen[1]


async def test_nothing_blocks_the_loop(data_dir: Path) -> None:
    """Entering, asking and leaving make no blocking call on the event loop."""
    with blockbuster_ctx("docservice"):
        async with EmbeddedEngine(data_dir) as engine, EmbeddedEngine(data_dir) as again:
            assert again.joined
            assert await running_uri(data_dir) == engine.uri


async def test_only_the_owner_can_read_the_engine_s_files(data_dir: Path) -> None:
    """The folder is closed to others, and so are the files that hold a password or a secret."""
    async with EmbeddedEngine(data_dir):
        folder = data_dir / "engine"
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
        for name in ("password", "state.json", "supervisor.log", "engine.log"):
            assert stat.S_IMODE((folder / name).stat().st_mode) == 0o600, name


async def test_the_engine_asks_for_a_sign_in(data_dir: Path) -> None:
    """Nobody reads without the password, nor with a wrong one."""
    async with EmbeddedEngine(data_dir) as engine:
        address = engine.uri.partition("@")[2]
        for credentials in ("", "docservice:wrong@"):
            uri = f"mongodb://{credentials}{address if credentials else address.partition('/')[0]}"
            async with Client(uri) as client:
                with pytest.raises(OperationFailure):
                    await client.things.kept.find_one({})


async def test_running_uri_knows_only_an_engine_that_runs(data_dir: Path) -> None:
    """There is a connection string while the engine runs. A state file that a crash left behind does not count."""
    before = await running_uri(data_dir)
    async with EmbeddedEngine(data_dir) as engine:
        during = await running_uri(data_dir)
        state = (data_dir / "engine" / "state.json").read_text()
        uri = engine.uri
    (data_dir / "engine" / "state.json").write_text(state)

    assert (before, during, await running_uri(data_dir)) == (None, uri, None)


async def test_leaving_twice_and_using_it_afterwards(data_dir: Path) -> None:
    """The second leaving does nothing, and there is no address any more."""
    engine = EmbeddedEngine(data_dir)
    await engine.__aenter__()
    await engine.__aexit__(None, None, None)
    await engine.__aexit__(None, None, None)

    with pytest.raises(EngineNotRunning):
        _ = engine.uri


async def test_another_port_when_the_last_one_is_taken(data_dir: Path) -> None:
    """A port that somebody took while the engine was stopped does not keep it from starting."""
    async with EmbeddedEngine(data_dir):
        port = json.loads((data_dir / "engine" / "state.json").read_text())["engine_port"]

    with socket.socket() as other:
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        other.bind(("127.0.0.1", port))
        other.listen()
        async with EmbeddedEngine(data_dir) as engine, Client(engine.uri) as client:
            assert f":{port}/" not in engine.uri
            await client.admin.command("ping")


async def test_a_new_database_has_all_its_tables(data_dir: Path) -> None:
    """No collection needs a new one: killed while it makes a table, the engine leaves a database that never opens."""

    def tables() -> list[str]:
        return sorted(path.name for path in (data_dir / "engine" / "data").glob("*.wt"))

    async with EmbeddedEngine(data_dir) as engine, Client(engine.uri) as client:
        before = tables()
        databases = await client.list_database_names()
        for number in range(64):
            await client.things.create_collection(f"kept{number}")

        assert tables() == before
        assert set(databases) <= {"admin", "config", "local"}


async def test_a_database_that_was_not_finished_is_made_anew(data_dir: Path) -> None:
    """What an engine that was killed has left of a database without data does not keep another one from being made."""
    unfinished = data_dir / "engine" / "data.new"
    unfinished.mkdir(parents=True)
    (unfinished / "WiredTiger.turtle").write_text("cut short")

    async with EmbeddedEngine(data_dir) as engine, Client(engine.uri) as client:
        await client.things.kept.insert_one({})

    assert not unfinished.exists()


async def test_a_full_disk_is_named_when_the_engine_does_not_start(
    data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One line says that there is no room, and not the end of a log."""
    (data_dir / "engine").mkdir(parents=True)
    (data_dir / "engine" / "password").write_text("known")
    (data_dir / "engine" / "data").write_text("not the folder of a database")
    monkeypatch.setattr("shutil.disk_usage", lambda _: SimpleNamespace(free=3 * 1024 * 1024))

    with pytest.raises(EngineNotRunning) as caught:
        async with EmbeddedEngine(data_dir):
            pass

    assert "did not start: 3 MiB are free" in str(caught.value)
    assert "\n" not in str(caught.value)


async def test_without_room_a_directory_is_not_imported(data_dir: Path) -> None:
    """Nothing is written on a disk that is nearly full, not even which facility is the default."""
    async with DocService(data_dir=data_dir, min_free_disk_bytes=2**60) as service:
        with pytest.raises(StoreUnavailable, match="nearly full"):
            await service.import_directory({"default_facility": "ab" * 16})


async def test_an_unusable_data_directory_is_named(tmp_path: Path) -> None:
    """A data directory below a file cannot be made."""
    (tmp_path / "file").touch()

    with pytest.raises(SettingsInvalid, match="file/data"):
        await EmbeddedEngine(tmp_path / "file" / "data").__aenter__()


async def test_an_engine_that_cannot_start_shows_its_log(data_dir: Path) -> None:
    """The error names the log and holds its last lines, with the engine's own reason."""
    (data_dir / "engine").mkdir(parents=True)
    (data_dir / "engine" / "password").write_text("known")
    (data_dir / "engine" / "data").touch()

    with pytest.raises(EngineNotRunning, match=r"supervisor\.log") as raised:
        await EmbeddedEngine(data_dir).__aenter__()

    assert "File exists" in str(raised.value)


def test_a_cache_size_that_is_none_is_refused(tmp_path: Path) -> None:
    """It would go into the engine's configuration."""
    with pytest.raises(SettingsInvalid):
        EmbeddedEngine(tmp_path, cache_size='1"')


def test_without_the_engine_both_ways_out_are_named(tmp_path: Path) -> None:
    """The message says how to install it and how to do without; nothing is made or started."""
    script = """
import asyncio, sys
from importlib.machinery import PathFinder
from pathlib import Path

class Without(PathFinder):
    @classmethod
    def find_spec(cls, name, path=None, target=None):
        return None if name == "secantus" else super().find_spec(name, path, target)

sys.meta_path[:] = [Without if finder is PathFinder else finder for finder in sys.meta_path]
from docservice.engine import EmbeddedEngine, has_python_build
from docservice.errors import EngineNotInstalled
assert not has_python_build()
try:
    asyncio.run(EmbeddedEngine(Path(sys.argv[1])).__aenter__())
except EngineNotInstalled as error:
    print(error)
"""
    root = str(Path(docservice.__file__).resolve().parents[1])
    answer = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path / "data")],
        env={**os.environ, "PYTHONPATH": root, "DOCSERVICE_ENGINE": "python"},
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    ).stdout

    assert "pip install 'docservice[embedded]'" in answer
    assert "DOCSERVICE_MONGODB_URI" in answer
    assert "--mongodb-uri" in answer
    assert not (tmp_path / "data").exists()
    assert has_python_build()
    assert "secantus" not in sys.modules  # The engine is GPL software and is never imported.
