"""Helpers for the tests of a program that embeds docservice: a throw-away service, a school, logs to save.

    @pytest.fixture
    async def logs():
        async with throw_away_service(school=School()) as service:
            yield service

An engine takes a second to start. Many tests share one (`throw_away_engine`, once for the run), and each test gets a
database of its own in it: `throw_away_service(uri)`.
"""

from __future__ import annotations

import tempfile
import uuid
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, cast

from docservice.domain.logs.building import whole_log
from docservice.domain.logs.content_logs import ContentSessionLog, ContentSummaryLog, SyncableLog
from docservice.domain.logs.exam_logs import ExamLog
from docservice.domain.logs.user_sessions import UserSessionLog
from docservice.domain.requests.tracking import Interaction, StartSession
from docservice.domain.values.ids import record_id
from docservice.engine import EmbeddedEngine
from docservice.identity import Principal
from docservice.service import DocService

START = datetime(2024, 9, 2, 8, 0, tzinfo=UTC)
"""When the made logs begin."""


def made_id(text: str) -> str:
    """An id (32 hex characters) that is always the same for a text."""
    return record_id("docservice.testing", text, "made")


def _utc_now() -> datetime:
    return datetime.now(UTC)


@asynccontextmanager
async def throw_away_engine() -> AsyncIterator[str]:
    """An embedded engine in a folder that is removed afterwards; gives its address.

    Raises:
        EngineNotInstalled: `docservice[embedded]` is not installed.
    """
    with tempfile.TemporaryDirectory(prefix="docservice-", ignore_cleanup_errors=True) as folder:
        async with EmbeddedEngine(Path(folder)) as engine:
            yield engine.uri


@asynccontextmanager
async def throw_away_service(
    mongodb_uri: str | None = None, *, school: School | None = None, clock: Callable[[], datetime] = _utc_now
) -> AsyncIterator[DocService]:
    """An entered service over an empty database of its own, which is dropped afterwards.

    Args:
        mongodb_uri: of a server for tests; None for an embedded engine of its own.
        school: who is in its directory; None: nobody.
        clock: see `DocService`.
    """
    if mongodb_uri is None:
        async with throw_away_engine() as uri, throw_away_service(uri, school=school, clock=clock) as service:
            yield service
        return
    async with DocService(mongodb_uri, database=f"test_{uuid.uuid4().hex[:12]}", clock=clock) as service:
        try:
            if school is not None:
                await service.import_directory(school.directory())
            yield service
        finally:
            # No method of the service: nobody should find one that removes everything.
            await service.admin.database.command({"dropDatabase": 1})


