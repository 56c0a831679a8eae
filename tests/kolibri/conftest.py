"""The sample database, unpacked once."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from docservice import DocService

from .samples import small, unpacked


@pytest.fixture(scope="session")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The sample as a plain file; not to be changed."""
    return unpacked(tmp_path_factory.mktemp("sample") / "db.sqlite3")


@pytest.fixture
def part(sample: Path, tmp_path: Path) -> Path:
    """One learner's part of the sample, to change as a test likes."""
    return small(sample, tmp_path / "db.sqlite3")


@pytest.fixture
async def empty(mongodb_uri: str, database: Any) -> AsyncIterator[DocService]:
    """A service over an empty database."""
    async with DocService(mongodb_uri, database=database.name) as service:
        yield service
