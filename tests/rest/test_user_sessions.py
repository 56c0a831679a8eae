"""User sessions: who used the app when and on what, as Kolibri's front end reports it."""

from __future__ import annotations

import asyncio
import re
import uuid
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from aiohttp.test_utils import TestClient

from docservice import ANONYMOUS, DocService, Principal
from docservice.domain.requests.user_sessions import ReportActivity
from docservice.domain.values.ids import record_id
from docservice.errors import Unauthenticated
from tests.support.clocks import stopped_at

from .asking import Client, everything

SESSION = "/api/auth/session/current/"
ACTIVE = {"active": True, "os": {"name": "Ubuntu"}, "browser": {"name": "Firefox", "major": "121", "version": "121.0"}}
UBUNTU = ReportActivity.parse({"active": True, "os": {"name": "Ubuntu"}})
START = datetime(2024, 9, 2, 5, 0, tzinfo=UTC)
CHROME_WINDOWS = (
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/120.0.0.0 Safari/537.36"
)

HeadersOf = Callable[[str], dict[str, str]]


async def put(client: Client, headers: dict[str, str], body: Any) -> Any:
    """Report activity; the answer."""
    async with client.put(SESSION, json=body, headers=headers) as response:
        answer = await response.json()
        assert response.status == 200, answer
        return answer


async def sittings(database: Any) -> list[dict[str, Any]]:
    """All user sessions, by start."""
    found: list[dict[str, Any]] = await database["user_session_logs"].find({}).sort("start_timestamp").to_list(1000)
    return found


async def test_first_report(
    client: Client, database: Any, headers_of: HeadersOf, recorded_directory: dict[str, Any]
) -> None:
    """The first report begins a user session with Kolibri's fields, and says who is signed in."""
    ids = recorded_directory["ids"]

    answer = await put(client, headers_of("learner1"), ACTIVE)

    [document] = await sittings(database)
    partition = f"{ids['dataset']}:user-rw:{ids['learner1']}"
    server_time = answer.pop("server_time")
    assert answer == {
        "id": "current",
        "user_id": ids["learner1"],
        "username": "learner1",
        "full_name": "Learner One",
        "facility_id": ids["facility"],
        "kind": ["learner"],
        "can_manage_content": False,
        "full_facility_import": True,
        "app_context": False,
    }
    assert abs((datetime.fromisoformat(server_time) - datetime.now(UTC)).total_seconds()) < 60
    assert document == {
        "_id": record_id(partition, document["_morango_source_id"], "usersessionlog"),
        "dataset_id": ids["dataset"],
        "user_id": ids["learner1"],
        "channels": "",
        "start_timestamp": document["start_timestamp"],
        "last_interaction_timestamp": document["start_timestamp"],
        "pages": "",
        "device_info": "Ubuntu,/Firefox,121",
        "_morango_source_id": document["_morango_source_id"],
        "_morango_partition": partition,
        "_morango_dirty_bit": True,
        "has_dirty": True,
        "schema_version": 1,
    }


async def test_second_report_keeps_the_device(client: Client, database: Any, headers_of: HeadersOf) -> None:
    """A report from another device soon after keeps the user session and its device."""
    headers = headers_of("learner1")
    await put(client, headers, ACTIVE)
    [before] = await sittings(database)
    # A minute ago: two reports may come in one millisecond, and more does not stay of a time.
    earlier = before["last_interaction_timestamp"] - timedelta(minutes=1)
    await database["user_session_logs"].update_one({}, {"$set": {"last_interaction_timestamp": earlier}})

    await put(client, headers, {"active": True, "os": {"name": "iOS", "major": "16"}, "browser": {}})

    [after] = await sittings(database)
    assert after["last_interaction_timestamp"] > earlier
    assert (after["_id"], after["device_info"]) == (before["_id"], "Ubuntu,/Firefox,121")


@pytest.mark.parametrize("body", [{}, {"active": False}, {"active": None, "os": {"name": "Ubuntu"}}])
async def test_not_active(client: Client, database: Any, headers_of: HeadersOf, body: Any) -> None:
    """Without activity nothing is written, but the caller is described."""
    before = await everything(database)

    answer = await put(client, headers_of("learner1"), body)

    assert answer["username"] == "learner1"
    assert await everything(database) == before


