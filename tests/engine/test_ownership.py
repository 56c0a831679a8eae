"""What another user of the machine has laid into a data directory, or lets listen on its old ports, is not used."""

from __future__ import annotations

import asyncio
import json
import os
import stat
import sys
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest

from docservice.engine import EmbeddedEngine, has_data, locks, running_uri
from docservice.engine.files import EngineFiles, EngineState
from docservice.engine.reset import reset_password
from docservice.errors import SettingsInvalid
from docservice.identity import load_or_create_secret

pytestmark = pytest.mark.skipif(
    sys.platform == "win32" or os.geteuid() != 0, reason="only root can give a file to another user"
)

OTHER = 65534
"""The user id of nobody."""


@pytest.fixture
def theirs(tmp_path: Path) -> Path:
    """A data directory of our own, in which the engine's folder is another user's."""
    (tmp_path / "engine" / "data").mkdir(parents=True)
    (tmp_path / "engine" / "data" / "WiredTiger.turtle").touch()
    os.chown(tmp_path / "engine", OTHER, OTHER)
    return tmp_path


@pytest.mark.engine
async def test_an_engine_of_another_user_is_not_started(theirs: Path) -> None:
    """The error names the folder and the user; nothing is written into it, and its rights stay."""
    (theirs / "engine").chmod(0o755)

    for use in (lambda: EmbeddedEngine(theirs).__aenter__(), lambda: reset_password(theirs)):
        with pytest.raises(SettingsInvalid, match=r"engine belongs to the user \w+"):
            await use()

    assert [path.name for path in (theirs / "engine").iterdir()] == ["data"]
    assert stat.S_IMODE((theirs / "engine").stat().st_mode) == 0o755


@pytest.mark.engine
async def test_a_link_of_another_user_is_not_followed(tmp_path: Path) -> None:
    """Where a link to our folder is another user's, that user could turn it elsewhere."""
    (tmp_path / "ours").mkdir()
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "engine").symlink_to(tmp_path / "ours")
    os.chown(tmp_path / "data" / "engine", OTHER, OTHER, follow_symlinks=False)

    with pytest.raises(SettingsInvalid, match=r"engine belongs to the user \w+"):
        await EmbeddedEngine(tmp_path / "data").__aenter__()
    assert list((tmp_path / "ours").iterdir()) == []


@pytest.mark.engine
@pytest.mark.parametrize("whose", ["bin", "bin/secantusd-rs"])
async def test_a_program_of_another_user_is_not_run(tmp_path: Path, whose: str) -> None:
    """A native build in the data directory is run only if it is ours, and in a folder of ours."""
    program = tmp_path / "bin" / "secantusd-rs"
    program.parent.mkdir()
    program.write_text(f"#!/bin/sh\ntouch {tmp_path}/was-run\n")
    program.chmod(0o755)
    os.chown(tmp_path / whose, OTHER, OTHER)

    with pytest.raises(SettingsInvalid, match=r"belongs to the user \w+"):
        await EmbeddedEngine(tmp_path, engine="").__aenter__()
    assert not (tmp_path / "was-run").exists()


def test_a_key_of_another_user_signs_nothing(tmp_path: Path) -> None:
    """Who has laid the key would make tokens for everybody."""
    (tmp_path / "secret_key").write_text("known to the other user, 32 bytes or more")
    os.chown(tmp_path / "secret_key", OTHER, OTHER)

    with pytest.raises(SettingsInvalid, match=r"secret_key belongs to the user \w+"):
        load_or_create_secret(tmp_path)


def test_a_key_is_closed_to_others(tmp_path: Path) -> None:
    """A key that was put back from a backup, readable by all, is closed when it is used."""
    key = load_or_create_secret(tmp_path)
    (tmp_path / "secret_key").chmod(0o644)

    assert load_or_create_secret(tmp_path) == key
    assert stat.S_IMODE((tmp_path / "secret_key").stat().st_mode) == 0o600


@pytest.fixture
def public_folder() -> Iterator[Path]:
    """A folder that others can enter, unlike those of pytest."""
    with TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)


@pytest.mark.parametrize("closed", ["engine", "."])
async def test_a_data_directory_that_is_closed_to_us_is_named(public_folder: Path, closed: str) -> None:
    """Looking for data or for a running engine of another user is one error that names whose it is."""
    data_dir = public_folder / "data"
    (data_dir / "engine" / "data").mkdir(parents=True)
    (data_dir / "engine" / "lock").touch()
    (data_dir / closed).chmod(0o700)

    os.seteuid(OTHER)
    try:
        with pytest.raises(SettingsInvalid, match="it belongs to the user root"):
            has_data(data_dir)
        with pytest.raises(SettingsInvalid, match="it belongs to the user root"):
            await running_uri(data_dir)
    finally:
        os.seteuid(0)


@pytest.mark.engine
@pytest.mark.parametrize("proof", ["", "guessed", None])
async def test_who_listens_on_the_port_of_a_killed_supervisor_is_not_believed(
    tmp_path: Path, proof: str | None
) -> None:
    """Between a kill and the next state file, somebody on the old port who answers like a supervisor gets no command:
    not even if the supervisor was of a version without a proof."""
    files = EngineFiles(tmp_path)
    files.prepare()
    asked: list[bytes] = []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.append(await reader.readline())
        fields: dict[str, Any] = {"status": "ready", "uri": "mongodb://elsewhere/", "port": 1, "pid": 1}
        fields |= {"supervisor_pid": 1, "count": 0} | ({} if proof is None else {"proof": proof})
        writer.write(json.dumps(fields).encode() + b"\n")
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        EngineState(1, 1, 1, port, "secret", "" if proof == "" else "the proof").write(files)
        lock = locks.take(files.lock)
        assert lock is not None
        try:
            assert await running_uri(tmp_path) is None
        finally:
            locks.release(lock)

    assert len(asked) == (0 if proof == "" else 1)
