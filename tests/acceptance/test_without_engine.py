"""The command where the embedded engine is not installed."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from .running import Services, run

pytestmark = pytest.mark.engine

# Python runs this file at its start. The engine is only looked for, never imported.
_HIDES_THE_ENGINE = """
import sys
from importlib.machinery import PathFinder

class Without(PathFinder):
    @classmethod
    def find_spec(cls, name, path=None, target=None):
        return None if name == "secantus" else super().find_spec(name, path, target)

sys.meta_path[:] = [Without if finder is PathFinder else finder for finder in sys.meta_path]
"""


@pytest.fixture
def hidden(tmp_path: Path) -> Mapping[str, str]:
    """An environment in which Python does not find the engine."""
    folder = tmp_path / "hides"
    folder.mkdir()
    (folder / "sitecustomize.py").write_text(_HIDES_THE_ENGINE)
    return {"PYTHONPATH": os.pathsep.join(filter(None, [str(folder), os.environ.get("PYTHONPATH")]))}


async def test_both_ways_out_are_named(tmp_path: Path, hidden: Mapping[str, str]) -> None:
    """Exit code 1; the message says how to install the engine and how to name a MongoDB server."""
    ended = await run("serve", "--port", "0", "--data-dir", str(tmp_path / "data"), env=hidden)

    assert (ended.code, ended.out) == (1, "")
    assert "Traceback" not in ended.err
    assert "pip install 'docservice[embedded]'" in ended.err
    assert "DOCSERVICE_MONGODB_URI" in ended.err
    assert "--mongodb-uri" in ended.err
    assert not (tmp_path / "data" / "engine").exists()


@pytest.mark.slow
async def test_with_a_mongodb_address_it_is_not_missed(
    services: Services, hidden: Mapping[str, str], mongodb_uri: str, database: Any, http: aiohttp.ClientSession
) -> None:
    """The service runs on a MongoDB server without the engine being installed."""
    service = await services.start("--mongodb-uri", mongodb_uri, "--database", database.name, env=hidden)

    async with http.get(f"{service.base}/readyz") as response:
        assert response.status == 200
