"""An engine and services for one run of tests: nothing of them is left afterwards."""

from __future__ import annotations

import asyncio
import tempfile
import threading
import uuid
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import Future
from contextlib import asynccontextmanager, contextmanager
from datetime import UTC, datetime
from pathlib import Path

from docservice.engine import EmbeddedEngine
from docservice.service import DocService
from docservice.testing.small_school import School


def _utc_now() -> datetime:
    return datetime.now(UTC)


@asynccontextmanager
async def throw_away_engine() -> AsyncIterator[str]:
    """An embedded engine in a folder that is removed afterwards; gives its address.

    Raises:
        EngineNotInstalled: `docservice[embedded]` is not installed.
    """
    with tempfile.TemporaryDirectory(prefix="docservice-", ignore_cleanup_errors=True) as folder:
        async with EmbeddedEngine(Path(folder)) as engine:
            yield engine.uri


@asynccontextmanager
async def throw_away_service(
    mongodb_uri: str | None = None, *, school: School | None = None, clock: Callable[[], datetime] = _utc_now
) -> AsyncIterator[DocService]:
    """An entered service over an empty database of its own, which is dropped afterwards.

    Args:
        mongodb_uri: of a server for tests; None for an embedded engine of its own.
        school: the people in its directory; None leaves it empty.
        clock: see `DocService`.
    """
    if mongodb_uri is None:
        async with throw_away_engine() as uri, throw_away_service(uri, school=school, clock=clock) as service:
            yield service
        return
    async with DocService(mongodb_uri, database=f"test_{uuid.uuid4().hex[:12]}", clock=clock) as service:
        try:
            if school is not None:
                await service.import_directory(school.directory())
            yield service
        finally:
            # Not a method of the service, which should have none that removes everything.
            await service.admin.database.command({"dropDatabase": 1})


@contextmanager
def engine_beside() -> Iterator[str]:
    """An embedded engine that is watched in a thread of its own; gives its address.

    For a run of tests that have an event loop each, or several plugins that make them.

    Raises:
        EngineNotInstalled: `docservice[embedded]` is not installed.
    """
    address: Future[str] = Future()
    loop, done = asyncio.new_event_loop(), asyncio.Event()

    async def watch() -> None:
        async with throw_away_engine() as uri:
            address.set_result(uri)
            await done.wait()

    def run() -> None:
        try:
            with asyncio.Runner(loop_factory=lambda: loop) as runner:
                runner.run(watch())
        except BaseException as error:
            if address.done():
                raise
            address.set_exception(error)

    thread = threading.Thread(target=run, name="docservice-engine")
    thread.start()
    try:
        yield address.result()
    finally:
        if thread.is_alive():
            loop.call_soon_threadsafe(done.set)
        thread.join()
