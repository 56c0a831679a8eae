"""All figures of the service beside the least that is possible, in one table.

    python -m tests.benchmarks [--engines python native] [--peer DIR] [--clients 1 8 64] [--seconds 3] [--rounds 3]

For each build of the engine that is there, a service and a floor (`tests.benchmarks.floor`) run on one engine, and a
Kolibri if `--peer` names the folder of one (see tools/peer/start.sh). They are measured alternately, so that the swings
of the machine hit all alike; a figure is the median of its rounds. The clients run on the same machine: their share of
its processors is in the table.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import re
import shutil
import socket
import statistics
import sys
import tempfile
import time
import uuid
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp

from docservice import demo
from docservice.engine.builds import PROGRAM, has_python_build
from tests.acceptance.running import Services, engine_state, processes_of
from tests.acceptance.signing import headers_with_own_key
from tests.benchmarks.serving import cpu_seconds

PATH = "/api/logger/trackprogress/"
KINDS = ("start", "answer", "time", "mastery list", "attempt list")
LEARNERS = [user["id"] for user in demo.directory()["users"][1:]]
TRY = 20
"""Questions of a mastery log, after which a client begins another exercise."""


@dataclass
class Target:
    """A server that is measured.

    Attributes:
        headers: of each learner that signs in there.
        processes: of the server and of its engine, whose processor time is told.
        prepared: for each learner a session, a content with many mastery logs, and one with many attempts.
    """

    name: str
    base: str
    headers: list[Mapping[str, str]]
    processes: dict[str, list[int]] = field(default_factory=dict)
    kinds: Sequence[str] = KINDS
    prepared: list[dict[str, str]] = field(default_factory=list)


@dataclass
class Figures:
    """What one kind of request gave on one target, with one number of clients."""

    rates: list[float] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)
    cpu: dict[str, list[float]] = field(default_factory=dict)

    @property
    def rate(self) -> float:
        """Requests a second."""
        return statistics.median(self.rates)

    def quantile(self, share: float) -> float:
        """Milliseconds within which this share of the requests was answered."""
        ordered = sorted(self.seconds)
        return ordered[min(len(ordered) - 1, int(len(ordered) * share))] * 1000


async def call(http: aiohttp.ClientSession, target: Target, who: int, method: str, path: str, **options: Any) -> Any:
    """Send a request and give the JSON that it is answered with."""
    headers = {**target.headers[who], "Content-Type": "application/json"}
    async with http.request(method, target.base + path, headers=headers, **options) as answer:
        body = await answer.read()
        if answer.status not in (200, 201):
            sys.exit(f"{target.name}: {method} {path} was answered with {answer.status}: {body[:300]!r}")
        return json.loads(body)


async def start(http: aiohttp.ClientSession, target: Target, who: int, content: str = "", **more: Any) -> str:
    """Start a session on an exercise; its id."""
    content = content or uuid.uuid4().hex
    body = {"node_id": content, "content_id": content, "channel_id": content, "kind": "exercise", **more}
    body["mastery_model"] = {"type": "m_of_n", "m": 5, "n": 7}
    return str((await call(http, target, who, "POST", PATH, data=json.dumps(body)))["session_id"])


def answers(first: int, count: int) -> list[dict[str, Any]]:
    """Answers to questions, as a front end sends them."""
    return [
        {
            "item": f"q{number}",
            "correct": number % 2,
            "time_spent": 5,
            "complete": True,
            "answer": {"choice": number, "text": "x" * 40},
        }
        for number in range(first, first + count)
    ]


async def report(http: aiohttp.ClientSession, target: Target, who: int, session_id: str, body: object) -> None:
    """Report on a session."""
    await call(http, target, who, "PUT", f"{PATH}{session_id}/", data=json.dumps(body))


async def prepare(http: aiohttp.ClientSession, target: Target) -> None:
    """Give each learner a session, 500 attempts at one exercise, and 20 mastery logs of another."""
    for who in range(len(target.headers)):
        many, tries = uuid.uuid4().hex, uuid.uuid4().hex
        found = {"session": await start(http, target, who), "many": many, "tries": tries}
        if "attempt list" in target.kinds:
            session_id = await start(http, target, who, many)
            for batch in range(10):
                await report(http, target, who, session_id, {"interactions": answers(batch * 50, 50)})
            for _ in range(20):
                session_id = await start(http, target, who, tries, repeat=True)
                await report(http, target, who, session_id, {"progress": 1, "interactions": answers(0, 5)})
        target.prepared.append(found)


async def client(http: aiohttp.ClientSession, target: Target, kind: str, who: int, end: float) -> list[float]:
    """Send requests of one kind, one after the other; how long each took, in seconds."""
    took: list[float] = []
    prepared, session_id = target.prepared[who], ""
    while time.perf_counter() < end:
        if kind == "answer" and len(took) % TRY == 0:
            session_id = await start(http, target, who)
        began = time.perf_counter()
        if kind == "start":
            await start(http, target, who)
        elif kind == "answer":
            body = {"progress": 0.1, "time_spent_delta": 5, "interactions": answers(len(took), 1)}
            await report(http, target, who, session_id, body)
        elif kind == "time":
            await report(http, target, who, prepared["session"], {"time_spent_delta": 1})
        else:
            resource = "masterylog" if kind == "mastery list" else "attemptlog"
            content = prepared["tries" if kind == "mastery list" else "many"]
            await call(http, target, who, "GET", f"/api/logger/{resource}/", params={"content": content, "user": ""})
        took.append(time.perf_counter() - began)
    return took


async def round_of(target: Target, kind: str, clients: int, seconds: float, figures: Figures) -> None:
    """Measure once."""
    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(connector=connector, cookie_jar=aiohttp.DummyCookieJar()) as http:
        if not target.prepared:
            await prepare(http, target)
        watched = {**target.processes, "clients": [os.getpid()]}
        before = {name: cpu_seconds(pids) for name, pids in watched.items()}
        began = time.perf_counter()
        took = await asyncio.gather(
            *(client(http, target, kind, n % len(target.headers), began + seconds) for n in range(clients))
        )
        elapsed = time.perf_counter() - began
    done = [each for one in took for each in one]
    figures.seconds += done
    figures.rates.append(len(done) / elapsed)
    for name, pids in watched.items():
        figures.cpu.setdefault(name, []).append((cpu_seconds(pids) - before[name]) / max(1, len(done)) * 1000)


async def compare(targets: Sequence[Target], options: argparse.Namespace) -> None:
    """Print a row for each kind of request, number of clients and target; ratios are to the first one that has it."""
    columns = f"{'request':13}{'clients':>8}  {'server':28}{'requests/s':>11}{'ratio':>7}{'p50 ms':>9}{'p99 ms':>9}"
    print(columns + "  ms of a core for each request")
    for kind in options.kinds:
        for clients in options.clients:
            measured = {target.name: Figures() for target in targets if kind in target.kinds}
            for _ in range(options.rounds):
                for target in targets:
                    if kind in target.kinds:
                        await round_of(target, kind, clients, options.seconds, measured[target.name])
            first = next(iter(measured.values()))
            for name, figures in measured.items():
                cpu = ", ".join(f"{part} {statistics.median(ms):.2f}" for part, ms in figures.cpu.items())
                print(
                    f"{kind:13}{clients:8}  {name:28}{figures.rate:11.1f}{figures.rate / first.rate:7.2f}"
                    f"{figures.quantile(0.5):9.1f}{figures.quantile(0.99):9.1f}  {cpu}",
                    flush=True,
                )


@contextlib.asynccontextmanager
async def floor(uri: str) -> AsyncIterator[tuple[str, int]]:
    """A floor on an engine; its address and process."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = (sys.executable, "-m", "tests.benchmarks.floor", uri, str(port))
    process = await asyncio.create_subprocess_exec(*command)
    try:
        for _ in range(100):
            with contextlib.suppress(OSError):
                _, writer = await asyncio.open_connection("127.0.0.1", port)
                writer.close()
                break
            await asyncio.sleep(0.1)
        yield f"http://127.0.0.1:{port}", process.pid
    finally:
        process.kill()
        await process.wait()


