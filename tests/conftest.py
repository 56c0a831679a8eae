"""What all tests share: one engine for the run, a database of its own for each test that asks for one."""

from __future__ import annotations

import json
import os
import uuid
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from aiohttp.test_utils import TestClient, TestServer
from hypothesis import HealthCheck, settings
from pymongo import AsyncMongoClient

from docservice import DocService
from docservice.engine import EmbeddedEngine
from docservice.identity import TokenVerifier, issue_token
from docservice.rest import create_app
from docservice.rest.auth import bearer_identity
from tests.support.documents import collections_of

DATA = Path(__file__).parent / "data"
SECRET = "a key for tests that is long enough for HS256"
SERVER_VARIABLE = "DOCSERVICE_TEST_MONGODB_URI"
_server_uri = os.environ.get(SERVER_VARIABLE)
ENGINE_VARIABLE = "DOCSERVICE_TEST_ENGINE"
_engine = os.environ.get(ENGINE_VARIABLE, "python")
"""The build of the engine that tests use, as DOCSERVICE_ENGINE names it: not what happens to be on the PATH."""

# A run finds what the run before it found, however busy the machine: the same examples each time, no deadline for one.
# To look for more there is `pytest --hypothesis-profile=random`, which says how to repeat what it found.
settings.register_profile(
    "steady", derandomize=True, deadline=None, database=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.register_profile("random", settings.get_profile("steady"), derandomize=False, print_blob=True)
settings.load_profile("steady")


@pytest.fixture(autouse=True)
def no_settings_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    """No test sees the settings of the person who runs it."""
    for name in list(os.environ):
        if name.startswith("DOCSERVICE_"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("DOCSERVICE_ENGINE", _engine)


@pytest.fixture(scope="session")
async def mongodb_uri(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[str]:
    """The server that tests use: the one named by DOCSERVICE_TEST_MONGODB_URI, else an embedded engine."""
    if _server_uri:
        yield _server_uri
        return
    async with EmbeddedEngine(tmp_path_factory.mktemp("engine"), engine=_engine) as engine:
        yield engine.uri


@pytest.fixture(scope="session")
def docservice_test_uri(mongodb_uri: str) -> str:
    """The fixtures of `docservice.testing` use the engine of the run, too."""
    return mongodb_uri


@pytest.fixture(scope="session")
async def mongo(mongodb_uri: str) -> AsyncIterator[AsyncMongoClient[dict[str, Any]]]:
    """A plain driver client, to look at documents as a person at the Mongo shell would."""
    async with AsyncMongoClient(mongodb_uri, tz_aware=True) as client:
        yield client


@pytest.fixture
async def database(mongo: AsyncMongoClient[dict[str, Any]]) -> AsyncIterator[Any]:
    """An empty database of the test's own, as the plain driver sees it."""
    name = f"test_{uuid.uuid4().hex[:12]}"
    yield mongo[name]
    await drop(mongo[name])


async def drop(database: Any) -> None:
    """Remove a database; the embedded engine takes minutes to drop a collection of thousands that is not emptied."""
    for collection in await collections_of(database):
        await database[collection].delete_many({})
    await database.client.drop_database(database.name)


@pytest.fixture(scope="session")
def dropping() -> Callable[[Any], Any]:
    """Removes a database."""
    return drop


@pytest.fixture(scope="session")
def recorded_directory() -> dict[str, Any]:
    """The directory that the recorded exchanges rely on."""
    content: dict[str, Any] = json.loads((DATA / "transcripts" / "directory.json").read_text(encoding="utf-8"))
    return content


@pytest.fixture
async def service(
    mongodb_uri: str, database: Any, recorded_directory: dict[str, Any], tmp_path: Path
) -> AsyncIterator[DocService]:
    """A service over an own database with the recorded directory."""
    async with DocService(mongodb_uri, database=database.name, data_dir=tmp_path) as entered:
        await entered.import_directory(recorded_directory)
        yield entered


@pytest.fixture
async def client(service: DocService) -> AsyncIterator[TestClient[Any, Any]]:
    """A client of the REST API over `service`; see `headers_of` for signing in."""
    app = create_app(service, identify=bearer_identity(TokenVerifier(secret=SECRET)))
    async with TestClient(TestServer(app)) as opened:
        yield opened


@pytest.fixture(scope="session")
def headers_of(recorded_directory: dict[str, Any]) -> Callable[[str], dict[str, str]]:
    """The headers that make a request one of an actor of the recorded directory (`learner1`, `anon` ...)."""

    def headers(actor: str) -> dict[str, str]:
        known = recorded_directory["actors"][actor]
        found = {}
        if known["user"]:
            token = issue_token(SECRET, known["user"], now=datetime.now(UTC), ttl_seconds=3600)
            found["Authorization"] = f"Bearer {token}"
        if known.get("cookie"):
            found["Cookie"] = "; ".join(f"{name}={value}" for name, value in known["cookie"].items())
        return found

    return headers
