"""`Idempotency-Key`: a retry gets the first reply and adds nothing."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any

import pytest

from .asking import M_OF_N, TRACK, Client, everything, interaction, start, start_body

REPORT = {"time_spent_delta": 5, "interactions": [interaction()]}


async def send(
    client: Client, method: str, path: str, headers: dict[str, str], body: Any, key: str
) -> tuple[int, bytes]:
    """Send a request under a key; status and bytes of the answer."""
    async with client.request(method, path, json=body, headers={**headers, "Idempotency-Key": key}) as response:
        return response.status, await response.read()


async def visit(client: Client, headers: dict[str, str]) -> str:
    """The path of a new visit to an exercise."""
    return f"{TRACK}{(await start(client, headers, mastery_model=M_OF_N))['session_id']}/"


async def test_report_twice(client: Client, database: Any, headers_of: Callable[[str], dict[str, str]]) -> None:
    """The same report under the same key is answered byte for byte as before and added once."""
    headers = headers_of("learner1")
    path = await visit(client, headers)

    first = await send(client, "PUT", path, headers, REPORT, "a key")
    second = await send(client, "PUT", path, headers, REPORT, "a key")

    assert first[0] == 200
    assert second == first
    summary = await database["content_summary_logs"].find_one({})
    assert summary["time_spent"] == 5
    assert summary["mastery_logs"][0]["attempt_count"] == 1


async def test_report_at_once(client: Client, database: Any, headers_of: Callable[[str], dict[str, str]]) -> None:
    """The same report sent several times at once is added once, and all get the same reply."""
    headers = headers_of("learner1")
    path = await visit(client, headers)

    answers = await asyncio.gather(*(send(client, "PUT", path, headers, REPORT, "k") for _ in range(8)))

    assert len(set(answers)) == 1
    assert answers[0][0] == 200
    assert (await database["content_summary_logs"].find_one({}))["time_spent"] == 5


@pytest.mark.parametrize("actor", ["learner1", "anon_visitor"])
async def test_start_twice(
    client: Client, database: Any, headers_of: Callable[[str], dict[str, str]], actor: str
) -> None:
    """The same start under the same key, also at once, makes one visit."""
    body = start_body(mastery_model=M_OF_N)

    answers = await asyncio.gather(*(send(client, "POST", TRACK, headers_of(actor), body, "k") for _ in range(4)))

    assert len(set(answers)) == 1
    assert answers[0][0] == 200
    assert await database["content_session_logs"].count_documents({}) == 1


async def test_key_for_another_body(client: Client, database: Any, headers_of: Callable[[str], dict[str, str]]) -> None:
    """A key that was used for another body is refused, and nothing is written."""
    headers = headers_of("learner1")
    path = await visit(client, headers)
    await send(client, "PUT", path, headers, REPORT, "k")
    before = await everything(database)

    status, _ = await send(client, "PUT", path, headers, {**REPORT, "time_spent_delta": 6}, "k")

    assert status == 422
    assert await everything(database) == before


async def test_key_for_another_visit(
    client: Client, database: Any, headers_of: Callable[[str], dict[str, str]]
) -> None:
    """A key that was used for another visit is refused, and nothing is written."""
    headers = headers_of("learner1")
    one, other = await visit(client, headers), await visit(client, headers)
    await send(client, "PUT", one, headers, REPORT, "k")
    before = await everything(database)

    status, _ = await send(client, "PUT", other, headers, REPORT, "k")

    assert status == 422
    assert await everything(database) == before


async def test_keys_of_two_learners(client: Client, database: Any, headers_of: Callable[[str], dict[str, str]]) -> None:
    """Two learners may use the same key without knowing of each other."""
    paths = {actor: await visit(client, headers_of(actor)) for actor in ("learner1", "learner2")}

    answers = [
        await send(client, "PUT", path, headers_of(actor), {"time_spent_delta": number}, "k")
        for number, (actor, path) in enumerate(paths.items(), 1)
    ]

    assert [status for status, _ in answers] == [200, 200]
    times = sorted([summary["time_spent"] async for summary in database["content_summary_logs"].find({})])
    assert times == [1, 2]


@pytest.mark.parametrize(
    "refused",
    [
        {"progress": 2},
        {"interactions": [interaction(id="0" * 32)]},
        {"extra_fields": {"a\0b": 1}},
    ],
    ids=["validation", "reference", "unstorable"],
)
async def test_failing_request_leaves_the_key(
    client: Client, database: Any, headers_of: Callable[[str], dict[str, str]], refused: dict[str, Any]
) -> None:
    """A request that is refused does not use up its key."""
    headers = headers_of("learner1")
    path = await visit(client, headers)

    failed, _ = await send(client, "PUT", path, headers, refused, "k")
    status, _ = await send(client, "PUT", path, headers, REPORT, "k")

    assert (failed, status) == (400, 200)
    assert (await database["content_summary_logs"].find_one({}))["time_spent"] == 5


@pytest.mark.parametrize("key", ["", "x" * 256, "clé", "a\tb", "\U0001f511"])
async def test_a_bad_key(client: Client, headers_of: Callable[[str], dict[str, str]], key: str) -> None:
    """A key takes 1 to 255 printable ASCII characters; the refusal names the header."""
    status, body = await send(client, "POST", TRACK, headers_of("learner1"), start_body(), key)

    assert status == 400
    assert json.loads(body)[0]["metadata"]["field"] == "Idempotency-Key"


async def test_without_a_key_adds_again(
    client: Client, database: Any, headers_of: Callable[[str], dict[str, str]]
) -> None:
    """A report without a key adds each time it is sent, as on a real Kolibri."""
    headers = headers_of("learner1")
    path = await visit(client, headers)

    for _ in range(2):
        async with client.put(path, json=REPORT, headers=headers) as response:
            assert response.status == 200

    assert (await database["content_summary_logs"].find_one({}))["time_spent"] == 10


async def test_visitors_without_a_name_share_no_key(
    client: Client, headers_of: Callable[[str], dict[str, str]]
) -> None:
    """Two anonymous starts under one key are two visits: nobody is given a stranger's session."""
    body = start_body()

    answers = [await send(client, "POST", TRACK, headers_of("anon"), body, "1") for _ in range(2)]

    assert [status for status, _ in answers] == [200, 200]
    assert len({json.loads(reply)["session_id"] for _, reply in answers}) == 2
