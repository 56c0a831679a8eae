"""Every list is read from an index, and looks at little more than it gives."""

from __future__ import annotations

import itertools
import os
import uuid
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from docservice.domain.requests.document_pages import DocumentFilters, FieldChoice
from docservice.store.database.pymongo_db import PyMongoDatabase
from docservice.store.indexes import applying as indexes
from docservice.store.lists.document_pages import DocumentPageStore, plan
from docservice.store.lists.scope import Selection
from docservice.store.mapping.log_kinds import KINDS, LogKind
from tests.support.query_plans import stages_of

pytestmark = pytest.mark.slow

SERVER = os.environ.get("DOCSERVICE_TEST_MONGODB_URI")
DATASETS = [uuid.UUID(int=number).hex for number in (1, 2)]
LEARNERS = [uuid.UUID(int=1000 + number).hex for number in range(2000)]
CONTENTS = [uuid.UUID(int=9000 + number).hex for number in range(20)]
START = datetime(2024, 1, 1, tzinfo=UTC)
CLASS, COACH = "a" * 32, "b" * 32


class WatchedDatabase(PyMongoDatabase):
    """A database that notes what lists ask of it."""

    seen: list[tuple[str, list[dict[str, Any]]]]

    def aggregate(self, collection: str, pipeline: Sequence[Mapping[str, Any]]) -> AsyncGenerator[dict[str, Any], None]:
        self.seen.append((collection, [dict(stage) for stage in pipeline]))
        return super().aggregate(collection, pipeline)


def log_of(number: int, kind: LogKind[Any]) -> dict[str, Any]:
    """A document of a kind, as far as lists look at it."""
    user = LEARNERS[number % 2000]
    document: dict[str, Any] = {
        # Spread over the id space, which pages look at part by part, and the same in each run.
        "_id": uuid.uuid5(uuid.NAMESPACE_OID, f"{kind.name} {number}").hex,
        "user_id": user,
        "dataset_id": DATASETS[number % 2],
        "_morango_partition": f"{DATASETS[number % 2]}:user-rw:{user}",
        "start_timestamp": START + timedelta(minutes=number),
        "has_dirty": True,
        "schema_version": 1,
    }
    if "content_id" in kind.plain_fields:
        document |= {"content_id": CONTENTS[number % 20], "kind": "video", "channel_id": CONTENTS[0]}
    if kind.name == "examlog":
        document |= {"exam_id": CONTENTS[number % 20]}
    if kind.name == "contentsummarylog":
        document |= {"mastery_logs": [], "overflow_buckets": 0}
    return document


@pytest.fixture(scope="module")
async def watched(mongodb_uri: str) -> AsyncGenerator[WatchedDatabase, None]:
    """Two logs of each kind for each of 2,000 learners."""
    database = WatchedDatabase.connect(mongodb_uri, f"test_{uuid.uuid4().hex[:12]}", timeout_seconds=30)
    assert isinstance(database, WatchedDatabase)
    database.seen = []
    await database.require_transactions()  # learns what the engine can do
    await indexes.apply(database)
    for kind in KINDS.values():
        await database[kind.collection].insert_many([log_of(number, kind) for number in range(4000)])
    yield database
    if SERVER:  # the embedded engine's folder goes as a whole
        await database.command({"dropDatabase": 1})
    await database.close()


async def examined(database: PyMongoDatabase, collection: str, pipeline: list[dict[str, Any]]) -> tuple[set[str], int]:
    """The stages that read documents, and how many documents they look at."""
    command = {"explain": {"aggregate": collection, "pipeline": pipeline, "cursor": {}}, "verbosity": "executionStats"}
    return stages_of(await database.command(command))


SELECTIONS = {
    "superuser": Selection(),
    "facility": Selection(dataset_id=DATASETS[0]),
    "facility filter": Selection(dataset_id=DATASETS[0], signed_in=True),
    "class": Selection(user_ids=frozenset(LEARNERS[:40])),
    "learner": Selection(user_ids=frozenset(LEARNERS[:1]), dataset_id=DATASETS[0]),
}
OPTIONS: dict[str, Callable[[DocumentFilters], DocumentFilters]] = {
    "kind": lambda filters: replace(filters, kind="video"),
    "channel": lambda filters: replace(filters, channel=CONTENTS[0]),
    "exam": lambda filters: replace(filters, exam=CONTENTS[3]),
    "start_after": lambda filters: replace(filters, start_after=START + timedelta(minutes=5)),
    "start_before": lambda filters: replace(filters, start_before=START + timedelta(minutes=3000)),
}
CONTENT_CHOICES: dict[str, set[str] | None] = {"any": None, "one": {CONTENTS[3]}, "several": set(CONTENTS[:5])}


