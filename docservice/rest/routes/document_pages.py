"""`/api/logger/contentsummarylog/` and the like: every log as the document it is stored as.

A list is read in pages: `{"results": [...], "next": cursor or null}`; the next page has the same query with
`cursor=` added. Pages stay right while logs are written: what was there at the start comes exactly once. A list
shows of each try the attempts that its summary embeds, and in `attempt_count` how many there are; the document by
its id has them all. `?fields=progress,kind` shows only these, `?fields=-mastery_logs.attempts` all but these.
"""

from __future__ import annotations

from functools import partial
from typing import Any, Generic, TypeVar, get_args

from aiohttp import web
from pydantic import BaseModel

from docservice.domain.logs.content_logs import SyncableLog
from docservice.domain.person_logs import LogKindName
from docservice.errors import LogNotFound, PermissionDenied
from docservice.rest.app_keys import IDENTIFY, SERVICE
from docservice.rest.bodies import json_answer
from docservice.rest.document_queries import detail_fields, document_query, fields_parameter, list_parameters
from docservice.rest.document_schemas import document_model
from docservice.rest.operations import Operation
from docservice.store.mapping.log_kinds import KINDS

_VIEWS = {
    "contentsummarylog": ("Content Summary Log", "summaries of all visits of a learner to a content"),
    "contentsessionlog": ("Content Session Log", "visits to content"),
    "usersessionlog": ("User Session Log", "stretches of app use"),
    "examlog": ("Exam Log", "learners' logs of exams"),
}
"""For each kind of log Kolibri's name of the view, and what it lists."""


_TAG = "Documents"
_ABOUT_LISTS = """\
Send `next` back as `cursor` until it is null; a page may be short. A list shows the embedded attempts and
`attempt_count`; the document by its id has them all.
"""

Shown = TypeVar("Shown")


class DocumentList(BaseModel, Generic[Shown]):
    """A page of documents.

    Attributes:
        results: the documents; a page may hold fewer than `page_size`, even none, while `next` is there.
        next: what to send as `cursor` for the next page; null after the last.
    """

    results: list[Shown]
    next: str | None


async def find(kind: LogKindName, request: web.Request) -> web.Response:
    """A page of documents."""
    principal = await request.config_dict[IDENTIFY](request)
    asked = document_query(request.query, KINDS[kind].filters, KINDS[kind].shown_paths)
    page = (
        await request.config_dict[SERVICE]
        .acting_as(principal)
        .document_page(kind, asked.filters, fields=asked.fields, page_size=asked.page_size, cursor=asked.cursor)
    )
    return json_answer(page.as_json())


async def get(kind: LogKindName, request: web.Request) -> web.Response:
    """One document."""
    principal = await request.config_dict[IDENTIFY](request)
    fields = detail_fields(request.query, KINDS[kind].shown_paths)
    return json_answer(
        await request.config_dict[SERVICE].acting_as(principal).document(kind, request.match_info["id"], fields=fields)
    )


def _operations(kind: LogKindName) -> tuple[Operation, Operation]:
    view, listed = _VIEWS[kind]
    path = f"/api/logger/{kind}/"
    model: type[SyncableLog] = KINDS[kind].model
    shown: Any = document_model(model)
    return (
        Operation(
            method="GET",
            path=path,
            handler=partial(find, kind),
            summary=f"Documents: {listed}, page by page",
            description=_ABOUT_LISTS,
            tag=_TAG,
            kolibri_view=view,
            query=list_parameters(KINDS[kind].filters, KINDS[kind].shown_paths),
            answer=DocumentList[shown],
            errors=(PermissionDenied,),
        ),
        Operation(
            method="GET",
            path=path + "{id}/",
            handler=partial(get, kind),
            summary=f"One document of the {listed}",
            tag=_TAG,
            kolibri_view=view,
            query=(fields_parameter(KINDS[kind].shown_paths),),
            answer=shown,
            errors=(LogNotFound, PermissionDenied),
        ),
    )


OPERATIONS = tuple(operation for kind in get_args(LogKindName) for operation in _operations(kind))
