"""`/api/logger/masterylog/`, `attemptlog/` and `userprogress/`: what a person may see, as Kolibri shows it."""

from __future__ import annotations

from typing import Any

from aiohttp import web
from pydantic import BaseModel

from docservice.domain.answers.lists import AttemptRow, MasteryDiffRow, MasteryRow, RowPage, Rows
from docservice.domain.requests.lists import ATTEMPT_FILTERS, MASTERY_FILTERS
from docservice.errors import LogNotFound, PageNotFound, PermissionDenied
from docservice.rest.app_keys import IDENTIFY, SERVICE
from docservice.rest.bodies import json_answer, read_body
from docservice.rest.list_queries import PAGING, last_values, log_filters, page, parameters, require
from docservice.rest.operations import Detail, Operation, Parameter
from docservice.rest.problems import ERROR_CODE_HEADER
from docservice.rest.streaming import list_answer

_TAG = "Reading"
_MASTERY_QUERY = parameters(MASTERY_FILTERS, required=("content", "user"))


class UserProgress(BaseModel):
    """A learner's points."""

    id: str
    progress: int


async def mastery_logs(request: web.Request) -> web.Response:
    """Tries, latest first."""
    require(request.query, "content", "user")
    principal = await request.config_dict[IDENTIFY](request)
    filters = log_filters(last_values(request), MASTERY_FILTERS)
    return _list(
        await request.config_dict[SERVICE]
        .acting_as(principal)
        .mastery_log_page(filters, page=page(last_values(request)))
    )


async def mastery_log(request: web.Request) -> web.Response:
    """One try."""
    require(request.query, "content", "user")
    principal = await request.config_dict[IDENTIFY](request)
    filters = log_filters(last_values(request), MASTERY_FILTERS)
    row = await request.config_dict[SERVICE].acting_as(principal).mastery_log(request.match_info["id"], filters)
    return json_answer(row.model_dump())


async def mastery_diff(request: web.Request) -> web.Response:
    """One try beside the one before it."""
    require(request.query, "content", "user")
    principal = await request.config_dict[IDENTIFY](request)
    filters = log_filters(last_values(request), MASTERY_FILTERS)
    try:
        back = int(request.match_info["back"])
    except ValueError:
        return json_answer("Parameter must be an integer", 404)
    try:
        row = await request.config_dict[SERVICE].acting_as(principal).mastery_diff(back, filters)
    except LogNotFound as error:
        answer = json_answer(str(error), 404)
        answer.headers[ERROR_CODE_HEADER] = error.code
        return answer
    return json_answer(row.model_dump())


async def attempt_logs(request: web.Request) -> web.StreamResponse:
    """Attempts."""
    principal = await request.config_dict[IDENTIFY](request)
    filters, asked = log_filters(last_values(request), ATTEMPT_FILTERS), page(last_values(request))
    service = request.config_dict[SERVICE]
    if asked is None:
        return await list_answer(request, service.acting_as(principal).attempt_logs(filters))
    return _list(await service.acting_as(principal).attempt_log_page(filters, page=asked))


async def attempt_log(request: web.Request) -> web.Response:
    """One attempt."""
    principal = await request.config_dict[IDENTIFY](request)
    row = await request.config_dict[SERVICE].acting_as(principal).attempt_log(request.match_info["id"])
    return json_answer(row.model_dump())


async def write_attempt_log(request: web.Request) -> web.Response:
    """Refuse, as the real server does: attempts are written by tracking."""
    await request.config_dict[IDENTIFY](request)
    if await read_body(request) == {}:
        raise web.HTTPMethodNotAllowed(request.method, ["GET", "HEAD"])
    raise PermissionDenied("Attempts are written by tracking.")


async def user_progress(request: web.Request) -> web.Response:
    """One's own points."""
    principal = await request.config_dict[IDENTIFY](request)
    user_id = request.match_info["id"]
    points = await request.config_dict[SERVICE].acting_as(principal).user_progress(user_id)
    return json_answer(UserProgress(id=user_id, progress=points).model_dump())


def _list(found: Rows[Any]) -> web.Response:
    rows = [row.model_dump() for row in found.rows]
    if found.page is None:
        return json_answer(rows)
    shown = RowPage[Any](page=found.page.number, count=found.count, total_pages=found.total_pages, results=rows)
    return json_answer(shown.model_dump())


OPERATIONS = (
    Operation(
        method="GET",
        path="/api/logger/masterylog/",
        handler=mastery_logs,
        summary="Tries at assessments, latest first",
        tag=_TAG,
        kolibri_view="Mastery Log",
        query=(*_MASTERY_QUERY, *PAGING),
        answer=list[MasteryRow] | RowPage[MasteryRow],
        errors=(PageNotFound, PermissionDenied),
    ),
    Operation(
        method="GET",
        path="/api/logger/masterylog/{id}/",
        handler=mastery_log,
        summary="One try",
        tag=_TAG,
        kolibri_view="Mastery Log",
        query=_MASTERY_QUERY,
        answer=MasteryRow,
        errors=(LogNotFound, PermissionDenied),
    ),
    Operation(
        method="GET",
        path="/api/logger/masterylog/{back}/diff/",
        handler=mastery_diff,
        summary="One try beside the one before it",
        tag=_TAG,
        kolibri_view="Mastery Log",
        placeholders=(Parameter("back", "0 is the newest try.", {"type": "integer", "minimum": 0}, required=True),),
        query=_MASTERY_QUERY,
        answer=MasteryDiffRow,
        errors=(PermissionDenied,),
        other_answers={404: ("There are not so many tries.", str)},
    ),
    Operation(
        method="GET",
        path="/api/logger/attemptlog/",
        handler=attempt_logs,
        summary="Attempts at questions",
        tag=_TAG,
        kolibri_view="Attempt Log",
        query=(*parameters(ATTEMPT_FILTERS), *PAGING),
        answer=list[AttemptRow] | RowPage[AttemptRow],
        errors=(PageNotFound, PermissionDenied),
    ),
    Operation(
        method="POST",
        path="/api/logger/attemptlog/",
        handler=write_attempt_log,
        summary="Refused: attempts are written by tracking",
        tag=_TAG,
        kolibri_view="Attempt Log",
        body=dict[str, Any],
        statuses=(),
        errors=(PermissionDenied,),
        other_answers={405: ("Attempts are written by tracking.", Detail)},
    ),
    Operation(
        method="GET",
        path="/api/logger/attemptlog/{id}/",
        handler=attempt_log,
        summary="One attempt",
        tag=_TAG,
        kolibri_view="Attempt Log",
        answer=AttemptRow,
        errors=(LogNotFound, PermissionDenied),
    ),
    Operation(
        method="GET",
        path="/api/logger/userprogress/{id}/",
        handler=user_progress,
        summary="One's own points",
        tag=_TAG,
        kolibri_view="Total Content Progress",
        answer=UserProgress,
        errors=(LogNotFound, PermissionDenied),
    ),
)