async def targets_on(engine: str, workers: int, services: Services, stack: contextlib.AsyncExitStack) -> list[Target]:
    """A floor and a service on one engine of this build."""
    name = "python" if engine == "python" else "native"
    env = {"DOCSERVICE_ENGINE": engine, "DOCSERVICE_ACCESS_LOG": "false"}
    service = await services.start("--demo", "--workers", str(workers), env=env)
    engine_pid = int(engine_state(service.data_dir)["engine_pid"])
    base, pid = await stack.enter_async_context(floor(service.mongodb_uri))
    headers: list[Mapping[str, str]] = [headers_with_own_key(service.data_dir, learner) for learner in LEARNERS]
    serving = [pid for pid, line in processes_of(service.data_dir).items() if re.search(r"worker|serve", line)]
    return [
        Target(f"floor, {name} engine", base, headers, {"server": [pid], "engine": [engine_pid]}, KINDS[:3]),
        Target(f"docservice, {name} engine", service.base, headers, {"server": serving, "engine": [engine_pid]}),
    ]


def peer(folder: Path) -> Target:
    """A Kolibri that tools/peer/start.sh has started."""
    actors = json.loads((folder / "actors.json").read_text())
    base = json.loads((folder / "directory.json").read_text()).get("base") or "http://127.0.0.1:27200"
    learners = [actors[name] for name in sorted(actors) if name.startswith(("learner", "progress"))]
    return Target("Kolibri", base, learners[: len(LEARNERS)], {"server": [int((folder / "pid").read_text())]})


async def main(options: argparse.Namespace) -> None:
    """Measure on each engine."""
    print(f"{os.cpu_count()} processors, Python {sys.version.split()[0]}; clients, servers and engines share them.")
    for engine in options.engines:
        with tempfile.TemporaryDirectory() as folder:
            services = Services(Path(folder))
            try:
                async with contextlib.AsyncExitStack() as stack:
                    targets = await targets_on(engine, options.workers, services, stack)
                    if options.peer:
                        targets.append(peer(options.peer))
                    await compare(targets, options)
            finally:
                await services.end()


def engines() -> list[str]:
    """The builds of the engine that are there."""
    native = shutil.which(PROGRAM)
    return [*(["python"] if has_python_build() else []), *([native] if native else [])]


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="tests.benchmarks", description=__doc__)
    parser.add_argument("--engines", nargs="+", default=engines(), help="python, or the native build's program")
    parser.add_argument("--peer", type=Path, help="folder of a Kolibri that runs")
    parser.add_argument("--clients", type=int, nargs="+", default=[1, 8, 64])
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--kinds", nargs="+", default=list(KINDS), choices=KINDS)
    parser.add_argument("--seconds", type=float, default=3.0, help="how long each round lasts")
    parser.add_argument("--rounds", type=int, default=3)
    asyncio.run(main(parser.parse_args()))
