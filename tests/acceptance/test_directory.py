"""`docservice directory import`: who is who, from a file."""

from __future__ import annotations

import copy
import json
import re
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from docservice import demo
from docservice.domain.directory.records import SECTIONS

from .running import Finished, Services, engine_state, run
from .signing import headers_with_own_key

pytestmark = [pytest.mark.engine, pytest.mark.slow]

RECORDED = Path(__file__).parents[1] / "data" / "transcripts" / "directory.json"
VIDEO = {"node_id": "a" * 32, "content_id": "b" * 32, "channel_id": "c" * 32, "kind": "video"}


def counts(ended: Finished) -> dict[str, tuple[int, ...]]:
    """The table that the command prints: created, changed, unchanged of each list."""
    assert ended.code == 0, ended.err
    rows = re.findall(r"(\w+)[^\w\n]+(\d+)[^\w\n]+(\d+)[^\w\n]+(\d+)[^\w\n]*$", ended.out, re.MULTILINE)
    return {name: tuple(map(int, numbers)) for name, *numbers in rows}


async def in_database(database: Any, *arguments: str, stdin: bytes = b"", uri: str) -> Finished:
    """Run `directory import` on a database of the test's own."""
    return await run("directory", "import", *arguments, "--mongodb-uri", uri, "--database", database.name, stdin=stdin)


async def test_a_file_is_imported_and_again_changes_nothing(mongodb_uri: str, database: Any) -> None:
    """All records are created, counted list by list; the second time all are unchanged."""
    content = json.loads(RECORDED.read_text())
    expected = {name: len(content[name]) for name in SECTIONS if name in content}

    first = counts(await in_database(database, str(RECORDED), uri=mongodb_uri))
    second = counts(await in_database(database, str(RECORDED), uri=mongodb_uri))

    assert expected["users"] == 17
    assert first == {name: (number, 0, 0) for name, number in expected.items()}
    assert second == {name: (0, 0, number) for name, number in expected.items()}
    assert await database.facility_users.count_documents({}) == expected["users"]
    assert await database.exams.count_documents({}) == expected["exams"]


async def test_what_changed_is_counted_and_what_is_not_named_stays(mongodb_uri: str, database: Any) -> None:
    """A file with one changed and one new user changes one record, creates one, and removes none."""
    content = demo.directory()
    await in_database(database, "-", stdin=json.dumps(content).encode(), uri=mongodb_uri)
    changed = {**content["users"][0], "full_name": "Grace A. Achieng", "birth_year": "1980"}
    new = {**content["users"][1], "id": "f" * 32, "username": "new"}

    third = counts(
        await in_database(database, "-", stdin=json.dumps({"users": [changed, new]}).encode(), uri=mongodb_uri)
    )

    assert third == {"users": (1, 1, 0)}
    assert await database.facility_users.count_documents({}) == len(content["users"]) + 1
    kept = await database.facility_users.find_one({"_id": changed["id"]})
    assert (kept["full_name"], kept["birth_year"]) == ("Grace A. Achieng", "1980")


async def test_a_running_service_sees_new_users_at_once(services: Services, http: aiohttp.ClientSession) -> None:
    """The command joins the service's engine; a user who was a stranger before is let in right after it."""
    service = await services.start()
    engine = engine_state(service.data_dir)["engine_pid"]
    headers = headers_with_own_key(service.data_dir, demo.directory()["users"][1]["id"])
    source = services.folder / "directory.json"
    source.write_text(json.dumps(demo.directory()))

    async def start() -> int:
        async with http.post(f"{service.base}/api/logger/trackprogress/", json=VIDEO, headers=headers) as response:
            return response.status

    before = await start()
    ended = await run("directory", "import", str(source), "--data-dir", str(service.data_dir))
    after = await start()

    assert (before, ended.code, after) == (401, 0, 200)
    assert engine_state(service.data_dir)["engine_pid"] == engine


