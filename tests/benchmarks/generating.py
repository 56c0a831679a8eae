"""What a generated data set costs: `python -m tests.benchmarks.generating [--learners 30] [--weeks 8] [--rounds 3]`.

`docservice generate` beside a bare `insert_many` of the documents that it makes, in batches of the same size into
collections with the same indexes of the same engine; and `docservice verify` beside a bare `find()` of all of them:
machines differ, the shares do not.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import tempfile
import time
from datetime import date
from typing import Any

from pymongo import AsyncMongoClient
from pymongo.write_concern import WriteConcern

from docservice import DocService
from docservice.generate import Plan, generate
from docservice.generate.writer import BATCH

UNTIL = date(2026, 3, 1)


async def generated(uri: str, name: str, plan: Plan) -> float:
    """Seconds that the data set takes in an empty database."""
    async with DocService(uri, database=name) as service:
        began = time.perf_counter()
        await generate(service, plan, until=UNTIL)
        return time.perf_counter() - began


async def inserted(uri: str, client: AsyncMongoClient[Any], source: str, name: str) -> tuple[float, int]:
    """Seconds that inserting all documents of a database into an empty one takes, and how many they are."""
    async with DocService(uri, database=name):
        pass  # it has made the indexes
    taken, count = 0.0, 0
    for collection in await client[source].list_collection_names():
        # Views hold no documents of their own.
        if collection.startswith("system.") or collection in ("mastery_logs", "attempt_logs"):
            continue
        documents = await client[source][collection].find().to_list(None)
        target = client[name].get_collection(collection, write_concern=WriteConcern("majority", j=True))
        began = time.perf_counter()
        for start in range(0, len(documents), BATCH):
            await target.insert_many(documents[start : start + BATCH])
        taken += time.perf_counter() - began
        count += len(documents)
    return taken, count


async def verified(uri: str, name: str) -> tuple[float, dict[str, int]]:
    """Seconds that looking at every document takes, and how many were looked at, by collection."""
    async with DocService(uri, database=name) as service:
        wrong: list[Any] = []
        began = time.perf_counter()
        checked = await service.admin.verify(wrong.append)
        seconds = time.perf_counter() - began
    assert not wrong, wrong[0]
    return seconds, checked


async def found(client: AsyncMongoClient[Any], name: str, checked: dict[str, int]) -> float:
    """Seconds that reading the same documents takes."""
    began = time.perf_counter()
    for collection in checked:
        async for _ in client[name][collection].find():
            pass
    return time.perf_counter() - began


async def measure(plan: Plan, rounds: int) -> None:
    """Print the figures."""
    writing, reading = [], []
    with tempfile.TemporaryDirectory() as folder:
        async with DocService(data_dir=folder) as service:
            uri = service.connection_string
            async with AsyncMongoClient[Any](uri, tz_aware=True) as client:
                for number in range(rounds):
                    name = f"generate_{number}"
                    seconds = await generated(uri, name, plan)
                    bare, count = await inserted(uri, client, name, f"insert_{number}")
                    writing.append(bare / seconds)
                    print(
                        f"generate: {count:,} documents, {count / seconds:,.0f} documents/s; "
                        f"insert_many {count / bare:,.0f} documents/s; {writing[-1]:.0%} of its speed"
                    )
                    seconds, checked = await verified(uri, name)
                    bare, count = await found(client, name, checked), sum(checked.values())
                    reading.append(bare / seconds)
                    print(
                        f"verify:   {count:,} documents, {count / seconds:,.0f} documents/s; "
                        f"find {count / bare:,.0f} documents/s; {reading[-1]:.0%} of its speed"
                    )
    print(f"generate: {statistics.median(writing):.0%} of the speed of insert_many")
    print(f"verify: {statistics.median(reading):.0%} of the speed of find")


def main() -> None:
    """Read the options and measure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--learners", type=int, default=30)
    parser.add_argument("--weeks", type=int, default=8)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    asyncio.run(measure(Plan(learners=options.learners, weeks=options.weeks), options.rounds))


if __name__ == "__main__":
    main()
