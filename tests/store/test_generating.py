"""A data set in a database: whole, once, and completed after a fault."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator
from datetime import date
from typing import Any

import pytest

from docservice import DocService
from docservice.domain.upkeep.comparison import Difference
from docservice.domain.upkeep.consistency import Finding
from docservice.errors import SettingsInvalid
from docservice.generate import Plan, generate

pytestmark = pytest.mark.slow

PLAN = Plan(seed=25, learners=3, weeks=3, channels=1)
UNTIL = date(2026, 11, 22)


class Faulty:
    """A watch at which the work breaks off, as when the process is killed."""

    def __init__(self, after: int) -> None:
        self.left = after

    def begin(self, part: str, total: int | None = None) -> None:
        """A part begins."""

    def advance(self, part: str, steps: int = 1) -> None:
        """Break off after so many learners."""
        if part == "learners":
            self.left -= steps
            if self.left < 0:
                raise ConnectionAbortedError


@pytest.fixture
async def empty(mongodb_uri: str, database: Any) -> AsyncIterator[DocService]:
    """A service over an empty database."""
    async with DocService(mongodb_uri, database=database.name) as service:
        yield service


@pytest.fixture(scope="module")
async def loaded(mongodb_uri: str, mongo: Any) -> AsyncIterator[DocService]:
    """A service with the data set, loaded at one go."""
    name = f"test_{uuid.uuid4().hex[:12]}"
    async with DocService(mongodb_uri, database=name) as service:
        await generate(service, PLAN, until=UNTIL)
        yield service
    await mongo.drop_database(name)


async def differences(one: DocService, other: DocService) -> list[Difference]:
    """All that `compare` finds."""
    found: list[Difference] = []
    await one.admin.compare(other.admin, found.append)
    return found


async def test_a_data_set_is_clean(loaded: DocService) -> None:
    """Nothing is wrong with any document, and there are attempts in overflow buckets."""
    found: list[Finding] = []

    checked = await loaded.admin.verify(found.append)

    assert found == []
    assert checked["attempt_overflow"] > 0
    assert checked["content_summary_logs"] > 90


async def test_after_a_fault_it_is_completed(loaded: DocService, empty: DocService, database: Any) -> None:
    """Loading again makes it the same as one loaded at one go, but for what was done meanwhile, which is left alone."""
    with pytest.raises(ConnectionAbortedError):
        await generate(empty, PLAN, until=UNTIL, watch=Faulty(2))
    session = await database["content_session_logs"].find_one({})
    await database["content_session_logs"].update_one({"_id": session["_id"]}, {"$set": {"time_spent": 12345.0}})

    done = await generate(empty, PLAN, until=UNTIL)
    again = await generate(empty, PLAN, until=UNTIL)

    assert await differences(loaded, empty) == [
        Difference("content_session_logs", session["_id"], "different", ("time_spent",))
    ]
    assert not done.complete_before
    assert 0 < sum(done.inserted.values()) < sum(done.documents[name] for name in done.inserted)
    assert (again.complete_before, again.documents) == (True, done.documents)
    for collection in done.inserted:
        assert await database[collection].count_documents({}) == done.documents[collection]


async def test_another_end_is_refused(loaded: DocService) -> None:
    """The same school with another end would be the same ids with other times; without an end the known one counts."""
    with pytest.raises(SettingsInvalid, match="2026-11-22"):
        await generate(loaded, PLAN, until=date(2026, 12, 22))

    assert (await generate(loaded, PLAN, until=date(2026, 12, 22), fixed=False)).until == UNTIL
