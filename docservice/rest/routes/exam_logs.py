"""`/api/logger/examlog/` and `examattemptlog/`: exams as front ends of Kolibri up to 0.14 write them."""

from __future__ import annotations

from aiohttp import web

from docservice.domain.answers.exam_logs import ExamAttemptRow, ExamLogRow
from docservice.domain.requests.exam_logs import ChangeExamAttempt, ChangeExamLog, SaveExamAttempt, SaveExamLog
from docservice.errors import DocumentTooLarge, LogNotFound, PermissionDenied, UnstorableValue
from docservice.rest.calls import Call
from docservice.rest.operations import Access, Operations
from docservice.rest.responses import json_answer

operations = Operations(tag="Exams")

_LOG_VIEW, _ATTEMPT_VIEW = "Exam Log", "Exam Attempt Log"


@operations.post(
    "/api/logger/examlog/",
    access=Access("writers", "exam"),
    auth="required",
    summary="Begin an exam (Kolibri up to 0.14); 201, or 200 with the log that is there",
    kolibri_view=_LOG_VIEW,
    body=SaveExamLog,
    answer=ExamLogRow,
    statuses=(200, 201),
    errors=(PermissionDenied,),
    idempotent=True,
)
async def save_exam_log(call: Call[SaveExamLog, None]) -> web.Response:
    """Begin an exam: 201, or 200 if it was begun before."""
    saved = await call.logs.save_exam_log(call.body, idempotency_key=call.idempotency_key)
    return json_answer(saved.log, 201 if saved.created else 200)


@operations.patch(
    "/api/logger/examlog/{id}/",
    access=Access("writers", "exam"),
    auth="required",
    kolibri_view=_LOG_VIEW,
    body=ChangeExamLog,
    example={"closed": True},
    answer=ExamLogRow,
    errors=(PermissionDenied, LogNotFound),
)
async def change_exam_log(call: Call[ChangeExamLog, None]) -> ExamLogRow:
    """Hand in an exam, or open it again."""
    return await call.logs.change_exam_log(call.path["id"], call.body)


@operations.post(
    "/api/logger/examattemptlog/",
    access=Access("writers", "exam"),
    auth="required",
    kolibri_view=_ATTEMPT_VIEW,
    body=SaveExamAttempt,
    answer=ExamAttemptRow,
    statuses=(201,),
    errors=(PermissionDenied, UnstorableValue, DocumentTooLarge),
    idempotent=True,
)
async def save_exam_attempt(call: Call[SaveExamAttempt, None]) -> ExamAttemptRow:
    """Record an answered question of an exam."""
    return await call.logs.save_exam_attempt(call.body, idempotency_key=call.idempotency_key)


@operations.patch(
    "/api/logger/examattemptlog/{id}/",
    access=Access("writers", "exam attempt"),
    auth="required",
    kolibri_view=_ATTEMPT_VIEW,
    body=ChangeExamAttempt,
    example={"correct": 1, "complete": True},
    answer=ExamAttemptRow,
    errors=(PermissionDenied, LogNotFound, UnstorableValue, DocumentTooLarge),
)
async def change_exam_attempt(call: Call[ChangeExamAttempt, None]) -> ExamAttemptRow:
    """Change an answered question of an exam."""
    return await call.logs.change_exam_attempt(call.path["id"], call.body)
