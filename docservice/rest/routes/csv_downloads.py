"""How far the CSV exports are, and their files: below each request, and where Kolibri's front end looks for them."""

from __future__ import annotations

import asyncio
from datetime import datetime
from typing import Any
from urllib.parse import quote

from aiohttp import web
from pydantic import BaseModel

from docservice.domain.exports.csv_exports import CsvExport, ExportFile, ExportState
from docservice.domain.requests.csv_exports import LOG_TYPES
from docservice.domain.values.ids import parse_uuid
from docservice.domain.values.times import iso_text
from docservice.errors import LogNotFound, PermissionDenied
from docservice.rest.app_keys import EXPORTS, IDENTIFY, SERVICE
from docservice.rest.bodies import json_answer
from docservice.rest.operations import Operation, Parameter
from docservice.rest.routes.csv_exports import COLLECTION, NUMBER, TAG, VIEW, request_number

_KOLIBRI = "/facility/api/"


class ExportStatus(BaseModel):
    """How far the export of a request is.

    Attributes:
        percentage: 0 to 100.
        rows: how many were written, once it is completed.
        error: why it failed, in a sentence.
        download: path of the file, once it is completed and until a later one takes its place.
    """

    id: int
    state: ExportState
    percentage: int
    rows: int | None
    error: str | None
    started: datetime | None
    download: str | None


async def status(request: web.Request) -> web.Response:
    """How far an export is."""
    principal = await request.config_dict[IDENTIFY](request)
    number = request_number(request)
    return json_answer(await _status(request, principal, number))


async def start(request: web.Request) -> web.Response:
    """Begin the export of a request again: after a fault, or for newer logs."""
    principal = await request.config_dict[IDENTIFY](request)
    stored = await request.config_dict[SERVICE].acting_as(principal).csv_request(request_number(request))
    await request.config_dict[EXPORTS].start(stored)
    return json_answer(await _status(request, principal, stored.id), 202)


async def _status(request: web.Request, principal: Any, number: int) -> dict[str, Any]:
    found = await request.config_dict[SERVICE].acting_as(principal).csv_export(number)
    export = found.export if found.is_current else None
    shown = ExportStatus(
        id=number,
        state=found.state,
        percentage=export.percentage if export else 0,
        rows=export.rows if export else None,
        error=export.error if export else None,
        started=export.started if export else None,
        download=f"{COLLECTION}{number}/download/" if found.file else None,
    )
    return shown.model_dump(mode="json")


async def download(request: web.Request) -> web.StreamResponse:
    """The file of a request."""
    principal = await request.config_dict[IDENTIFY](request)
    found = await request.config_dict[SERVICE].acting_as(principal).csv_export(request_number(request))
    if found.file is None or found.export is None:
        raise LogNotFound("The export of this request has no file: see its status.")
    return await _file(request, found.export, found.file)


async def download_latest(request: web.Request) -> web.StreamResponse:
    """The latest file of a facility and type."""
    principal = await request.config_dict[IDENTIFY](request)
    log_type = request.match_info["log_type"]
    if log_type not in LOG_TYPES:
        raise LogNotFound(f"There are exports of these types: {', '.join(LOG_TYPES)}.")
    export = await request.config_dict[SERVICE].acting_as(principal).latest_csv_export(_facility(request), log_type)
    if export is None or export.file is None:
        raise LogNotFound("There is no such export.")
    return await _file(request, export, export.file)


async def info(request: web.Request) -> web.Response:
    """When the latest files of a facility were finished; null where there is none."""
    principal = await request.config_dict[IDENTIFY](request)
    finished: dict[str, str | None] = {}
    for log_type in LOG_TYPES:
        export = await request.config_dict[SERVICE].acting_as(principal).latest_csv_export(_facility(request), log_type)
        finished[log_type] = iso_text(export.file.finished) if export and export.file else None
    # Kolibri's third file, of the facility's people, is none of logs.
    return json_answer({**finished, "user": None})


def _facility(request: web.Request) -> str:
    try:
        return parse_uuid(request.match_info["facility_id"])
    except ValueError:
        raise LogNotFound("There is no such facility.") from None


async def _file(request: web.Request, export: CsvExport, file: ExportFile) -> web.StreamResponse:
    path = request.config_dict[EXPORTS].path(export.facility, export.log_type)
    if not await asyncio.to_thread(path.is_file):
        raise LogNotFound("The file is not on this server: it was removed, or another server made it.")
    name = await request.config_dict[SERVICE].admin.facility_name(export.facility)
    name = file.name(export.facility, name.replace("/", "_"), export.log_type)
    headers = {
        "Content-Type": "text/csv; charset=utf-8",
        "Content-Disposition": f"attachment; filename*=UTF-8''{quote(name, safe='')}",
        "Cache-Control": "private, no-store",
    }
    return web.FileResponse(path, headers=headers)


_ERRORS = (LogNotFound, PermissionDenied)
_FACILITY = Parameter("facility_id", "Id of the facility.", required=True)

OPERATIONS = (
    Operation(
        method="GET",
        path=COLLECTION + "{id}/status/",
        handler=status,
        summary="How far a CSV export is",
        tag=TAG,
        kolibri_view=VIEW,
        placeholders=(NUMBER,),
        answer=ExportStatus,
        errors=_ERRORS,
    ),
    Operation(
        method="POST",
        path=COLLECTION + "{id}/start/",
        handler=start,
        summary="Begin a CSV export again",
        tag=TAG,
        kolibri_view=VIEW,
        placeholders=(NUMBER,),
        answer=ExportStatus,
        statuses=(202,),
        errors=_ERRORS,
    ),
    Operation(
        method="GET",
        path=COLLECTION + "{id}/download/",
        handler=download,
        summary="The file of a CSV export",
        tag=TAG,
        kolibri_view=VIEW,
        placeholders=(NUMBER,),
        answer=str,
        media_type="text/csv",
        errors=_ERRORS,
    ),
    Operation(
        method="GET",
        path=_KOLIBRI + "downloadcsvfile/{log_type}/{facility_id}/",
        handler=download_latest,
        summary="The latest file of a facility, where Kolibri's front end looks for it",
        tag=TAG,
        placeholders=(
            Parameter("log_type", "Which logs.", {"type": "string", "enum": list(LOG_TYPES)}, required=True),
            _FACILITY,
        ),
        answer=str,
        media_type="text/csv",
        errors=_ERRORS,
    ),
    Operation(
        method="GET",
        path=_KOLIBRI + "exportedcsvinfo/{facility_id}/",
        handler=info,
        summary="When the latest files of a facility were finished",
        tag=TAG,
        placeholders=(_FACILITY,),
        answer=dict[str, str | None],
        errors=_ERRORS,
    ),
)
