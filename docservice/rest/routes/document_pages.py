"""`/api/logger/contentsummarylog/` and the like: every log as the document it is stored as.

A list is read in pages: `{"results": [...], "next": cursor or null}`; the next page has the same query with
`cursor=` added. Pages stay right while logs are written: what was there at the start comes exactly once. A list
shows of each try the attempts that its summary embeds, and in `attempt_count` how many there are; the document by
its id has them all. `?fields=progress,kind` shows only these, `?fields=-mastery_logs.attempts` all but these.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Any, Generic, TypeVar, get_args

from pydantic import BaseModel

from docservice.domain.logs.content_logs import SyncableLog
from docservice.domain.person_logs import LogKindName
from docservice.domain.requests.document_pages import FieldChoice
from docservice.errors import LogNotFound, PermissionDenied
from docservice.rest.calls import Call
from docservice.rest.document_schemas import document_model
from docservice.rest.list_parameters import DocumentQuery, document_list, one_document
from docservice.rest.operations import Access, Operations
from docservice.store.mapping.log_kinds import KINDS

operations = Operations(tag="Documents")

_VIEWS = {
    "contentsummarylog": (
        "Content Summary Log",
        "summary",
        "summaries of all content sessions of a learner to a content",
    ),
    "contentsessionlog": ("Content Session Log", "session", "visits to content"),
    "usersessionlog": ("User Session Log", "user session", "stretches of app use"),
    "examlog": ("Exam Log", "exam", "learners' logs of exams"),
}
"""For each kind of log Kolibri's name of the view, the record of the access rule, and what it lists."""

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


async def find(kind: LogKindName, call: Call[None, DocumentQuery]) -> dict[str, Any]:
    """A page of documents."""
    query, filters = call.query, call.query.filters
    if query.username is not None:
        user_id = await call.logs.person_id(query.username)
        filters = replace(filters, people=replace(filters.people, user=user_id))
    page = await call.logs.document_page(
        kind, filters, fields=query.fields, page_size=query.page_size, cursor=query.cursor
    )
    return page.as_json()


async def get(kind: LogKindName, call: Call[None, FieldChoice]) -> dict[str, Any]:
    """One document."""
    return await call.logs.document(kind, call.path["id"], fields=call.query)


def _declare(kind: LogKindName) -> None:
    view, record, listed = _VIEWS[kind]
    log_kind = KINDS[kind]
    model: type[SyncableLog] = log_kind.model
    shown: Any = document_model(model)
    operations.get(
        f"/api/logger/{kind}/",
        access=Access("readers", record, refused=None),
        summary=f"Documents: {listed}, page by page",
        description=_ABOUT_LISTS,
        kolibri_view=view,
        query=document_list(log_kind.filters, log_kind.shown_paths),
        answer=DocumentList[shown],
        errors=(PermissionDenied,),
    )(partial(find, kind))
    operations.get(
        f"/api/logger/{kind}/{{id}}/",
        access=Access("readers", record, refused=404),
        summary=f"One document of the {listed}",
        kolibri_view=view,
        query=one_document(log_kind.shown_paths),
        answer=shown,
        errors=(LogNotFound, PermissionDenied),
    )(partial(get, kind))


for _kind in get_args(LogKindName):
    _declare(_kind)
