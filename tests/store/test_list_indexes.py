"""Every list that the API offers, with every filter that it declares, for everybody, is read from an index.

The cases are made of the routes and of the filters that they declare: a new list, or a new filter, without an entry
here fails. Filters are of two sorts. Those of `SELECTS` choose what is read, and an index serves them: no more
documents are looked at than they select. Those of `SIFTS` let through or drop what such an index has selected (the
person, the class, the content, the facility): they never lead to a scan of the collection, nor make a list cheaper.
"""

from __future__ import annotations

import itertools
import os
import uuid
from collections.abc import AsyncGenerator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from bson import json_util
from pymongo import AsyncMongoClient
from pymongo.monitoring import CommandFailedEvent, CommandListener, CommandStartedEvent, CommandSucceededEvent

from docservice.domain.requests.lists import ATTEMPT_FILTERS, MASTERY_FILTERS, Page
from docservice.identity import Principal
from docservice.rest.app import OPERATIONS
from docservice.rest.list_parameters import document_list, log_list
from docservice.service.acting.document_pages import DocumentPageReader
from docservice.service.acting.log_lists import ListReader
from docservice.store.database.pymongo_db import PyMongoDatabase
from docservice.store.indexes import applying as indexes
from docservice.store.mapping.log_kinds import KINDS, SUMMARY_LOGS, LogKind
from tests.support.query_plans import stages_of

pytestmark = pytest.mark.slow

SERVER = os.environ.get("DOCSERVICE_TEST_MONGODB_URI")
FEW, MANY, CLASS_SIZE, GROUP_SIZE, CONTENTS = 200, 2_000, 40, 5, 10
START = datetime(2024, 1, 1, tzinfo=UTC)
PAGE = 10
INDEXED = {"IXSCAN", "IDHACK", "EXPRESS_IXSCAN", "EXPRESS_CLUSTERED_IXSCAN"}


def hex_id(number: int, space: int = 0) -> str:
    """The id of a record of the test."""
    return uuid.UUID(int=(space << 32) + number).hex


DATASETS = [hex_id(number, 1) for number in range(2)]
FACILITIES = [hex_id(number, 2) for number in range(2)]
CLASS, GROUP, TOPIC = hex_id(1, 3), hex_id(2, 3), hex_id(3, 3)
# Of the first facility's learners, who have the even numbers.
CLASSMATES = [2 * number for number in range(CLASS_SIZE)]
ROLES = {"learner": hex_id(0, 4), "coach": hex_id(1, 5), "admin": hex_id(2, 5), "superuser": hex_id(3, 5)}

LISTS: dict[str, Sequence[str]] = {
    "masterylog": MASTERY_FILTERS,
    "attemptlog": ATTEMPT_FILTERS,
    **{name: kind.filters for name, kind in KINDS.items()},
}
OTHER_LISTS = {"generatecsvlogrequest"}  # a few rows a facility, not logs

SELECTS = {
    "user": hex_id(0, 4),
    "classroom": CLASS,
    "learner_group": GROUP,
    "facility": FACILITIES[0],
    "content": hex_id(2, 6),
    "content_ids": ",".join(hex_id(number, 6) for number in (2, 4)),
    "topic": TOPIC,
    "exam": hex_id(2, 6),
    "masterylog": hex_id(0, 7),
}
SIFTS = {
    "channel": hex_id(0, 6),
    "kind": "exercise",
    "start_after": "2024-01-01T00:05:00Z",
    "start_before": "2024-01-01T00:45:00Z",
    "complete": "true",
    "quiz": "false",
    "item": "q1",
    "mastery_level": "1",
}
PEOPLE = {"user": 1, "classroom": CLASS_SIZE, "learner_group": GROUP_SIZE}
"""How many people a filter leaves."""


def test_every_list_is_looked_at() -> None:
    """A new list needs an entry in `LISTS`, a new filter one in `SELECTS` or in `SIFTS`, and the sorts are disjoint."""
    paths = [operation.path for operation in OPERATIONS if operation.method == "GET"]
    listed = {path.split("/")[3] for path in paths if path.startswith("/api/logger/") and "{" not in path}

    assert listed == {*LISTS, *OTHER_LISTS}
    assert {name for declared in LISTS.values() for name in declared} == {*SELECTS, *SIFTS}
    assert not set(SELECTS) & set(SIFTS)


@dataclass
class Recorder(CommandListener):
    """Notes each query that is sent."""

    seen: list[tuple[str, dict[str, Any]]] = field(default_factory=list)

    def started(self, event: CommandStartedEvent) -> None:
        """A command goes out."""
        kept = ("pipeline", "filter", "projection", "sort", "limit")
        if event.command_name in ("find", "aggregate"):
            command = {event.command_name: event.command[event.command_name]}
            command |= {name: event.command[name] for name in kept if name in event.command}
            self.seen.append((event.command[event.command_name], command))

    def succeeded(self, event: CommandSucceededEvent) -> None:
        """Not of interest."""

    def failed(self, event: CommandFailedEvent) -> None:
        """Not of interest."""


