"""Every list of the directory, for everybody and with each filter, is read from an index."""

from __future__ import annotations

import os
import uuid
from collections.abc import AsyncGenerator
from typing import Any

import pytest
from bson import json_util
from pymongo import AsyncMongoClient

from docservice.domain.directory.records import SECTIONS
from docservice.domain.requests.directory_pages import DIRECTORY_FILTERS, DirectoryFilters
from docservice.identity import Principal
from docservice.service.acting.directory_pages import DirectoryPageReader
from docservice.service.acting.log_lists import ListReader
from docservice.store.database.pymongo_db import PyMongoDatabase
from docservice.store.indexes import applying as indexes
from tests.support.query_plans import stages_of

from .test_list_indexes import INDEXED, Recorder

pytestmark = pytest.mark.slow

SERVER = os.environ.get("DOCSERVICE_TEST_MONGODB_URI")
PEOPLE, CLASSES = 600, 20
COLLECTIONS = sorted({model.collection_name for model in SECTIONS.values()})
SHORT = {"channels", "facility_datasets"}
"""Collections of some dozen records, which are read by their ids alone."""


def hex_id(number: int, space: int) -> str:
    """The id of a record of the test."""
    return uuid.UUID(int=(space << 32) + number).hex


DATASETS, FACILITIES = [hex_id(n, 1) for n in range(2)], [hex_id(n, 2) for n in range(2)]
ROLES = {"learner": hex_id(0, 4), "coach": hex_id(1, 4), "admin": hex_id(2, 4), "superuser": hex_id(3, 4)}
VALUES = {
    "search": "learner 1",
    "username": "u7",
    "user": ROLES["learner"],
    "facility": FACILITIES[0],
    "classroom": hex_id(0, 3),
    "learner_group": hex_id(100, 3),
    "role": "coach",
    "kind": "coach",
    "parent": hex_id(0, 3),
    "channel": hex_id(0, 6),
    "content": hex_id(0, 7),
}


async def fill(database: PyMongoDatabase) -> None:
    """Two facilities; the classes of the first have a group each, and all its people are spread over them."""
    everything: dict[str, list[dict[str, Any]]] = {name: [] for name in COLLECTIONS}
    for n, (dataset, facility) in enumerate(zip(DATASETS, FACILITIES, strict=True)):
        everything["facility_datasets"].append({"_id": dataset})
        everything["facility_collections"].append(
            {"_id": facility, "kind": "facility", "dataset_id": dataset, "name": f"F{n}", "parent_id": None}
        )
    for n in range(CLASSES):
        room, group = hex_id(n, 3), hex_id(100 + n, 3)
        common = {"dataset_id": DATASETS[0], "name": f"C{n}"}
        everything["facility_collections"] += [
            {"_id": room, "kind": "classroom", "parent_id": FACILITIES[0], **common},
            {"_id": group, "kind": "learnergroup", "parent_id": room, **common},
        ]
        for name in ("exams", "lessons", "course_sessions"):
            made = {"_id": hex_id(n, 5), "collection_id": room, "assignments": [room, group], "learner_ids": []}
            everything[name].append({**made, "active": n % 2 == 0, "title": f"T{n}"})
    everything["channels"].append({"_id": hex_id(0, 6), "name": "Maths"})
    for n in range(PEOPLE):
        user, half = hex_id(n, 4), n % 2
        everything["facility_users"].append(
            {"_id": user, "username": f"u{n}", "full_name": f"Learner {n}", "is_superuser": n == 3}
            | {"dataset_id": DATASETS[0 if n < 4 else half], "facility_id": FACILITIES[0 if n < 4 else half]}
        )
        everything["content_nodes"].append(
            {"_id": hex_id(n, 8), "channel_id": hex_id(n % 2, 6), "parent_id": hex_id(n // 2, 8), "kind": "video"}
            | {"content_id": hex_id(n, 7), "title": "T"}
        )
        where = hex_id(n % CLASSES, 3) if n % 3 else hex_id(100 + n % CLASSES, 3)
        everything["memberships"].append({"_id": hex_id(n, 9), "user_id": user, "collection_id": where})
    everything["roles"] += [
        {"_id": hex_id(0, 10), "user_id": ROLES["coach"], "kind": "coach", "collection_id": hex_id(0, 3)},
        {"_id": hex_id(1, 10), "user_id": ROLES["admin"], "kind": "admin", "collection_id": FACILITIES[0]},
    ]
    for name, documents in everything.items():
        await database[name].insert_many(documents)


@pytest.fixture(scope="module")
async def school(mongodb_uri: str) -> AsyncGenerator[tuple[PyMongoDatabase, Recorder], None]:
    """A database whose queries are noted."""
    recorder = Recorder()
    async with AsyncMongoClient[dict[str, Any]](mongodb_uri, event_listeners=[recorder]) as client:
        database = PyMongoDatabase(client[f"test_{uuid.uuid4().hex[:12]}"], owned=False, timeout_seconds=60)
        await database.require_transactions()
        await indexes.apply(database)
        await fill(database)
        yield database, recorder
        if SERVER:  # the embedded engine's folder goes as a whole
            await database.command({"dropDatabase": 1})


async def reading_stages(database: PyMongoDatabase, command: dict[str, Any]) -> set[str]:
    """The stages that read documents."""
    whole = {**command, "cursor": {}} if "aggregate" in command else command
    answer = await database.command({"explain": whole, "verbosity": "executionStats"})
    return stages_of(answer)[0]


@pytest.mark.parametrize("role", ROLES)
async def test_every_list_of_the_directory_reads_indexes(school: tuple[PyMongoDatabase, Recorder], role: str) -> None:
    """Whatever the filter, no query of a page scans a collection."""
    database, recorder = school
    reader = DirectoryPageReader(database, ListReader(database))
    seen: set[str] = set()
    for section, names in DIRECTORY_FILTERS.items():
        for chosen in ((), *((name,) for name in names)):
            filters = DirectoryFilters(**{name: VALUES[name] for name in chosen})
            recorder.seen.clear()

            await reader.page(Principal(ROLES[role]), section, filters, size=10, cursor=None)

            for collection, command in list(recorder.seen):
                key = json_util.dumps(command)
                if key in seen or collection in SHORT or collection not in {*COLLECTIONS, "content_summary_logs"}:
                    continue
                seen.add(key)
                stages = await reading_stages(database, command)
                assert "COLLSCAN" not in stages, (section, chosen, command)
                assert stages & (INDEXED | {"EOF"}), (section, chosen, command, stages)
    assert len(seen) > 20
