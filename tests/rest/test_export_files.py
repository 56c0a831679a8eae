"""Background exports: a request starts one, its state can be asked for, its file downloaded by admins."""

from __future__ import annotations

import asyncio
import csv
import io
import uuid
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from docservice import DocService, Principal, StartSession
from docservice.domain.exports.csv_exports import SILENCE
from docservice.domain.requests.csv_exports import CsvLogRequest

from .asking import Client

PATH = "/api/logger/generatecsvlogrequest/"
Headers = Callable[[str], dict[str, str]]


@pytest.fixture
async def facility(service: DocService, recorded_directory: dict[str, Any]) -> str:
    """The facility of the recorded directory, with one visit in it."""
    ids, content = recorded_directory["ids"], uuid.uuid4().hex
    visit = StartSession(node_id=content, content_id=content, channel_id=content, kind="video")
    await service.acting_as(Principal(user_id=ids["learner1"])).start_session(visit)
    return str(ids["facility"])


def put(path: Path, text: str) -> None:
    """Write a file."""
    path.write_text(text)


def remove(path: Path) -> None:
    """Remove a file."""
    path.unlink()


def names_in(folder: Path) -> list[str]:
    """What a folder holds."""
    return sorted(entry.name for entry in folder.iterdir())


async def requested(client: Client, headers: dict[str, str], facility: str, **fields: Any) -> str:
    """The path of a new request."""
    body = {"facility": facility, "log_type": "session", **fields}
    async with client.post(PATH, json=body, headers=headers) as response:
        assert response.status == 201, await response.text()
        return response.headers["Location"]


async def ended(client: Client, headers: dict[str, str], path: str) -> Any:
    """The status of a request whose export has ended."""
    async with asyncio.timeout(60):
        while True:
            async with client.get(f"{path}status/", headers=headers) as response:
                status = await response.json()
            if status["state"] not in {"waiting", "running"}:
                return status
            await asyncio.sleep(0.02)


async def got(client: Client, headers: dict[str, str], path: str) -> tuple[int, str, str]:
    """Status, text and disposition of a file."""
    async with client.get(path, headers=headers) as response:
        text = (await response.read()).decode("utf-8-sig")
        return response.status, text, response.headers.get("Content-Disposition", "")


async def test_a_request_makes_a_file(client: Client, headers_of: Headers, facility: str) -> None:
    """The file has the facility's rows and Kolibri's name, at both paths; that of a later request takes its place."""
    admin = headers_of("admin")
    days = {"selected_start_date": "2020-01-01 00:00:00", "selected_end_date": "2099-01-01 00:00:00"}

    path = await requested(client, admin, facility, **days)
    status = await ended(client, admin, path)
    code, text, disposition = await got(client, admin, status["download"])
    latest = await got(client, admin, f"/facility/api/downloadcsvfile/session/{facility}/")
    async with client.get(f"/facility/api/exportedcsvinfo/{facility}/", headers=admin) as response:
        info = await response.json()
    later = await requested(client, admin, facility, selected_end_date="2020-01-01 00:00:00")
    later_status = await ended(client, admin, later)

    assert (status["state"], status["percentage"], status["rows"], status["error"]) == ("completed", 100, 1, None)
    assert (code, latest) == (200, (code, text, disposition))
    header, row = list(csv.reader(io.StringIO(text)))
    assert dict(zip(header, row, strict=True))["Content kind"] == "video"
    assert f"_{facility[:4]}_content_session_logs_from_2020-01-01_to_2099-01-01.csv" in disposition
    assert info["session"].endswith("Z")
    assert (info["summary"], info["user"]) == (None, None)
    assert (later_status["state"], later_status["rows"]) == ("completed", 0)
    assert (await ended(client, admin, path))["state"] == "superseded"
    assert (await got(client, admin, status["download"]))[0] == 404


