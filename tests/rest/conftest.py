"""One service for tests that stay apart by the ids they use: one of its own would take longer than the test."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiohttp.test_utils import TestClient, TestServer

from docservice import DocService
from docservice.identity import TokenVerifier
from docservice.rest import create_app
from docservice.rest.auth import bearer_identity

SECRET = "a key for tests that is long enough for HS256"  # the one that `headers_of` signs with


@pytest.fixture(scope="module")
async def shared_database(mongo: Any, dropping: Any) -> AsyncIterator[Any]:
    """The database of `shared_client`, as the plain driver sees it."""
    name = f"test_{uuid.uuid4().hex[:12]}"
    yield mongo[name]
    await dropping(mongo[name])


@pytest.fixture(scope="module")
async def shared_client(
    mongodb_uri: str,
    shared_database: Any,
    recorded_directory: dict[str, Any],
    tmp_path_factory: pytest.TempPathFactory,
) -> AsyncIterator[TestClient[Any, Any]]:
    """A client of one service with the recorded directory, for the tests of a module that share no content."""
    data_dir = tmp_path_factory.mktemp("data")
    async with DocService(mongodb_uri, database=shared_database.name, data_dir=data_dir) as service:
        await service.import_directory(recorded_directory)
        app = create_app(service, identify=bearer_identity(TokenVerifier(secret=SECRET)))
        async with TestClient(TestServer(app)) as opened:
            yield opened
