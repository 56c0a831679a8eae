"""`docservice serve --demo`: what it prints can be pasted."""

from __future__ import annotations

import json
import re
import shlex
import shutil
from typing import Any

import aiohttp
import pytest
from pymongo import AsyncMongoClient

from docservice import demo
from tests.support.documents import collections_of

from .printed import printed_curl
from .running import Service, Services, run

pytestmark = pytest.mark.engine

Client = AsyncMongoClient[dict[str, Any]]

_QUERY = re.compile(
    r'^db\.(\w+)\.find\(\{user_id: "(\w+)", kind: "(\w+)"\}\)\.sort\(\{(\w+): 1\}\)$',
    re.MULTILINE,
)


@pytest.mark.slow
async def test_the_printed_curl_means_what_it_says(demo_service: Service, http: aiohttp.ClientSession) -> None:
    """The parts of the printed command, sent by another client, start an exercise as the learner."""
    words = shlex.split(printed_curl(demo_service))
    assert words[:3] == ["curl", "-X", "POST"]
    headers = dict(words[at + 1].split(": ", 1) for at, word in enumerate(words) if word == "-H")
    body = words[words.index("-d") + 1]

    async with http.post(words[3], data=body, headers=headers) as response:
        status, answer = response.status, await response.json()

    assert status == 200
    assert answer["context"]["node_id"] == json.loads(body)["node_id"]
    assert answer["mastery_criterion"] == {"type": "m_of_n", "m": 3, "n": 5}
    assert answer["totalattempts"] > 0  # The demo's learner has worked on it before.


@pytest.mark.skipif(not shutil.which("curl"), reason="needs curl")
async def test_the_printed_curl_runs(demo_service: Service) -> None:
    """Pasted into a shell it prints the answer."""
    ended = await run("-c", printed_curl(demo_service), program=("sh",))

    assert ended.code == 0, ended.err
    assert re.fullmatch(r"[0-9a-f]{32}", json.loads(ended.out)["session_id"])


async def test_the_printed_mongosh_line_and_query_work(demo_service: Service) -> None:
    """The address lets a driver in, and the query finds the learner's exercises, the least progress first."""
    found = _QUERY.search(demo_service.err)
    assert found, demo_service.err
    collection, user_id, kind, order = found.groups()

    async with Client(demo_service.mongodb_uri) as client:
        named = client.get_default_database()
        exercises = await named[collection].find({"user_id": user_id, "kind": kind}).to_list(100)

    assert (named.name, collection, order) == ("docservice", "content_summary_logs", "progress")
    assert len(exercises) >= 2
    # Those of the latest try are embedded; a document of many tries has moved those of its first ones out.
    assert all(exercise["mastery_logs"][-1]["attempts"] for exercise in exercises)


@pytest.mark.slow
async def test_a_second_start_loads_nothing_twice(services: Services) -> None:
    """Over the same folder the demo is there already: every collection holds as many documents as before."""
    counts, said = [], []
    for _ in range(2):
        service = await services.start("--demo", data_dir=services.folder / "data")
        async with Client(service.mongodb_uri) as client:
            names = sorted(await client.docservice.list_collection_names())
            counts.append({name: await client.docservice[name].count_documents({}) for name in names})
        said.append(re.findall(r"The demo class is ([a-z ]+)\.", service.err))
        assert await service.stop() == 0

    assert counts[0] == counts[1]
    assert counts[0]["facility_users"] == len(demo.directory()["users"])
    assert counts[0]["content_summary_logs"] > 10
    assert said == [["loaded"], ["there already"]]


@pytest.mark.slow
async def test_without_the_demo_nothing_is_loaded(
    services: Services, mongodb_uri: str, database: Any, http: aiohttp.ClientSession
) -> None:
    """A plain start makes no record and prints no token; `/readyz` still answers."""
    service = await services.start("--mongodb-uri", mongodb_uri, "--database", database.name)

    async with http.get(f"{service.base}/readyz") as response:
        status = response.status

    assert status == 200
    assert "Bearer" not in service.err
    for name in await collections_of(database):
        assert await database[name].count_documents({}) == 0, name
