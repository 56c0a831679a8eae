"""`/api/directory/`: records of the directory, read page by page; created and changed in bulk, all or none."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated, Any

from pydantic import BaseModel, Field

from docservice.domain.directory.records import (
    MAX_RECORDS,
    Channel,
    Collection,
    ContentNode,
    CourseSession,
    Exam,
    FacilityDataset,
    FacilityUser,
    Lesson,
    Membership,
    Role,
)
from docservice.errors import CollectionNotFound, FilterInvalid, PermissionDenied, RecordNotFound
from docservice.rest.calls import Call
from docservice.rest.directory_parameters import COLLECTION, DIRECTORY_LIST, DirectoryQuery
from docservice.rest.operations import Access, Operations

operations = Operations(tag="Directory")

Record = (
    FacilityDataset
    | Collection
    | FacilityUser
    | Role
    | Membership
    | Exam
    | Lesson
    | CourseSession
    | ContentNode
    | Channel
)
Records = Annotated[list[Record], Field(max_length=MAX_RECORDS)]
"""Records of one list; which of the kinds it is follows from the path."""


class DirectoryRecords(BaseModel):
    """Records of one list, with Kolibri's fields; more fields than Kolibri's are kept as they are."""

    records: Records


class DirectoryCounts(BaseModel):
    """How many records of a request were created, changed and found unchanged."""

    created: int
    changed: int
    unchanged: int


class DirectoryList(BaseModel):
    """A page of records.

    Attributes:
        results: the records; a page may hold fewer than `page_size`, even none, while `next` is there.
        next: what to send as `cursor` for the next page; null after the last.
    """

    results: list[Record]
    next: str | None


@operations.get(
    "/api/directory/{collection}/",
    access=Access("directory readers", "user", refused=None),
    auth="required",
    description="Send `next` back as `cursor` until it is null. A filter that the collection does not have is refused.",
    placeholders=(COLLECTION,),
    query=DIRECTORY_LIST,
    answer=DirectoryList,
    errors=(CollectionNotFound, FilterInvalid),
)
async def find(call: Call[None, DirectoryQuery]) -> dict[str, Any]:
    """Records of the directory, page by page."""
    query = call.query
    page = await call.logs.directory_page(
        call.path["collection"], query.filters, page_size=query.page_size, cursor=query.cursor
    )
    return page.as_json()


@operations.get(
    "/api/directory/{collection}/{id}/",
    access=Access("directory readers", "user", refused=404),
    auth="required",
    placeholders=(COLLECTION,),
    answer=Record,
    errors=(CollectionNotFound, RecordNotFound),
)
async def get(call: Call[None, None]) -> dict[str, Any]:
    """One record of the directory."""
    return await call.logs.directory_record(call.path["collection"], call.path["id"])


@operations.post(
    "/api/directory/{collection}/",
    access=Access("directory"),
    auth="required",
    placeholders=(COLLECTION,),
    body=Records | DirectoryRecords,
    raw_body=True,
    example=[{"id": "0123456789abcdef0123456789abcdef", "name": "Fractions"}],
    answer=DirectoryCounts,
    errors=(CollectionNotFound, PermissionDenied),
)
async def upsert(call: Call[Any, None]) -> DirectoryCounts:
    """Create and change records of the directory, all of them or none."""
    return DirectoryCounts(**asdict(await call.logs.upsert_directory(call.path["collection"], call.body)))
