"""The least that a tracking service can do, as a server to measure beside: HTTP, JSON, two reads, two writes, a commit.

    python -m tests.benchmarks.floor URI PORT

It answers start and report of `/api/logger/trackprogress/` and checks nothing. Reports that wait together share a
transaction, as in the service. What the service takes beyond it is the service's own work.
"""

from __future__ import annotations

import argparse
import asyncio
import uuid
from collections.abc import Awaitable, Callable
from typing import Any, NamedTuple

from aiohttp import web
from pymongo import AsyncMongoClient, UpdateOne
from pymongo.read_concern import ReadConcern
from pymongo.write_concern import WriteConcern

KEPT, SNAPSHOT = WriteConcern("majority", j=True), ReadConcern("snapshot")
PATH = "/api/logger/trackprogress/"
MOST_REPORTS = 64


class Report(NamedTuple):
    """A report that waits."""

    session_id: str
    body: dict[str, Any]
    done: asyncio.Future[None]


class Floor:
    """The handlers."""

    def __init__(self, client: AsyncMongoClient[dict[str, Any]]) -> None:
        self._client = client
        database = client.get_database(f"floor_{uuid.uuid4().hex[:6]}", write_concern=KEPT)
        self._sessions, self._summaries = database["sessions"], database["summaries"]
        self._waiting: asyncio.Queue[Report] = asyncio.Queue()

    async def prepare(self) -> None:
        """Make three indexes: no service does with fewer."""
        await self._sessions.create_index("partition")
        await self._summaries.create_index("partition")
        await self._summaries.create_index([("user_id", 1), ("kind", 1)])

    async def start(self, request: web.Request) -> web.Response:
        """Start a session: one new document of each kind."""
        await request.json()
        new = {"_id": uuid.uuid4().hex, "partition": "a" * 70, "time_spent": 0.0}
        summary = {**new, "user_id": new["_id"], "kind": "exercise", "mastery_logs": [{"attempts": []}]}

        async def write(tx: Any) -> None:
            await self._sessions.insert_one(new, session=tx)
            await self._summaries.insert_one(summary, session=tx)

        await self._transact(write)
        return web.json_response({"session_id": new["_id"]})

    async def report(self, request: web.Request) -> web.Response:
        """Report on a session, in a group."""
        body = await request.json()
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.put_nowait(Report(request.match_info["id"], body, done))
        await done
        attempts = [{"id": uuid.uuid4().hex, **interaction} for interaction in body.get("interactions", ())]
        return web.json_response({"complete": False, "attempts": attempts})

    async def work(self) -> None:
        """Commit groups, for ever."""
        while True:
            group = [await self._waiting.get()]
            while not self._waiting.empty() and len(group) < MOST_REPORTS:
                group.append(self._waiting.get_nowait())
            await self._transact(lambda tx, group=group: self._write(tx, group))  # type: ignore[misc]
            for report in group:
                report.done.set_result(None)

    async def _write(self, tx: Any, group: list[Report]) -> None:
        ids = {"_id": {"$in": [report.session_id for report in group]}}
        sessions = {found["_id"]: found async for found in self._sessions.find(ids, session=tx)}
        summaries = {
            found["_id"]: found async for found in self._summaries.find(ids, {"mastery_logs.attempts": 0}, session=tx)
        }
        writes: dict[bool, list[UpdateOne]] = {True: [], False: []}
        for session_id, body, _ in group:
            spent = body.get("time_spent_delta", 0)
            setting = {"time_spent": sessions[session_id]["time_spent"] + spent}
            writes[True].append(UpdateOne({"_id": session_id}, {"$set": setting}))
            setting = {"time_spent": summaries[session_id]["time_spent"] + spent}
            new = [_attempt(interaction) for interaction in body.get("interactions", ())]
            update = {"$set": setting, "$push": {"mastery_logs.0.attempts": {"$each": new}}}
            writes[False].append(UpdateOne({"_id": session_id}, update))
        await self._sessions.bulk_write(writes[True], session=tx)
        await self._summaries.bulk_write(writes[False], session=tx)

    async def _transact(self, body: Callable[[Any], Awaitable[None]]) -> None:
        async with self._client.start_session() as session:
            await session.with_transaction(body, read_concern=SNAPSHOT, write_concern=KEPT)


def _attempt(interaction: dict[str, Any]) -> dict[str, Any]:
    ids = {name: uuid.uuid4().hex for name in ("id", "sessionlog_id", "_morango_source_id")}
    history = [{"type": "answer", "answer": interaction["answer"], "correct": interaction["correct"]}]
    marks = {"complete": True, "hinted": False, "error": False, "simple_answer": "", "time_spent": 5.0}
    return {
        **ids,
        **marks,
        "item": interaction["item"],
        "answer": interaction["answer"],
        "interaction_history": history,
    }


async def main(uri: str, port: int) -> None:
    """Serve until the process is ended."""
    async with AsyncMongoClient[dict[str, Any]](uri) as client:
        floor = Floor(client)
        await floor.prepare()
        app = web.Application()
        app.router.add_post(PATH, floor.start)
        app.router.add_put(PATH + "{id}/", floor.report)
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", port).start()
        await floor.work()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("uri")
    parser.add_argument("port", type=int)
    arguments = parser.parse_args()
    asyncio.run(main(arguments.uri, arguments.port))
