"""What works without the optional packages, and what the errors say where it does not."""

from __future__ import annotations

import os
import re
import sys
import tomllib
import uuid
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from docservice.extras import PACKAGES, Extra

from .manual import PAGES, README, ROOT, section
from .running import Finished, run

# Python runs this file at its start: it cannot find the packages named in HIDDEN.
_HIDES = """
import os, sys
from importlib.machinery import PathFinder

class Without(PathFinder):
    @classmethod
    def find_spec(cls, name, path=None, target=None):
        return None if name.split(".")[0] in os.environ["HIDDEN"].split() else super().find_spec(name, path, target)

sys.meta_path[:] = [Without if finder is PathFinder else finder for finder in sys.meta_path]
"""
_IMPORT_ALL = """
import importlib, pkgutil, sys
import docservice

names = ("cli", "client", "console", "pages", "rest", "serving", "testing.fixtures")
optional = tuple(f"docservice.{name}" for name in names)
for module in pkgutil.walk_packages(docservice.__path__, "docservice.", onerror=lambda name: None):
    if not module.name.startswith(optional):
        importlib.import_module(module.name)
print(len([name for name in sys.modules if name.startswith("docservice.")]))
"""
_TRACK = """
import asyncio, sys
from docservice import DocService, Principal, StartSession, UpdateSession, demo

async def main(uri, name):
    async with DocService(uri, database=name) as logs:
        await logs.import_directory(demo.directory())
        learner = Principal(user_id=demo.directory()["users"][1]["id"])
        video = StartSession(node_id="a" * 32, content_id="b" * 32, channel_id="c" * 32, kind="video")
        visit = await logs.acting_as(learner).start_session(video)
        await logs.acting_as(learner).update_session(visit.session_id, UpdateSession(progress=1))
        print((await logs.content_summary_logs.get(user_id=learner.user_id)).progress)

asyncio.run(main(*sys.argv[1:]))
"""
_SERVE_API = """
import asyncio, sys
from aiohttp.test_utils import TestClient, TestServer
from docservice import ANONYMOUS, DocService, rest

async def main(uri, name):
    async with DocService(uri, database=name) as logs:
        async with TestClient(TestServer(rest.create_app(logs, identify=lambda request: ANONYMOUS))) as client:
            for path in ("/readyz", "/docs/", "/metrics"):
                async with client.get(path) as response:
                    print(response.status)
    try:
        rest.Metrics()
    except ImportError as error:
        print(error)

asyncio.run(main(*sys.argv[1:]))
"""

Without = Callable[..., Mapping[str, str]]


@pytest.fixture
def without(tmp_path: Path) -> Without:
    """Give an environment in which Python does not find the packages of some extras."""

    def environment(*extras: Extra) -> Mapping[str, str]:
        folder = tmp_path / "hides"
        folder.mkdir(exist_ok=True)
        (folder / "sitecustomize.py").write_text(_HIDES)
        path = os.pathsep.join(filter(None, [str(folder), os.environ.get("PYTHONPATH")]))
        return {"PYTHONPATH": path, "HIDDEN": " ".join(name for extra in extras for name in PACKAGES[extra])}

    return environment


async def python(code: str, *arguments: str, env: Mapping[str, str], cwd: Path) -> Finished:
    """Run Python code to its end."""
    return await run("-W", "error", "-c", code, *arguments, env=env, cwd=cwd, program=(sys.executable,))


@pytest.fixture
async def empty(mongo: Any) -> Any:
    """Give the name of a database that is dropped afterwards."""
    name = f"test_{uuid.uuid4().hex[:12]}"
    yield name
    await mongo.drop_database(name)


async def test_the_core_imports_without_extras(without: Without, tmp_path: Path) -> None:
    """Every module but web server, client, command line and fixtures of pytest imports without their packages."""
    ended = await python(_IMPORT_ALL, env=without("rest", "serve"), cwd=tmp_path)

    assert (ended.code, ended.err) == (0, "")
    assert int(ended.out) > 100


@pytest.mark.slow
@pytest.mark.engine
async def test_embedding_works_without_extras(without: Without, tmp_path: Path, mongodb_uri: str, empty: str) -> None:
    """A program without web server tracks a visit and reads the summary."""
    ended = await python(_TRACK, mongodb_uri, empty, env=without("rest", "serve"), cwd=tmp_path)

    assert (ended.code, ended.out, ended.err) == (0, "1.0\n", "")


@pytest.mark.slow
@pytest.mark.engine
async def test_the_api_works_with_rest_alone(without: Without, tmp_path: Path, mongodb_uri: str, empty: str) -> None:
    """The API and the manual are served without the packages of `serve`; metrics say which extra they need."""
    ended = await python(_SERVE_API, mongodb_uri, empty, env=without("serve"), cwd=tmp_path)

    assert (ended.code, ended.err) == (0, "")
    *statuses, message = ended.out.splitlines()
    assert statuses == ["200", "200", "404"]
    assert "pip install 'docservice[serve]'" in message


@pytest.mark.parametrize("module", ["docservice.rest", "docservice.client"])
async def test_a_part_without_its_extra_says_which(without: Without, tmp_path: Path, module: str) -> None:
    """The import fails with an ImportError that names the part, the extra and the missing package."""
    code = f"try:\n    import {module}\nexcept ImportError as error:\n    print(error)"

    ended = await python(code, env=without("rest", "serve"), cwd=tmp_path)

    assert (ended.code, ended.err) == (0, "")
    assert ended.out.startswith(f"{module} needs packages that are not installed (aiohttp,")
    assert "pip install 'docservice[rest]'" in ended.out


async def test_the_command_without_its_extra_says_which(without: Without, tmp_path: Path) -> None:
    """Exit code 1 and one line that names the extra, not a traceback."""
    ended = await run("serve", env=without("serve"), cwd=tmp_path)

    assert (ended.code, ended.out, len(ended.err.splitlines())) == (1, "", 1), ended.err
    assert "pip install 'docservice[serve]'" in ended.err


def declared() -> Mapping[str, list[str]]:
    """Return the extras of the project."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras: Mapping[str, list[str]] = project["optional-dependencies"]
    return extras


@pytest.mark.parametrize("extra", PACKAGES)
def test_the_checked_packages_are_those_of_the_extra(extra: Extra) -> None:
    """What an extra installs, but for a backport that aiohttp looks for itself, is what is checked before use."""
    names = {re.split(r"[><=\[;]", wanted)[0] for wanted in declared()[extra]} - {"docservice", "backports.zstd"}

    assert {name.removesuffix("-py").replace("-", "_") for name in names} == set(PACKAGES[extra])


def test_every_extra_is_explained() -> None:
    """The page about installing has a row for each extra and no others, and the README for all that users need."""
    page = section(PAGES["install"], "## Which extra is for whom")
    short = section(README, "## Install it into your project")

    assert set(re.findall(r"^\| `(\w+)` \|", page, re.MULTILINE)) == set(declared())
    rows = "".join(re.findall(r"^\| (`.*?) \|", short, re.MULTILINE))
    assert set(re.findall(r"`(\w+)`", rows)) == set(declared()) - {"test", "dev"}
