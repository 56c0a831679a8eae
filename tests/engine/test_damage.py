"""What has come to harm in a data directory is named, and never replaced by something empty."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from pymongo import AsyncMongoClient

from docservice.engine import EmbeddedEngine
from docservice.engine.reset import reset_password
from docservice.errors import EngineNotRunning, EnginePasswordWrong

pytestmark = pytest.mark.engine


@pytest.mark.parametrize("password", ["kept", ""])
async def test_a_copy_that_was_cut_short_is_not_opened(tmp_path: Path, password: str) -> None:
    """Without the file that leads to all others the engine would begin an empty database over the rest."""
    folder = tmp_path / "engine" / "data"
    folder.mkdir(parents=True)
    (folder / "WiredTiger.wt").write_bytes(b"people")
    (tmp_path / "engine" / "password").write_text(password)

    for use in (lambda: EmbeddedEngine(tmp_path).__aenter__(), lambda: reset_password(tmp_path)):
        with pytest.raises(EngineNotRunning, match=r"WiredTiger\.turtle is missing.*backup"):
            await use()

    assert {path.name: path.read_bytes() for path in folder.iterdir()} == {"WiredTiger.wt": b"people"}
    assert (tmp_path / "engine" / "password").read_text() == password


async def test_a_link_to_a_disk_that_is_not_mounted_stays(tmp_path: Path) -> None:
    """A new database in the place of the link would hide the one on the disk."""
    (tmp_path / "engine").mkdir()
    link = tmp_path / "engine" / "data"
    link.symlink_to(tmp_path / "disk" / "data")

    with pytest.raises(EngineNotRunning, match=r"not there: .*disk/data"):
        await EmbeddedEngine(tmp_path).__aenter__()
    assert link.is_symlink()


@pytest.mark.slow
async def test_files_of_the_supervisor_that_hold_anything_do_not_matter(data_dir: Path) -> None:
    """State, port and configuration are made again, whatever is in them; the data are there."""
    async with EmbeddedEngine(data_dir) as engine:
        uri = engine.uri
        async with AsyncMongoClient[dict[str, Any]](uri) as client:
            await client.docservice.facility_users.insert_one({"username": "ours"})
    state = {"supervisor_pid": 1, "engine_pid": 2, "engine_port": 99999999, "lease_port": -5, "lease_proof": "x"}
    for text in (json.dumps(state), json.dumps({**state, "engine_port": "1"}), "[]", "\0"):
        (data_dir / "engine" / "state.json").write_text(text)
        (data_dir / "engine" / "port").write_text("99999")
        (data_dir / "engine" / "secantusd.toml").write_bytes(b"\xff")

        async with EmbeddedEngine(data_dir) as engine, AsyncMongoClient[dict[str, Any]](engine.uri) as client:
            assert await client.docservice.facility_users.count_documents({"username": "ours"}) == 1


@pytest.mark.slow
async def test_a_file_that_holds_no_password_is_a_wrong_one(data_dir: Path) -> None:
    """Characters that no password may have are the same clear error as another password."""
    async with EmbeddedEngine(data_dir):
        pass
    password = data_dir / "engine" / "password"
    for text in (f"{password.read_text()}\n# a note", "a\x01b"):
        password.write_text(text)

        with pytest.raises(EnginePasswordWrong, match="does not take the password"):
            await EmbeddedEngine(data_dir).__aenter__()
