"""Indexes are as described, and each query of the write path uses the one made for it."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator, Iterator
from typing import Any
from unittest import mock

import pytest
from pymongo import monitoring
from pymongo.asynchronous.collection import AsyncCollection
from pymongo.errors import AutoReconnect

from docservice import ANONYMOUS, DocService, Principal, StartSession, UpdateSession
from docservice.errors import StoreUnavailable
from docservice.store.indexes.applying import Index, described

LOGS = {"content_session_logs", "content_summary_logs", "attempt_overflow"}
CONTENT = {"node_id": "e" * 32, "content_id": "c" * 32, "channel_id": "b" * 32}
EXERCISE = {**CONTENT, "kind": "exercise", "mastery_model": {"type": "m_of_n", "m": 3, "n": 10}}
QUIZ = {**CONTENT, "kind": "exercise", "mastery_model": {"type": "quiz"}}
VIDEO = {**CONTENT, "kind": "video"}

INTENDED: dict[tuple[str, str], set[str]] = {
    ("content_session_logs", "_id"): {"partition_id", "_id_"},
    ("content_session_logs", "attempts.id"): {"partition_attempt"},
    ("content_session_logs", "attempts.item"): {"partition_item"},
    ("content_summary_logs", "_id"): {"partition_id", "_id_"},
    ("attempt_overflow", "_id"): {"partition_id", "_id_"},
    ("attempt_overflow", "attempts.id"): {"partition_attempt"},
    ("attempt_overflow", "attempts.item"): {"partition_item", "partition_log_item"},
    ("attempt_overflow", "last_start_timestamp"): {"partition_log_start"},
    ("attempt_overflow", "log_id"): {"partition_log_start", "partition_log_item"},
    ("memberships", "user_id"): {"user_collection", "collection_user"},
}
"""The indexes that may answer a query of tracking, by collection and the field that narrows it most."""
NARROWEST = ("_id", "attempts.id", "attempts.item", "last_start_timestamp", "log_id", "user_id")


class Recorder(monitoring.CommandListener):
    """Notes the commands that are sent to one database while it is switched on."""

    def __init__(self) -> None:
        self.database: str | None = None
        self.commands: list[dict[str, Any]] = []

    def started(self, event: monitoring.CommandStartedEvent) -> None:
        if event.database_name == self.database:
            self.commands.append(dict(event.command))

    def succeeded(self, event: monitoring.CommandSucceededEvent) -> None:
        """Nothing to note."""

    def failed(self, event: monitoring.CommandFailedEvent) -> None:
        """Nothing to note."""

    def filters(self) -> Iterator[tuple[str, dict[str, Any]]]:
        """The collection and filter of each find and update."""
        for command in self.commands:
            if "find" in command:
                yield command["find"], dict(command["filter"])
            for update in command.get("updates", ()):
                yield command["update"], dict(update["q"])


@pytest.fixture(scope="module")
def recorder() -> Recorder:
    """A recorder that every client made from now on reports to."""
    made = Recorder()
    monitoring.register(made)
    return made


def interaction(item: str, **fields: Any) -> dict[str, Any]:
    """An answer to a question."""
    return {"item": item, "correct": 1, "time_spent": 1, "answer": {}, **fields}


async def work(logs: DocService, who: Principal, body: dict[str, Any]) -> None:
    """Two visits in which attempts are made until some move away, and are then chosen by id and by item."""
    first = await logs.acting_as(who).start_session(StartSession.parse(body))
    made = await logs.acting_as(who).update_session(
        first.session_id,
        UpdateSession.parse({"progress": 0.5, "interactions": [interaction(f"q{n}") for n in range(250)]}),
    )
    second = await logs.acting_as(who).start_session(StartSession.parse(body))
    for chosen in (made.attempts[0], made.attempts[-1]):
        for session in (first, second):
            for report in (interaction("x", id=chosen.id), interaction(chosen.item, replace=True)):
                await logs.acting_as(who).update_session(
                    session.session_id, UpdateSession.parse({"interactions": [report]})
                )


@pytest.fixture(scope="module")
async def worked_database(mongo: Any) -> AsyncIterator[Any]:
    """A database for the work that is recorded."""
    name = f"test_{uuid.uuid4().hex[:12]}"
    yield mongo[name]
    await mongo.drop_database(name)


@pytest.fixture(scope="module")
async def commands(
    recorder: Recorder, mongodb_uri: str, worked_database: Any, recorded_directory: dict[str, Any]
) -> list[tuple[str, dict[str, Any]]]:
    """The filters of everything that tracking sends, for a learner and an anonymous visitor."""
    ids = recorded_directory["ids"]
    learner = Principal(user_id=ids["learner1"])
    async with DocService(mongodb_uri, database=worked_database.name) as logs:
        await logs.import_directory(recorded_directory)
        recorder.commands.clear()
        recorder.database = worked_database.name
        for who, body in ((learner, EXERCISE), (learner, QUIZ), (learner, VIDEO), (ANONYMOUS, VIDEO)):
            await work(logs, who, body)
        await logs.acting_as(learner).start_session(StartSession.parse({"quiz_id": ids["quiz01"]}))
        await logs.acting_as(learner).start_session(StartSession.parse({**VIDEO, "lesson_id": ids["lesson_a"]}))
        recorder.database = None
    return list(recorder.filters())


def stages(plan: Any) -> Iterator[dict[str, Any]]:
    """Every stage of a query plan."""
    if isinstance(plan, dict):
        if "stage" in plan:
            yield plan
        for child in plan.values():
            yield from stages(child)
    elif isinstance(plan, list):
        for child in plan:
            yield from stages(child)


async def test_each_filter_names_its_partition(commands: list[tuple[str, dict[str, Any]]]) -> None:
    """Every find and update of a log carries the partition, the shard key."""
    of_logs = [(collection, query) for collection, query in commands if collection in LOGS]

    assert {collection for collection, _ in of_logs} == LOGS
    assert [found for found in of_logs if "_morango_partition" not in found[1]] == []


async def test_each_query_uses_its_index(worked_database: Any, commands: list[tuple[str, dict[str, Any]]]) -> None:
    """Each kind of query is answered by the index made for it, never by a scan of the collection."""
    asked = {(name, frozenset(query)): query for name, query in commands if name in {kind[0] for kind in INTENDED}}

    kinds, wrong = set(), {}
    for (collection, fields), query in asked.items():
        kind = collection, next(name for name in NARROWEST if name in fields)
        kinds.add(kind)
        explained = await worked_database.command({"explain": {"find": collection, "filter": query}})
        plan = list(stages(explained["queryPlanner"]["winningPlan"]))
        used = {stage["indexName"] for stage in plan if "indexName" in stage}
        if any(stage["stage"] == "COLLSCAN" for stage in plan) or not used or not used <= INTENDED[kind]:
            wrong[collection, tuple(sorted(fields))] = used or "scan of the collection"

    assert wrong == {}
    assert kinds == INTENDED.keys()


async def test_everything_else_is_found_by_id(commands: list[tuple[str, dict[str, Any]]]) -> None:
    """What tracking asks of other collections, it asks by `_id`; facilities, which are few, are the exception."""
    others = [
        (collection, query)
        for collection, query in commands
        if collection not in LOGS | {"memberships", "facility_collections"}
    ]

    assert others
    assert [found for found in others if "_id" not in found[1]] == []


async def test_indexes_are_there_after_entering(service: DocService, database: Any) -> None:
    """A service that was entered has created every described index that its engine has use for."""
    report = await service.admin.check_indexes()

    assert report.complete
    assert len(report.present) == report.wanted
    assert (report.unknown, report.superfluous) == ([], [])
    for index in described():
        there = index.name in await database[index.collection].index_information()
        assert there == (index in report.present)
        assert there or index.only_where


@pytest.mark.parametrize("index", [i for i in described() if i.formerly], ids=lambda i: f"{i.collection}.{i.name}")
async def test_an_index_of_an_earlier_version(service: DocService, database: Any, index: Index) -> None:
    """An index as an earlier version described it is made again without being asked for; one of no use is dropped."""
    [(keys, options), *_] = index.formerly
    await database[index.collection].drop_index(index.name)
    await database[index.collection].create_index(list(keys), name=index.name, **options)

    before = await service.admin.apply_indexes()
    after = await service.admin.check_indexes()

    assert before.outdated == [index]
    assert not before.complete
    assert after.complete


async def test_an_index_that_the_engine_has_no_use_for(service: DocService, database: Any) -> None:
    """One that the other engine needs is dropped, so that a data folder that changes engines does not keep it."""
    report = await service.admin.check_indexes()
    useless = [index for index in described() if index not in report.present]
    for index in useless:
        await database[index.collection].create_index(list(index.keys), name=index.name, **index.options)

    before = await service.admin.apply_indexes()
    after = await service.admin.check_indexes()

    assert before.superfluous == useless != []
    assert (after.superfluous, after.complete) == ([], True)


async def test_missing_index(service: DocService, database: Any) -> None:
    """An index that someone dropped is reported, and created again."""
    await database["content_summary_logs"].drop_index("user_content")

    before = await service.admin.check_indexes()
    applied = await service.admin.apply_indexes()
    after = await service.admin.check_indexes()

    assert [index.name for index in before.missing] == [index.name for index in applied.missing] == ["user_content"]
    assert not before.complete
    assert after.complete


@pytest.mark.parametrize(
    ("collection", "name", "keys", "options"),
    [
        ("content_summary_logs", "user_content", [("user_id", 1)], {}),
        ("content_summary_logs", "user_content", [("user_id", 1), ("content_id", -1)], {}),
        ("content_summary_logs", "user_content", [("user_id", 1), ("content_id", 1)], {"unique": True}),
        ("idempotency_keys", "created_ttl", [("created_at", 1)], {"expireAfterSeconds": 5}),
        ("content_summary_logs", "partition_dirty", [("_morango_partition", 1), ("has_dirty", 1)], {}),
    ],
)
async def test_different_index(
    service: DocService, database: Any, collection: str, name: str, keys: Any, options: dict[str, Any]
) -> None:
    """An index with other keys or options is reported and left alone, unless a rebuild is asked for."""
    await database[collection].drop_index(name)
    await database[collection].create_index(keys, name=name, **options)

    before = await service.admin.apply_indexes()
    left = await service.admin.check_indexes()
    await service.admin.apply_indexes(rebuild=True)
    after = await service.admin.check_indexes()

    assert [index.name for index in before.different] == [index.name for index in left.different] == [name]
    assert after.complete


async def test_an_index_that_the_server_refuses_to_make(service: DocService, database: Any) -> None:
    """An error of the driver while an index is made is one of ours."""
    [*_, index] = described()
    await database[index.collection].drop()
    refusing = mock.AsyncMock(side_effect=AutoReconnect("connection closed"))

    with mock.patch.object(AsyncCollection, "create_index", refusing), pytest.raises(StoreUnavailable):
        await service.admin.apply_indexes()


async def test_unknown_index_is_left_alone(service: DocService, database: Any) -> None:
    """An index of the operator's own is named and stays, also after a rebuild."""
    await database["content_session_logs"].create_index([("kind", 1)], name="own")

    await service.admin.apply_indexes(rebuild=True)
    report = await service.admin.check_indexes()

    assert report.unknown == ["content_session_logs.own"]
    assert report.complete


