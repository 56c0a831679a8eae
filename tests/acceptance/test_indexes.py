"""`docservice indexes`: what the files describe and what the server has."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from docservice.store.database.traits import MONGODB
from docservice.store.indexes.applying import described, shard_keys
from docservice.store.indexes.views import described_views

from .running import Finished, names_in, run

pytestmark = [pytest.mark.engine, pytest.mark.slow]


async def indexes(action: str, *options: str, uri: str, database: Any) -> Finished:
    """Run `docservice indexes` on a database of the test's own."""
    return await run("indexes", action, *options, "--mongodb-uri", uri, "--database", database.name)


async def test_show_lists_each_index_whole(mongodb_uri: str) -> None:
    """Also into a pipe each index is there with its collection, its name, its keys and its query, uncut."""
    ended = await run("indexes", "show")

    text = " ".join(ended.out.split())
    assert ended.code == 0
    assert "…" not in text
    for index in described():
        for part in (index.collection, index.name, *(name for name, _ in index.keys)):
            assert part in text, (index.collection, index.name)


async def test_check_apply_check(mongodb_uri: str, new_database: Any) -> None:
    """On an empty database `check` fails and names all, `apply` makes them, then `check` is content."""
    before = await indexes("check", uri=mongodb_uri, database=new_database)
    there = await new_database.list_collection_names()
    applied = await indexes("apply", uri=mongodb_uri, database=new_database)
    after = await indexes("check", uri=mongodb_uri, database=new_database)

    assert (before.code, applied.code, after.code) == (1, 0, 0)
    missing = [index for index in described() if f"missing: {index.collection}.{index.name} " in before.out]
    assert all(index in missing or index.only_where for index in described())
    assert there == []  # `check` changes nothing.
    assert "docservice indexes apply" in before.err
    assert after.out == ""
    assert f"{len(missing)} of {len(missing)} indexes" in after.err
    for index in missing:
        information = await new_database[index.collection].index_information()
        assert [tuple(key) for key in information[index.name]["key"]] == list(index.keys)


async def test_a_dropped_index_is_named_and_made_again(mongodb_uri: str, new_database: Any) -> None:
    """`check` names exactly the one that was dropped; `apply` makes it."""
    await indexes("apply", uri=mongodb_uri, database=new_database)
    await new_database.content_summary_logs.drop_index("user_content")

    before = await indexes("check", uri=mongodb_uri, database=new_database)
    applied = await indexes("apply", uri=mongodb_uri, database=new_database)

    assert (before.code, applied.code) == (1, 0)
    assert before.out.splitlines() == ["missing: content_summary_logs.user_content user_id, content_id"]
    assert "user_content" in await new_database.content_summary_logs.index_information()


@pytest.mark.parametrize("changed", ["keys", "options"])
async def test_a_changed_index_is_left_until_it_is_rebuilt(mongodb_uri: str, new_database: Any, changed: str) -> None:
    """An index of the same name with other keys or options is `different`; only `--rebuild` replaces it."""
    await indexes("apply", uri=mongodb_uri, database=new_database)
    summaries = new_database.content_summary_logs
    await summaries.drop_index("user_content")
    if changed == "keys":
        await summaries.create_index([("user_id", 1)], name="user_content")
    else:
        await summaries.create_index([("user_id", 1), ("content_id", 1)], name="user_content", sparse=True)
    await summaries.create_index([("progress", 1)], name="somebody_s_own")

    checked = await indexes("check", uri=mongodb_uri, database=new_database)
    applied = await indexes("apply", uri=mongodb_uri, database=new_database)
    kept = (await summaries.index_information())["user_content"]
    rebuilt = await indexes("apply", "--rebuild", uri=mongodb_uri, database=new_database)
    made = (await summaries.index_information())["user_content"]

    assert (checked.code, applied.code, rebuilt.code) == (1, 1, 0)
    assert "different: content_summary_logs.user_content user_id, content_id" in checked.out.splitlines()
    assert "--rebuild" in applied.err
    assert kept.get("sparse") is True or len(kept["key"]) == 1
    assert [tuple(key) for key in made["key"]] == [("user_id", 1), ("content_id", 1)]
    assert not made.get("sparse")
    for ended in (checked, applied, rebuilt):
        assert "not described (left alone): content_summary_logs.somebody_s_own" in ended.out.splitlines()
    assert "somebody_s_own" in await summaries.index_information()


@pytest.mark.parametrize(
    "command",
    [
        "indexes check",
        "verify",
        "verify --against mongodb://127.0.0.1:1/",
        "consolidate progress",
        f"export csv session --facility {'f' * 32} --output a.csv",
        "export ndjson --output a.ndjson",
    ],
)
async def test_a_new_folder_is_not_looked_into(tmp_path: Path, command: str) -> None:
    """A mistyped folder: exit code 2, a line that names the folder and the way on, and nothing is started or made."""
    ended = await run(*command.split(), "--data-dir", "logs", cwd=tmp_path)

    assert (ended.code, ended.out) == (2, "")
    assert "no logs in logs yet" in ended.err
    assert "docservice serve --data-dir logs" in ended.err
    assert names_in(tmp_path) == []


@pytest.mark.parametrize("sharded", [False, True])
async def test_script_has_what_the_files_describe(tmp_path: Path, sharded: bool) -> None:
    """One command for each index and view, and with --shard one for each shard key; the arguments are JSON."""
    ended = await run("indexes", "script", *(["--shard"] if sharded else []), "--database", "logs", cwd=tmp_path)

    first, *lines = ended.out.splitlines()
    made = [re.fullmatch(r"db\.getCollection\((.+?)\)\.createIndex\((.+?), (\{.+\})\)", line) for line in lines]
    indexes = {(json.loads(found[1]), json.loads(found[3])["name"]): json.loads(found[2]) for found in made if found}
    assert (ended.code, ended.err, first) == (0, "", 'db = db.getSiblingDB("logs")')
    wanted = [index for index in described() if index.is_for(MONGODB)]
    assert indexes == {(index.collection, index.name): dict(index.keys) for index in wanted}
    rest = [line for line, found in zip(lines, made, strict=True) if not found]
    views = [re.search(r"db\.createView\((.+)\)$", line) for line in rest[: len(described_views())]]
    assert [json.loads(f"[{found[1]}]") for found in views if found] == [
        [view.name, view.on, view.pipeline] for view in described_views()
    ]
    rest = rest[len(views) :]
    keys = [re.fullmatch(r'sh\.shardCollection\("logs\.(\w+)", (.+)\)', line) for line in rest[1:]]
    assert {found[1]: json.loads(found[2]) for found in keys if found} == (shard_keys() if sharded else {})
    assert rest[:1] == (['sh.enableSharding("logs")'] if sharded else [])
    assert names_in(tmp_path) == []
