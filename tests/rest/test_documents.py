"""Every log as a document: shape, fields, filters and pages; who may read what is in test_permission_matrix."""

from __future__ import annotations

import asyncio
import base64
import itertools
import json
import math
import uuid
from collections.abc import AsyncGenerator, Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import BaseModel

from docservice import DocService
from docservice.errors import StoreUnavailable, ValidationFailed
from docservice.rest import streaming
from docservice.rest.app_keys import REQUEST_ID
from docservice.rest.list_parameters import document_list
from docservice.store.mapping.schema import OVERFLOW

from .asking import M_OF_N, Client, interaction, put, start

HeadersOf = Callable[[str], dict[str, str]]
SUMMARIES = "/api/logger/contentsummarylog/"
SESSIONS = "/api/logger/contentsessionlog/"


async def ask(client: Client, headers: Mapping[str, str], path: str, **query: str) -> tuple[int, Any]:
    """Status and body of a GET."""
    async with client.get(path, params=query, headers=headers) as response:
        return response.status, await response.json(content_type=None)


async def listed(client: Client, headers: Mapping[str, str], path: str, **query: str) -> list[Any]:
    """All results of a list."""
    found: list[Any] = []
    cursor: dict[str, str] = {}
    while True:
        status, page = await ask(client, headers, path, **query, **cursor)
        assert status == 200, page
        found += page["results"]
        if page["next"] is None:
            return found
        cursor = {"cursor": page["next"]}


async def exercise(client: Client, headers: Mapping[str, str], **answered: Any) -> tuple[str, str]:
    """A learner answers a question; content and session."""
    content_id = uuid.uuid4().hex
    began = await start(client, headers, content_id, mastery_model=M_OF_N)
    body = {"interactions": [interaction(**answered)], "extra_fields": {"x": 1}}
    status, _ = await put(client, headers, began["session_id"], body)
    assert status == 200
    return content_id, began["session_id"]


async def test_a_summary_has_its_tries_and_attempts(client: Client, headers_of: HeadersOf) -> None:
    """A summary is one JSON object with tries and attempts in it; JSON values are as sent, times are ISO text, and
    nothing of the storage's bookkeeping is in it."""
    learner = headers_of("learner1")
    answer = {"$ref": 1, "a.b": {"c": 2**70}, "$id": [None, "x"]}
    content_id, _ = await exercise(client, learner, answer=answer)

    (summary,) = await listed(client, learner, SUMMARIES, content=content_id)

    (attempt,) = summary["mastery_logs"][0]["attempts"]
    assert attempt["answer"] == answer
    assert summary["mastery_logs"][0]["attempt_count"] == 1
    assert summary["mastery_logs"][0]["mastery_criterion"] == M_OF_N
    assert summary["extra_fields"] == {"x": 1}
    assert summary["id"]
    assert "_id" not in summary
    assert summary["start_timestamp"].endswith("Z")
    assert attempt["end_timestamp"].endswith("Z")
    text = json.dumps(summary)
    assert not any(name in text for name in ("has_dirty", "schema_version", "attempt_bytes", "overflow_buckets"))
    assert await ask(client, learner, f"{SUMMARIES}{summary['id']}/") == (200, summary)
    dashed = str(uuid.UUID(summary["id"])).upper()
    assert (await ask(client, learner, f"{SUMMARIES}{dashed}/"))[0] == 200


async def test_a_time_is_shown_as_its_device_recorded_it(client: Client, database: Any, headers_of: HeadersOf) -> None:
    """A time that a Kolibri recorded is shown with its microseconds and zone, also when few fields are read."""
    learner = headers_of("learner1")
    content_id, _ = await exercise(client, learner)
    setting = {
        "start_timestamp": datetime(2024, 9, 2, 5, 12, 24, 158000, UTC),
        "_recorded": {"start_timestamp": "2024-09-02 05:12:24.158293(Africa/Nairobi)"},
    }
    await database.content_summary_logs.update_one({"content_id": content_id}, {"$set": setting})

    (summary,) = await listed(client, learner, SUMMARIES, content=content_id, fields="start_timestamp")

    assert summary == {"id": summary["id"], "start_timestamp": "2024-09-02T08:12:24.158293+03:00"}