@pytest.mark.parametrize(
    ("actor", "codes"), [("learner1", (404, 403)), ("facilitycoach", (404, 403)), ("anon", (404, 401))]
)
async def test_files_are_for_admins(
    client: Client, headers_of: Headers, facility: str, actor: str, codes: tuple[int, int]
) -> None:
    """Nobody but admins sees a state or a file, or starts an export."""
    path = await requested(client, headers_of("superuser"), facility)
    assert (await ended(client, headers_of("admin"), path))["state"] == "completed"
    headers = headers_of(actor)

    async with client.post(f"{path}start/", headers=headers) as response:
        started = response.status
    found = [(await got(client, headers, f"{path}{part}/"))[0] for part in ("status", "download")]
    latest = (await got(client, headers, f"/facility/api/downloadcsvfile/session/{facility}/"))[0]

    assert (*found, started, latest) == (codes[0], codes[0], codes[0], codes[1])


async def test_removing_a_request_removes_its_file(
    client: Client, service: DocService, headers_of: Headers, facility: str
) -> None:
    """With its request a file goes."""
    admin = headers_of("admin")
    path = await requested(client, admin, facility)
    await ended(client, admin, path)
    files = service.data_dir / "exports"
    assert names_in(files) == [f"{facility}-session.csv"]

    async with client.delete(path, headers=admin) as response:
        assert response.status == 204

    assert names_in(files) == []
    assert (await got(client, admin, f"/facility/api/downloadcsvfile/session/{facility}/"))[0] == 404


async def test_a_crashed_export_is_interrupted_and_starts_again(
    client: Client, service: DocService, headers_of: Headers, recorded_directory: dict[str, Any], facility: str
) -> None:
    """An export whose service died counts as interrupted after a while; started again, it is completed."""
    admin = headers_of("admin")
    principal = Principal(user_id=recorded_directory["ids"]["admin"])
    asked = CsvLogRequest(facility=facility, log_type="summary")
    stored = await service.acting_as(principal).create_csv_request(asked)
    path = f"{PATH}{stored.id}/"
    before = (await ended(client, admin, path))["state"]
    died = datetime.now(UTC) - SILENCE - timedelta(seconds=1)
    assert await service.admin.csv_jobs.with_clock(lambda: died).claim(stored) is not None

    interrupted = await ended(client, admin, path)
    async with client.post(f"{path}start/", headers=admin) as response:
        started = response.status
    again = await ended(client, admin, path)

    assert (before, interrupted["state"], interrupted["download"]) == ("not-started", "interrupted", None)
    assert (started, again["state"]) == (202, "completed")


async def test_one_export_at_a_time(
    client: Client, service: DocService, headers_of: Headers, recorded_directory: dict[str, Any], facility: str
) -> None:
    """While an export is under way the latest request waits for it, and an earlier one that waited is passed over."""
    admin, ids = headers_of("admin"), recorded_directory["ids"]
    asked = CsvLogRequest(facility=facility, log_type="session")
    stored = await service.acting_as(Principal(user_id=ids["admin"])).create_csv_request(asked)
    export = await service.admin.csv_jobs.claim(stored)
    assert export is not None

    paths = [await requested(client, admin, facility) for _ in range(2)]
    states = []
    for path in (f"{PATH}{stored.id}/", *paths):
        async with client.get(f"{path}status/", headers=admin) as response:
            states.append((await response.json())["state"])
    following = await service.admin.csv_jobs.finish(export, stored, 0)

    assert states == ["running", "superseded", "waiting"]
    assert f"{PATH}{following}/" == paths[1]


async def test_a_failed_export_says_so(
    client: Client, service: DocService, headers_of: Headers, facility: str, caplog: pytest.LogCaptureFixture
) -> None:
    """An export whose file cannot be written fails without telling the server's paths, and can be started again."""
    admin = headers_of("admin")
    blocked = service.data_dir / "exports"
    put(blocked, "in the way")

    path = await requested(client, admin, facility)
    failed = await ended(client, admin, path)
    remove(blocked)
    async with client.post(f"{path}start/", headers=admin):
        pass
    again = await ended(client, admin, path)

    assert failed["state"] == "failed"
    assert failed["error"]
    assert str(blocked) not in failed["error"]
    assert "export failed" in caplog.text
    assert (again["state"], again["error"]) == ("completed", None)