async def test_bad_report(client: Client, database: Any, headers_of: HeadersOf) -> None:
    """A report that makes no sense is refused in Kolibri's shape."""
    headers = headers_of("learner1")

    async with client.put(SESSION, json={"active": "perhaps"}, headers=headers) as response:
        status, errors = response.status, await response.json()

    assert status == 400
    assert (errors[0]["id"], errors[0]["metadata"]["field"]) == ("INVALID", "active")
    assert not await sittings(database)


@pytest.mark.parametrize(
    ("body", "user_agent", "expected"),
    [
        ({}, CHROME_WINDOWS, "Windows,10/Chrome,120"),
        ({}, "nobody knows me", "Other,/Other,"),
        ({"os": {}, "browser": {}}, CHROME_WINDOWS, ",/,"),
        ({"os": {"name": "Ubuntu"}}, CHROME_WINDOWS, "Ubuntu,/,"),
        ({"os": {"name": "x" * 200}}, CHROME_WINDOWS, "x" * 100),
    ],
)
async def test_devices(
    client: Client, database: Any, headers_of: HeadersOf, body: Any, user_agent: str, expected: str
) -> None:
    """The device is what the front end says; if it says nothing, what the User-Agent header tells."""
    headers = {**headers_of("learner1"), "User-Agent": user_agent}

    await put(client, headers, {"active": True, **body})

    assert [log["device_info"] for log in await sittings(database)] == [expected]


async def test_five_minutes(service: DocService, database: Any, recorded_directory: dict[str, Any]) -> None:
    """Reports at most five minutes apart are one user session; a longer break begins the next."""
    learner = Principal(recorded_directory["ids"]["learner1"])
    minutes = (0, 4, 9, 14.001, 30, 34)

    for minute in minutes:
        now = START + timedelta(minutes=minute)
        await service.with_clock(stopped_at(now)).acting_as(learner).update_user_session(UBUNTU)

    spans = [
        ((log["start_timestamp"] - START) / timedelta(minutes=1), (log["last_interaction_timestamp"] - START).seconds)
        for log in await sittings(database)
    ]
    assert [(round(start, 3), end) for start, end in spans] == [(0, 540), (14.001, 840), (30, 2040)]


async def test_own_sittings_only(service: DocService, database: Any, recorded_directory: dict[str, Any]) -> None:
    """Each learner has user sessions of the own, whatever others do at the same time."""
    ids = recorded_directory["ids"]

    people = [Principal(ids[name]) for name in ("learner1", "learner2", "other_learner")]
    await asyncio.gather(*(service.acting_as(who).update_user_session() for who in people))

    assert {log["user_id"]: log["dataset_id"] for log in await sittings(database)} == {
        ids["learner1"]: ids["dataset"],
        ids["learner2"]: ids["dataset"],
        ids["other_learner"]: ids["other_dataset"],
    }
    assert {log["device_info"] for log in await sittings(database)} == {",/,"}


async def test_racing_reports(
    service: DocService, mongodb_uri: str, database: Any, recorded_directory: dict[str, Any]
) -> None:
    """Twenty reports at once, from two services over one database, make one user session; after a break one more."""
    learner = Principal(recorded_directory["ids"]["learner1"])
    later = START + timedelta(hours=1)

    async with DocService(mongodb_uri, database=database.name, apply_indexes=False) as other:
        counts = []
        for now in (START, later):
            clocked = [one.with_clock(stopped_at(now)) for one in (service, other)]
            await asyncio.gather(*(clocked[n % 2].acting_as(learner).update_user_session() for n in range(20)))
            counts.append(len(await sittings(database)))

    assert counts == [1, 2]


async def test_racing_without_queues(
    service: DocService, mongodb_uri: str, database: Any, recorded_directory: dict[str, Any]
) -> None:
    """Reports that reach the database at the same moment, each from a service of its own, make one user session."""
    learner = Principal(recorded_directory["ids"]["learner1"])
    others = [DocService(mongodb_uri, database=database.name, apply_indexes=False) for _ in range(5)]
    for other in others:
        await other.__aenter__()

    try:
        await asyncio.gather(*(one.acting_as(learner).update_user_session() for one in (service, *others)))
    finally:
        for other in others:
            await other.__aexit__(None, None, None)

    assert len(await sittings(database)) == 1


