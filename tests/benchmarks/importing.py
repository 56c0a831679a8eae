"""What an import costs: `python -m tests.benchmarks.importing [PATH] [--rounds 3]`.

The import of a Kolibri beside a bare `insert_many` of the documents that it makes, in batches of the same size into
collections with the same indexes of the same engine: machines differ, the share does not.
"""

from __future__ import annotations

import argparse
import asyncio
import resource
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

from pymongo import AsyncMongoClient
from pymongo.write_concern import WriteConcern

from docservice import DocService
from docservice.kolibri import import_kolibri
from docservice.kolibri.assembling import CHUNK

SAMPLE = Path(__file__).parents[1] / "data" / "kolibri-small" / "kolibri-small.sqlite3.gz"
BATCHES = {
    "content_summary_logs": CHUNK,
    "attempt_overflow": CHUNK,
    "content_session_logs": 2 * CHUNK,
    "exam_logs": CHUNK,
    "user_session_logs": 5 * CHUNK,
}


async def imported(uri: str, name: str, path: Path) -> float:
    """Seconds that an import into an empty database takes."""
    async with DocService(uri, database=name) as service:
        began = time.perf_counter()
        report = await import_kolibri(service, path)
        seconds = time.perf_counter() - began
    print(f"  import: {sum(counts.new for counts in report.counts.values()):,} records in {seconds:.2f} s")
    return seconds


async def inserted(uri: str, client: AsyncMongoClient[Any], source: str, name: str) -> float:
    """Seconds that inserting all documents of a database into an empty one takes."""
    async with DocService(uri, database=name):
        pass  # it has made the indexes
    taken = 0.0
    for collection in await client[source].list_collection_names():
        if collection.startswith("system."):
            continue
        documents = await client[source][collection].find().to_list(None)
        target = client[name].get_collection(collection, write_concern=WriteConcern("majority", j=True))
        size = BATCHES.get(collection, 1000)
        began = time.perf_counter()
        for start in range(0, len(documents), size):
            await target.insert_many(documents[start : start + size])
        taken += time.perf_counter() - began
    print(f"  insert_many: {taken:.2f} s")
    return taken


async def measure(path: Path, rounds: int) -> None:
    """Print the figures."""
    shares = []
    with tempfile.TemporaryDirectory() as folder:
        async with DocService(data_dir=folder) as service:
            uri = service.connection_string
            async with AsyncMongoClient[Any](uri, tz_aware=True) as client:
                for number in range(rounds):
                    print(f"round {number + 1}")
                    names = (f"import_{number}", f"insert_{number}")
                    seconds = await imported(uri, names[0], path)
                    shares.append(await inserted(uri, client, *names) / seconds)
                again = await imported(uri, names[0], path)
                print(f"again, with nothing new: {seconds / again:.0%} of the speed of the first")
                for name in await client.list_database_names():
                    if name.startswith(("import_", "insert_")):
                        await client.drop_database(name)
    print(f"import speed: {statistics.median(shares):.0%} of insert_many ({', '.join(f'{s:.0%}' for s in shares)})")
    print(f"memory of this process at most: {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MiB")


def main() -> None:
    """Read the options and measure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("path", nargs="?", type=Path, default=SAMPLE)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    asyncio.run(measure(options.path, options.rounds))


if __name__ == "__main__":
    main()
