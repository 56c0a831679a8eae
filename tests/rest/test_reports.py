"""Reports over HTTP: JSON, CSV, and what is refused."""

from __future__ import annotations

import csv
from collections.abc import Callable
from io import StringIO
from typing import Any

import pytest

from docservice import DocService
from docservice.domain.reports.definitions import REPORTS

from .asking import Client

pytestmark = pytest.mark.shared_service

PATH = "/api/reports/class-progress/"
Headers = Callable[[str], dict[str, str]]


@pytest.fixture
def query(recorded_directory: dict[str, Any]) -> dict[str, str]:
    """What asks for the recorded class."""
    return {"classroom": recorded_directory["ids"]["class_a"]}


async def test_definitions_are_public(client: Client) -> None:
    """The list says of each report what it is, where its rule is from, and what its columns hold."""
    async with client.get("/api/reports/") as response:
        listed = (await response.json())["results"]

    assert [each["name"] for each in listed] == list(REPORTS)
    assert all(each["about"].endswith(".") and each["source"] and each["columns"] for each in listed)


@pytest.mark.parametrize(("accept", "form"), [("text/csv", None), ("*/*", "csv")])
async def test_csv(client: Client, headers_of: Headers, query: dict[str, str], accept: str, form: str | None) -> None:
    """A program that asks for CSV gets a file with the titles of the columns and the rows of the JSON answer."""
    asked = {**query, "format": form} if form else query
    async with client.get(PATH, params=query, headers=headers_of("coach1")) as response:
        answer = await response.json()
    async with client.get(PATH, params=asked, headers={**headers_of("coach1"), "Accept": accept}) as response:
        text, sent = await response.text(encoding="utf-8-sig"), response.headers

    header, *rows = csv.reader(StringIO(text))
    assert sent["Content-Type"] == "text/csv; charset=utf-8"
    assert sent["Content-Disposition"].startswith('attachment; filename="class-progress-')
    assert header == [column["title"] for column in answer["definition"]["columns"]]
    assert [row[1] for row in rows] == [row["learner"] for row in answer["rows"]]
    assert rows


async def test_cells_are_harmless(
    client: Client, service: DocService, headers_of: Headers, recorded_directory: dict[str, Any], query: dict[str, str]
) -> None:
    """A name that a spreadsheet would run begins with an apostrophe."""
    ids = recorded_directory["ids"]
    user = next(each for each in recorded_directory["users"] if each["id"] == ids["learner2"])
    await service.import_directory({"users": [{**user, "full_name": "=1+1"}]})

    params = {**query, "user": ids["learner2"], "format": "csv"}
    async with client.get(PATH, params=params, headers=headers_of("coach1")) as response:
        rows = list(csv.reader(StringIO(await response.text(encoding="utf-8-sig"))))

    assert {row[1] for row in rows[1:]} == {"'=1+1"}


@pytest.mark.parametrize(
    ("path", "params", "status"),
    [
        ("/api/reports/nothing/", {}, 404),
        (PATH, {}, 422),
        (PATH, {"classroom": ""}, 422),
        (PATH, {"classroom": "x"}, 422),
        (PATH, {"classroom": "a" * 32, "channel": "a" * 32}, 422),
        (PATH, {"classroom": "a" * 32, "format": "xls"}, 422),
        (PATH, {"classroom": "a" * 32}, 200),
    ],
    ids=str,
)
async def test_refused(client: Client, headers_of: Headers, path: str, params: dict[str, str], status: int) -> None:
    """What does not fit is refused; a class that is not there has no rows, as one that is somebody else's."""
    async with client.get(path, params=params, headers=headers_of("coach1")) as response:
        answer = await response.json(content_type=None)

    assert response.status == status
    assert status != 200 or answer["rows"] == []
