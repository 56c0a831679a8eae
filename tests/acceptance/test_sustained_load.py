"""Learners who answer without a pause, through several processes at once: the embedded engine must keep up."""

from __future__ import annotations

import asyncio
import uuid
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from docservice import DocService, LogFilters, Principal, StartSession, UpdateSession, demo

pytestmark = [pytest.mark.engine, pytest.mark.slow]

REPORTS = 90
ANSWERED_BEFORE = 100


def answers(count: int) -> UpdateSession:
    """A report of new answers."""
    return UpdateSession(
        interactions=[
            {"item": uuid.uuid4().hex, "correct": 1, "time_spent": 5, "complete": True, "answer": {"choice": "A"}}
            for _ in range(count)
        ]
    )


async def test_eight_busy_processes_do_not_bring_the_engine_to_a_standstill(tmp_path: Path) -> None:
    """Eight services, each with a lease of its own as processes have, report answer upon answer: none times out.

    Without the transaction lock the engine answers nearly nothing after some hundred reports into documents of this
    size.
    """
    content = StartSession(
        node_id="a" * 32,
        content_id="b" * 32,
        channel_id="c" * 32,
        kind="exercise",
        mastery_model={"type": "m_of_n", "m": 8, "n": 10},
    )
    learners = [Principal(user_id=user["id"]) for user in demo.directory()["users"][1:9]]
    async with AsyncExitStack() as stack:
        services = [await stack.enter_async_context(DocService(data_dir=tmp_path)) for _ in learners]
        await services[0].import_directory(demo.directory())

        async def learn(service: DocService, learner: Principal) -> int:
            session_id = (await service.acting_as(learner).start_session(content)).session_id
            await service.acting_as(learner).update_session(session_id, answers(ANSWERED_BEFORE))
            for _ in range(REPORTS):
                await service.acting_as(learner).update_session(session_id, answers(1))
            mine = LogFilters(user=learner.user_id)
            return len([attempt async for attempt in service.acting_as(learner).attempt_logs(mine)])

        kept = await asyncio.gather(*(learn(*each) for each in zip(services, learners, strict=True)))

    assert kept == [ANSWERED_BEFORE + REPORTS] * len(learners)
