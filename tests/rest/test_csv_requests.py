"""Requests for CSV exports: for the admins of a facility and for superusers, for nobody else."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from .asking import Client, everything

pytestmark = pytest.mark.shared_service

PATH = "/api/logger/generatecsvlogrequest/"


async def ended(client: Client, headers: dict[str, str], path: str) -> Any:
    """The status of a request whose export has ended."""
    async with asyncio.timeout(60):
        while True:
            async with client.get(f"{path}status/", headers=headers) as response:
                status = await response.json()
            if status["state"] not in {"waiting", "running"}:
                return status
            await asyncio.sleep(0.02)


async def made(client: Client, database: Any, headers: dict[str, str], facility: str) -> str:
    """The path of a new request of an admin."""
    await database["csv_log_requests"].delete_many({})
    async with client.post(PATH, json={"facility": facility, "log_type": "session"}, headers=headers) as response:
        assert response.status == 201, await response.text()
        path = response.headers["Location"]
    await ended(client, headers, path)
    return path


@pytest.mark.parametrize("actor", ["learner1", "coach1", "facilitycoach", "other_admin", "other_learner", "anon"])
async def test_csv_requests_are_for_admins(
    client: Client,
    database: Any,
    headers_of: Callable[[str], dict[str, str]],
    recorded_directory: dict[str, Any],
    actor: str,
) -> None:
    """Who is not an admin of the facility sees no request, changes, removes and makes none; nothing is written."""
    facility = recorded_directory["ids"]["facility"]
    path = await made(client, database, headers_of("admin"), facility)
    before = await everything(database)
    body = {"facility": facility, "log_type": "summary"}

    async with client.get(PATH, headers=headers_of(actor)) as response:
        listed = (response.status, await response.json())
    statuses = {}
    for method in ("GET", "PUT", "PATCH", "DELETE"):
        async with client.request(method, path, json=body, headers=headers_of(actor)) as response:
            statuses[method] = response.status
    async with client.post(PATH, json=body, headers=headers_of(actor)) as response:
        statuses["POST"] = response.status

    assert listed == (200, [])
    assert statuses.pop("GET") == 404
    assert statuses.pop("POST") == 403
    assert set(statuses.values()) <= {403, 404}
    assert await everything(database) == before


@pytest.mark.parametrize("actor", ["admin", "superuser"])
async def test_admin_changes_and_removes(
    client: Client,
    database: Any,
    headers_of: Callable[[str], dict[str, str]],
    recorded_directory: dict[str, Any],
    actor: str,
) -> None:
    """An admin reads, changes and removes a request; then it is gone."""
    facility = recorded_directory["ids"]["facility"]
    path = await made(client, database, headers_of("admin"), facility)
    headers = headers_of(actor)

    async with client.patch(path, json={"log_type": "summary"}, headers=headers) as response:
        changed = (response.status, (await response.json())["log_type"])
    async with client.get(path, headers=headers) as response:
        read = (response.status, (await response.json())["log_type"])
    async with client.delete(path, headers=headers) as response:
        removed = response.status
    async with client.get(path, headers=headers) as response:
        gone = response.status

    assert changed == read == (200, "summary")
    assert (removed, gone) == (204, 404)


async def test_days_at_the_limits_of_time(
    client: Client, headers_of: Callable[[str], dict[str, str]], recorded_directory: dict[str, Any]
) -> None:
    """A span as wide as time is exported; the request is shown, also in zones whose clocks would pass the limits."""
    headers = headers_of("admin")
    asked = {
        "facility": recorded_directory["ids"]["facility"],
        "log_type": "session",
        "selected_start_date": "0001-01-01 00:00:00(America/Los_Angeles)",
        "selected_end_date": "9999-12-31 23:59:59(Pacific/Kiritimati)",
    }

    async with client.post(PATH, json=asked, headers=headers) as response:
        path = response.headers["Location"]
        shown = (response.status, await response.json())
    status = await ended(client, headers, path)
    async with client.get(PATH, headers=headers) as response:
        listed = (response.status, await response.json())

    assert status["state"] == "completed"
    assert shown[0] == 201
    assert (shown[1]["selected_start_date"], shown[1]["selected_end_date"]) == (
        "0001-01-01T00:00:00Z",
        "9999-12-31T23:59:59Z",
    )
    assert listed[0] == 200
    assert shown[1] in listed[1]
