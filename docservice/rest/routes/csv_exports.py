"""`/api/logger/generatecsvlogrequest/`: requests for CSV exports, as Kolibri has them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Self

from aiohttp import web
from pydantic import BaseModel

from docservice.domain.requests.csv_exports import (
    LOG_TYPES,
    CsvLogRequest,
    CsvLogRequestChange,
    LogType,
    StoredCsvRequest,
)
from docservice.errors import LogNotFound, PermissionDenied
from docservice.rest.app_keys import EXPORTS
from docservice.rest.calls import Call
from docservice.rest.operations import Access, Operations
from docservice.rest.parameters import Parameter, one_of, related
from docservice.rest.query_strings import QueryString
from docservice.rest.responses import json_answer

TAG = "Export requests"
VIEW = "Generate Csv Log Request"
COLLECTION = "/api/logger/generatecsvlogrequest/"
ONE = Access("facility admins", "export", refused=404)
ERRORS = (LogNotFound, PermissionDenied)

_LONGEST_NUMBER = 18

operations = Operations(tag=TAG, kolibri_view=VIEW)


class CsvRequestRow(BaseModel):
    """A request as Kolibri's API shows it, which leaves the id out; times in ISO 8601."""

    facility: str
    log_type: str
    selected_start_date: str | None
    selected_end_date: str | None
    date_requested: str | None

    @classmethod
    def of(cls, stored: StoredCsvRequest) -> Self:
        """Return the shown part of a request."""
        return cls.model_validate(stored.row())


@dataclass(frozen=True)
class CsvRequestQuery:
    """Which requests are asked for; None: all."""

    facility: str | None = None
    log_type: LogType | None = None


def _number(text: str) -> int:
    """Return the number in a path.

    Raises:
        LogNotFound: it is not one.
    """
    if not (text.isascii() and text.isdigit() and len(text) <= _LONGEST_NUMBER):
        raise LogNotFound()
    return int(text)


NUMBER = Parameter("id", "Its number.", {"type": "integer", "minimum": 0}, _number, required=True)
LOG_TYPE = {"type": "string", "enum": list(LOG_TYPES)}


@operations.get(
    COLLECTION,
    access=Access("facility admins", "export", refused=None),
    query=QueryString(
        (
            Parameter("log_type", "Requests for exports of these logs.", LOG_TYPE, one_of(LOG_TYPES)),
            Parameter("facility", "Requests for exports of this facility.", read=related),
        ),
        lambda values: CsvRequestQuery(**values),
        strict=False,
    ),
    answer=list[CsvRequestRow],
    errors=(PermissionDenied,),
)
async def find(call: Call[None, CsvRequestQuery]) -> list[CsvRequestRow]:
    """Requests for CSV exports."""
    csv_requests = await call.logs.csv_requests(facility=call.query.facility, log_type=call.query.log_type)
    return [CsvRequestRow.of(stored) for stored in csv_requests]


@operations.post(
    COLLECTION,
    access=Access("facility admins", "facility"),
    auth="required",
    body=CsvLogRequest,
    answer=CsvRequestRow,
    statuses=(201,),
    errors=(PermissionDenied,),
)
async def create(call: Call[CsvLogRequest, None]) -> web.Response:
    """Make a request for a CSV export, and begin it.

    The answer has no id, as Kolibri's; the path is in the header.
    """
    stored = await call.logs.create_csv_request(call.body)
    await call.request.config_dict[EXPORTS].start(stored)
    return json_answer(CsvRequestRow.of(stored), 201, headers={"Location": f"{COLLECTION}{stored.id}/"})


@operations.get(COLLECTION + "{id}/", access=ONE, placeholders=(NUMBER,), answer=CsvRequestRow, errors=ERRORS)
async def get(call: Call[None, None]) -> CsvRequestRow:
    """One request for an export."""
    return CsvRequestRow.of(await call.logs.csv_request(call.path["id"]))


@operations.put(
    COLLECTION + "{id}/",
    access=ONE,
    placeholders=(NUMBER,),
    body=CsvLogRequest,
    raw_body=True,
    answer=CsvRequestRow,
    errors=ERRORS,
    slash_optional=True,
)
async def replace(call: Call[Any, None]) -> CsvRequestRow:
    """Change a request for an export as a whole."""
    await call.logs.csv_request(call.path["id"])  # a request that is not there is not found, whatever the body
    return CsvRequestRow.of(await call.logs.change_csv_request(call.path["id"], CsvLogRequest.parse(call.body)))


@operations.patch(
    COLLECTION + "{id}/",
    access=ONE,
    placeholders=(NUMBER,),
    body=CsvLogRequestChange,
    raw_body=True,
    answer=CsvRequestRow,
    errors=ERRORS,
)
async def change(call: Call[Any, None]) -> CsvRequestRow:
    """Change some fields of a request for an export."""
    stored = await call.logs.csv_request(call.path["id"])
    kept = {"facility": stored.facility, "log_type": stored.log_type}
    csv_request = CsvLogRequest.parse({**kept, **call.body} if isinstance(call.body, dict) else call.body)
    return CsvRequestRow.of(await call.logs.change_csv_request(stored.id, csv_request))


@operations.delete(COLLECTION + "{id}/", access=ONE, placeholders=(NUMBER,), statuses=(204,), errors=ERRORS)
async def delete(call: Call[None, None]) -> None:
    """Remove a request for an export.

    The file that was made for it goes, too.
    """
    stored = await call.logs.csv_request(call.path["id"])
    await call.logs.delete_csv_request(stored.id)
    await call.request.config_dict[EXPORTS].forget(stored)