async def test_kinds(client: Client, database: Any, headers_of: HeadersOf, recorded_directory: dict[str, Any]) -> None:
    """The description lists the kinds of the caller's roles, as a Kolibri 0.19.5 was seen to: a superuser leads with
    that, who has no role either is not a learner, and may manage content; others may if the directory says so."""
    ids = recorded_directory["ids"]
    await database.roles.delete_many({"user_id": ids["superuser"]})
    await database.facility_users.update_one({"_id": ids["learner1"]}, {"$set": {"can_manage_content": True}})

    async def shown(actor: str) -> tuple[list[str], bool]:
        answer = await put(client, headers_of(actor), {})
        return answer["kind"], answer["can_manage_content"]

    assert await shown("learner1") == (["learner"], True)
    assert await shown("admin") == (["admin"], False)
    assert await shown("coach1") == (["classroom assignable coach", "coach"], False)
    assert await shown("superuser") == (["superuser"], True)
    await database.roles.insert_one(
        {"_id": "0" * 32, "user_id": ids["superuser"], "collection_id": ids["facility"], "kind": "admin"}
    )
    assert await shown("superuser") == (["superuser", "admin"], True)


@pytest.mark.parametrize("actor", ["anon", "anon_bad_visitor", "anon_visitor"])
async def test_visitor(
    client: TestClient[Any, Any], database: Any, headers_of: HeadersOf, recorded_directory: dict[str, Any], actor: str
) -> None:
    """A visitor has no user session, but a cookie for a year: the one sent if it is a UUID, else a new UUID4."""
    headers = headers_of(actor)
    before = await everything(database)

    async with client.put(SESSION, json=ACTIVE, headers=headers) as response:
        answer, cookie = await response.json(), response.cookies["visitor_id"]

    sent = recorded_directory["actors"][actor].get("cookie", {}).get("visitor_id")
    assert (answer["user_id"], answer["username"], answer["kind"]) == (None, "", ["anonymous"])
    assert "can_manage_content" not in answer  # as Kolibri has it
    assert answer["facility_id"] == recorded_directory["default_facility"]
    assert re.fullmatch("[0-9a-f]{32}", cookie.value)
    assert int(cookie["max-age"]) == 365 * 24 * 3600
    assert (cookie.value == sent) is (actor == "anon_visitor")
    assert actor == "anon_visitor" or uuid.UUID(cookie.value).version == 4
    assert await everything(database) == before


async def test_signed_in_without_cookie(client: Client, headers_of: HeadersOf) -> None:
    """Who is signed in gets no visitor's cookie."""
    async with client.put(SESSION, json=ACTIVE, headers=headers_of("learner1")) as response:
        assert "visitor_id" not in response.cookies


async def test_who_may_report(service: DocService, client: Client, database: Any) -> None:
    """Without a sign-in, for somebody unknown or with a bad token nothing is written."""
    described = await service.acting_as(ANONYMOUS).update_user_session()
    with pytest.raises(Unauthenticated):
        await service.acting_as(Principal("0" * 32)).update_user_session()
    async with client.put(SESSION, json=ACTIVE, headers={"Authorization": "Bearer nonsense"}) as response:
        status = response.status

    assert (status, described.kind) == (401, ["anonymous"])
    assert not await sittings(database)


@pytest.mark.usefixtures("service")
async def test_latest_sitting_by_index(database: Any) -> None:
    """A learner's user session that is not over is found by a range of an index, however many there were before."""
    partition = f"{'d' * 32}:user-rw:{'a' * 32}"
    query = {"_morango_partition": partition, "last_interaction_timestamp": {"$gte": START}}

    plan = await database["user_session_logs"].find(query).sort("last_interaction_timestamp", -1).limit(1).explain()

    winner = str(plan["queryPlanner"]["winningPlan"])
    assert "COLLSCAN" not in winner
    assert "partition_last_interaction" in winner
