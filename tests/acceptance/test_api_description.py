"""The API does what its description says: a running service is asked by what the description alone tells."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from docservice import DocService

from .running import Service, Services, run

pytestmark = [pytest.mark.engine, pytest.mark.slow]

SECRET = "a key for tests that is long enough for HS256"  # the one that `headers_of` signs with
CONFIGURATION = Path(__file__).with_name("schemathesis.toml")


@pytest.fixture
async def running(service: DocService, services: Services, database: Any, mongodb_uri: str) -> Service:
    """A service with the recorded directory, as a process of its own."""
    return await services.start(
        "--mongodb-uri", mongodb_uri, "--database", database.name, env={"DOCSERVICE_SECRET_KEY": SECRET}
    )


@pytest.mark.timeout(180)
@pytest.mark.parametrize(("actor", "phases"), [("superuser", "examples,coverage,fuzzing"), ("learner1", "fuzzing")])
async def test_nothing_is_found(
    running: Service,
    http: aiohttp.ClientSession,
    headers_of: Callable[[str], dict[str, str]],
    tmp_path: Path,
    actor: str,
    phases: str,
) -> None:
    """Schemathesis finds no crash, no undescribed answer, no broken rule of HTTP in thousands of requests."""
    arguments = [f"{running.base}/api/openapi.json", "--phases", phases, "--max-examples", "5"]
    arguments += ["--generation-deterministic", "--continue-on-failure", "--no-color"]
    for name, value in headers_of(actor).items():
        arguments += ["--header", f"{name}: {value}"]

    ended = await run(
        "-m", "schemathesis.cli", "--config-file", str(CONFIGURATION), "run", *arguments,
        cwd=tmp_path, program=(sys.executable,), seconds=150,
    )  # fmt: skip

    assert ended.code == 0, ended.out[-20_000:]
    [generated] = re.findall(r"(\d+) generated, \1 passed", ended.out)
    assert int(generated) > 100
    async with http.get(f"{running.base}/readyz") as ready:
        assert ready.status == 200