async def test_check_changes_nothing(mongodb_uri: str, new_database: Any) -> None:
    """Entering without applying indexes creates none, and a check says which are missing."""
    async with DocService(mongodb_uri, database=new_database.name, apply_indexes=False) as logs:
        report = await logs.admin.check_indexes()

    assert len(report.missing) == report.wanted > 0
    assert await new_database.list_collection_names() == []


@pytest.mark.parametrize("index", described(), ids=lambda index: f"{index.collection}.{index.name}")
def test_described_index(index: Any) -> None:
    """Each index says which query it serves, and no two of a collection share name or keys."""
    siblings = [other for other in described() if other.collection == index.collection and other is not index]

    assert index.serves
    assert index.name not in {other.name for other in siblings}
    assert (index.keys, str(index.options)) not in {(other.keys, str(other.options)) for other in siblings}


async def test_the_query_of_the_readme_uses_an_index(service: DocService, database: Any) -> None:
    """The query that the manual and `serve --demo` offer does not look at other learners' documents."""
    query = {
        "find": "content_summary_logs",
        "filter": {"user_id": "a" * 32, "kind": "exercise"},
        "sort": {"progress": 1},
    }

    plan = str((await database.command("explain", query, verbosity="queryPlanner"))["queryPlanner"]["winningPlan"])

    assert "user_kind_progress" in plan
    assert "COLLSCAN" not in plan
