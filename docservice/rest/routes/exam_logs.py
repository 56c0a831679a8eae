"""`/api/logger/examlog/` and `examattemptlog/`: exams as front ends of Kolibri up to 0.14 write them."""

from __future__ import annotations

from aiohttp import web

from docservice.domain.answers.exam_logs import ExamAttemptRow, ExamLogRow
from docservice.domain.requests.exam_logs import ChangeExamAttempt, ChangeExamLog, SaveExamAttempt, SaveExamLog
from docservice.errors import DocumentTooLarge, LogNotFound, PermissionDenied, UnstorableValue
from docservice.rest.app_keys import IDENTIFY, SERVICE
from docservice.rest.bodies import json_answer, read_body
from docservice.rest.idempotency import idempotency_key
from docservice.rest.operations import Operation

_TAG = "Exams"


async def save_exam_log(request: web.Request) -> web.Response:
    """Begin an exam: 201, or 200 if it was begun before."""
    principal = await request.config_dict[IDENTIFY](request)
    asked = SaveExamLog.parse(await read_body(request))
    saved = (
        await request.config_dict[SERVICE]
        .acting_as(principal)
        .save_exam_log(asked, idempotency_key=idempotency_key(request))
    )
    return json_answer(saved.log.as_json(), 201 if saved.created else 200)


async def change_exam_log(request: web.Request) -> web.Response:
    """Hand in an exam."""
    principal = await request.config_dict[IDENTIFY](request)
    asked = ChangeExamLog.parse(await read_body(request))
    row = await request.config_dict[SERVICE].acting_as(principal).change_exam_log(request.match_info["id"], asked)
    return json_answer(row.as_json())


async def save_exam_attempt(request: web.Request) -> web.Response:
    """Record an answered question."""
    principal = await request.config_dict[IDENTIFY](request)
    asked = SaveExamAttempt.parse(await read_body(request))
    row = (
        await request.config_dict[SERVICE]
        .acting_as(principal)
        .save_exam_attempt(asked, idempotency_key=idempotency_key(request))
    )
    return json_answer(row.as_json(), 201)


async def change_exam_attempt(request: web.Request) -> web.Response:
    """Change an answered question."""
    principal = await request.config_dict[IDENTIFY](request)
    asked = ChangeExamAttempt.parse(await read_body(request))
    row = await request.config_dict[SERVICE].acting_as(principal).change_exam_attempt(request.match_info["id"], asked)
    return json_answer(row.as_json())


OPERATIONS = (
    Operation(
        method="POST",
        path="/api/logger/examlog/",
        handler=save_exam_log,
        summary="Begin an exam (Kolibri up to 0.14); 201, or 200 with the log that is there",
        tag=_TAG,
        kolibri_view="Exam Log",
        caller="person",
        body=SaveExamLog,
        answer=ExamLogRow,
        statuses=(200, 201),
        errors=(PermissionDenied,),
        idempotent=True,
    ),
    Operation(
        method="PATCH",
        path="/api/logger/examlog/{id}/",
        handler=change_exam_log,
        summary="Hand in an exam, or open it again",
        tag=_TAG,
        kolibri_view="Exam Log",
        caller="person",
        body=ChangeExamLog,
        example={"closed": True},
        answer=ExamLogRow,
        errors=(PermissionDenied, LogNotFound),
    ),
    Operation(
        method="POST",
        path="/api/logger/examattemptlog/",
        handler=save_exam_attempt,
        summary="Record an answered question of an exam",
        tag=_TAG,
        kolibri_view="Exam Attempt Log",
        caller="person",
        body=SaveExamAttempt,
        answer=ExamAttemptRow,
        statuses=(201,),
        errors=(PermissionDenied, UnstorableValue, DocumentTooLarge),
        idempotent=True,
    ),
    Operation(
        method="PATCH",
        path="/api/logger/examattemptlog/{id}/",
        handler=change_exam_attempt,
        summary="Change an answered question of an exam",
        tag=_TAG,
        kolibri_view="Exam Attempt Log",
        caller="person",
        body=ChangeExamAttempt,
        example={"correct": 1, "complete": True},
        answer=ExamAttemptRow,
        errors=(PermissionDenied, LogNotFound, UnstorableValue, DocumentTooLarge),
    ),
)
