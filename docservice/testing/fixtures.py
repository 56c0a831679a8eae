"""The fixtures `logs` and `school`. Nothing of docservice is imported before a test uses one of them."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from docservice import DocService
    from docservice.testing.small_school import School

async_fixture: Callable[[Callable[..., Any]], Any] = pytest.fixture
with suppress(ImportError):
    # In its strict mode pytest-asyncio runs only fixtures that are marked as its own; other plugins run them, too.
    from pytest_asyncio import fixture as async_fixture

SERVER_VARIABLE = "DOCSERVICE_TEST_MONGODB_URI"


@pytest.fixture(scope="session")
def docservice_test_uri() -> Iterator[str]:
    """The server that `logs` uses: of DOCSERVICE_TEST_MONGODB_URI, else an embedded engine for the whole run."""
    uri = os.environ.get(SERVER_VARIABLE)
    if uri:
        yield uri
        return
    from docservice.testing.services import engine_beside

    with engine_beside() as own:
        yield own


@async_fixture
async def logs(docservice_test_uri: str) -> AsyncIterator[DocService]:
    """An entered DocService over an empty database of the test's own, which is removed afterwards."""
    from docservice.testing.services import throw_away_service

    async with throw_away_service(docservice_test_uri) as service:
        yield service


@async_fixture
async def school(logs: Any) -> School:
    """A small school in the directory of `logs`: admin, coach, class, group, two learners, exercise, quiz, lesson."""
    from docservice.testing.small_school import School

    made = School()
    await logs.import_directory(made.directory())
    return made