@pytest.mark.parametrize("who", SELECTIONS)
@pytest.mark.parametrize("name", KINDS)
async def test_every_list_reads_an_index(watched: WatchedDatabase, name: str, who: str) -> None:
    """With each combination of filters that a list of documents has, each of its queries is an index scan, and a
    page of a class, a content or a facility looks at a small part of the collection."""
    kind = KINDS[name]
    options = [option for option in OPTIONS if option in kind.filters]
    contents = CONTENT_CHOICES if "content" in kind.filters else {"any": None}
    for content, size in itertools.product(contents.values(), range(len(options) + 1)):
        for chosen in itertools.combinations(options, size):
            filters = DocumentFilters()
            for option in chosen:
                filters = OPTIONS[option](filters)
            watched.seen.clear()

            await DocumentPageStore(watched).page(kind, plan(SELECTIONS[who], filters, content), FieldChoice(), 10)

            assert watched.seen
            looked = 0
            for collection, pipeline in {str(entry): entry for entry in watched.seen}.values():
                stages, documents = await examined(watched, collection, pipeline)
                assert "IXSCAN" in stages, (who, chosen, pipeline, stages)
                assert "COLLSCAN" not in stages
                looked += documents
            assert looked <= 4000, (who, chosen, looked)


@pytest.mark.parametrize("name", KINDS)
async def test_a_coach_s_list_looks_at_the_class_alone(watched: WatchedDatabase, name: str) -> None:
    """Of 2,000 learners a list over a class of 40 looks at the logs of these 40, and a page at those of a few."""
    kind = KINDS[name]
    list_plan = plan(SELECTIONS["class"], DocumentFilters(), None)
    for size, most in ((500, 80), (10, 12)):
        watched.seen.clear()

        page = await DocumentPageStore(watched).page(kind, list_plan, FieldChoice(), size)

        looked = sum([(await examined(watched, *entry))[1] for entry in watched.seen])
        assert len(page.documents) == min(size, 80)
        assert looked <= most


async def test_a_page_of_a_facility_looks_at_few(watched: WatchedDatabase) -> None:
    """A page of 10 of a facility's 2,000 summaries, and of all 4,000, looks at a few hundred at most."""
    for who in ("facility", "superuser"):
        watched.seen.clear()

        page = await DocumentPageStore(watched).page(
            KINDS["contentsummarylog"], plan(SELECTIONS[who], DocumentFilters(), None), FieldChoice(), 10
        )

        assert len(page.documents) == 10
        assert sum([(await examined(watched, *entry))[1] for entry in watched.seen]) <= 600


@pytest.mark.parametrize(
    ("collection", "query"),
    [
        ("roles", {"user_id": COACH}),
        ("memberships", {"collection_id": {"$in": [CLASS]}}),
        ("memberships", {"user_id": COACH, "collection_id": {"$in": [CLASS]}}),
        ("facility_collections", {"parent_id": {"$in": [CLASS]}}),
        ("content_nodes", {"parent_id": {"$in": [CLASS]}}),
        ("content_session_logs", {"dataset_id": DATASETS[0], "loose_attempt_count": {"$gt": 0}}),
        ("content_session_logs", {"user_id": COACH, "loose_attempt_count": {"$gt": 0}}),
        ("content_summary_logs", {"user_id": COACH, "content_id": CONTENTS[0]}),
        ("content_session_logs", {"user_id": COACH, "content_id": CONTENTS[0]}),
        ("content_summary_logs", {"mastery_logs.id": COACH}),
    ],
)
async def test_look_ups_read_an_index(watched: WatchedDatabase, collection: str, query: dict[str, Any]) -> None:
    """Roles, members, groups, nodes and logs are looked up in an index."""
    stages, _ = await examined(watched, collection, [{"$match": query}])

    assert "IXSCAN" in stages
    assert "COLLSCAN" not in stages
