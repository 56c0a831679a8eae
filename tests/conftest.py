"""What all tests share: one engine for the run, a database of its own for each test that asks for one."""

from __future__ import annotations

import json
import os
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
from tests.support.databases import Pool, drop, new_name
from tests.support.signing import SECRET

DATA = Path(__file__).parent / "data"
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
    async with AsyncMongoClient[dict[str, Any]](mongodb_uri, tz_aware=True) as client:
        yield client


@pytest.fixture(scope="session")
async def indexed_databases(mongodb_uri: str, mongo: AsyncMongoClient[dict[str, Any]]) -> AsyncIterator[Pool]:
    """Empty databases with all collections and indexes."""

    async def prepare(name: str) -> None:
        async with DocService(mongodb_uri, database=name):
            """Entering it makes what it needs."""

    pool = Pool(mongo, prepare)
    yield pool
    if _server_uri:  # The folder of an embedded engine is removed as a whole.
        await pool.drop()


@pytest.fixture(scope="session")
async def recorded_databases(
    mongodb_uri: str, mongo: AsyncMongoClient[dict[str, Any]], recorded_directory: dict[str, Any]
) -> AsyncIterator[Pool]:
    """Databases with all collections and indexes, and the recorded directory."""

    async def prepare(name: str) -> None:
        async with DocService(mongodb_uri, database=name) as service:
            await service.import_directory(recorded_directory)

    pool = Pool(mongo, prepare)
    yield pool
    if _server_uri:
        await pool.drop()


@pytest.fixture
async def new_database(mongo: AsyncMongoClient[dict[str, Any]]) -> AsyncIterator[Any]:
    """A database of the test's own in which nothing has been made yet, as the plain driver sees it."""
    name = new_name()
    yield mongo[name]
    await drop(mongo[name])


@pytest.fixture
def databases(request: pytest.FixtureRequest) -> Pool:
    """Where the test's database comes from: with the recorded directory for a service or its client, else empty."""
    recorded = not {"service", "client"}.isdisjoint(request.fixturenames)
    pool: Pool = request.getfixturevalue("recorded_databases" if recorded else "indexed_databases")
    return pool


@pytest.fixture
async def own_database(databases: Pool) -> AsyncIterator[Any]:
    """A database that no other test uses at the time."""
    taken = await databases.take()
    yield taken
    await databases.give_back(taken)


@pytest.fixture(scope="module")
async def shared_database(recorded_databases: Pool) -> AsyncIterator[Any]:
    """The database of `shared_service`, as the plain driver sees it."""
    taken = await recorded_databases.take()
    yield taken
    await recorded_databases.give_back(taken)


def is_shared(request: pytest.FixtureRequest) -> bool:
    """Whether the tests of the module share a service."""
    return request.node.get_closest_marker("shared_service") is not None


@pytest.fixture
def database(request: pytest.FixtureRequest) -> Any:
    """The database of `service`, or an empty one with indexes (without, if so marked), as the plain driver sees it."""
    if request.node.get_closest_marker("without_indexes"):
        return request.getfixturevalue("new_database")
    return request.getfixturevalue("shared_database" if is_shared(request) else "own_database")


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
async def own_service(mongodb_uri: str, own_database: Any, tmp_path: Path) -> AsyncIterator[DocService]:
    """A service with the recorded directory, for one test."""
    async with DocService(mongodb_uri, database=own_database.name, data_dir=tmp_path) as entered:
        yield entered


@pytest.fixture(scope="module")
async def shared_service(
    mongodb_uri: str, shared_database: Any, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[DocService]:
    """A service with the recorded directory, for all tests of a module."""
    data_dir = tmp_path_factory.mktemp("data")
    async with DocService(mongodb_uri, database=shared_database.name, data_dir=data_dir) as entered:
        yield entered


@pytest.fixture
def service(request: pytest.FixtureRequest) -> DocService:
    """A service with the recorded directory: the test's own, or its module's if that is marked `shared_service`."""
    found: DocService = request.getfixturevalue("shared_service" if is_shared(request) else "own_service")
    return found


def client_of(service: DocService) -> TestClient[Any, Any]:
    """A client, not entered yet, of the REST API over a service."""
    return TestClient(TestServer(create_app(service, identify=bearer_identity(TokenVerifier(secret=SECRET)))))


@pytest.fixture
async def own_client(own_service: DocService) -> AsyncIterator[TestClient[Any, Any]]:
    """A client of the REST API over `own_service`."""
    async with client_of(own_service) as opened:
        yield opened


@pytest.fixture(scope="module")
async def shared_client(shared_service: DocService) -> AsyncIterator[TestClient[Any, Any]]:
    """A client of the REST API over `shared_service`."""
    async with client_of(shared_service) as opened:
        yield opened


@pytest.fixture
def client(request: pytest.FixtureRequest) -> TestClient[Any, Any]:
    """A client of the REST API over `service`; see `headers_of` for signing in."""
    found: TestClient[Any, Any] = request.getfixturevalue("shared_client" if is_shared(request) else "own_client")
    return found


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
