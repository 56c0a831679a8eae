"""Every statement of the write path names its shard, so that a cluster asks one shard and not all of them."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

import pytest
from pymongo import AsyncMongoClient
from pymongo.monitoring import CommandFailedEvent, CommandListener, CommandStartedEvent, CommandSucceededEvent

from docservice import DocService, Principal, StartSession, UpdateSession
from docservice.domain.requests.exam_logs import SaveExamAttempt, SaveExamLog
from docservice.service.acting.exam_logs import ExamLogs
from docservice.service.acting.log_lists import ListReader
from docservice.service.acting.tracking import Tracking
from docservice.service.acting.user_sessions import UserSessions
from docservice.service.base.actions import Actions
from docservice.store.database.pymongo_db import PyMongoDatabase
from docservice.store.indexes.applying import described, shard_keys

SCATTERED = {("find", "exam_logs", ("_id",))}
"""An attempt of an exam of Kolibri up to 0.14 names the log and not whose it is: one look at all shards, then one."""


class Recorder(CommandListener):
    """The statements that a client sends."""

    def __init__(self) -> None:
        self.commands: list[Mapping[str, Any]] = []

    def started(self, event: CommandStartedEvent) -> None:
        if event.command:  # The driver shows nothing of a sign-in.
            self.commands.append(event.command)

    def succeeded(self, event: CommandSucceededEvent) -> None:
        pass

    def failed(self, event: CommandFailedEvent) -> None:
        pass


def targets(command: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """What a statement selects or inserts, with the collection's name; one for each of its parts."""
    name = next(iter(command))
    collection = str(command[name])
    match name:
        case "find":
            yield collection, command["filter"]
        case "insert":
            for document in command["documents"]:
                yield collection, document
        case "update":
            for update in command["updates"]:
                yield collection, update["q"]
        case "delete":
            for delete in command["deletes"]:
                yield collection, delete["q"]
        case "aggregate":
            yield collection, command["pipeline"][0].get("$match", {})
        case "findAndModify" | "count" | "distinct":
            yield collection, command["query"]
        case "startTransaction" | "commitTransaction" | "abortTransaction" | "endSessions" | "ping" | "hello":
            return
        case _:
            pytest.fail(f"what does {name} select?")


@asynccontextmanager
async def recorded(uri: str, name: str) -> AsyncIterator[tuple[PyMongoDatabase, Recorder]]:
    recorder = Recorder()
    async with AsyncMongoClient[dict[str, Any]](uri, event_listeners=[recorder]) as client:
        yield PyMongoDatabase(client[name], owned=False, timeout_seconds=10), recorder


def now() -> datetime:
    return datetime.now(UTC)


def answers(first: int, count: int, **fields: Any) -> UpdateSession:
    """A report of some answered questions."""
    return UpdateSession(
        progress_delta=0.01,
        time_spent_delta=1,
        interactions=[
            {"item": f"q{number}", "correct": 1, "time_spent": 1, "complete": True, "answer": {"a": 1}, **fields}
            for number in range(first, first + count)
        ],
    )


async def track(database: PyMongoDatabase, directory: Mapping[str, Any]) -> None:
    """Everything that writes logs: visits of learners and visitors, growing summaries, exams, user sessions."""
    actions, reader = Actions(database), ListReader(database)
    tracker = Tracking(database, actions, now)
    learner = Principal(user_id=directory["actors"]["learner1"]["user"])
    content = uuid.uuid4().hex
    exercise = {"node_id": content, "content_id": content, "channel_id": content, "kind": "exercise"}
    start = StartSession(**exercise, mastery_model={"type": "m_of_n", "m": 8, "n": 10})
    for _ in range(2):  # a new summary, then one that is there
        visit = await tracker.start(learner, start, "key")
    for number in range(3):  # past the 200 attempts that a summary embeds
        await tracker.update(learner, visit.session_id, answers(number * 90, 90), f"report {number}")
    await tracker.update(learner, visit.session_id, answers(0, 1, replace=True), None)
    await tracker.start(learner, StartSession(**exercise, repeat=True, mastery_model=start.mastery_model), None)
    visitor = await tracker.start(Principal(), start, None)
    await tracker.update(Principal(), visitor.session_id, answers(0, 3), None)
    exams = ExamLogs(database, actions, reader, now)
    exam = directory["exams"][0]["id"]
    saved = await exams.save_log(learner, SaveExamLog(exam=exam, user=learner.user_id), None)
    attempt = SaveExamAttempt(
        examlog=saved.log.id,
        user=learner.user_id,
        item="q",
        content_id=content,
        correct=1,
        start_timestamp="2024-01-01 10:00:00",
        end_timestamp="2024-01-01 10:00:09",
    )
    await exams.save_attempt(learner, attempt, None)
    await UserSessions(database, actions, reader, now).update(learner, None, None, "Mozilla/5.0")
    await actions.finish()


async def test_every_statement_on_a_sharded_collection_has_its_shard_key(
    service: DocService, mongodb_uri: str, database: Any, recorded_directory: dict[str, Any]
) -> None:
    """The first field of the shard key, by value, is in each filter and each document, but for the one named above."""
    async with recorded(mongodb_uri, database.name) as (watched, recorder):
        await track(watched, recorded_directory)

    seen, scattered = set(), set()
    for command in recorder.commands:
        for collection, target in targets(command):
            if collection in shard_keys():
                seen.add(collection)
                first = next(iter(shard_keys()[collection]))
                if not isinstance(target.get(first), str):
                    scattered.add((next(iter(command)), collection, tuple(sorted(target))))
    assert scattered == SCATTERED
    assert seen == set(shard_keys())


def test_a_shard_key_has_an_index() -> None:
    """A collection with documents can be sharded: its key is the beginning of an index, and of each unique one."""
    for collection, key in shard_keys().items():
        indexes = [index for index in described() if index.collection == collection]
        names = list(key)
        assert names == ["_id"] or any([name for name, _ in index.keys][: len(names)] == names for index in indexes)
        for index in indexes:
            if index.options.get("unique"):
                assert [name for name, _ in index.keys][: len(names)] == names


def test_the_recorder_knows_a_scattered_statement() -> None:
    """A filter without the key would be found."""
    [(collection, target)] = targets({"find": "content_summary_logs", "filter": {"_id": "x"}})

    assert next(iter(shard_keys()[collection])) not in target
