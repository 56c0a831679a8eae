"""`docservice serve --workers N`: one port, several processes, one that keeps them."""

from __future__ import annotations

import asyncio
import os
import re
import signal
from typing import Any

import aiohttp
import pytest
from prometheus_client.parser import text_string_to_metric_families

from .running import (
    START_SECONDS,
    Service,
    Services,
    connection,
    engine_state,
    eventually,
    linux_only,
    processes_of,
    workers_of,
)

pytestmark = [pytest.mark.engine, linux_only, pytest.mark.slow]

# Python runs this file at its start: a worker that has it is killed before it can be ready.
KILLS_WORKERS = """
import os, signal, sys

if "docservice.serving.worker" in sys.orig_argv:
    os.kill(os.getpid(), signal.SIGKILL)
"""


async def samples(service: Service) -> dict[tuple[str, str], float]:
    """The metrics of all workers, added up over all other labels: by name and worker."""
    found: dict[tuple[str, str], float] = {}
    # A connection of its own for each question: any worker may take it.
    async with aiohttp.ClientSession() as http, http.get(f"{service.base}/metrics") as response:
        text = await response.text()
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            key = (sample.name, sample.labels.get("worker", ""))
            found[key] = found.get(key, 0) + sample.value
    return found


async def burst(service: Service) -> None:
    """Twenty requests at a time, each on a connection of its own."""

    async def ask() -> None:
        async with aiohttp.ClientSession() as http, http.get(f"{service.base}/api/logger/nothing/") as response:
            assert response.status == 404

    await asyncio.gather(*(ask() for _ in range(20)))


async def test_workers_share_the_port_heal_and_stop(services: Services, mongodb_uri: str, database: Any) -> None:
    """Requests reach both; one that is killed comes back and is counted; SIGTERM ends all with exit code 0."""
    service = await services.start(
        *("--workers", "2", "--mongodb-uri", mongodb_uri, "--database", database.name),
        env={"DOCSERVICE_ACCESS_LOG": "false"},
    )
    first = workers_of(service)

    async def both_are_asked() -> bool:
        await burst(service)
        found = await samples(service)
        return all(found.get(("docservice_http_requests_total", worker), 0) > 3 for worker in "01")

    await eventually(both_are_asked, "requests reach both workers")
    os.kill(first[0], signal.SIGKILL)
    await burst(service)  # The other one, and the socket that they share, are there.

    async def restarted() -> bool:
        found = await samples(service)
        restarts = [found.get(("docservice_worker_restarts_total", worker)) for worker in "01"]
        return sorted(each for each in restarts if each is not None) == [0, 1]

    await eventually(restarted, "the killed worker is back", START_SECONDS)
    second = workers_of(service)
    code = await service.stop()

    assert len(first) == len(second) == 2
    assert first[1] in second
    assert "worker ended and is restarted" in service.err
    assert code == 0
    assert processes_of(service.data_dir) == {}


async def test_workers_share_one_engine_and_end_with_it(services: Services) -> None:
    """Without a server all workers join one embedded engine; SIGTERM to every process ends everything in order."""
    service = await services.start("--workers", "2")
    running = processes_of(service.data_dir)
    engine = engine_state(service.data_dir)["engine_pid"]

    assert len(running) == 5  # the first process, two workers, the supervisor, the engine
    assert [pid for pid in running if pid == engine]
    for pid in [service.process.pid, *workers_of(service)]:  # as a service manager does
        os.kill(pid, signal.SIGTERM)
    assert await service.ended() == 0
    await eventually(lambda: processes_of(service.data_dir) == {}, "nothing is left")
    assert "anew" not in service.err


async def test_workers_do_not_outlive_the_first_process(services: Services, mongodb_uri: str, database: Any) -> None:
    """When that one is killed the workers stop by themselves."""
    service = await services.start("--workers", "2", "--mongodb-uri", mongodb_uri, "--database", database.name)
    assert len(workers_of(service)) == 2

    service.process.kill()
    await service.process.wait()

    await eventually(lambda: workers_of(service) == [], "the workers are gone")


@pytest.mark.parametrize("workers", ["1", "2"])
async def test_a_second_signal_ends_it_at_once(
    services: Services, mongodb_uri: str, database: Any, workers: str
) -> None:
    """While a request is waited for, a second SIGTERM ends all processes within a moment, with the signal's code."""
    service = await services.start(
        *("--workers", workers, "--mongodb-uri", mongodb_uri, "--database", database.name, "--log-format", "console"),
        env={"DOCSERVICE_SHUTDOWN_TIMEOUT_SECONDS": "90"},  # What the request would hold it up for.
    )
    async with connection(service.base) as (reader, writer):
        writer.write(
            b"POST /api/logger/trackprogress/ HTTP/1.1\r\nHost: docservice\r\nExpect: 100-continue\r\n"
            b"Content-Type: application/json\r\nContent-Length: 100\r\n\r\n"
        )
        assert b" 100 " in await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 30)

        service.process.send_signal(signal.SIGTERM)
        await eventually(lambda: "docservice: stopping" in service.err, "it stops")
        code = await service.stop()

    assert code == 128 + signal.SIGTERM
    await eventually(lambda: workers_of(service) == [], "the workers are gone")


async def test_a_worker_that_cannot_start_ends_it(services: Services, mongodb_uri: str, database: Any) -> None:
    """A worker that ends before it was ready is told, and the service does not try for ever."""
    folder = services.folder / "kills"
    folder.mkdir()
    (folder / "sitecustomize.py").write_text(KILLS_WORKERS)

    service = await services.spawn(
        *("--workers", "2", "--mongodb-uri", mongodb_uri, "--database", database.name),
        env={"PYTHONPATH": os.pathsep.join(filter(None, [str(folder), os.environ.get("PYTHONPATH")]))},
    )

    assert await service.ended(START_SECONDS) == 1
    assert re.search(r"Worker \d ended with exit code -9 while it was starting", service.err)
    assert workers_of(service) == []
