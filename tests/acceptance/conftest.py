"""Services that tests share, and services of their own; all are ended when the test or the run is over."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest

from .running import Service, Services


@pytest.fixture(scope="session")
async def demo_service(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Service]:
    """One `serve --demo` for all tests that leave its directory and its indexes alone."""
    services = Services(tmp_path_factory.mktemp("demo"))
    try:
        yield await services.start("--demo")
    finally:
        await services.end()


@pytest.fixture
async def services(tmp_path: Path) -> AsyncIterator[Services]:
    """Starts services for one test, each with a data directory of its own if none is named."""
    found = Services(tmp_path)
    try:
        yield found
    finally:
        await found.end()


@pytest.fixture
async def http() -> AsyncIterator[aiohttp.ClientSession]:
    """An HTTP client that waits no longer than any answer may take."""
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=60)) as session:
        yield session
