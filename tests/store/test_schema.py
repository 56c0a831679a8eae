"""Whatever the service does, its documents have the fields of the schema; what is not in it stays out of answers."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from docservice import ANONYMOUS, DocService, UpdateSession
from docservice.domain.exports.tables import TABLES
from docservice.domain.logs.schema import ATTEMPT_LOG, DOCUMENTS, OVERFLOW_BUCKET, undescribed
from docservice.domain.requests.exam_logs import SaveExamAttempt, SaveExamLog
from docservice.export import CsvWriter, write_export
from docservice.store.logs.overflow import MOST_EMBEDDED_ATTEMPTS
from docservice.store.mapping.schema import OURS, OVERFLOW
from docservice.testing import School, made_id
from tests.support.documents import collections_of

pytestmark = pytest.mark.without_indexes

SCHOOL = School()
NOW = datetime(2024, 9, 2, tzinfo=UTC).isoformat()


def answers(count: int) -> UpdateSession:
    """A report with so many answered questions."""
    made = [
        {"item": f"q{number}", "correct": number % 2, "time_spent": 1, "answer": {"v": number}}
        for number in range(count)
    ]
    return UpdateSession.parse({"interactions": made, "time_spent_delta": 1, "extra_fields": {"x": 1}})


async def work(logs: DocService) -> None:
    """Let the service write logs in every way that it has: reports, whole logs, many logs, embedded logs."""
    learner = logs.acting_as(SCHOOL.learner())
    for start in (SCHOOL.exercise, SCHOOL.quiz):
        started = await learner.start_session(start, idempotency_key=uuid.uuid4().hex)
        for _ in range(5):
            await learner.update_session(started.session_id, answers(20), idempotency_key=uuid.uuid4().hex)
    visitor = logs.acting_as(ANONYMOUS)
    loose = await visitor.start_session(SCHOOL.exercise)
    for _ in range(3):
        await visitor.update_session(loose.session_id, answers(20))
    await learner.update_user_session()
    user = SCHOOL.learner().user_id
    exam_log = await learner.save_exam_log(SaveExamLog.parse({"exam": SCHOOL.quiz_id, "user": user}))
    attempt = {"item": "q1", "correct": 1, "start_timestamp": NOW, "end_timestamp": NOW, "content_id": made_id("c")}
    await learner.save_exam_attempt(SaveExamAttempt.parse({"examlog": exam_log.log.id, "user": user, **attempt}))

    many = MOST_EMBEDDED_ATTEMPTS + 50
    await logs.content_summary_logs.load([SCHOOL.content_summary_log(1, attempts=many)])
    await logs.content_session_logs.load([SCHOOL.content_session_log(1)])
    await logs.user_session_logs.load([SCHOOL.user_session_log(1)])
    await logs.exam_logs.load([SCHOOL.exam_log(1)])
    async for summary in logs.content_summary_logs.find():
        await logs.content_summary_logs.save(summary)
    async for session in logs.content_session_logs.find():
        await logs.content_session_logs.save(session)
    mastery_log = await anext(logs.mastery_logs.find(user_id=user))
    await logs.mastery_logs.save(mastery_log)
    async for made in logs.attempt_logs.find(masterylog_id=mastery_log.id, item="q1"):
        await logs.attempt_logs.save(made.model_copy(update={"hinted": True}))
    await logs.admin.consolidate(["quiz-attempts"])


@pytest.fixture(scope="module")
async def written(mongo: Any, mongodb_uri: str) -> dict[str, list[dict[str, Any]]]:
    """All documents of a school whose logs were written in every way, by collection."""
    name = f"test_{uuid.uuid4().hex[:12]}"
    async with DocService(mongodb_uri, database=name) as service:
        await service.import_directory(SCHOOL.directory())
        await work(service)
    found = {each: await mongo[name][each].find({}).to_list() for each in await collections_of(mongo[name])}
    await mongo.drop_database(name)
    return found


@pytest.fixture
async def logs(mongodb_uri: str, database: Any, written: dict[str, list[dict[str, Any]]]) -> AsyncIterator[DocService]:
    """A service over a database of the test's own with these documents."""
    for collection, documents in written.items():
        if documents:
            await database[collection].insert_many(documents)
    async with DocService(mongodb_uri, database=database.name, apply_indexes=False) as service:
        yield service


async def test_everything_written_is_described(written: dict[str, list[dict[str, Any]]]) -> None:
    """Each field of each document and of all that is embedded in it is in the schema, and each collection, too."""
    for schema in DOCUMENTS:
        names = set[str]()
        for document in written[schema.collection]:
            assert undescribed(schema, document) == []
            names |= document.keys()
        # Texts of times come with imports only; actions are noted for engines that forget commits.
        assert schema.names - names <= {"_recorded", "recent_actions"}
    for bucket in written[OVERFLOW]:
        assert list(bucket) == [field.stored for field in OVERFLOW_BUCKET.fields]
        assert [each for attempt in bucket["attempts"] for each in undescribed(ATTEMPT_LOG, attempt)] == []

    assert written.keys() <= OURS
    assert sum(len(bucket["attempts"]) for bucket in written[OVERFLOW]) > MOST_EMBEDDED_ATTEMPTS


async def test_undescribed_fields_are_neither_exported_nor_counted(
    logs: DocService, database: Any, tmp_path: Path
) -> None:
    """With unknown fields in the documents, tables have the same bytes, and `verify` finds nothing but a size."""
    before = await exported(logs, tmp_path)
    for schema in DOCUMENTS:
        await database[schema.collection].update_many({}, {"$set": {"later": "SECRET", "_later": {"x": "SECRET"}}})
    within = {"mastery_logs.$[].later": "SECRET", "mastery_logs.$[].attempts.$[].later": "SECRET"}
    await database["content_summary_logs"].update_many({}, {"$set": within})
    problems: list[Any] = []

    after = await exported(logs, tmp_path)
    await logs.admin.verify(problems.append)

    assert after == before
    assert not any(b"SECRET" in content for content in after.values())
    assert {problem.path for problem in problems} == {"attempt_bytes"}  # that of all that is embedded


async def test_a_save_keeps_what_is_not_described(logs: DocService, database: Any) -> None:
    """A document that is saved again keeps the notes of the store and the fields that other programs put there."""
    await database["content_session_logs"].update_many({}, {"$set": {"later": 1, "recent_actions": ["x"]}})
    session = await anext(logs.content_session_logs.find())

    await logs.content_session_logs.save(session.model_copy(update={"time_spent": 9.0}))

    document = await database["content_session_logs"].find_one({"_id": session.id})
    assert (document["later"], document["recent_actions"], document["time_spent"]) == (1, ["x"], 9.0)


async def exported(logs: DocService, folder: Path) -> dict[str, bytes]:
    """All tables of the school."""
    for table in TABLES:
        await write_export(logs, table, SCHOOL.facility_id, folder / table, CsvWriter)
    return {table: (folder / table).read_bytes() for table in TABLES}
