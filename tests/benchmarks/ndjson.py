"""What a backup costs: `python -m tests.benchmarks.ndjson [--summaries 5000]`.

Prints documents a second of an export, of an import into an empty database and of the same import again, each beside
what the plain driver takes to read or to insert the same documents in the same run, and the memory of this process.
A summary has ten attempts.
"""

from __future__ import annotations

import argparse
import asyncio
import copy
import resource
import tempfile
import time
import uuid
from collections.abc import Awaitable
from pathlib import Path
from typing import Any

from pymongo import AsyncMongoClient

from docservice import DocService, Principal, StartSession, UpdateSession, demo
from docservice.domain.values.ids import record_id
from docservice.export.backup import export_ndjson, import_ndjson

_BATCH = 500
SUMMARIES = "content_summary_logs"


async def one_summary(service: DocService, mongo: Any) -> dict[str, Any]:
    """A summary that tracking wrote, with ten attempts."""
    await service.import_directory(demo.directory())
    learner = Principal(user_id=demo.directory()["users"][1]["id"])
    place = dict.fromkeys(("node_id", "content_id", "channel_id"), "c" * 32)
    model = {"type": "m_of_n", "m": 8, "n": 10}
    started = await service.acting_as(learner).start_session(
        StartSession(**place, kind="exercise", mastery_model=model)
    )
    answers = [{"item": f"q{n}", "correct": 1, "time_spent": 5, "answer": {"choice": "A"}} for n in range(10)]
    await service.acting_as(learner).update_session(started.session_id, UpdateSession(interactions=answers))
    found: dict[str, Any] = await mongo["docservice"][SUMMARIES].find_one({})
    return found


def another(summary: dict[str, Any]) -> dict[str, Any]:
    """The same summary of another content, with attempts of its own."""
    made, content_id, partition = copy.deepcopy(summary), uuid.uuid4().hex, summary["_morango_partition"]
    made |= {"content_id": content_id, "_morango_source_id": content_id}
    made["_id"] = record_id(partition, content_id, "contentsummarylog")
    for log in made["mastery_logs"]:
        log["_morango_source_id"] = f"{made['_id']}:{log['mastery_level']}"
        log["id"] = record_id(partition, log["_morango_source_id"], "masterylog")
        for attempt in log["attempts"]:
            attempt["id"] = uuid.uuid4().hex
    return made


async def timed(name: str, number: int, work: Awaitable[Any], base: float | None = None) -> float:
    """Do work on so many documents, print documents a second and how much longer than `base` it took; seconds."""
    began = time.perf_counter()
    await work
    took = time.perf_counter() - began
    print(f"{name:34}{number / took:9.0f} documents/s" + (f"{took / base:8.1f} x" if base else ""))
    return took


async def measure(number: int) -> None:
    """Print the table."""
    with tempfile.TemporaryDirectory() as folder:
        async with (
            DocService(data_dir=Path(folder)) as service,
            AsyncMongoClient[dict[str, Any]](service.connection_string) as mongo,
        ):
            summary = await one_summary(service, mongo)
            for name in ("plain", "copy"):
                async with DocService(service.connection_string, database=name):
                    pass  # Makes the indexes.
            documents = [another(summary) for _ in range(number)]
            path = Path(folder) / "all.ndjson.gz"

            async def insert(database: str) -> None:
                for first in range(0, number, _BATCH):
                    await mongo[database][SUMMARIES].insert_many(documents[first : first + _BATCH])

            written = await timed("insert_many", number, insert("plain"))
            await insert("docservice")
            read = await timed("find", number, mongo["docservice"][SUMMARIES].find({}).to_list(None))
            documents.clear()
            await timed("export", number, export_ndjson(service, path), read)
            async with DocService(service.connection_string, database="copy") as other:
                await timed("import into an empty database", number, import_ndjson(other, path), written)
                await timed("import again", number, import_ndjson(other, path), read)
            print(f"memory of this process: {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MiB")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--summaries", type=int, default=5000)
    asyncio.run(measure(parser.parse_args().summaries))
