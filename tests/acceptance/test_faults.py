"""Processes that are killed under load: what was acknowledged is there, whole and once."""

from __future__ import annotations

import asyncio
import json
import os
import resource
import signal
import socket
import struct
from collections.abc import AsyncIterator
from functools import partial
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import pytest

from .load import Learner, learners_at, report_of, require_nothing_lost, work
from .running import Service, Services, engine_state, eventually, linux_only, processes_of, workers_of

pytestmark = [pytest.mark.engine, linux_only, pytest.mark.slow]

RECOVERY_SECONDS = 30.0


class Load:
    """All learners at work at once.

    Attributes:
        learners: what each has sent and heard.
    """

    def __init__(self, service: Service, http: aiohttp.ClientSession, learners: list[Learner]) -> None:
        self.learners = learners
        self._stop = asyncio.Event()
        self._tasks = [asyncio.create_task(work(learner, http, service.base, self._stop)) for learner in learners]

    @property
    def acknowledged(self) -> int:
        """How many reports were acknowledged so far."""
        return sum(len(learner.acknowledged) for learner in self.learners)

    async def is_under_way(self) -> None:
        """Wait until each learner has some reports acknowledged."""
        await eventually(lambda: all(len(one.acknowledged) >= 20 for one in self.learners), "the load is under way")

    async def goes_on(self, seconds: float) -> None:
        """Wait until each learner has a report more acknowledged than now."""
        before = [len(learner.acknowledged) for learner in self.learners]

        def more() -> bool:
            return all(len(one.acknowledged) > count for one, count in zip(self.learners, before, strict=True))

        await eventually(more, "reports are acknowledged again", seconds)

    async def stopped(self) -> None:
        """Let all learners finish what they have begun."""
        self._stop.set()
        await asyncio.wait_for(asyncio.gather(*self._tasks), RECOVERY_SECONDS)

    async def cancel(self) -> None:
        """End what still runs."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)


@pytest.fixture
async def http() -> AsyncIterator[aiohttp.ClientSession]:
    """A client that opens a new connection for each report, so that it never sends one twice by itself."""
    connector = aiohttp.TCPConnector(force_close=True)
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=60), connector=connector) as session:
        yield session


async def test_a_killed_service_loses_nothing_that_it_acknowledged(
    services: Services, http: aiohttp.ClientSession
) -> None:
    """kill -9 of `serve` in the middle; started again over the same folder, every acknowledged report is there once."""
    service = await services.start()
    before = engine_state(service.data_dir)["engine_pid"]
    load = Load(service, http, await learners_at(service, http))
    await load.is_under_way()

    code = await service.stop(signal.SIGKILL)
    await load.stopped()
    again = await services.start(data_dir=service.data_dir)

    assert code == -signal.SIGKILL
    await require_nothing_lost(again.mongodb_uri, load.learners)
    assert all(not learner.wrong for learner in load.learners)
    now = engine_state(service.data_dir)["engine_pid"]
    # One engine runs: the old one if the service was fast enough to join it, else a new one.
    assert len([line for line in processes_of(service.data_dir).values() if "secantus" in line]) == 1
    assert now == before or before not in processes_of(service.data_dir)
    for learner in load.learners:
        assert await learner.report(http, again.base)


async def test_a_killed_service_leaves_no_engine(services: Services) -> None:
    """When nobody starts it again, the engine of a killed service ends by itself, in good order."""
    service = await services.start()

    await service.stop(signal.SIGKILL)

    await eventually(lambda: not processes_of(service.data_dir), "supervisor and engine are gone")
    assert not (service.data_dir / "engine" / "state.json").exists()


@pytest.mark.parametrize("victim", ["engine_pid", "supervisor_pid"])
async def test_a_killed_engine_comes_back_with_all_that_was_acknowledged(
    services: Services, http: aiohttp.ClientSession, victim: str
) -> None:
    """kill -9 of the engine or of its supervisor: reports are acknowledged again within seconds, none lost or doubled.

    Meanwhile a report waits, or is answered with 503 or 504 and Retry-After; the console says what happened.
    """
    service = await services.start()
    load = Load(service, http, await learners_at(service, http))
    try:
        await load.is_under_way()

        os.kill(engine_state(service.data_dir)[victim], signal.SIGKILL)
        await load.goes_on(RECOVERY_SECONDS)
        await load.stopped()
    finally:
        await load.cancel()

    assert [learner.wrong for learner in load.learners if learner.wrong] == []
    await require_nothing_lost(service.mongodb_uri, load.learners)
    await eventually(lambda: service.err.count("\nengine: ") >= 2, "the console tells of the restart")
    said = [line for line in service.err.splitlines() if line.startswith("engine: ")]
    assert "again" in said[-1]
    assert "Traceback" not in service.err
    assert await service.stop() == 0


async def test_a_disk_that_takes_no_more_loses_nothing_that_was_acknowledged(
    services: Services, http: aiohttp.ClientSession
) -> None:
    """The engine's storage breaks off in the middle of a write; it is started again, and reports go on."""
    service = await services.start(env={"DOCSERVICE_MONGODB_TIMEOUT_MS": "2000"})
    load = Load(service, http, await learners_at(service, http))
    try:
        await load.is_under_way()

        engine = engine_state(service.data_dir)["engine_pid"]
        # No byte more fits into any of its files: what a full disk is to it, without filling one.
        resource.prlimit(engine, resource.RLIMIT_FSIZE, (1, 1))
        await eventually(
            lambda: engine_state(service.data_dir)["engine_pid"] != engine, "a new engine", RECOVERY_SECONDS
        )
        await load.goes_on(RECOVERY_SECONDS)
        await load.stopped()
    finally:
        await load.cancel()

    assert [learner.wrong for learner in load.learners if learner.wrong] == []
    await require_nothing_lost(service.mongodb_uri, load.learners)
    assert "Traceback" not in service.err
    assert await service.stop() == 0