async def test_without_a_service_the_engine_runs_for_the_command_only(tmp_path: Path) -> None:
    """The command starts the engine, writes, and leaves no engine; the next one finds what was written."""
    source = tmp_path / "directory.json"
    source.write_text(json.dumps(demo.directory()))

    first = await run("directory", "import", "directory.json", "--data-dir", "data", cwd=tmp_path)
    state_left = (tmp_path / "data" / "engine" / "state.json").exists()
    second = await run("directory", "import", "directory.json", "--data-dir", "data", cwd=tmp_path)

    assert not state_left
    people = len(demo.directory()["users"])
    assert counts(first)["users"] == (people, 0, 0)
    assert counts(second)["users"] == (0, 0, people)


async def test_wrong_records_are_all_named_and_nothing_is_written(mongodb_uri: str, database: Any) -> None:
    """Exit code 2; each wrong record by list, position and field; no record of the file is in the database."""
    content = copy.deepcopy(demo.directory())
    content["users"][2]["id"] = "no id"
    del content["users"][3]["username"]
    content["roles"][0]["kind"] = "janitor"
    content["exams"] = {"id": "x"}

    ended = await in_database(database, "-", stdin=json.dumps(content).encode(), uri=mongodb_uri)

    assert (ended.code, ended.out) == (2, "")
    for place in ("/users/2/id", "/users/3/username", "/roles/0/kind", "/exams"):
        assert place in ended.err
    assert "Traceback" not in ended.err
    for name in {model.collection_name for model in SECTIONS.values()}:
        assert await database[name].count_documents({}) == 0, name


async def test_impossible_records_are_one_line(mongodb_uri: str, database: Any) -> None:
    """Exit code 2, one line with the place of each record that no Kolibri could hold, and nothing is written."""
    content = demo.directory()
    content["users"][3]["username"] = content["users"][2]["username"].upper()
    content["memberships"][0]["user"] = "f" * 32

    ended = await in_database(database, "-", stdin=json.dumps(content).encode(), uri=mongodb_uri)

    assert (ended.code, ended.out) == (2, "")
    assert len(ended.err.splitlines()) == 1
    assert "/users/3/username: " in ended.err
    assert "/memberships/0/user: " in ended.err
    for name in {model.collection_name for model in SECTIONS.values()}:
        assert await database[name].count_documents({}) == 0, name


@pytest.mark.parametrize("content", ["{}", '{"pupils": {}}', "", "[1, 2]"])
async def test_what_is_no_directory_is_one_line(tmp_path: Path, content: str) -> None:
    """Exit code 2, one line with the file's name; no engine is started for it."""
    source = tmp_path / "people.json"
    source.write_text(content)

    ended = await run("directory", "import", str(source), "--data-dir", str(tmp_path / "data"))

    assert (ended.code, ended.out) == (2, "")
    assert len(ended.err.splitlines()) == 1
    assert str(source) in ended.err
    assert not (tmp_path / "data").exists()


@pytest.mark.parametrize("kind", ["missing", "latin-1"])
async def test_a_file_that_cannot_be_read_is_one_line(tmp_path: Path, kind: str) -> None:
    """A missing file, and text that is not UTF-8: exit code 2 and one line with the name."""
    source = tmp_path / "people.json"
    if kind == "latin-1":
        source.write_bytes('{"users": "é"}'.encode("latin-1"))

    ended = await run("directory", "import", str(source), "--data-dir", str(tmp_path / "data"))

    assert (ended.code, ended.out) == (2, "")
    assert len(ended.err.splitlines()) == 1
    assert str(source) in ended.err


@pytest.mark.parametrize(
    ("field", "value"),
    [("extra_demographics", {"size": 10**30}), ("extra_demographics", {"a\x00b": 1}), ("full_name", "\ud800")],
    ids=["large integer", "NUL in a key", "lone surrogate"],
)
async def test_values_that_no_document_holds_are_kept_or_named(
    mongodb_uri: str, database: Any, field: str, value: object
) -> None:
    """A strange value in a record is stored, or refused in one line with its place and nothing is written."""
    content = demo.directory()
    content["users"][1][field] = value

    ended = await in_database(database, "-", stdin=json.dumps(content).encode(), uri=mongodb_uri)

    assert "Traceback" not in ended.err
    if ended.code != 0:
        assert ended.code == 2
        assert len(ended.err.splitlines()) == 1
        assert f"/users/1/{field}" in ended.err
        for name in {model.collection_name for model in SECTIONS.values()}:
            assert await database[name].count_documents({}) == 0, name
