"""How far the CSV exports are, and their files: below each request, and where Kolibri's front end looks for them."""

from __future__ import annotations

import asyncio
from datetime import datetime
from typing import Self
from urllib.parse import quote

from aiohttp import web
from pydantic import BaseModel

from docservice.domain.exports.csv_exports import CsvExport, ExportFile, ExportState, RequestedExport
from docservice.domain.requests.csv_exports import LOG_TYPES
from docservice.domain.values.ids import parse_uuid
from docservice.domain.values.times import iso_text
from docservice.errors import LogNotFound
from docservice.rest.app_keys import EXPORTS
from docservice.rest.calls import Call
from docservice.rest.operations import Access, Operations
from docservice.rest.parameters import Parameter
from docservice.rest.routes.csv_exports import COLLECTION, ERRORS, LOG_TYPE, NUMBER, ONE, TAG, VIEW

_KOLIBRI = "/facility/api/"
_OF_A_FACILITY = Access("facility admins", "export")

operations = Operations(tag=TAG)


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

    @classmethod
    def of(cls, number: int, requested: RequestedExport) -> Self:
        """Return what is shown of the export of a request."""
        export = requested.export if requested.is_current else None
        return cls(
            id=number,
            state=requested.state,
            percentage=export.percentage if export else 0,
            rows=export.rows if export else None,
            error=export.error if export else None,
            started=export.started if export else None,
            download=f"{COLLECTION}{number}/download/" if requested.file else None,
        )


def _log_type(text: str) -> str:
    if text not in LOG_TYPES:
        raise LogNotFound(f"There are exports of these types: {', '.join(LOG_TYPES)}.")
    return text


def _facility_id(text: str) -> str:
    try:
        return parse_uuid(text)
    except ValueError:
        raise LogNotFound("There is no such facility.") from None


_FACILITY = Parameter("facility_id", "Id of the facility.", read=_facility_id, required=True)


@operations.get(
    COLLECTION + "{id}/status/",
    access=ONE,
    kolibri_view=VIEW,
    placeholders=(NUMBER,),
    answer=ExportStatus,
    errors=ERRORS,
)
async def status(call: Call[None, None]) -> ExportStatus:
    """How far a CSV export is."""
    return ExportStatus.of(call.path["id"], await call.logs.csv_export(call.path["id"]))


@operations.post(
    COLLECTION + "{id}/start/",
    access=ONE,
    kolibri_view=VIEW,
    placeholders=(NUMBER,),
    answer=ExportStatus,
    statuses=(202,),
    errors=ERRORS,
)
async def start(call: Call[None, None]) -> ExportStatus:
    """Begin a CSV export again.

    After a fault, or for newer logs.
    """
    await call.request.config_dict[EXPORTS].start(await call.logs.csv_request(call.path["id"]))
    return ExportStatus.of(call.path["id"], await call.logs.csv_export(call.path["id"]))


@operations.get(
    COLLECTION + "{id}/download/",
    access=ONE,
    kolibri_view=VIEW,
    placeholders=(NUMBER,),
    answer=str,
    media_type="text/csv",
    errors=ERRORS,
)
async def download(call: Call[None, None]) -> web.StreamResponse:
    """The file of a CSV export."""
    export = await call.logs.csv_export(call.path["id"])
    if export.file is None or export.export is None:
        raise LogNotFound("The export of this request has no file: see its status.")
    return await _file(call, export.export, export.file)


@operations.get(
    _KOLIBRI + "downloadcsvfile/{log_type}/{facility_id}/",
    access=_OF_A_FACILITY,
    auth="required",
    placeholders=(Parameter("log_type", "Which logs.", LOG_TYPE, _log_type, required=True), _FACILITY),
    answer=str,
    media_type="text/csv",
    errors=ERRORS,
)
async def download_latest(call: Call[None, None]) -> web.StreamResponse:
    """The latest file of a facility, where Kolibri's front end looks for it."""
    export = await call.logs.latest_csv_export(call.path["facility_id"], call.path["log_type"])
    if export is None or export.file is None:
        raise LogNotFound("There is no such export.")
    return await _file(call, export, export.file)


@operations.get(
    _KOLIBRI + "exportedcsvinfo/{facility_id}/",
    access=_OF_A_FACILITY,
    auth="required",
    placeholders=(_FACILITY,),
    answer=dict[str, str | None],
    errors=ERRORS,
)
async def info(call: Call[None, None]) -> dict[str, str | None]:
    """When the latest files of a facility were finished.

    null where there is none.
    """
    finished: dict[str, str | None] = {}
    for log_type in LOG_TYPES:
        export = await call.logs.latest_csv_export(call.path["facility_id"], log_type)
        finished[log_type] = iso_text(export.file.finished) if export and export.file else None
    # Kolibri's third file, of the facility's people, is none of logs.
    return {**finished, "user": None}


async def _file(call: Call[None, None], export: CsvExport, file: ExportFile) -> web.StreamResponse:
    path = call.request.config_dict[EXPORTS].path(export.facility, export.log_type)
    if not await asyncio.to_thread(path.is_file):
        raise LogNotFound("The file is not on this server: it was removed, or another server made it.")
    name = await call.service.admin.facility_name(export.facility)
    name = file.name(export.facility, name.replace("/", "_"), export.log_type)
    headers = {
        "Content-Type": "text/csv; charset=utf-8",
        "Content-Disposition": f"attachment; filename*=UTF-8''{quote(name, safe='')}",
        "Cache-Control": "private, no-store",
    }
    return web.FileResponse(path, headers=headers)
