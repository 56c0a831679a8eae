"""Requests of front ends of Kolibri up to 0.14 about exams.

Rule: kolibri 0.14, core/logger/serializers.py (ExamLogSerializer, ExamAttemptLogSerializer). Unlike there, a
completion time that is sent counts, so that a program can load the past.
"""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import AfterValidator, Field
from pydantic_core import PydanticCustomError

from docservice.domain.requests.field_types import (
    BlankText,
    Boolean,
    Correctness,
    JsonList,
    JsonObject,
    Seconds,
    Text,
    Time,
    Uuid,
)
from docservice.domain.requests.tracking import Request
from docservice.domain.values.json_values import require_storable

_LONGEST_TEXT = 200


def _at_most_200(value: str) -> str:
    if len(value) > _LONGEST_TEXT:
        raise PydanticCustomError(
            "max_length", "Ensure this field has no more than {bound} characters.", {"bound": _LONGEST_TEXT}
        )
    return value


ShortText = Annotated[Text, AfterValidator(_at_most_200)]
ShortBlankText = Annotated[BlankText, AfterValidator(_at_most_200)]


class SaveExamLog(Request):
    """Begin an exam.

    Attributes:
        exam: its id.
        user: id of the learner.
        closed: whether it is handed in.
        completion_timestamp: when; absent or null: now, if it is handed in.
    """

    nullable = frozenset({"completion_timestamp"})

    exam: Uuid
    user: Uuid
    closed: Boolean = False
    completion_timestamp: Time | None = None


class ChangeExamLog(Request):
    """Hand in an exam, or open it again; the fields of `SaveExamLog`, all optional."""

    nullable = frozenset({"completion_timestamp"})

    exam: Uuid | None = None
    user: Uuid | None = None
    closed: Boolean = False
    completion_timestamp: Time | None = None


class _ExamAttempt(Request):
    nullable = frozenset({"completion_timestamp", "answer"})

    def require_storable(self) -> None:
        """Check that all JSON values of the attempt can be stored.

        Raises:
            UnstorableValue: it names the field.
        """
        for name in ("answer", "interaction_history"):
            value: Any = getattr(self, name)
            require_storable(value, (name,))


class SaveExamAttempt(_ExamAttempt):
    """Record an answered question of an exam.

    Attributes:
        examlog: id of the exam log.
        user: id of the learner, the same as that of the exam log.
        content_id: the exercise that the question is from.
        time_spent: seconds.
        correct: 0..1.
        interaction_history: one entry for each answer, hint or error, oldest first.
    """

    examlog: Uuid
    user: Uuid
    item: ShortText
    content_id: Uuid
    start_timestamp: Time
    end_timestamp: Time
    completion_timestamp: Time | None = None
    time_spent: Seconds = 0.0
    complete: Boolean = False
    correct: Correctness
    hinted: Boolean = False
    answer: JsonObject | None = None
    simple_answer: ShortBlankText = ""
    interaction_history: JsonList = Field(default_factory=list)
    error: Boolean = False


class ChangeExamAttempt(_ExamAttempt):
    """Change an answered question; the fields of `SaveExamAttempt`, all optional."""

    examlog: Uuid | None = None
    user: Uuid | None = None
    item: ShortText | None = None
    content_id: Uuid | None = None
    start_timestamp: Time | None = None
    end_timestamp: Time | None = None
    completion_timestamp: Time | None = None
    time_spent: Seconds | None = None
    complete: Boolean | None = None
    correct: Correctness | None = None
    hinted: Boolean | None = None
    answer: JsonObject | None = None
    simple_answer: ShortBlankText | None = None
    interaction_history: JsonList | None = None
    error: Boolean | None = None