async def test_fields(client: Client, headers_of: HeadersOf) -> None:
    """`fields` keeps only what it names, or leaves out what has a minus; the id is always there."""
    learner = headers_of("learner1")
    content_id, _ = await exercise(client, learner)

    async def shown(fields: str) -> Any:
        (summary,) = await listed(client, learner, SUMMARIES, content=content_id, fields=fields)
        assert (await ask(client, learner, f"{SUMMARIES}{summary['id']}/", fields=fields)) == (200, summary)
        return summary

    assert set(await shown("progress,kind")) == {"id", "progress", "kind"}
    light = await shown("-mastery_logs.attempts,-extra_fields")
    assert "extra_fields" not in light
    assert "attempts" not in light["mastery_logs"][0]
    assert light["mastery_logs"][0]["mastery_level"] == 1
    mixed = await shown("mastery_logs,-mastery_logs.attempts.answer,-mastery_logs.complete")
    assert set(mixed) == {"id", "mastery_logs"}
    assert "answer" not in mixed["mastery_logs"][0]["attempts"][0]
    assert mixed["mastery_logs"][0]["attempts"][0]["item"] == "q1"
    assert "complete" not in mixed["mastery_logs"][0]


@pytest.mark.parametrize(
    "query",
    [
        {"fields": "nothing"},
        {"fields": "-mastery_logs.nothing"},
        {"fields": "_recorded"},
        {"page_size": "501"},
        {"page_size": "0"},
        {"page_size": "x"},
        {"content": "x"},
        {"content_ids": "x,y"},
        {"start_after": "yesterday"},
        {"start_before": "0001-01-01T00:00:00+14:00"},
        {"cursor": "x"},
        {"cursor": "é"},
        {"cursor": base64.urlsafe_b64encode(b'[1,"a","user",{},null]').decode()},
        {"cursor": base64.urlsafe_b64encode(b'[1,"a","user","' + b"0" * 32 + b'",{"$gt":""}]').decode()},
        {"topic": "f" * 32},
        {"user": "f" * 32},
        {"page": "2"},
        {"exam": "f" * 32},
    ],
)
async def test_a_bad_query_is_refused(client: Client, headers_of: HeadersOf, query: dict[str, str]) -> None:
    """What does not fit is a 400 in Kolibri's shape that names the parameter; nothing is silently ignored."""
    status, body = await ask(client, headers_of("admin"), SUMMARIES, **query)

    assert status == 400, body
    assert body[0]["metadata"]["field"] == next(iter(query))


def test_a_request_names_at_most_a_thousand_contents() -> None:
    """A thousand contents are taken, one more is refused."""
    ids = [uuid.UUID(int=number).hex for number in range(1001)]

    asked = document_list(("content_ids",), ()).read({"content_ids": ",".join(ids[:1000])})

    assert asked.filters.content_ids == tuple(ids[:1000])
    with pytest.raises(ValidationFailed):
        document_list(("content_ids",), ()).read({"content_ids": ",".join(ids)})


async def test_a_cursor_belongs_to_its_filters(client: Client, headers_of: HeadersOf) -> None:
    """A cursor of one list is refused in another, or with other filters; page size and fields may change."""
    admin = headers_of("admin")
    for _ in range(3):
        await exercise(client, headers_of("learner1"))
    _, page = await ask(client, admin, SUMMARIES, page_size="1")
    cursor = page["next"]

    assert cursor is not None
    assert (await ask(client, admin, SUMMARIES, cursor=cursor, page_size="2", fields="kind"))[0] == 200
    assert (await ask(client, admin, SESSIONS, cursor=cursor))[0] == 400
    assert (await ask(client, admin, SUMMARIES, cursor=cursor, kind="exercise"))[0] == 400


