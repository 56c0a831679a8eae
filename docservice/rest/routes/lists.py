"""`/api/logger/masterylog/`, `attemptlog/` and `userprogress/`: what a person may see, as Kolibri shows it."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import Any, TypeVar

from aiohttp import web
from pydantic import BaseModel

from docservice.domain.answers.lists import AttemptRow, MasteryDiffRow, MasteryRow, RowPage, Rows
from docservice.domain.requests.lists import ATTEMPT_FILTERS, MASTERY_FILTERS
from docservice.errors import LogNotFound, PageNotFound, PermissionDenied
from docservice.rest.calls import Call
from docservice.rest.kolibri_errors import Detail
from docservice.rest.list_parameters import LogQuery, log_list
from docservice.rest.operations import Access, Operations
from docservice.rest.parameters import Parameter
from docservice.rest.problems import ERROR_CODE_HEADER
from docservice.rest.responses import json_answer

operations = Operations(tag="Reading")

_MASTERY_VIEW, _ATTEMPT_VIEW = "Mastery Log", "Attempt Log"
_BOTH = ("content", "user")
_ONE_MASTERY_LOG = log_list(MASTERY_FILTERS, required=_BOTH, paged=False)
_ERRORS = (LogNotFound, PermissionDenied)

Row = TypeVar("Row", bound=BaseModel)


class UserProgress(BaseModel):
    """A learner's points."""

    id: str
    progress: int


@operations.get(
    "/api/logger/masterylog/",
    access=Access("readers", "mastery log", refused=None),
    kolibri_view=_MASTERY_VIEW,
    query=log_list(MASTERY_FILTERS, required=_BOTH),
    answer=list[MasteryRow] | RowPage[MasteryRow],
    errors=(PageNotFound, PermissionDenied),
)
async def mastery_logs(call: Call[None, LogQuery]) -> list[MasteryRow] | RowPage[MasteryRow]:
    """Tries at assessments, latest first."""
    return _rows(await call.logs.mastery_log_page(call.query.filters, page=call.query.page))


@operations.get(
    "/api/logger/masterylog/{id}/",
    access=Access("readers", "mastery log", refused=404),
    kolibri_view=_MASTERY_VIEW,
    query=_ONE_MASTERY_LOG,
    answer=MasteryRow,
    errors=_ERRORS,
)
async def mastery_log(call: Call[None, LogQuery]) -> MasteryRow:
    """One mastery log."""
    return await call.logs.mastery_log(call.path["id"], call.query.filters)


def _integer_or_none(text: str) -> int | None:
    try:
        return int(text)
    except ValueError:
        return None


@operations.get(
    "/api/logger/masterylog/{back}/diff/",
    access=Access("readers", "mastery log", refused=404),
    kolibri_view=_MASTERY_VIEW,
    placeholders=(
        Parameter("back", "0 is the newest try.", {"type": "integer", "minimum": 0}, _integer_or_none, required=True),
    ),
    query=_ONE_MASTERY_LOG,
    answer=MasteryDiffRow,
    errors=(PermissionDenied,),
    other_answers={404: ("There are not so many tries.", str)},
)
async def mastery_diff(call: Call[None, LogQuery]) -> MasteryDiffRow | web.Response:
    """One mastery log beside the one before it."""
    if call.path["back"] is None:
        return json_answer("Parameter must be an integer", 404)
    try:
        return await call.logs.mastery_diff(call.path["back"], call.query.filters)
    except LogNotFound as error:
        return json_answer(str(error), 404, headers={ERROR_CODE_HEADER: error.code})


@operations.get(
    "/api/logger/attemptlog/",
    access=Access("readers", "attempt", refused=None),
    kolibri_view=_ATTEMPT_VIEW,
    query=log_list(ATTEMPT_FILTERS),
    answer=list[AttemptRow] | RowPage[AttemptRow],
    errors=(PageNotFound, PermissionDenied),
)
async def attempt_logs(
    call: Call[None, LogQuery],
) -> AsyncGenerator[list[dict[str, Any]], None] | list[AttemptRow] | RowPage[AttemptRow]:
    """Attempts at questions."""
    if call.query.page is None:
        return call.logs.shown_attempt_logs(call.query.filters)
    return _rows(await call.logs.attempt_log_page(call.query.filters, page=call.query.page))


@operations.post(
    "/api/logger/attemptlog/",
    access=Access("nobody"),
    kolibri_view=_ATTEMPT_VIEW,
    body=dict[str, Any],
    statuses=(),
    errors=(PermissionDenied,),
    other_answers={405: ("Attempts are written by tracking.", Detail)},
)
async def write_attempt_log(call: Call[Any, None]) -> None:
    """Refused: attempts are written by tracking."""
    if call.body == {}:
        raise web.HTTPMethodNotAllowed(call.request.method, ["GET", "HEAD"])
    raise PermissionDenied("Attempts are written by tracking.")


@operations.get(
    "/api/logger/attemptlog/{id}/",
    access=Access("readers", "attempt", refused=404),
    kolibri_view=_ATTEMPT_VIEW,
    answer=AttemptRow,
    errors=_ERRORS,
)
async def attempt_log(call: Call[None, None]) -> AttemptRow:
    """One attempt."""
    return await call.logs.attempt_log(call.path["id"])


@operations.get(
    "/api/logger/userprogress/{id}/",
    access=Access("owner", "user"),
    kolibri_view="Total Content Progress",
    answer=UserProgress,
    errors=_ERRORS,
)
async def user_progress(call: Call[None, None]) -> UserProgress:
    """One's own points."""
    return UserProgress(id=call.path["id"], progress=await call.logs.user_progress(call.path["id"]))


def _rows(rows: Rows[Row]) -> list[Row] | RowPage[Row]:
    """Return the whole list, or a page in Kolibri's envelope; the rows are models that are valid already."""
    if rows.page is None:
        return list(rows.rows)
    return RowPage[Any].model_construct(
        page=rows.page.number, count=rows.count, total_pages=rows.total_pages, results=list(rows.rows)
    )
