"""Every reader of attempts gives the same ones in the same order, wherever they are stored, also those stored twice."""

from __future__ import annotations

import csv
import random
import uuid
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from docservice import DocService, LogFilters, Page, Principal, StartSession
from docservice.errors import LogNotFound
from docservice.export import CsvWriter, write_export
from docservice.export.backup import export_ndjson, import_ndjson

SUMMARIES, SESSIONS, OVERFLOW = "content_summary_logs", "content_session_logs", "attempt_overflow"
KINDS = {SUMMARIES: "contentsummarylog", SESSIONS: "contentsessionlog"}
BEGIN = datetime(2024, 9, 2, 5, 0, tzinfo=UTC)
COUNT = 340
EXERCISE: dict[str, Any] = {
    "node_id": "e" * 32,
    "content_id": "c" * 32,
    "channel_id": "b" * 32,
    "kind": "exercise",
    "mastery_model": {"type": "m_of_n", "m": COUNT, "n": COUNT},
}


@dataclass
class Answered:
    """A log with attempts, most of which have moved to buckets.

    Attributes:
        collection: of the log.
        log_id: its id.
        expected: the items of the attempts in the order in which all readers give them.
    """

    collection: str
    log_id: str
    expected: list[str]


def attempts() -> list[dict[str, Any]]:
    """Attempts in no order of their starts, so that those of different buckets alternate; each two begin together."""
    starts = list(range(COUNT // 2))
    random.Random(5).shuffle(starts)
    return [
        {
            "item": f"q{number:03}",
            "sessionlog_id": "e" * 32,
            "start_timestamp": BEGIN + timedelta(minutes=starts[number // 2]),
            "end_timestamp": BEGIN + timedelta(minutes=starts[number // 2], seconds=20),
            "correct": number % 2,
            "complete": True,
            "simple_answer": "as it is",
        }
        for number in range(COUNT)
    ]


@pytest.fixture(params=[SUMMARIES, SESSIONS])
async def answered(service: DocService, database: Any, learner: Principal, request: pytest.FixtureRequest) -> Answered:
    """A summary, or a session with loose attempts; one embedded attempt is in a bucket too, with an old answer, and one
    of a bucket is in another bucket as well."""
    made, collection = attempts(), str(request.param)
    log = {"user_id": learner.user_id, "content_id": "c" * 32, "kind": "exercise", "start_timestamp": BEGIN}
    saved: Any
    if collection == SUMMARIES:
        mastery = {"mastery_level": 1, "start_timestamp": BEGIN, "attempts": made}
        mastery["mastery_criterion"] = EXERCISE["mastery_model"]
        saved = await service.content_summary_logs.save({**log, "channel_id": "b" * 32, "mastery_logs": [mastery]})
    else:
        saved = await service.content_session_logs.save({**log, "channel_id": "b" * 32, "attempts": made})
    first, *_, last = await database[OVERFLOW].find({"log_id": saved.id}).sort("_id", 1).to_list(None)
    document = await database[collection].find_one({"_id": saved.id})
    embedded = (document["mastery_logs"][0] if collection == SUMMARIES else document)["attempts"][3]
    stale = {**embedded, "simple_answer": "as it was"}
    for bucket, copy in ((first, stale), (last, first["attempts"][0])):
        last_start = max(bucket["last_start_timestamp"], copy["start_timestamp"])
        change = {"$push": {"attempts": copy}, "$set": {"last_start_timestamp": last_start}}
        await database[OVERFLOW].update_one({"_id": bucket["_id"]}, change)
    in_order = sorted(made, key=lambda attempt: attempt["start_timestamp"])
    return Answered(collection, saved.id, [attempt["item"] for attempt in in_order])


@pytest.fixture
def learner(recorded_directory: dict[str, Any]) -> Principal:
    """A learner of the recorded directory."""
    return Principal(user_id=recorded_directory["ids"]["learner1"])


@pytest.fixture
async def empty(mongodb_uri: str, mongo: Any, dropping: Any, tmp_path: Path) -> AsyncIterator[DocService]:
    """A service over another, empty database."""
    name = f"test_{uuid.uuid4().hex[:12]}"
    async with DocService(mongodb_uri, database=name, data_dir=tmp_path / "other") as service:
        yield service
    await dropping(mongo[name])


async def listed(service: DocService, learner: Principal) -> list[tuple[str, str | None]]:
    """Item and answer of each attempt in the learner's list."""
    rows = service.acting_as(learner).attempt_logs()
    return [(row.item, row.simple_answer) async for row in rows]


async def test_every_reader_gives_the_same(
    service: DocService, database: Any, learner: Principal, answered: Answered, tmp_path: Path, recorded_directory: Any
) -> None:
    """Lists, pages, the document, the collections, the table and a new start (from the latest on) give each attempt
    once, by start, the embedded copy."""
    person = service.acting_as(learner)
    assert await database[OVERFLOW].count_documents({}) >= 3

    in_list = await listed(service, learner)
    pages = [await person.attempt_log_page(page=Page(100, number)) for number in (1, 2, 3, 4)]
    of_item = [row.item async for row in person.attempt_logs(LogFilters(item=answered.expected[7]))]
    document: Any = await person.document(KINDS[answered.collection], answered.log_id)  # type: ignore[arg-type]
    if answered.collection == SUMMARIES:
        document = document["mastery_logs"][0]
        in_collection = [each.item async for each in service.content_summary_logs.attempts(answered.log_id)]
        started = await person.start_session(StartSession.parse(EXERCISE))
        assert [each.item for each in started.pastattempts] == answered.expected[::-1]
    else:
        in_collection = [each.item async for each in service.content_session_logs.attempts(answered.log_id)]
    path = tmp_path / "attempt.csv"
    await write_export(service, "attempt", recorded_directory["ids"]["facility"], path, CsvWriter)
    with path.open(encoding="utf-8-sig", newline="") as file:
        in_table = [(row["Question"], row["Answer"]) for row in csv.DictReader(file)]

    expected = [(item, "as it is") for item in answered.expected]
    assert in_list == expected
    assert [(row.item, row.simple_answer) for page in pages for row in page.rows] == expected
    assert {page.count for page in pages} == {COUNT}
    assert of_item == [answered.expected[7]]
    assert [(each["item"], each["simple_answer"]) for each in document["attempts"]] == expected
    assert in_collection == answered.expected
    assert [each.item async for each in service.attempt_logs.find()] == answered.expected
    assert in_table == expected


@pytest.mark.slow
async def test_a_backup_and_a_repair_keep_the_order(
    service: DocService, empty: DocService, learner: Principal, answered: Answered, tmp_path: Path
) -> None:
    """What comes out of a backup is listed as before, and so is what `verify` has repaired."""
    before = await listed(service, learner)
    await export_ndjson(service, tmp_path / "all.ndjson")
    await import_ndjson(empty, tmp_path / "all.ndjson")
    found: list[Any] = []

    await service.admin.verify(found.append, repair=True)

    assert {finding.rule for finding in found} >= {"duplicate"}
    assert await listed(service, learner) == before
    assert await listed(empty, learner) == before


async def test_the_order_stays_when_attempts_move(service: DocService, learner: Principal, database: Any) -> None:
    """A list that has all attempts in one document has the same order once the oldest are in buckets."""
    log = {"user_id": learner.user_id, "content_id": "c" * 32, "kind": "exercise", "start_timestamp": BEGIN}
    made = attempts()[:30]
    mastery = {"mastery_level": 1, "start_timestamp": BEGIN, "attempts": made}
    saved = await service.content_summary_logs.save({**log, "channel_id": "b" * 32, "mastery_logs": [mastery]})
    before = await listed(service, learner)
    document: Any = await service.acting_as(learner).document("contentsummarylog", saved.id)
    (page,) = (await service.acting_as(learner).document_page("contentsummarylog")).results
    assert [each["item"] for each in document["mastery_logs"][0]["attempts"]] == [item for item, _ in before]
    assert [each["item"] for each in page["mastery_logs"][0]["attempts"]] == [item for item, _ in before]

    later = [{**each, "start_timestamp": BEGIN + timedelta(days=1), "item": f"later {each['item']}"} for each in made]
    more = [{**each, "item": f"{number} {each['item']}"} for number in range(8) for each in later]
    await service.content_summary_logs.save(
        {**saved.model_dump(), "mastery_logs": [{**mastery, "attempts": [*made, *more]}]}
    )

    assert await database[OVERFLOW].count_documents({}) > 0
    assert (await listed(service, learner))[:30] == before


@pytest.mark.parametrize("answered", [SUMMARIES], indirect=True)
async def test_an_attempt_of_a_bucket_belongs_to_the_log(
    service: DocService, database: Any, learner: Principal, answered: Answered, recorded_directory: dict[str, Any]
) -> None:
    """Whose a moved attempt is, its log says: a bucket that names somebody else, or a log that is gone, shows nothing
    to them."""
    other = recorded_directory["ids"]["learner2"]
    bucket = await database[OVERFLOW].find_one({})
    attempt_id = bucket["attempts"][0]["id"]
    await database[OVERFLOW].update_one({"_id": bucket["_id"]}, {"$set": {"user_id": other}})

    row = await service.acting_as(learner).attempt_log(attempt_id)

    assert (row.id, row.user) == (attempt_id, learner.user_id)
    with pytest.raises(LogNotFound):
        await service.acting_as(Principal(user_id=other)).attempt_log(attempt_id)
    await database[SUMMARIES].delete_one({"_id": answered.log_id})
    with pytest.raises(LogNotFound):
        await service.acting_as(learner).attempt_log(attempt_id)
