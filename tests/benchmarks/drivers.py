"""What a borrowed Motor handle costs: `python -m tests.benchmarks.drivers [--seconds 3]`.

The same reports and reads through PyMongo's async client and through Motor, in turn on one engine; the ratio counts.
"""

from __future__ import annotations

import argparse
import asyncio
from typing import Any

from motor.motor_asyncio import AsyncIOMotorClient
from pymongo import AsyncMongoClient

from docservice import DocService
from docservice.testing import School, start_session, throw_away_engine
from tests.benchmarks.tracking import answers, rate

SUMMARIES = 1000


async def measured(logs: DocService, school: School, seconds: float) -> tuple[float, float, float]:
    """Reports a second of one learner and of eight, documents a second of a list."""
    visits = [
        (await logs.acting_as(school.learner(n)).start_session(start_session())).session_id
        for n in range(school.learners)
    ]

    async def report(number: int) -> Any:
        return await logs.acting_as(school.learner(number)).update_session(visits[number], answers(1))

    async def read(number: int) -> None:
        found = [log async for log in logs.content_session_logs.find()]
        assert len(found) >= SUMMARIES

    alone, together = await rate(seconds, 1, report), await rate(seconds, 8, report)
    return alone, together, await rate(seconds, 1, read) * SUMMARIES


async def main(seconds: float) -> None:
    """Measure and print."""
    school = School(learners=8)
    found = {}
    async with throw_away_engine() as uri:
        for name, client_class in (("pymongo", AsyncMongoClient), ("motor", AsyncIOMotorClient)):
            client: Any = client_class(uri)
            async with DocService(client[name]) as logs:
                await logs.import_directory(school.directory())
                for number in range(SUMMARIES):
                    await logs.content_session_logs.save(school.content_session_log(number % 8))
                found[name] = await measured(logs, school, seconds)
            if (closing := client.close()) is not None:
                await closing
    labels = ("reports/s, one learner", "reports/s, eight learners", "visits/s in a list")
    for label, ours, theirs in zip(labels, found["pymongo"], found["motor"], strict=True):
        print(f"{label:26} PyMongo {ours:8.0f}   Motor {theirs:8.0f}   ratio {theirs / ours:.2f}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=3, help="how long each measurement takes")
    asyncio.run(main(parser.parse_args().seconds))