@dataclass
class School:
    """Two facilities with many learners, and a database whose queries are noted."""

    database: PyMongoDatabase
    recorder: Recorder
    learners: int
    explained: dict[str, tuple[set[str], int]] = field(default_factory=dict)

    async def queries(self, name: str, role: str, query: Mapping[str, str]) -> list[tuple[str, dict[str, Any]]]:
        """What a list asks of the database."""
        reader, principal = ListReader(self.database), Principal(ROLES[role])
        self.recorder.seen.clear()
        if name in KINDS:
            asked = document_list(LISTS[name], KINDS[name].shown_paths).read(query)
            await DocumentPageReader(self.database, reader).page(
                principal, KINDS[name], asked.filters, fields=asked.fields, size=PAGE, cursor=None
            )
        else:
            read = reader.mastery_logs if name == "masterylog" else reader.attempt_logs
            await read(principal, log_list(LISTS[name]).read(query).filters, Page(PAGE))
        return list(self.recorder.seen)

    async def explain(self, command: dict[str, Any]) -> tuple[set[str], int]:
        """The stages that read documents, and how many documents they look at."""
        key = json_util.dumps(command)
        if key not in self.explained:
            whole = {**command, "cursor": {}} if "aggregate" in command else command
            answer = await self.database.command({"explain": whole, "verbosity": "executionStats"})
            self.explained[key] = stages_of(answer)
        return self.explained[key]


def log_of(number: int, kind: LogKind[Any]) -> dict[str, Any]:
    """A learner's only log of a kind, as far as lists look at it."""
    user, dataset = hex_id(number, 4), DATASETS[number % 2]
    document: dict[str, Any] = {
        # Spread over the id space, which pages look at part by part, and the same in each run.
        "_id": uuid.uuid5(uuid.NAMESPACE_OID, f"{kind.name} {number}").hex,
        "user_id": user,
        "dataset_id": dataset,
        "_morango_partition": f"{dataset}:user-rw:{user}",
        "start_timestamp": START + timedelta(minutes=number),
        "has_dirty": False,
        "schema_version": 1,
    }
    if "content_id" in kind.plain_fields:
        document |= {"content_id": hex_id(number % CONTENTS, 6), "kind": "exercise", "channel_id": hex_id(0, 6)}
    if kind.name == "examlog":
        document |= {"exam_id": hex_id(number % CONTENTS, 6)}
    if kind.name == "contentsummarylog":
        morango = {"_morango_source_id": "0" * 32, "_morango_dirty_bit": False}
        times = dict.fromkeys(("start_timestamp", "end_timestamp"), document["start_timestamp"])
        attempt = {"id": hex_id(number, 8), "item": "q1", "sessionlog_id": "0" * 32, "complete": True, "answer": {}}
        attempt |= {"correct": 1.0, "hinted": False, "error": False, "time_spent": 1.0, "simple_answer": ""}
        attempt |= {"interaction_history": [], "completion_timestamp": None, **times, **morango}
        tried = {"id": hex_id(number, 7), "mastery_level": 1, "complete": True, "attempt_count": 1, "correct_sum": 1.0}
        document |= {"mastery_logs": [{**tried, **times, **morango, "attempts": [attempt]}]}
        document |= {"overflow_buckets": 0}
    return document


@pytest.fixture(scope="module")
async def school(mongodb_uri: str, request: pytest.FixtureRequest) -> AsyncGenerator[School, None]:
    """A summary for each of many learners of two facilities, other logs of some, and the people of `ROLES`."""
    recorder, learners = Recorder(), int(request.param)
    name = f"test_{uuid.uuid4().hex[:12]}"
    async with AsyncMongoClient[dict[str, Any]](mongodb_uri, event_listeners=[recorder]) as client:
        database = PyMongoDatabase(client[name], owned=False, timeout_seconds=60)
        await database.require_transactions()  # learns what the engine can do
        await indexes.apply(database)
        for kind in KINDS.values():
            number_of = learners if kind is SUMMARY_LOGS else min(learners, FEW)
            await database[kind.collection].insert_many([log_of(number, kind) for number in range(number_of)])
        users = [hex_id(number, 4) for number in CLASSMATES] + list(ROLES.values())[1:]
        await database["facility_users"].insert_many(
            [
                {"_id": user, "dataset_id": DATASETS[0], "facility_id": FACILITIES[0]}
                | {"is_superuser": user == ROLES["superuser"]}
                for user in users
            ]
        )
        collections: list[tuple[str, str, str | None]] = [(facility, "facility", None) for facility in FACILITIES]
        collections += [(CLASS, "classroom", FACILITIES[0]), (GROUP, "learnergroup", CLASS)]
        await database["facility_collections"].insert_many(
            [
                {"_id": each, "kind": kind, "parent_id": parent, "dataset_id": DATASETS[each == FACILITIES[1]]}
                for each, kind, parent in collections
            ]
        )
        members = [(user, CLASS) for user in users[:CLASS_SIZE]] + [(user, GROUP) for user in users[:GROUP_SIZE]]
        await database["memberships"].insert_many(
            [{"_id": hex_id(n, 10), "user_id": user, "collection_id": where} for n, (user, where) in enumerate(members)]
        )
        held = [("coach", CLASS), ("admin", FACILITIES[0])]
        await database["roles"].insert_many(
            [
                {"_id": hex_id(n, 11), "user_id": ROLES[kind], "kind": kind, "collection_id": where}
                for n, (kind, where) in enumerate(held)
            ]
        )
        nodes = [{"_id": TOPIC, "kind": "topic", "parent_id": None, "content_id": TOPIC, "channel_id": "c"}]
        nodes += [
            {"_id": hex_id(n, 9), "kind": "exercise", "parent_id": TOPIC, "content_id": hex_id(n, 6), "channel_id": "c"}
            for n in (2, 4)
        ]
        await database["content_nodes"].insert_many(nodes)
        yield School(database, recorder, learners)
        if SERVER:  # the embedded engine's folder goes as a whole
            await database.command({"dropDatabase": 1})


