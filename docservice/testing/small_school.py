"""A small school and its logs, always the same: ids follow from names."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, cast

from docservice.domain.logs.building import whole_log
from docservice.domain.logs.content_logs import ContentSessionLog, ContentSummaryLog, SyncableLog
from docservice.domain.logs.exam_logs import ExamLog
from docservice.domain.logs.user_sessions import UserSessionLog
from docservice.domain.requests.tracking import Interaction, StartSession
from docservice.domain.values.ids import record_id
from docservice.identity import Principal

START = datetime(2024, 9, 2, 8, 0, tzinfo=UTC)
"""When the made logs begin."""


def made_id(text: str) -> str:
    """Return an id (32 hex characters) that is always the same for a text."""
    return record_id("docservice.testing", text, "made")


@dataclass(frozen=True)
class School:
    """A facility with one class: an admin, the class's coach, its learners, a group with the first of them.

    There is an exercise in a channel, a quiz for the class, and a lesson for the class that has the exercise. All ids
    follow from the name of the school.

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
        """The facility, which is also the default one: anonymous content sessions belong to it."""
        return made_id(f"{self.name} facility")

    @property
    def classroom_id(self) -> str:
        """The class."""
        return made_id(f"{self.name} class")

    @property
    def group_id(self) -> str:
        """The group of the class; the first learner is in it."""
        return made_id(f"{self.name} group")

    @property
    def exercise_id(self) -> str:
        """The content id of the exercise."""
        return made_id("exercise")

    @property
    def quiz_id(self) -> str:
        """The quiz that the coach has given to the class; it is active."""
        return made_id(f"{self.name} quiz")

    @property
    def lesson_id(self) -> str:
        """The lesson that the coach has given to the class."""
        return made_id(f"{self.name} lesson")

    @property
    def exercise(self) -> StartSession:
        """What a learner starts who opens the exercise. It is mastered by 3 right answers of 5."""
        return start_session("exercise")

    @property
    def exercise_in_lesson(self) -> StartSession:
        """What a learner starts who opens the exercise from the lesson."""
        return start_session("exercise", lesson_id=self.lesson_id)

    @property
    def quiz(self) -> StartSession:
        """What a learner starts who opens the quiz."""
        return StartSession.parse({"quiz_id": self.quiz_id})

    @property
    def admin(self) -> Principal:
        """The facility's admin."""
        return Principal(user_id=made_id(f"{self.name} admin"))

    @property
    def coach(self) -> Principal:
        """The coach of the class."""
        return Principal(user_id=made_id(f"{self.name} coach"))

    def learner(self, number: int = 0) -> Principal:
        """Return a learner of the class.

        Raises:
            IndexError: the class is smaller.
        """
        if not 0 <= number < self.learners:
            raise IndexError(f"The class has {self.learners} learners, numbered from 0.")
        return Principal(user_id=made_id(f"{self.name} learner {number}"))

    def directory(self) -> dict[str, Any]:
        """Return what `DocService.import_directory` takes."""
        learners = [self.learner(number) for number in range(self.learners)]
        people = {"admin": self.admin, "coach": self.coach, **{f"learner{n}": who for n, who in enumerate(learners)}}
        common = {"dataset": self.dataset_id}
        node = {"channel_id": made_id("channel"), "level": 1, "parent": made_id("root")}
        root = {**node, "id": made_id("root"), "content_id": made_id("root"), "level": 0, "parent": None}
        return {
            "datasets": [{"id": self.dataset_id}],
            "facilities": [{"id": self.facility_id, "name": self.name, **common}],
            "default_facility": self.facility_id,
            "classrooms": [{"id": self.classroom_id, "name": "Class", "parent": self.facility_id, **common}],
            "learnergroups": [{"id": self.group_id, "name": "Group", "parent": self.classroom_id, **common}],
            "users": [
                {"id": who.user_id, "username": name, "full_name": name, "facility": self.facility_id, **common}
                for name, who in people.items()
            ],
            "roles": [
                self._record(f"role {kind}", user=who.user_id, collection=collection, kind=kind)
                for kind, who, collection in (
                    ("admin", self.admin, self.facility_id),
                    ("coach", self.coach, self.classroom_id),
                )
            ],
            "memberships": [
                self._record(f"membership {who.user_id}", user=who.user_id, collection=self.classroom_id)
                for who in learners
            ]
            + [
                self._record(f"group member {who.user_id}", user=who.user_id, collection=self.group_id)
                for who in learners[:1]
            ],
            "exams": [
                {
                    "id": self.quiz_id,
                    "title": "Quiz",
                    "collection": self.classroom_id,
                    "active": True,
                    "assignments": [self.classroom_id],
                }
            ],
            "lessons": [
                {
                    "id": self.lesson_id,
                    "title": "Lesson",
                    "collection": self.classroom_id,
                    "assignments": [self.classroom_id],
                }
            ],
            "channels": [{"id": made_id("channel"), "name": "Channel", "root": made_id("root")}],
            "content_nodes": [
                {**root, "title": "Channel", "kind": "topic"},
                {
                    **node,
                    "id": made_id("node exercise"),
                    "content_id": self.exercise_id,
                    "title": "Exercise",
                    "kind": "exercise",
                },
            ],
        }

    def _record(self, text: str, **fields: Any) -> dict[str, Any]:
        return {"id": made_id(f"{self.name} {text}"), **fields}

    def content_summary_log(
        self, learner: int = 0, content: str = "exercise", *, attempts: int = 3, **fields: Any
    ) -> ContentSummaryLog:
        """Return a learner's log of an exercise: one mastery log with attempts, alternately right and wrong.

        Args:
            learner: number of the learner.
            content: name of the content; `made_id(content)` is its id.
            attempts: how many.
            fields: other values of the log's fields.

        Raises:
            ValidationFailed: the values do not fit.
        """
        end = START + timedelta(minutes=attempts)
        mastery_log = {
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
            "mastery_logs": [mastery_log] if attempts else [],
            **fields,
        }
        return cast("ContentSummaryLog", self._whole(ContentSummaryLog, values))

    def content_session_log(self, learner: int | None = 0, content: str = "video", **fields: Any) -> ContentSessionLog:
        """A content session with a video; with `learner=None` of an anonymous visitor. See `content_summary_log`."""
        user_id = None if learner is None else self.learner(learner).user_id
        values = {"user_id": user_id, **_content(content, "video"), "start_timestamp": START, "time_spent": 60.0}
        return cast("ContentSessionLog", self._whole(ContentSessionLog, {**values, **fields}))

    def user_session_log(self, learner: int = 0, **fields: Any) -> UserSessionLog:
        """Return a learner's user session of half an hour; see `content_summary_log`."""
        values = {
            "user_id": self.learner(learner).user_id,
            "start_timestamp": START,
            "last_interaction_timestamp": START + timedelta(minutes=30),
            "device_info": "Android,14/Chrome,128",
        }
        return cast("UserSessionLog", self._whole(UserSessionLog, {**values, **fields}))

    def exam_log(self, learner: int = 0, exam: str = "exam", *, attempts: int = 3, **fields: Any) -> ExamLog:
        """Return a learner's log of an exam (legacy) with attempts; `made_id(exam)` is the exam's id."""
        answered = [{**_attempt(number), "content_id": made_id("exercise")} for number in range(attempts)]
        for attempt in answered:
            del attempt["sessionlog_id"]
        values = {"user_id": self.learner(learner).user_id, "exam_id": made_id(exam), "attempts": answered}
        return cast("ExamLog", self._whole(ExamLog, {**values, **fields}))

    def _whole(self, model: type[SyncableLog], values: dict[str, Any]) -> SyncableLog:
        return whole_log(model, values, self.dataset_id, lambda: uuid.uuid4().hex)


def start_session(content: str = "exercise", **fields: Any) -> StartSession:
    """A request to start a content session of an exercise; `made_id(content)` is its id, `fields` are other values."""
    mastery_model = {"type": "m_of_n", "m": 3, "n": 5}
    values = {**_content(content, "exercise"), "node_id": made_id(f"node {content}"), "mastery_model": mastery_model}
    return StartSession.parse({**values, **fields})


def interaction(item: str = "q1", *, correct: float = 1, **fields: Any) -> Interaction:
    """Return an answer to a question, to report with `UpdateSession(interactions=[...])`."""
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
