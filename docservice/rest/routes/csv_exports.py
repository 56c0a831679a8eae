"""`/api/logger/generatecsvlogrequest/`: requests for CSV exports, as Kolibri has them."""

from __future__ import annotations

from typing import Any, cast

from aiohttp import web
from pydantic import BaseModel

from docservice.domain.requests.csv_exports import (
    LOG_TYPES,
    CsvLogRequest,
    CsvLogRequestChange,
    LogType,
    StoredCsvRequest,
)
from docservice.domain.values.ids import parse_uuid
from docservice.errors import FieldError, LogNotFound, PermissionDenied, ValidationFailed
from docservice.rest.app_keys import EXPORTS, IDENTIFY, SERVICE
from docservice.rest.bodies import json_answer, read_body
from docservice.rest.operations import Operation, Parameter

_LONGEST_NUMBER = 18
VIEW = "Generate Csv Log Request"
COLLECTION = "/api/logger/generatecsvlogrequest/"


class CsvRequestRow(BaseModel):
    """A request as Kolibri's API shows it, which leaves the id out; times in ISO 8601."""

    facility: str
    log_type: str
    selected_start_date: str | None
    selected_end_date: str | None
    date_requested: str | None


async def find(request: web.Request) -> web.Response:
    """The requests that one may see."""
    principal = await request.config_dict[IDENTIFY](request)
    facility, log_type = _filters(request)
    found = await request.config_dict[SERVICE].acting_as(principal).csv_requests(facility=facility, log_type=log_type)
    return json_answer([stored.row() for stored in found])


def _filters(request: web.Request) -> tuple[str | None, LogType | None]:
    errors = []
    log_type = request.query.get("log_type") or None
    if log_type is not None and log_type not in LOG_TYPES:
        message = f"Select a valid choice. {log_type} is not one of the available choices."
        errors.append(FieldError(("log_type",), "invalid_choice", message))
    facility = request.query.get("facility") or None
    if facility is not None:
        try:
            facility = parse_uuid(facility)
        except ValueError:
            message = "Select a valid choice. That choice is not one of the available choices."
            errors.append(FieldError(("facility",), "invalid_choice", message))
    if errors:
        raise ValidationFailed(errors)
    return facility, cast("LogType | None", log_type)


async def get(request: web.Request) -> web.Response:
    """One request."""
    principal = await request.config_dict[IDENTIFY](request)
    return json_answer(
        (await request.config_dict[SERVICE].acting_as(principal).csv_request(request_number(request))).row()
    )


async def create(request: web.Request) -> web.Response:
    """Make a request, and begin its export. The answer has no id, as Kolibri's; the path is in the header."""
    principal = await request.config_dict[IDENTIFY](request)
    asked = CsvLogRequest.parse(await read_body(request))
    stored = await request.config_dict[SERVICE].acting_as(principal).create_csv_request(asked)
    await request.config_dict[EXPORTS].start(stored)
    response = json_answer(stored.row(), 201)
    response.headers["Location"] = f"{COLLECTION}{stored.id}/"
    return response


async def replace(request: web.Request) -> web.Response:
    """Change a request as a whole."""
    return await _update(request, await read_body(request))


async def change(request: web.Request) -> web.Response:
    """Change some fields of a request."""
    principal = await request.config_dict[IDENTIFY](request)
    given = await read_body(request)
    before: StoredCsvRequest = (
        await request.config_dict[SERVICE].acting_as(principal).csv_request(request_number(request))
    )
    named = {"facility": before.facility, "log_type": before.log_type}
    return await _update(request, {**named, **given} if isinstance(given, dict) else given)


async def _update(request: web.Request, body: Any) -> web.Response:
    principal = await request.config_dict[IDENTIFY](request)
    logs = request.config_dict[SERVICE].acting_as(principal)
    await logs.csv_request(request_number(request))
    return json_answer((await logs.change_csv_request(request_number(request), CsvLogRequest.parse(body))).row())


async def delete(request: web.Request) -> web.Response:
    """Remove a request, and the file that was made for it."""
    principal = await request.config_dict[IDENTIFY](request)
    logs = request.config_dict[SERVICE].acting_as(principal)
    stored = await logs.csv_request(request_number(request))
    await logs.delete_csv_request(stored.id)
    await request.config_dict[EXPORTS].forget(stored)
    return web.Response(status=204)


def request_number(request: web.Request) -> int:
    """The number in the path.

    Raises:
        LogNotFound: it is none.
    """
    text = request.match_info["id"]
    if not (text.isascii() and text.isdigit() and len(text) <= _LONGEST_NUMBER):
        raise LogNotFound()
    return int(text)


TAG = "Export requests"
NUMBER = Parameter("id", "Its number.", {"type": "integer", "minimum": 0}, required=True)

OPERATIONS = (
    Operation(
        method="GET",
        path=COLLECTION,
        handler=find,
        summary="Requests for CSV exports",
        tag=TAG,
        kolibri_view=VIEW,
        query=(
            Parameter("facility", "Requests for exports of this facility."),
            Parameter("log_type", "Requests for exports of these logs.", {"type": "string", "enum": list(LOG_TYPES)}),
        ),
        answer=list[CsvRequestRow],
        errors=(PermissionDenied,),
    ),
    Operation(
        method="POST",
        path=COLLECTION,
        handler=create,
        summary="Make a request for a CSV export, and begin it",
        tag=TAG,
        kolibri_view=VIEW,
        caller="person",
        body=CsvLogRequest,
        answer=CsvRequestRow,
        statuses=(201,),
        errors=(PermissionDenied,),
    ),
    Operation(
        method="GET",
        path=COLLECTION + "{id}/",
        handler=get,
        summary="One request for an export",
        tag=TAG,
        kolibri_view=VIEW,
        placeholders=(NUMBER,),
        answer=CsvRequestRow,
        errors=(LogNotFound, PermissionDenied),
    ),
    Operation(
        method="PUT",
        path=COLLECTION + "{id}/",
        handler=replace,
        summary="Change a request for an export as a whole",
        tag=TAG,
        kolibri_view=VIEW,
        placeholders=(NUMBER,),
        body=CsvLogRequest,
        answer=CsvRequestRow,
        errors=(LogNotFound, PermissionDenied),
        slash_optional=True,
    ),
    Operation(
        method="PATCH",
        path=COLLECTION + "{id}/",
        handler=change,
        summary="Change some fields of a request for an export",
        tag=TAG,
        kolibri_view=VIEW,
        placeholders=(NUMBER,),
        body=CsvLogRequestChange,
        answer=CsvRequestRow,
        errors=(LogNotFound, PermissionDenied),
    ),
    Operation(
        method="DELETE",
        path=COLLECTION + "{id}/",
        handler=delete,
        summary="Remove a request for an export",
        tag=TAG,
        kolibri_view=VIEW,
        placeholders=(NUMBER,),
        statuses=(204,),
        errors=(LogNotFound, PermissionDenied),
    ),
)