async def test_a_nearly_full_disk_takes_no_report_but_is_read(services: Services, http: aiohttp.ClientSession) -> None:
    """A report is answered with 503 and what to do, and changes nothing; reading goes on."""
    service = await services.start()
    [learner, *_] = await learners_at(service, http)
    assert await learner.report(http, service.base)
    assert await service.stop() == 0
    full = await services.start(data_dir=service.data_dir, env={"DOCSERVICE_MIN_FREE_DISK_BYTES": str(2**60)})

    refused = not await learner.report(http, full.base)
    async with http.get(f"{full.base}/api/logger/contentsummarylog/", headers=learner.headers) as response:
        read = await response.json()

    assert refused
    assert learner.answers == {200: 1, 503: 1}
    assert learner.wrong == []
    assert sum(log["attempt_count"] for summary in read["results"] for log in summary["mastery_logs"]) == 1
    await require_nothing_lost(full.mongodb_uri, [learner])


async def test_while_the_engine_is_away_clients_are_told_to_come_back(
    services: Services, http: aiohttp.ClientSession
) -> None:
    """Reports that cannot wait get 503 or 504 with Retry-After, `/readyz` too, `/healthz` stays 200; then all is well.

    The engine is stopped, not killed, so that it is away for as long as the test wants.
    """
    service = await services.start(env={"DOCSERVICE_MONGODB_TIMEOUT_MS": "700"})
    [learner, *_] = await learners_at(service, http)

    async def acknowledged() -> bool:
        return await learner.report(http, service.base)

    await eventually(acknowledged, "a report is acknowledged")
    refused_before = learner.answers[503] + learner.answers[504]
    engine = engine_state(service.data_dir)["engine_pid"]
    statuses = {}

    os.kill(engine, signal.SIGSTOP)
    try:
        await learner.report(http, service.base)
        for path in ("/healthz", "/readyz"):
            async with http.get(service.base + path) as response:
                statuses[path] = response.status
                retry_after = response.headers.get("Retry-After")
    finally:
        os.kill(engine, signal.SIGCONT)

    refused = learner.answers[503] + learner.answers[504] - refused_before
    await eventually(acknowledged, "reports are acknowledged again", RECOVERY_SECONDS)
    assert learner.wrong == []
    assert set(learner.answers) <= {200, 503, 504}
    assert refused == 1
    assert statuses["/healthz"] == 200
    assert statuses["/readyz"] in {503, 504}
    assert retry_after == "1"
    await require_nothing_lost(service.mongodb_uri, [learner])