def combinations(declared: Sequence[str], role: str) -> list[tuple[str, ...]]:
    """No filter, each alone, each that selects with each other one, and all.

    Pairs are left out for a coach, whose lists send the queries of a learner's for each of the class.
    """
    pairs = [pair for pair in itertools.combinations(declared, 2) if not {*pair} <= {*SIFTS}]
    singles = [(name,) for name in declared]
    return [(), *singles, *(pairs if role != "coach" else ()), tuple(declared)]


def most_documents(role: str, chosen: Sequence[str], learners: int) -> int | None:
    """How many logs a list may look at; None: those of a facility or of all, of which a page reads windows."""
    people = [PEOPLE[name] for name in chosen if name in PEOPLE]
    people += {"learner": [1], "coach": [CLASS_SIZE + 1]}.get(role, [])
    if people:
        selected = min(people)
    elif "masterylog" in chosen:
        selected = 1
    elif {"content", "exam"} & set(chosen):
        selected = learners // CONTENTS
    elif {"content_ids", "topic"} & set(chosen):
        selected = 2 * learners // CONTENTS
    else:
        return None
    # A list of attempts selects summaries and visits, and then reads again those that it shows or looks into.
    return 3 * selected + PAGE


def shape(collection: str, command: Mapping[str, Any]) -> str:
    """A query without the bounds of its window."""

    def bare(value: Any) -> Any:
        if isinstance(value, dict):
            return {name: sorted(v) if name == "_id" and isinstance(v, dict) else bare(v) for name, v in value.items()}
        return [bare(each) for each in value] if isinstance(value, list) else value

    return collection + json_util.dumps(bare(dict(command)))


@pytest.mark.parametrize("school", [FEW], indirect=True)
@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize("name", LISTS)
async def test_every_list_reads_indexes(school: School, name: str, role: str) -> None:
    """Whatever the filters, no query scans a collection; where people, a content or a try are named, by the filters or
    by what the role may read, no other documents than theirs are looked at."""
    await require_indexes(school, name, role)


@pytest.mark.parametrize("school", [MANY], indirect=True)
@pytest.mark.parametrize("name", ["masterylog", "attemptlog", "contentsummarylog"])
async def test_a_coach_s_lists_look_at_the_class(school: School, name: str) -> None:
    """Whatever the filters, of 2,000 learners a coach's lists look at the 40 of the class and no others, though 200 of
    the 2,000 have the content that is asked for."""
    await require_indexes(school, name, "coach")


async def require_indexes(school: School, name: str, role: str) -> None:
    """Ask for a list with each combination of its filters and look at how each query is answered."""
    logs = {kind.collection for kind in KINDS.values()} | {"attempt_overflow"}
    shapes: set[str] = set()
    for chosen in combinations(LISTS[name], role):
        query = {each: (SELECTS | SIFTS)[each] for each in chosen}
        most, looked = most_documents(role, chosen, school.learners), 0

        queries = await school.queries(name, role, query)

        assert any(collection in logs for collection, _ in queries), chosen
        for collection, command in queries:
            known = shape(collection, command) in shapes
            if known and (most is None or collection not in logs):
                continue
            shapes.add(shape(collection, command))
            stages, documents = await school.explain(command)
            assert "COLLSCAN" not in stages, (chosen, command)
            assert stages & {"IXSCAN", "IDHACK", "EXPRESS_IXSCAN", "EXPRESS_CLUSTERED_IXSCAN"}, (
                chosen,
                command,
                stages,
            )
            looked += documents if collection in logs else 0
        assert most is None or looked <= most, (chosen, looked, most, queries)
