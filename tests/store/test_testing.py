"""`docservice.testing`: what a host's tests are made of."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from docservice import ANONYMOUS, ContentSummaryLog, DocService, UpdateSession
from docservice.errors import NotEntered, ValidationFailed
from docservice.testing import School, interaction, made_id, start_session, throw_away_service

pytestmark = pytest.mark.slow


async def test_a_service_is_empty_and_leaves_nothing(mongodb_uri: str, mongo: Any) -> None:
    """Each service has a database of its own, with the school and nothing else; it is gone afterwards."""
    school = School()
    before = set(await mongo.list_database_names())

    async with (
        throw_away_service(mongodb_uri, school=school) as one,
        throw_away_service(mongodb_uri, school=school) as other,
    ):
        await one.acting_as(school.learner()).start_session(start_session())
        counts = [await service.content_session_logs.count() for service in (one, other)]
        during = set(await mongo.list_database_names())
    with pytest.raises(ZeroDivisionError):
        async with throw_away_service(mongodb_uri):
            raise ZeroDivisionError

    assert counts == [1, 0]
    assert len(during - before) == 2
    assert set(await mongo.list_database_names()) <= before


@pytest.mark.engine
async def test_a_service_of_its_own() -> None:
    """Without an address it brings an engine, which runs beside others in the same loop and ends with it."""
    async with throw_away_service() as one, throw_away_service() as other:
        addresses = {one.connection_string, other.connection_string}
        await one.ping()
        await other.ping()
        held = one.content_session_logs

    assert len(addresses) == 2
    with pytest.raises(NotEntered, match="async with"):
        await one.ping()
    assert held


async def test_the_school_and_its_logs(mongodb_uri: str) -> None:
    """All kinds of logs are saved as they are made, twice without harm, and read by whom the school's roles allow."""
    moment = datetime(2030, 1, 1, tzinfo=UTC)
    school, elsewhere = School(learners=3), School("Elsewhere")
    async with throw_away_service(mongodb_uri, school=school, clock=lambda: moment) as logs:
        made = [
            (logs.content_summary_logs, school.content_summary_log(1, attempts=7)),
            (logs.content_session_logs, school.content_session_log(2)),
            (logs.content_session_logs, school.content_session_log(None, extra_fields={"a": 1})),
            (logs.user_session_logs, school.user_session_log()),
            (logs.exam_logs, school.exam_log(1)),
        ]
        collections: list[tuple[Any, Any]] = made
        for collection, log in collections:
            saved = await collection.save(log)
            assert saved.id == log.id
            assert await collection.save(saved) == saved
        seen = {
            name: len((await logs.acting_as(who).document_page("contentsummarylog")).results)
            for name, who in {
                "coach": school.coach,
                "admin": school.admin,
                "learner": school.learner(1),
                "other": school.learner(0),
                "anonymous": ANONYMOUS,
            }.items()
        }
        visit = await logs.acting_as(school.learner()).start_session(start_session("fractions"))
        await logs.acting_as(school.learner()).update_session(
            visit.session_id, UpdateSession(interactions=[interaction("q1", correct=0)])
        )
        fractions = await logs.content_summary_logs.get(content_id=made_id("fractions"))

    assert seen == {"coach": 1, "admin": 1, "learner": 1, "other": 0, "anonymous": 0}
    assert fractions.start_timestamp == moment
    assert fractions.mastery_logs[0].attempts[0].correct == 0
    assert school.directory().keys() == elsewhere.directory().keys()
    assert school.dataset_id != elsewhere.dataset_id


def test_made_logs_are_what_was_asked_for() -> None:
    """Fields can be changed, what is wrong is refused, and a class has no more learners than it has."""
    log = School().content_summary_log(0, "fractions", attempts=5, progress=0.5)

    assert isinstance(log, ContentSummaryLog)
    assert (log.content_id, log.progress) == (made_id("fractions"), 0.5)
    assert (len(log.mastery_logs[0].attempts), School().content_summary_log(attempts=0).mastery_logs) == (5, [])
    assert log.id == School().content_summary_log(0, "fractions").id
    with pytest.raises(ValidationFailed):
        School().content_summary_log(progress=7)
    with pytest.raises(IndexError):
        School(learners=2).learner(2)


async def test_two_services_of_one_folder(tmp_path: Any) -> None:
    """Two services in one loop share the engine of a folder; it runs until both are left."""
    async with DocService(data_dir=tmp_path) as one:
        async with DocService(data_dir=tmp_path, database="other") as other:
            assert one.connection_string == other.connection_string
            await other.import_directory(School().directory())
        await one.ping()
        assert await one.content_session_logs.count() == 0
        assert one.engine is not None

    assert one.engine is None
    assert not (tmp_path / "engine" / "state.json").exists()
