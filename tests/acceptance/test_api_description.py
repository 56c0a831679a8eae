"""The API does what its description says: a running service is asked by what the description alone tells."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from docservice import DocService, SaveExamAttempt, SaveExamLog, StartSession, UpdateSession
from docservice.client import LogClient
from tests.support.signing import SECRET

from .running import Service, Services, run

pytestmark = [pytest.mark.engine, pytest.mark.slow]

CONFIGURATION = Path(__file__).with_name("schemathesis.toml")


@pytest.fixture
async def running(service: DocService, services: Services, database: Any, mongodb_uri: str) -> Service:
    """A service with the recorded directory, as a process of its own."""
    return await services.start(
        *("--mongodb-uri", mongodb_uri, "--database", database.name),
        env={"DOCSERVICE_SECRET_KEY": SECRET, "DOCSERVICE_KOLIBRI_SIGN_IN": "true"},
    )


@pytest.fixture
async def ids(running: Service, headers_of: Callable[[str], dict[str, str]], recorded_directory: dict[str, Any]) -> str:
    """A record of each kind of the superuser's own; configuration that puts their ids into the paths."""
    user = recorded_directory["actors"]["superuser"]["user"]
    token = headers_of("superuser")["Authorization"].removeprefix("Bearer ")
    content = dict.fromkeys(("node_id", "content_id", "channel_id"), "c" * 32)
    answered = {"item": "q1", "correct": 1, "time_spent": 1, "answer": {"choice": "A"}}
    async with LogClient(running.base, token=token) as logs:
        visit = await logs.start_session(
            StartSession(**content, kind="exercise", mastery_model={"type": "m_of_n", "m": 3, "n": 5})
        )
        await logs.update_session(visit.session_id, UpdateSession.parse({"interactions": [answered]}))
        await logs.update_user_session()
        [summary] = [document async for document in logs.documents("contentsummarylog")]
        [sitting] = [document async for document in logs.documents("usersessionlog")]
        [attempt] = [row async for row in logs.attempt_logs()]
        exam = await logs.save_exam_log(SaveExamLog(exam=recorded_directory["exams"][0]["id"], user=user))
        moment = "2024-09-02T05:12:24Z"
        exam_attempt = await logs.save_exam_attempt(
            SaveExamAttempt(
                examlog=exam.log.id,
                user=user,
                item="q1",
                content_id="c" * 32,
                start_timestamp=moment,
                end_timestamp=moment,
                correct=1,
            )
        )
    found = {
        "masterylog": summary["mastery_logs"][0]["id"],
        "attemptlog": attempt.id,
        "userprogress": user,
        "contentsummarylog": summary["id"],
        "contentsessionlog": visit.session_id,
        "usersessionlog": sitting["id"],
        "examlog": exam.log.id,
        "examattemptlog": exam_attempt.id,
    }
    lines = [_with_id(f"/api/logger/{kind}/{{id}}/", "id", value) for kind, value in found.items()]
    return "".join([*lines, _with_id("/api/logger/trackprogress/{session_id}/", "session_id", visit.session_id)])


def _with_id(path: str, name: str, value: str) -> str:
    return f'\n[[operations]]\ninclude-path = "{path}"\nparameters = {{ {name} = "{value}" }}\n'


@pytest.mark.timeout(600)
@pytest.mark.parametrize(("actor", "phases"), [("superuser", "examples,coverage,fuzzing"), ("learner1", "fuzzing")])
async def test_nothing_is_found(
    running: Service,
    http: aiohttp.ClientSession,
    headers_of: Callable[[str], dict[str, str]],
    tmp_path: Path,
    ids: str,
    actor: str,
    phases: str,
) -> None:
    """Schemathesis finds no crash, no undescribed answer, no broken rule of HTTP in thousands of requests.

    The superuser asks for records that are there, the learner for any.
    """
    configuration = tmp_path / "schemathesis.toml"
    configuration.write_text(CONFIGURATION.read_text() + (ids if actor == "superuser" else ""))
    arguments = [f"{running.base}/api/openapi.json", "--phases", phases, "--max-examples", "5"]
    arguments += ["--generation-deterministic", "--continue-on-failure", "--no-color"]
    for name, value in headers_of(actor).items():
        arguments += ["--header", f"{name}: {value}"]

    ended = await run(
        "-m", "schemathesis.cli", "--config-file", str(configuration), "run", *arguments,
        cwd=tmp_path, program=(sys.executable,), seconds=500,
    )  # fmt: skip

    assert ended.code == 0, ended.out[-20_000:]
    [generated] = re.findall(r"(\d+) generated, \1 passed", ended.out)
    assert int(generated) > 100
    async with http.get(f"{running.base}/readyz") as ready:
        assert ready.status == 200
