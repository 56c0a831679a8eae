"""What an export costs: `python -m tests.benchmarks.exporting [--rows 13000] [--more 130000] [--format csv|parquet]`.

Prints how long a session export of a facility takes beside a bare `find()` over the same documents in the same run, and
how much the memory of this process grew from the small export to the large one. The bar: 13,000 rows within a second,
and less than 50 MiB of growth to 130,000.
"""

from __future__ import annotations

import argparse
import asyncio
import resource
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from pymongo import AsyncMongoClient

from docservice import DocService
from docservice.export import CsvWriter, ParquetWriter, write_export
from tests.support.large_facility import DATASET, FACILITY, directory, session

_AT_ONCE = 1000


def resident_mib() -> float:
    """The most memory this process has had so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


async def median_seconds(action: Callable[[], Awaitable[Any]], times: int) -> float:
    """The median time of an action."""
    taken = []
    for _ in range(times):
        began = time.perf_counter()
        await action()
        taken.append(time.perf_counter() - began)
    return statistics.median(taken)


async def measure(rows: int, more: int, form: str) -> None:
    """Print the table."""
    writers: dict[str, type[CsvWriter] | type[ParquetWriter]] = {"csv": CsvWriter, "parquet": ParquetWriter}
    writer = writers[form]
    with tempfile.TemporaryDirectory() as folder:
        # Only the index that an export uses: all of them would make the writing slow, which is not measured here.
        async with DocService(data_dir=Path(folder), apply_indexes=False) as service:
            await service.import_directory(directory())
            async with AsyncMongoClient[dict[str, Any]](service.connection_string) as mongo:
                database = mongo["docservice"]
                await database["content_session_logs"].create_index([("dataset_id", 1), ("_id", 1)])
                await database["content_nodes"].create_index([("content_id", 1)])
                await database["roles"].create_index([("user_id", 1)])
                written, peaks = 0, []

                async def bare() -> None:
                    async for _ in database["content_session_logs"].find({"dataset_id": DATASET}, batch_size=500):
                        pass

                async def export() -> None:
                    path = Path(folder, "export")
                    done = await write_export(service, "session", FACILITY, path, writer)
                    assert done.rows == written

                for wanted in (rows, more):
                    for start in range(written, wanted, _AT_ONCE):
                        numbers = range(start, min(start + _AT_ONCE, wanted))
                        await database["content_session_logs"].insert_many([session(number) for number in numbers])
                    written = max(written, wanted)
                    times = 5 if wanted == rows else 1
                    took = await median_seconds(export, times)
                    peaks.append(resident_mib())
                    base = await median_seconds(bare, times)
                    print(f"{wanted:9,} rows  {form} {took:7.2f} s  bare find {base:7.2f} s  {took / base:5.2f} x")
                print(f"memory of this process grew by {peaks[1] - peaks[0]:.0f} MiB from the first to the second")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=13_000)
    parser.add_argument("--more", type=int, default=130_000)
    parser.add_argument("--format", choices=("csv", "parquet"), default="csv")
    given = parser.parse_args()
    asyncio.run(measure(given.rows, given.more, given.format))
