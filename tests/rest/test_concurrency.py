"""Nothing is lost when several reports come at once."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from docservice import DocService, Principal, StartSession, UpdateSession

from .asking import M_OF_N, Client, interaction, put, start, start_body


async def times_spent(database: Any, session_id: str) -> tuple[float, float, float]:
    """Seconds in a visit, its summary and its first try, as the plain driver reads them."""
    session = await database["content_session_logs"].find_one({"_id": session_id})
    summary = await database["content_summary_logs"].find_one({"content_id": session["content_id"]})
    return session["time_spent"], summary["time_spent"], summary["mastery_logs"][0]["time_spent"]


async def test_no_update_is_lost(client: Client, database: Any, headers_of: Callable[[str], dict[str, str]]) -> None:
    """100 reports of one second at once add exactly 100 seconds to visit, summary and try."""
    headers = headers_of("learner1")
    session_id = (await start(client, headers, mastery_model=M_OF_N))["session_id"]

    answers = await asyncio.gather(*(put(client, headers, session_id, {"time_spent_delta": 1}) for _ in range(100)))

    assert {status for status, _ in answers} == {200}
    assert await times_spent(database, session_id) == (100, 100, 100)


async def test_two_tabs_answer_at_once(
    client: Client, database: Any, headers_of: Callable[[str], dict[str, str]]
) -> None:
    """Answers that come from two visits at once are all kept and counted."""
    headers = headers_of("learner1")
    content = start_body()["content_id"]
    tabs = [(await start(client, headers, content, mastery_model=M_OF_N))["session_id"] for _ in range(2)]

    answers = await asyncio.gather(
        *(put(client, headers, tabs[number % 2], {"interactions": [interaction(f"q{number}")]}) for number in range(30))
    )

    assert {status for status, _ in answers} == {200}
    log = (await database["content_summary_logs"].find_one({"content_id": content}))["mastery_logs"][0]
    assert sorted(attempt["item"] for attempt in log["attempts"]) == sorted(f"q{number}" for number in range(30))
    assert (log["attempt_count"], log["correct_sum"]) == (30, 30)


async def test_anonymous_visit_loses_nothing(
    client: Client, database: Any, headers_of: Callable[[str], dict[str, str]]
) -> None:
    """Reports of several anonymous clients on one visit all count."""
    session_id = (await start(client, headers_of("anon"), mastery_model=M_OF_N))["session_id"]
    body = {"time_spent_delta": 1, "interactions": [interaction()]}

    answers = await asyncio.gather(*(put(client, headers_of("anon"), session_id, body) for _ in range(20)))

    assert {status for status, _ in answers} == {200}
    session = await database["content_session_logs"].find_one({"_id": session_id})
    assert session["time_spent"] == 20
    assert len({attempt["id"] for attempt in session["attempts"]}) == 20


async def test_starts_share_one_summary(
    client: Client, database: Any, headers_of: Callable[[str], dict[str, str]]
) -> None:
    """20 starts of the same new exercise at once make 20 visits, one summary and one try."""
    content = start_body()["content_id"]

    started = await asyncio.gather(
        *(start(client, headers_of("learner1"), content, mastery_model=M_OF_N) for _ in range(20))
    )

    assert len({answer["session_id"] for answer in started}) == 20
    summaries = await database["content_summary_logs"].find({"content_id": content}).to_list(10)
    assert len(summaries) == 1
    assert [log["mastery_level"] for log in summaries[0]["mastery_logs"]] == [1]
    assert await database["content_session_logs"].count_documents({"content_id": content}) == 20


@pytest.fixture
async def two_services(mongodb_uri: str, service: DocService, database: Any) -> AsyncIterator[list[DocService]]:
    """Two services over one database, as two processes would be; the second knows nothing of the first's queues."""
    async with DocService(mongodb_uri, database=database.name) as other:
        yield [service, other]


async def test_two_services_lose_nothing(
    two_services: list[DocService], database: Any, recorded_directory: dict[str, Any]
) -> None:
    """50 reports through each of two services at once add exactly 100 seconds."""
    learner = Principal(user_id=recorded_directory["ids"]["learner1"])
    started = (
        await two_services[0].acting_as(learner).start_session(StartSession.parse(start_body(mastery_model=M_OF_N)))
    )
    report = UpdateSession.parse({"time_spent_delta": 1})

    await asyncio.gather(
        *(
            logs.acting_as(learner).update_session(started.session_id, report)
            for logs in two_services
            for _ in range(50)
        )
    )

    assert await times_spent(database, started.session_id) == (100, 100, 100)


async def test_two_services_share_one_summary(
    two_services: list[DocService], database: Any, recorded_directory: dict[str, Any]
) -> None:
    """Starts of the same new content through two services at once make one summary."""
    learner = Principal(user_id=recorded_directory["ids"]["learner1"])
    request = StartSession.parse(start_body(mastery_model=M_OF_N))

    await asyncio.gather(*(logs.acting_as(learner).start_session(request) for logs in two_services for _ in range(5)))

    assert await database["content_summary_logs"].count_documents({}) == 1
    assert await database["content_session_logs"].count_documents({}) == 10