async def test_the_errors_have_kolibris_shape(client: Client, headers_of: HeadersOf) -> None:
    """An unknown id is Kolibri's NOT_FOUND of the view's instance."""
    for name, view in (
        ("contentsummarylog", "Content Summary Log"),
        ("contentsessionlog", "Content Session Log"),
        ("usersessionlog", "User Session Log"),
        ("examlog", "Exam Log"),
    ):
        for unknown in (uuid.uuid4().hex, "x"):
            answer = await ask(client, headers_of("admin"), f"/api/logger/{name}/{unknown}/")

            assert answer == (404, [{"id": "NOT_FOUND", "metadata": {"view": f"{view} Instance"}}])


async def test_the_detail_joins_attempts_that_moved(client: Client, headers_of: HeadersOf, database: Any) -> None:
    """A summary with moved attempts shows them all by its id, oldest first, and in the list only the embedded
    ones with the count of all."""
    learner = headers_of("learner1")
    content_id = uuid.uuid4().hex
    began = await start(client, learner, content_id, mastery_model=M_OF_N)
    for block in range(5):
        answers = [interaction(item=f"q{block * 50 + number}") for number in range(50)]
        assert (await put(client, learner, began["session_id"], {"interactions": answers}))[0] == 200
    assert await database[OVERFLOW].count_documents({}) > 0

    (in_list,) = await listed(client, learner, SUMMARIES, content=content_id)
    status, summary = await ask(client, learner, f"{SUMMARIES}{in_list['id']}/")
    _, light = await ask(client, learner, f"{SUMMARIES}{in_list['id']}/", fields="-mastery_logs.attempts")

    assert status == 200
    attempts = summary["mastery_logs"][0]["attempts"]
    assert len(attempts) == 250 == in_list["mastery_logs"][0]["attempt_count"]
    assert len({attempt["id"] for attempt in attempts}) == 250
    # As moments: the text of a whole second has no fraction, and sorts behind the others of that second.
    begun = [datetime.fromisoformat(attempt["start_timestamp"]) for attempt in attempts]
    assert begun == sorted(begun)
    assert len(in_list["mastery_logs"][0]["attempts"]) < 250
    assert "attempts" not in light["mastery_logs"][0]


