"""Exam logs: the records of quizzes in Kolibri up to 0.14, before quizzes had mastery logs.

An exam log holds its attempts, as in the stored document. They travel with the whole facility.
Rule: kolibri/core/logger/models.py, ExamLog and ExamAttemptLog.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from pydantic import Field

from docservice import errors
from docservice.domain.logs.content_logs import BaseAttemptLog, HexId, SyncableLog, Timestamp
from docservice.domain.logs.datasets import KnownDatasets, required
from docservice.domain.requests.exam_logs import (
    ChangeExamAttempt,
    ChangeExamLog,
    SaveExamAttempt,
    SaveExamLog,
)
from docservice.domain.requests.tracking import WHOLE_BODY
from docservice.domain.values.partitions import exam_log_partition
from docservice.domain.values.times import KolibriTime, to_milliseconds
from docservice.errors import FieldError, ValidationFailed


class ExamAttemptLog(BaseAttemptLog):
    """One answered question of an exam.

    Attributes:
        content_id: the exercise that the question is from.
    """

    model_name = "examattemptlog"
    DoesNotExist = errors.ExamAttemptLogDoesNotExist
    MultipleObjectsReturned = errors.MultipleExamAttemptLogsReturned

    examlog_id: HexId
    content_id: HexId

    def infer_dataset(self, known: KnownDatasets) -> str:
        """Return the dataset of the exam log; see `SyncableLog.infer_dataset`."""
        return required(known.of_parent, "There is no exam log with the examlog_id of the attempt.")

    def calculate_partition(self) -> str:
        """Exam logs belong to the whole facility."""
        return exam_log_partition(self.dataset_id)


class ExamLog(SyncableLog):
    """One learner and one exam.

    Attributes:
        closed: whether the learner has handed it in.
        completion_timestamp: when that was; stays when the log is opened again.
        attempts: oldest first, by the order in which they came.
    """

    model_name = "examlog"
    DoesNotExist = errors.ExamLogDoesNotExist
    MultipleObjectsReturned = errors.MultipleExamLogsReturned

    user_id: HexId
    exam_id: HexId
    closed: bool = False
    completion_timestamp: Timestamp | None = None
    attempts: list[ExamAttemptLog] = Field(default_factory=list)

    def calculate_partition(self) -> str:
        """Exam logs belong to the whole facility."""
        return exam_log_partition(self.dataset_id)

    def calculate_source_id(self) -> str:
        """Return one exam log for each exam and learner."""
        return f"{self.exam_id}:{self.user_id}"


def new_exam_log(request: SaveExamLog, dataset_id: str, now: datetime) -> ExamLog:
    """Return the log that a request asks for.

    Args:
        request: validated.
        dataset_id: the learner's.
        now: UTC, milliseconds; the completion of a log that is handed in without a time.
    """
    log = ExamLog(dataset_id=dataset_id, user_id=request.user, exam_id=request.exam).identified()
    return _handed_in(log, request, now)


def changed_exam_log(log: ExamLog, request: ChangeExamLog, now: datetime) -> ExamLog:
    """Return the log after a change; see `new_exam_log` for the times.

    Raises:
        ValidationFailed: the request names another exam or learner.
    """
    _refuse_move({"exam": (request.exam, log.exam_id), "user": (request.user, log.user_id)})
    return _handed_in(log, request, now)


def _handed_in(log: ExamLog, request: SaveExamLog | ChangeExamLog, now: datetime) -> ExamLog:
    changed: dict[str, Any] = {"morango_dirty_bit": True}
    if request.has("closed"):
        changed["closed"] = request.closed
    if request.completion_timestamp is not None:
        changed["completion_timestamp"] = moment(request.completion_timestamp)
    elif request.closed and not log.closed:
        changed["completion_timestamp"] = now
    elif request.has("completion_timestamp"):
        changed["completion_timestamp"] = None
    return log.model_copy(update=changed)


def new_exam_attempt(request: SaveExamAttempt, exam_log: ExamLog, random_source_id: str) -> ExamAttemptLog:
    """Return the attempt that a request asks for.

    Args:
        request: validated.
        exam_log: the log it names.
        random_source_id: 32 hex characters.

    Raises:
        ValidationFailed: the request and the log name different learners.

    Rule: kolibri 0.14, core/logger/serializers.py, ExamAttemptLogSerializer.validate.
    """
    if request.user != exam_log.user_id:
        raise ValidationFailed(
            [FieldError((WHOLE_BODY,), "invalid", "User field and user for related exam log are not the same")]
        )
    return ExamAttemptLog(
        dataset_id=exam_log.dataset_id,
        user_id=exam_log.user_id,
        examlog_id=exam_log.id,
        **_given(request),
    ).identified(random_source_id)


def changed_exam_attempt(attempt: ExamAttemptLog, request: ChangeExamAttempt) -> ExamAttemptLog:
    """Return the attempt after a change.

    Raises:
        ValidationFailed: the request names another exam log or learner.
    """
    _refuse_move({"examlog": (request.examlog, attempt.examlog_id), "user": (request.user, attempt.user_id)})
    return attempt.model_copy(update={**_given(request), "morango_dirty_bit": True})


def _given(request: SaveExamAttempt | ChangeExamAttempt) -> dict[str, Any]:
    """Return the fields of an attempt that a request has, as the log holds them."""
    names = request.model_fields_set - {"examlog", "user"}
    values = {name: getattr(request, name) for name in names}
    return {name: moment(value) if isinstance(value, KolibriTime) else value for name, value in values.items()}


def _refuse_move(fields: dict[str, tuple[str | None, str | None]]) -> None:
    # Exam and learner make the id of a log, and its log the place of an attempt.
    moved = [name for name, (sent, kept) in fields.items() if sent is not None and sent != kept]
    if moved:
        raise ValidationFailed([FieldError((name,), "invalid", "This field cannot be changed.") for name in moved])


def moment(time: KolibriTime) -> datetime:
    """Return a time of a request as a log keeps it."""
    return to_milliseconds(time.moment)
