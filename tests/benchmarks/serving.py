"""What `serve` costs: `python -m tests.benchmarks.serving [--seconds 5] [--workers 1 2]`.

Starts the service as a process on the embedded engine with the demo's learners and lets clients report as fast as they
can: requests a second, and the processor time of a request in the workers and in the engine. Client, workers and engine
share the machine: the processor time is what a machine is sized by, the rate is what this one reached.
"""

from __future__ import annotations

import argparse
import asyncio
import re
import tempfile
import time
import uuid
from pathlib import Path

import aiohttp

from docservice import demo
from tests.acceptance.running import Service, Services, engine_state, processes_of
from tests.acceptance.signing import headers_with_own_key

CLIENTS = 16
LEARNERS = [user["id"] for user in demo.directory()["users"][1:]]
TICKS_A_SECOND = 100


def cpu_seconds(pids: list[int]) -> float:
    """Processor time that processes have used."""
    total = 0
    for pid in pids:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        total += int(fields[11]) + int(fields[12])
    return total / TICKS_A_SECOND


def report() -> dict[str, object]:
    """One answered question, as a front end sends it."""
    answer = {"item": uuid.uuid4().hex, "correct": 1, "time_spent": 5, "complete": True, "answer": {"choice": "A"}}
    return {"progress": 0.5, "time_spent_delta": 5, "interactions": [answer]}


async def measure(workers: int, seconds: float, folder: Path) -> None:
    """Print one row."""
    services = Services(folder)
    try:
        service = await services.start("--demo", "--workers", str(workers), env={"DOCSERVICE_ACCESS_LOG": "true"})
        await _load(service, workers, seconds)
        assert await service.stop() == 0
    finally:
        await services.end()


async def _load(service: Service, workers: int, seconds: float) -> None:
    running = processes_of(service.data_dir)
    serving = [pid for pid, line in running.items() if re.search(r"cli\.worker|docservice serve", line)]
    engine = [int(engine_state(service.data_dir)["engine_pid"])]
    done, sessions = 0, 0
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=CLIENTS)) as http:

        async def client(number: int, end: float) -> None:
            nonlocal done, sessions
            headers = headers_with_own_key(service.data_dir, LEARNERS[number % len(LEARNERS)])
            while time.monotonic() < end:
                content = uuid.uuid4().hex
                start = {"node_id": content, "content_id": content, "channel_id": content, "kind": "exercise"}
                start["mastery_model"] = {"type": "m_of_n", "m": 8, "n": 10}  # type: ignore[assignment]
                url = f"{service.base}/api/logger/trackprogress/"
                async with http.post(url, json=start, headers=headers) as answer:
                    session_id = (await answer.json())["session_id"]
                sessions += 1
                for _ in range(20):
                    async with http.put(f"{url}{session_id}/", json=report(), headers=headers) as answer:
                        assert answer.status == 200, await answer.text()
                    done += 1

        began, cpu_before = time.monotonic(), (cpu_seconds(serving), cpu_seconds(engine))
        await asyncio.gather(*(client(number, began + seconds) for number in range(CLIENTS)))
        elapsed = time.monotonic() - began
        cpu = (cpu_seconds(serving) - cpu_before[0], cpu_seconds(engine) - cpu_before[1])
    requests = done + sessions
    print(
        f"{workers} worker(s): {requests / elapsed:6.0f} requests/s; processor time of a request: "
        f"workers {cpu[0] / requests * 1000:.1f} ms, engine {cpu[1] / requests * 1000:.1f} ms; "
        f"a worker's core alone: {requests / cpu[0]:.0f} requests/s; {sessions} summaries, {done} attempts"
    )


async def main(seconds: float, counts: list[int]) -> None:
    """Measure each number of workers in a folder of its own."""
    for workers in counts:
        with tempfile.TemporaryDirectory() as folder:
            await measure(workers, seconds, Path(folder))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=5.0, help="how long to measure each figure")
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2], help="numbers of workers to measure")
    arguments = parser.parse_args()
    asyncio.run(main(arguments.seconds, arguments.workers))