@pytest.mark.parametrize("by_address", [False, True])
async def test_a_killed_worker_keeps_no_learner_waiting(
    services: Services, http: aiohttp.ClientSession, mongodb_uri: str, database: Any, by_address: bool
) -> None:
    """What a worker had begun when it was killed is undone at once: the other one goes on with the same learners.

    The database would keep a transaction that nobody ends for a minute. The embedded engine of a service ends it by
    itself, any other server because the first process asks for it.
    """
    where = ("--mongodb-uri", mongodb_uri, "--database", database.name) if by_address else ()
    service = await services.start("--workers", "2", *where)
    learners = await learners_at(service, http)
    for learner in learners:
        learner.keyed = True  # A client sends a report again when its worker has gone.
    load = Load(service, http, learners)

    async def both_answer() -> bool:
        async with http.get(f"{service.base}/metrics") as response:
            text = await response.text()
        return all(f'worker="{number}"' in text for number in (0, 1))

    try:
        await load.is_under_way()
        for _ in range(3):
            await eventually(both_answer, "both workers answer", RECOVERY_SECONDS)
            await load.goes_on(RECOVERY_SECONDS)

            os.kill(workers_of(service)[0], signal.SIGKILL)
            await load.goes_on(RECOVERY_SECONDS)
        await load.stopped()
    finally:
        await load.cancel()

    assert [learner.wrong for learner in learners if learner.wrong] == []
    await require_nothing_lost(service.mongodb_uri, learners)
    assert await service.stop() == 0


async def test_after_a_halt_of_the_engine_learners_go_on(services: Services, http: aiohttp.ClientSession) -> None:
    """Halted for longer than anybody waits, the engine does not keep what those who gave up had begun."""
    service = await services.start("--workers", "2", env={"DOCSERVICE_MONGODB_TIMEOUT_MS": "2000"})
    load = Load(service, http, await learners_at(service, http))
    try:
        await load.is_under_way()
        engine = engine_state(service.data_dir)["engine_pid"]
        refused = sum(learner.answers[504] + learner.answers[503] for learner in load.learners)
        os.kill(engine, signal.SIGSTOP)
        try:
            await eventually(
                lambda: sum(one.answers[504] + one.answers[503] for one in load.learners) >= refused + 3,
                "reports are given up",
            )
        finally:
            os.kill(engine, signal.SIGCONT)

        await load.goes_on(RECOVERY_SECONDS)
        await load.stopped()
    finally:
        await load.cancel()

    assert [learner.wrong for learner in load.learners if learner.wrong] == []
    await require_nothing_lost(service.mongodb_uri, load.learners)
    assert await service.stop() == 0


async def test_an_engine_that_dies_again_and_again_costs_no_report(
    services: Services, http: aiohttp.ClientSession
) -> None:
    """Three kills while learners work: the service recovers each time and is stopped in good order."""
    service = await services.start(env={"DOCSERVICE_MONGODB_TIMEOUT_MS": "1000"})
    load = Load(service, http, await learners_at(service, http))
    killed = []
    try:
        await load.is_under_way()
        for _ in range(3):
            killed.append(engine_state(service.data_dir)["engine_pid"])
            os.kill(killed[-1], signal.SIGKILL)
            await load.goes_on(RECOVERY_SECONDS)
            await eventually(lambda: engine_state(service.data_dir)["engine_pid"] != killed[-1], "a new engine")
        await load.stopped()
    finally:
        await load.cancel()

    assert [learner.wrong for learner in load.learners if learner.wrong] == []
    await require_nothing_lost(service.mongodb_uri, load.learners)
    await eventually(lambda: service.err.count("\nengine: ") >= 6, "the console tells of each restart")
    assert await service.stop() == 0
    assert processes_of(service.data_dir) == {}


async def test_a_client_that_has_gone_leaves_whole_writes(services: Services, http: aiohttp.ClientSession) -> None:
    """Reports whose senders close or reset at once are there or not, but whole; the service stays well and stops."""
    service = await services.start()
    learners = await learners_at(service, http)

    for number in range(20):
        for learner in learners[:3]:
            item = f"gone{number}"
            learner.unknown.append(item)
            _send_and_leave(service.base, learner, json.dumps(report_of(item)).encode(), reset=number % 2 == 0)
    for learner in learners[:3]:
        await eventually(partial(learner.report, http, service.base), "a report is acknowledged")
    async with http.get(f"{service.base}/readyz") as response:
        ready = response.status

    assert ready == 200
    assert "Traceback" not in service.err
    assert await service.stop() == 0
    again = await services.start(data_dir=service.data_dir)
    await require_nothing_lost(again.mongodb_uri, learners[:3])


def _send_and_leave(base: str, learner: Learner, body: bytes, *, reset: bool) -> None:
    address = urlsplit(base)
    head = (
        f"PUT /api/logger/trackprogress/{learner.session_id}/ HTTP/1.1\r\nHost: docservice\r\n"
        f"Authorization: {learner.headers['Authorization']}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    with socket.create_connection((str(address.hostname), address.port or 0), timeout=30) as client:
        if reset:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        client.sendall(head.encode() + body)