@dataclass(frozen=True)
class School:
    """A facility with one class: an admin, the class's coach, its learners. All ids follow from the name.

    Attributes:
        name: of the facility.
        learners: how many the class has.
    """

    name: str = "School"
    learners: int = 2

    @property
    def dataset_id(self) -> str:
        """What all logs of the school belong to."""
        return made_id(f"{self.name} dataset")

    @property
    def facility_id(self) -> str:
        """The facility, which is also the default one: anonymous visits belong to it."""
        return made_id(f"{self.name} facility")

    @property
    def classroom_id(self) -> str:
        """The class."""
        return made_id(f"{self.name} class")

    @property
    def admin(self) -> Principal:
        """The facility's admin."""
        return Principal(user_id=made_id(f"{self.name} admin"))

    @property
    def coach(self) -> Principal:
        """The coach of the class."""
        return Principal(user_id=made_id(f"{self.name} coach"))

    def learner(self, number: int = 0) -> Principal:
        """A learner of the class.

        Raises:
            IndexError: the class is smaller.
        """
        if not 0 <= number < self.learners:
            raise IndexError(f"The class has {self.learners} learners, numbered from 0.")
        return Principal(user_id=made_id(f"{self.name} learner {number}"))

    def directory(self) -> dict[str, Any]:
        """What `DocService.import_directory` takes."""
        learners = [self.learner(number) for number in range(self.learners)]
        people = {"admin": self.admin, "coach": self.coach, **{f"learner{n}": who for n, who in enumerate(learners)}}
        common = {"dataset": self.dataset_id}
        return {
            "datasets": [{"id": self.dataset_id}],
            "facilities": [{"id": self.facility_id, "name": self.name, **common}],
            "default_facility": self.facility_id,
            "classrooms": [{"id": self.classroom_id, "name": "Class", "parent": self.facility_id, **common}],
            "users": [
                {"id": who.user_id, "username": name, "full_name": name, "facility": self.facility_id, **common}
                for name, who in people.items()
            ],
            "roles": [
                {
                    "id": made_id(f"{self.name} role {kind}"),
                    "user": who.user_id,
                    "collection": collection,
                    "kind": kind,
                }
                for kind, who, collection in (
                    ("admin", self.admin, self.facility_id),
                    ("coach", self.coach, self.classroom_id),
                )
            ],
            "memberships": [
                {
                    "id": made_id(f"{self.name} membership {who.user_id}"),
                    "user": who.user_id,
                    "collection": self.classroom_id,
                }
                for who in learners
            ],
        }

    def content_summary_log(
        self, learner: int = 0, content: str = "exercise", *, attempts: int = 3, **fields: Any
    ) -> ContentSummaryLog:
        """A learner's log of an exercise: one try with attempts, right and wrong in turn.

        Args:
            learner: number of the learner.
            content: name of the content; `made_id(content)` is its id.
            attempts: how many.
            fields: other values of the log's fields.

        Raises:
            ValidationFailed: the values do not fit.
        """
        end = START + timedelta(minutes=attempts)
        tried = {
            "mastery_level": 1,
            "mastery_criterion": {"type": "m_of_n", "m": 3, "n": 5},
            "start_timestamp": START,
            "end_timestamp": end,
            "attempts": [_attempt(number) for number in range(attempts)],
        }
        values = {
            "user_id": self.learner(learner).user_id,
            **_content(content, "exercise"),
            "start_timestamp": START,
            "end_timestamp": end,
            "time_spent": 60.0 * attempts,
            "mastery_logs": [tried] if attempts else [],
            **fields,
        }
        return cast("ContentSummaryLog", self._whole(ContentSummaryLog, values))

    def content_session_log(self, learner: int | None = 0, content: str = "video", **fields: Any) -> ContentSessionLog:
        """A learner's visit to a video, of an anonymous visitor with `learner=None`; see `content_summary_log`."""
        user_id = None if learner is None else self.learner(learner).user_id
        values = {"user_id": user_id, **_content(content, "video"), "start_timestamp": START, "time_spent": 60.0}
        return cast("ContentSessionLog", self._whole(ContentSessionLog, {**values, **fields}))

    def user_session_log(self, learner: int = 0, **fields: Any) -> UserSessionLog:
        """A learner's sitting of half an hour; see `content_summary_log`."""
        values = {
            "user_id": self.learner(learner).user_id,
            "start_timestamp": START,
            "last_interaction_timestamp": START + timedelta(minutes=30),
            "device_info": "Android,14/Chrome,128",
        }
        return cast("UserSessionLog", self._whole(UserSessionLog, {**values, **fields}))

    def exam_log(self, learner: int = 0, exam: str = "exam", *, attempts: int = 3, **fields: Any) -> ExamLog:
        """A learner's log of an exam (legacy) with attempts; `made_id(exam)` is the exam's id."""
        answered = [{**_attempt(number), "content_id": made_id("exercise")} for number in range(attempts)]
        for attempt in answered:
            del attempt["sessionlog_id"]
        values = {"user_id": self.learner(learner).user_id, "exam_id": made_id(exam), "attempts": answered}
        return cast("ExamLog", self._whole(ExamLog, {**values, **fields}))

    def _whole(self, model: type[SyncableLog], values: dict[str, Any]) -> SyncableLog:
        return whole_log(model, values, self.dataset_id, lambda: uuid.uuid4().hex)


def start_session(content: str = "exercise", **fields: Any) -> StartSession:
    """A request to start a visit to an exercise; `made_id(content)` is its id, `fields` are other values."""
    mastery_model = {"type": "m_of_n", "m": 3, "n": 5}
    values = {**_content(content, "exercise"), "node_id": made_id(f"node {content}"), "mastery_model": mastery_model}
    return StartSession.parse({**values, **fields})


def interaction(item: str = "q1", *, correct: float = 1, **fields: Any) -> Interaction:
    """An answer to a question, to report with `UpdateSession(interactions=[...])`."""
    values = {"item": item, "correct": correct, "complete": True, "time_spent": 10, "answer": {"choice": "A"}}
    return Interaction.parse({**values, **fields})


def _content(name: str, kind: str) -> dict[str, Any]:
    return {"content_id": made_id(name), "channel_id": made_id("channel"), "kind": kind}


def _attempt(number: int) -> dict[str, Any]:
    begin = START + timedelta(minutes=number)
    end = begin + timedelta(minutes=1)
    return {
        "sessionlog_id": made_id("session"),
        "item": f"q{number}",
        "start_timestamp": begin,
        "end_timestamp": end,
        "completion_timestamp": end,
        "time_spent": 60.0,
        "complete": True,
        "correct": float(number % 2 == 0),
        "answer": {"choice": "A"},
    }
