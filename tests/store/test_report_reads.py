"""A class page reads its own class: every query names its learners, its work or ids that it has found."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from pymongo import AsyncMongoClient
from pymongo.monitoring import CommandFailedEvent, CommandListener, CommandStartedEvent, CommandSucceededEvent

from docservice import DocService, ReportFilters, ReportName, UpdateSession
from docservice.store.indexes.files import contents
from docservice.testing import School, interaction

OURS, OTHERS = School("Ours"), School("Others")
LOGS = ("content_summary_logs", "content_session_logs", "user_session_logs", "attempt_overflow")


@dataclass
class QueryRecorder(CommandListener):
    """Notes the collection and the filter of each query."""

    seen: list[tuple[str, dict[str, Any]]] = field(default_factory=list)

    def started(self, event: CommandStartedEvent) -> None:
        """A command goes out."""
        if event.command_name == "find":
            self.seen.append((event.command["find"], dict(event.command["filter"])))
        if event.command_name == "aggregate":
            self.seen.append((event.command["aggregate"], dict(event.command["pipeline"][0]["$match"])))

    def succeeded(self, event: CommandSucceededEvent) -> None:
        """Not of interest."""

    def failed(self, event: CommandFailedEvent) -> None:
        """Not of interest."""


@pytest.fixture
async def recorded(mongodb_uri: str, database: Any) -> AsyncIterator[tuple[DocService, QueryRecorder]]:
    """A service with two schools, each with a learner who has trouble in a lesson, and what it asks from now on."""
    recorder = QueryRecorder()
    client: AsyncMongoClient[dict[str, Any]] = AsyncMongoClient(mongodb_uri, event_listeners=[recorder], tz_aware=True)
    async with client, DocService(client[database.name]) as service:
        for school in (OURS, OTHERS):
            directory = school.directory()
            [lesson] = directory["lessons"]
            lesson["resources"] = [{"content_id": school.exercise_id, "contentnode_id": "e" * 32}]
            await service.import_directory(directory)
            learner = service.acting_as(school.learner())
            visit = await learner.start_session(school.exercise_in_lesson)
            wrong = [interaction(f"q{number}", correct=0) for number in range(5)]
            await learner.update_session(visit.session_id, UpdateSession(interactions=wrong))
            await learner.start_session(school.quiz)
        recorder.seen.clear()
        yield service, recorder


def first_keys(collection: str) -> set[str]:
    """The fields that the indexes of a collection begin with, and its id."""
    files = [file for file in contents() if file.get("collection") == collection]
    return {"_id", *(index["keys"][0][0] for file in files for index in file["indexes"])}


def values(condition: Any) -> set[Any]:
    """What a condition on a field lets through."""
    return set(condition["$in"]) if isinstance(condition, dict) else {condition}


@pytest.mark.parametrize("name", ["class-progress", "learners-needing-help", "difficult-questions", "activity"])
async def test_only_the_class_is_read(recorded: tuple[DocService, QueryRecorder], name: ReportName) -> None:
    """A coach's page asks for the logs of the class's learners only, and each query begins with a field of an index."""
    service, recorder = recorded

    report = await service.acting_as(OURS.coach).report(name, ReportFilters(classroom=OURS.classroom_id))

    # The coach's own logs count as readable, and are none of the class.
    readable = {OURS.learner(number).user_id for number in range(OURS.learners)} | {OURS.coach.user_id}
    assert report.rows
    assert recorder.seen
    for collection, query in recorder.seen:
        assert first_keys(collection) & query.keys(), (collection, query)
        if collection in LOGS and "user_id" in query:
            assert values(query["user_id"]) <= readable, (collection, query)
        elif collection in LOGS:
            assert {"_id", "_morango_partition"} & query.keys(), (collection, query)


async def test_who_needs_help(recorded: tuple[DocService, QueryRecorder]) -> None:
    """Five wrong answers in a lesson are trouble, for the coach of the class and for no other one."""
    service, _ = recorded
    filters = ReportFilters(classroom=OURS.classroom_id)

    ours = await service.acting_as(OURS.coach).report("learners-needing-help", filters)
    others = await service.acting_as(OTHERS.coach).report("learners-needing-help", filters)

    assert [row["learner_id"] for row in ours.rows] == [OURS.learner().user_id]
    assert others.rows == []
