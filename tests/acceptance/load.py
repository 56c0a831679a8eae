"""Learners that answer question after question, remember what was acknowledged, and compare it with the documents.

Each report of a learner adds one second and one attempt at a question of its own name. So after any fault the summary
has to hold every acknowledged question exactly once, and from the others each once or not at all.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import aiohttp
from pymongo import AsyncMongoClient

from docservice import DocService, demo

from .running import Service, eventually
from .signing import headers_with_own_key

LEARNERS = [user["id"] for user in demo.directory()["users"]]
CONTENT = {
    "node_id": "d" * 32,
    "content_id": "e" * 32,
    "channel_id": "f" * 32,
    "kind": "exercise",
    "mastery_model": {"type": "m_of_n", "m": 8, "n": 10},
}


@dataclass
class Learner:
    """One learner at one exercise.

    Attributes:
        acknowledged: the questions of the reports that got a 200.
        unknown: the questions of the reports that got another answer, or none.
        answers: how often each status came.
        wrong: answers that must not be: their status and text.
        keyed: whether each report has a key of its own, so that it may be sent again.
    """

    user_id: str
    headers: dict[str, str]
    session_id: str
    acknowledged: list[str] = field(default_factory=list)
    unknown: list[str] = field(default_factory=list)
    answers: Counter[int] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)
    keyed: bool = False

    async def report(self, http: aiohttp.ClientSession, base: str) -> bool:
        """Answer the next question; whether the report was acknowledged."""
        item = f"q{len(self.acknowledged) + len(self.unknown)}"
        body = report_of(item)
        self.unknown.append(item)
        url = f"{base}/api/logger/trackprogress/{self.session_id}/"
        key = {"Idempotency-Key": f"{self.session_id}-{item}"} if self.keyed else {}
        async with http.put(url, json=body, headers=self.headers | key) as response:
            text = await response.text()
        self.answers[response.status] += 1
        if response.status == 200:
            self.unknown.remove(item)
            self.acknowledged.append(item)
        elif response.status not in (503, 504) or not response.headers.get("Retry-After", "").isdecimal():
            self.wrong.append(f"{response.status} {text}")
        return response.status == 200


def report_of(item: str) -> dict[str, Any]:
    """A report of one second and one answered question."""
    answered = {"item": item, "correct": 1, "time_spent": 1, "complete": True, "answer": {"choice": "A"}}
    return {"time_spent_delta": 1, "interactions": [answered]}


async def learners_at(service: Service, http: aiohttp.ClientSession) -> list[Learner]:
    """The people of the demo, put into the directory of a service, each with a visit to the same exercise."""
    async with DocService(service.mongodb_uri, database=service.database, apply_indexes=False) as logs:
        await logs.import_directory(demo.directory())
    found = []
    for user_id in LEARNERS:
        headers = headers_with_own_key(service.data_dir, user_id)
        session_id = await eventually(partial(start, service, http, headers), "a visit begins")
        found.append(Learner(user_id, headers, session_id))
    return found


async def start(service: Service, http: aiohttp.ClientSession, headers: dict[str, str]) -> str | None:
    """The id of a new visit; None when the service, whose deadline a test may have made short, says to come back."""
    async with http.post(f"{service.base}/api/logger/trackprogress/", json=CONTENT, headers=headers) as response:
        if response.status in (503, 504):
            return None
        assert response.status == 200, await response.text()
        return str((await response.json())["session_id"])


async def work(learner: Learner, http: aiohttp.ClientSession, base: str, stop: asyncio.Event) -> None:
    """Report until told to stop, or until the service has gone."""
    while not stop.is_set():
        try:
            acknowledged = await learner.report(http, base)
        except aiohttp.ClientError:
            return
        if not acknowledged:
            await asyncio.sleep(0.05)  # A client that is told to come back later does not come back at once.


async def require_nothing_lost(mongodb_uri: str, learners: list[Learner]) -> None:
    """Every acknowledged report is in the documents once, no other one is there twice, and the sums fit."""
    async with AsyncMongoClient[dict[str, Any]](mongodb_uri) as client:
        database = client.get_default_database()
        for learner in learners:
            summary = await database.content_summary_logs.find_one(
                {"user_id": learner.user_id, "content_id": CONTENT["content_id"]}
            )
            session = await database.content_session_logs.find_one({"_id": learner.session_id})
            assert summary
            assert session
            [mastery_log] = summary["mastery_logs"]
            attempts = list(mastery_log["attempts"])
            async for bucket in database.attempt_overflow.find({"log_id": summary["_id"]}):
                attempts += bucket["attempts"]
            items = Counter(attempt["item"] for attempt in attempts)
            lost = [item for item in learner.acknowledged if not items[item]]
            doubled = [item for item, count in items.items() if count > 1]
            assert (lost, doubled) == ([], []), f"{lost=} {doubled=}"
            assert set(items) <= {*learner.acknowledged, *learner.unknown}
            # Both documents and all counters changed together.
            sums = (session["time_spent"], summary["time_spent"], mastery_log["attempt_count"])
            assert sums == (len(attempts),) * 3, f"{sums=} of {len(attempts)} attempts"