async def save_sessions(service: DocService, directory: Mapping[str, Any]) -> list[Any]:
    """Visits of three learners to six contents, an hour apart."""
    users = [directory["actors"][actor]["user"] for actor in ("learner1", "learner2", "learner3")]
    saved = []
    for number in range(18):
        values = {
            "user_id": users[number % 3],
            "content_id": uuid.UUID(int=number // 3).hex,
            "channel_id": uuid.UUID(int=100 + number % 2).hex,
            "kind": "video" if number % 2 else "exercise",
            "start_timestamp": datetime(2024, 1, 1, tzinfo=UTC) + timedelta(hours=number),
        }
        saved.append(await service.content_session_logs.save(values))
    return saved


TREE = [
    {"id": "a" * 32, "content_id": "a" * 32, "channel_id": "c" * 32, "parent": None, "kind": "topic"},
    {"id": "b" * 32, "content_id": "b" * 32, "channel_id": "c" * 32, "parent": "a" * 32, "kind": "topic"},
    {"id": "d" * 32, "content_id": uuid.UUID(int=1).hex, "channel_id": "c" * 32, "parent": "a" * 32, "kind": "video"},
    {"id": "e" * 32, "content_id": uuid.UUID(int=2).hex, "channel_id": "c" * 32, "parent": "b" * 32, "kind": "video"},
    {"id": "f" * 32, "content_id": uuid.UUID(int=3).hex, "channel_id": "d" * 32, "parent": "b" * 32, "kind": "video"},
]


@pytest.mark.parametrize("actor", ["admin", "superuser", "coach1"])
async def test_filters(
    client: Client, service: DocService, headers_of: HeadersOf, recorded_directory: dict[str, Any], actor: str
) -> None:
    """Each filter, alone and with others, lets through exactly the logs that fit, page by page."""
    saved = await save_sessions(service, recorded_directory)
    await service.import_directory({"content_nodes": TREE})
    asker = headers_of(actor)
    visible = {log["id"] for log in await listed(client, asker, SESSIONS)}
    assert visible == {log.id for log in saved} or actor == "coach1"
    assert visible
    one = uuid.UUID(int=1).hex

    async def check(fits: Callable[[Any], bool], **query: str) -> None:
        for size in ("1", "4", "500"):
            found = [log["id"] for log in await listed(client, asker, SESSIONS, page_size=size, **query)]
            assert sorted(found) == sorted(log.id for log in saved if log.id in visible and fits(log)), query

    after, before = saved[3].start_timestamp, saved[9].start_timestamp
    await check(lambda log: log.kind == "video", kind="video")
    await check(lambda log: log.content_id == one, content=one)
    await check(lambda log: log.channel_id == uuid.UUID(int=100).hex, channel=uuid.UUID(int=100).hex)
    await check(lambda log: log.user_id == saved[0].user_id, user=saved[0].user_id)
    await check(
        lambda log: after <= log.start_timestamp < before, start_after=after.isoformat(), start_before=str(before)[:19]
    )
    several = [uuid.UUID(int=number).hex for number in (0, 4, 77)]
    await check(lambda log: log.content_id in several, content_ids=",".join(several))
    below = {uuid.UUID(int=number).hex for number in (1, 2)}
    await check(lambda log: log.content_id in below, topic="a" * 32)
    await check(lambda log: log.content_id == one, topic="d" * 32)
    await check(lambda log: log.content_id in below and log.kind == "video", topic="a" * 32, kind="video")
    await check(lambda log: False, topic="a" * 32, content=uuid.UUID(int=5).hex)


@given(
    size=st.integers(1, 7),
    writes=st.lists(st.lists(st.sampled_from(["append", "change", "delete"]), max_size=3), min_size=1, max_size=8),
    actor=st.sampled_from(["superuser", "admin", "coach1", "learner1"]),
    by_content=st.booleans(),
)
@settings(
    max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@pytest.mark.slow
async def test_a_walk_is_right_while_writers_run(
    client: Client,
    service: DocService,
    headers_of: HeadersOf,
    recorded_directory: dict[str, Any],
    size: int,
    writes: list[list[str]],
    actor: str,
    by_content: bool,
) -> None:
    """Whatever is added, changed and deleted between and during pages: no log comes twice, and each that was there at
    the start and was not deleted comes."""
    logs = service.content_session_logs
    users = [recorded_directory["actors"][name]["user"] for name in ("learner1", "learner2")]
    query = {"content_ids": ",".join(uuid.UUID(int=n).hex for n in range(3))} if by_content else {}

    numbers = itertools.count()

    async def append() -> Any:
        number = next(numbers)
        return await logs.save(
            {"user_id": users[number % 2], "content_id": uuid.UUID(int=number % 3).hex, "kind": "video"}
            | {"start_timestamp": datetime(2024, 1, 1, tzinfo=UTC)}
        )

    own = [await append() for _ in range(8)]
    at_start = {log["id"] for log in await listed(client, headers_of(actor), SESSIONS, page_size="500", **query)}
    deleted: set[str] = set()

    async def write(action: str) -> None:
        if action == "append":
            await append()
        elif own:
            log = own.pop()
            if action == "delete":
                deleted.add(log.id)
                await logs.delete(log)
            else:
                await logs.save(log.model_copy(update={"time_spent": log.time_spent + 1}))

    found: list[str] = []
    cursor: dict[str, str] = {}
    turn = 0
    while True:
        asked = ask(client, headers_of(actor), SESSIONS, page_size=str(size), fields="kind", **query, **cursor)
        (status, page), *_ = await asyncio.gather(asked, *map(write, writes[turn % len(writes)] if turn < 40 else []))
        assert status == 200
        found += [log["id"] for log in page["results"]]
        turn += 1
        if page["next"] is None:
            break
        cursor = {"cursor": page["next"]}

    assert len(found) == len(set(found))
    assert at_start - deleted <= set(found)


def _kinds(directory: Mapping[str, Any]) -> dict[str, Callable[[int], dict[str, Any]]]:
    """For each list a log that can be saved, of one of two learners."""
    users = [directory["actors"][name]["user"] for name in ("learner1", "learner2")]
    start = {"start_timestamp": datetime(2024, 1, 1, tzinfo=UTC)}

    def of_content(number: int) -> dict[str, Any]:
        return {"user_id": users[number % 2], "content_id": uuid.uuid4().hex, "kind": "video", **start}

    return {
        "contentsummarylog": of_content,
        "contentsessionlog": of_content,
        "usersessionlog": lambda number: {"user_id": users[number % 2], **start},
        "examlog": lambda number: {"user_id": users[number % 2], "exam_id": uuid.uuid4().hex},
    }


@pytest.mark.slow
@pytest.mark.parametrize("actor", ["superuser", "admin", "coach1", "learner1"])
@pytest.mark.parametrize("kind", ["contentsummarylog", "contentsessionlog", "usersessionlog", "examlog"])
async def test_each_list_is_walked_while_a_writer_appends(
    shared_client: Client,
    shared_service: DocService,
    headers_of: HeadersOf,
    recorded_directory: dict[str, Any],
    kind: str,
    actor: str,
) -> None:
    """Of each kind of log each that was there at the start comes exactly once, whatever is appended between and during
    the pages."""
    service, make = shared_service, _kinds(recorded_directory)[kind]
    collections: dict[str, Any] = {
        "contentsummarylog": service.content_summary_logs,
        "contentsessionlog": service.content_session_logs,
        "usersessionlog": service.user_session_logs,
        "examlog": service.exam_logs,
    }
    logs = collections[kind]
    for number in range(7):
        await logs.save(make(number))
    path = f"/api/logger/{kind}/"
    at_start = [log["id"] for log in await listed(shared_client, headers_of(actor), path, page_size="500")]

    found: list[str] = []
    cursor: dict[str, str] = {}
    while True:
        appended = logs.save(make(len(found))) if len(found) < len(at_start) else asyncio.sleep(0)
        asked = ask(shared_client, headers_of(actor), path, page_size="3", fields="user_id", **cursor)
        (status, page), _ = await asyncio.gather(asked, appended)
        assert status == 200
        found += [log["id"] for log in page["results"]]
        if page["next"] is None:
            break
        cursor = {"cursor": page["next"]}

    assert len(at_start) >= 3
    assert len(found) == len(set(found))
    assert set(at_start) <= set(found)


@pytest.mark.parametrize("path", ["attemptlog", "masterylog"])
async def test_numbered_pages_miss_nothing_that_is_appended_to(
    client: Client, headers_of: HeadersOf, path: str
) -> None:
    """Kolibri's numbered pages of tries and attempts: what was there at the start comes, some of it twice when new
    tries and attempts push it to the next page. (A try that goes on meanwhile moves to the front, as on Kolibri.)"""
    learner, coach = headers_of("learner1"), headers_of("coach1")
    for _ in range(4):
        await exercise(client, learner)
    query = {"content": "", "user": "", "page_size": "2"}
    _, whole = await ask(client, coach, f"/api/logger/{path}/", content="", user="")

    found, number, pages = [], 1, 99
    while number <= pages:
        _, page = await ask(client, coach, f"/api/logger/{path}/", **query, page=str(number))
        found += [row["id"] for row in page["results"]]
        pages, number = page["total_pages"], number + 1
        if number < 4:
            await exercise(client, learner)

    assert len(whole) >= 4
    assert {row["id"] for row in whole} <= set(found)


async def test_a_long_list_of_attempts_is_sent_while_it_is_read(client: Client, headers_of: HeadersOf) -> None:
    """A list without pages is the same JSON however long it is, and HEAD of it has no body."""
    learner, path = headers_of("learner1"), "/api/logger/attemptlog/"
    began = await start(client, learner, uuid.uuid4().hex, mastery_model=M_OF_N)
    reported, short = 0, await ask(client, learner, path)
    while reported <= streaming.SHORT:
        answers = [interaction(item=f"q{reported + number}") for number in range(50)]
        assert (await put(client, learner, began["session_id"], {"interactions": answers}))[0] == 200
        reported += 50
    pages = [
        (await ask(client, learner, path, page_size="200", page=str(page)))[1]["results"]
        for page in range(1, math.ceil(reported / 200) + 1)
    ]

    async with client.get(path, headers=learner) as response:
        assert response.headers["Transfer-Encoding"] == "chunked"
        assert response.headers["X-Request-Id"]
        assert (response.status, await response.json()) == (200, [row for page in pages for row in page])
    async with client.head(path, headers=learner) as response:
        assert (response.status, await response.read()) == (200, b"")
    assert short == (200, [])


async def test_a_cut_list_is_no_list(caplog: pytest.LogCaptureFixture) -> None:
    """If the database fails after the status was sent, the connection breaks: a part does not look like the whole."""

    class Row(BaseModel):
        number: int

    async def failing() -> AsyncGenerator[list[Any], None]:
        yield [Row(number=number) for number in range(streaming.SHORT + 1)]
        raise StoreUnavailable("gone")

    async def handler(request: web.Request) -> web.StreamResponse:
        request[REQUEST_ID] = "r1"
        return await streaming.list_answer(request, failing())

    app = web.Application()
    app.router.add_get("/", handler)

    async with TestClient(TestServer(app)) as client, client.get("/") as response:
        with pytest.raises(aiohttp.ClientPayloadError):
            await response.read()

    assert response.status == 200
    assert "a list was cut off" in caplog.text


async def test_what_is_revoked_is_not_read_any_more(
    client: Client, headers_of: HeadersOf, database: Any, recorded_directory: dict[str, Any]
) -> None:
    """A coach whose role is revoked, and one whose learner has left the class, see nothing of the learner from the next
    request on: in no list, not by the id, and not with a cursor from before."""
    ids = recorded_directory["ids"]
    coach, learner = headers_of("coach1"), headers_of("learner1")
    for _ in range(2):
        await exercise(client, learner)
    lists = ("masterylog", "attemptlog", "contentsummarylog", "contentsessionlog")

    async def seen(**more: str) -> list[int]:
        found = []
        for name in lists:
            status, body = await ask(client, coach, f"/api/logger/{name}/", content="", user=ids["learner1"], **more)
            assert status == 200
            found.append(len(body if isinstance(body, list) else body["results"]))
        return found

    _, first = await ask(client, coach, SUMMARIES, page_size="1")
    path = f"{SUMMARIES}{first['results'][0]['id']}/"
    assert min(await seen()) == 2
    assert (await ask(client, coach, path))[0] == 200
    memberships = await database.memberships.find({"user_id": ids["learner1"]}).to_list(100)

    await database.memberships.delete_many({"user_id": ids["learner1"]})
    assert await seen() == [0] * 4
    await database.memberships.insert_many(memberships)
    assert min(await seen()) == 2
    await database.roles.delete_many({"user_id": ids["coach1"]})
    assert await seen() == [0] * 4

    assert (await ask(client, coach, path))[0] == 404
    _, after = await ask(client, coach, SUMMARIES, cursor=first["next"])
    assert after["results"] == []


async def test_a_parameter_that_comes_twice(client: Client, headers_of: HeadersOf) -> None:
    """Lists of documents refuse it, Kolibri's take the last value, as Kolibri does."""
    learner = headers_of("learner1")
    content_id, _ = await exercise(client, learner)
    twice = [("user", ""), ("content", uuid.uuid4().hex), ("content", content_id)]

    async with client.get("/api/logger/masterylog/", params=twice, headers=learner) as response:
        assert len(await response.json()) == 1
    async with client.get(SUMMARIES, params=twice[1:], headers=learner) as response:
        assert response.status == 400
        assert [error["metadata"]["field"] for error in await response.json()] == ["content"]
