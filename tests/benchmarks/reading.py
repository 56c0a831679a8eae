"""What reading costs a learner with very many attempts: `python -m tests.benchmarks.reading [--attempts 100000]`.

Prints how long each list takes beside a `find_one` by `_id` in the same run, and how far above its start the memory of
this process, which is the service's, rose meanwhile.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import gc
import resource
import statistics
import tempfile
import time
import uuid
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, Final

from pymongo import AsyncMongoClient

from docservice import DocService, Principal, StartSession, UpdateSession, demo
from docservice.domain.requests.document_pages import FieldChoice
from docservice.domain.requests.lists import LogFilters, Page

CONTENTS = 300
SUMMARIES: Final = "contentsummarylog"
_BATCH = 100


async def fill(service: DocService, learner: Principal, attempts: int) -> None:
    """Write the learner's attempts through tracking, so that the oldest move to buckets as they would."""
    for _ in range(CONTENTS):
        content_id = uuid.uuid4().hex
        started = await service.acting_as(learner).start_session(
            StartSession(
                node_id=content_id,
                content_id=content_id,
                channel_id=content_id,
                kind="exercise",
                mastery_model={"type": "m_of_n", "m": 8, "n": 10},
            ),
        )
        left = attempts // CONTENTS
        while left > 0:
            answers = [
                {"item": f"q{number}", "correct": 1, "time_spent": 5, "complete": True, "answer": {"choice": "A"}}
                for number in range(min(left, _BATCH))
            ]
            await service.acting_as(learner).update_session(started.session_id, UpdateSession(interactions=answers))
            left -= _BATCH


def forget_peak() -> None:
    """Measure the peak of memory from now on, where the system can (Linux); elsewhere it is that of the whole run."""
    with contextlib.suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")


def peak_mib() -> float:
    """The most memory that this process has had since `forget_peak`."""
    with contextlib.suppress(OSError):
        for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) / 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


async def median_ms(action: Callable[[], Awaitable[Any]], times: int = 9) -> float:
    """The median time of an action."""
    taken = []
    for _ in range(times):
        began = time.perf_counter()
        await action()
        taken.append((time.perf_counter() - began) * 1000)
    return statistics.median(taken)


async def measure(attempts: int) -> None:
    """Print the table."""
    with tempfile.TemporaryDirectory() as folder:
        async with DocService(data_dir=Path(folder)) as service:
            await service.import_directory(demo.directory())
            learner = Principal(user_id=demo.directory()["users"][1]["id"])
            began = time.perf_counter()
            await fill(service, learner, attempts)
            print(f"wrote {attempts} attempts on {CONTENTS} contents in {time.perf_counter() - began:.0f} s")
            async with AsyncMongoClient[dict[str, Any]](service.connection_string) as mongo:
                summaries = mongo["docservice"]["content_summary_logs"]
                one = await summaries.find_one({}, {"content_id": 1})
                assert one is not None
                base = await median_ms(lambda: summaries.find_one({"_id": one["_id"]}))
                print(f"{'find_one of one summary by _id':40}{base:9.1f} ms")
                whole = LogFilters(user=learner.user_id)
                content = LogFilters(user=learner.user_id, content=one["content_id"])
                item = LogFilters(user=learner.user_id, item="q1")
                light = FieldChoice(without=frozenset({"mastery_logs.attempts"}))
                last = attempts // CONTENTS * CONTENTS // 50
                actions: dict[str, Callable[[], Awaitable[Any]]] = {
                    "mastery list of a content": lambda: service.acting_as(learner).mastery_log_page(
                        content, page=None
                    ),
                    "mastery list of all, page of 50": lambda: service.acting_as(learner).mastery_log_page(
                        whole, page=Page(50)
                    ),
                    "attempt list of a content, page of 50": lambda: service.acting_as(learner).attempt_log_page(
                        content, page=Page(50)
                    ),
                    "attempt list of all, first page of 50": lambda: service.acting_as(learner).attempt_log_page(
                        whole, page=Page(50)
                    ),
                    "attempt list of all, last page of 50": lambda: service.acting_as(learner).attempt_log_page(
                        whole, page=Page(50, last)
                    ),
                    "attempt list of an item, page of 50": lambda: service.acting_as(learner).attempt_log_page(
                        item, page=Page(50)
                    ),
                    "summary with all its attempts": lambda: service.acting_as(learner).document(SUMMARIES, one["_id"]),
                    "summary list, page of 50": lambda: service.acting_as(learner).document_page(SUMMARIES),
                    "the same without attempts": lambda: service.acting_as(learner).document_page(
                        SUMMARIES, fields=light
                    ),
                    "user progress": lambda: service.acting_as(learner).user_progress(str(learner.user_id)),
                }
                for name, action in actions.items():
                    gc.collect()
                    forget_peak()
                    before = peak_mib()
                    took = await median_ms(action, 5)
                    print(f"{name:40}{took:9.1f} ms {took / base:8.1f} x {peak_mib() - before:6.0f} MiB")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--attempts", type=int, default=100_000)
    asyncio.run(measure(parser.parse_args().attempts))
