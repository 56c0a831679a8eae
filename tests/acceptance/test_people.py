"""`docservice people`, `classes` and `directory remove|replace`: the directory at the command line."""

from __future__ import annotations

import json
from typing import Any

import pytest

from docservice import demo

from .running import Finished, run

pytestmark = [pytest.mark.engine, pytest.mark.slow]


async def test_the_directory_at_the_command_line(mongodb_uri: str, database: Any, tmp_path: Any) -> None:
    """People are listed, found and shown by their names, as tables and as lines of JSON; a class is listed and removed
    by its name; a file replaces the people of the facility, but not most of them without --force; errors are one line
    that says what there is."""
    content = demo.directory()
    source = tmp_path / "school.json"
    store = ("--mongodb-uri", mongodb_uri, "--database", database.name)

    async def docservice(*arguments: str) -> Finished:
        return await run(*arguments, *store)

    source.write_text(json.dumps(content))
    assert (await docservice("directory", "import", str(source))).code == 0
    person, room = content["users"][1], content["classrooms"][0]
    members = {each["user"] for each in content["memberships"] if each["collection"] == room["id"]}

    listed = await docservice("people", "list", "--class", room["name"].upper(), "--json")
    found = await docservice("people", "find", person["full_name"][:4].upper())
    shown = await docservice("people", "show", f"{content['facilities'][0]['name']}/{person['username'].upper()}")
    classes = await docservice("classes", "list")
    one = await docservice("classes", "show", room["name"], "--json")
    wrong = [
        await docservice("people", "show", "nobody"),
        await docservice("classes", "show", "No Such Class"),
        await docservice("people", "list", "--facility", "Nowhere"),
        await docservice("directory", "remove", "users", person["username"]),
        await docservice("directory", "remove", "lessons", "x", "--yes"),
    ]

    assert {json.loads(line)["id"] for line in listed.out.splitlines()} == members
    assert person["username"] in found.out
    assert person["id"] in found.out
    assert person["id"] in shown.out
    assert room["name"] in shown.out
    assert room["id"] in classes.out
    assert {each["id"] for each in json.loads(one.out)["members"]} == members
    assert [ended.code for ended in wrong] == [2] * 5
    assert all(len(ended.err.splitlines()) == 1 for ended in wrong), [ended.err for ended in wrong]
    assert "--yes" in wrong[3].err

    removed = await docservice("directory", "remove", "users", person["username"], "--yes")
    people = [each for each in content["users"] if each["id"] != person["id"]]
    own = {"memberships": [each for each in content["memberships"] if each["user"] != person["id"]]}
    source.write_text(json.dumps({"facilities": content["facilities"], "users": people[:2], **own}))
    refused = await docservice("directory", "replace", str(source))
    source.write_text(json.dumps({"facilities": content["facilities"], "users": people, **own}))
    replaced = await docservice("directory", "replace", str(source), "--facility", content["facilities"][0]["name"])

    assert (removed.code, removed.err) == (0, "")
    assert "memberships" in removed.out
    assert await database.facility_users.find_one({"_id": person["id"]}) is None
    assert (refused.code, len(refused.err.splitlines())) == (2, 1)
    assert "--force" in refused.err
    assert (replaced.code, replaced.err) == (0, "")
    assert await database.facility_users.count_documents({}) == len(people)
