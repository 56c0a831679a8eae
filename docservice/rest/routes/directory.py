"""`/api/directory/`: records of the directory, read page by page; created and changed in bulk, all or none."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated, Any

from pydantic import BaseModel, Field

from docservice.domain.answers.directory import Replaced
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
from docservice.errors import (
    CollectionNotFound,
    FieldError,
    FilterInvalid,
    PermissionDenied,
    RecordNotFound,
    ValidationFailed,
    WithdrawalRefused,
)
from docservice.rest.calls import Call
from docservice.rest.directory_parameters import (
    COLLECTION,
    DIRECTORY_LIST,
    REPLACE,
    UPSERT,
    DirectoryQuery,
    WriteQuery,
)
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


class DirectoryRemoved(BaseModel):
    """What a removal did, by collection: how many records are gone, and how many are no longer assigned to one."""

    removed: dict[str, int]
    changed: dict[str, int]


class DirectoryReplaced(DirectoryRemoved):
    """What a replacement did, by collection: what was written, and what a removal counts."""

    written: dict[str, DirectoryCounts]


@operations.post(
    "/api/directory/{collection}/",
    access=Access("directory"),
    auth="required",
    description="With `mode=replace` the list is the whole list of the facility: what it lacks is withdrawn.",
    placeholders=(COLLECTION,),
    query=UPSERT,
    body=Records | DirectoryRecords,
    raw_body=True,
    example=[{"id": "0123456789abcdef0123456789abcdef", "name": "Fractions"}],
    answer=DirectoryCounts | DirectoryReplaced,
    errors=(CollectionNotFound, PermissionDenied, RecordNotFound, WithdrawalRefused),
)
async def upsert(call: Call[Any, WriteQuery]) -> DirectoryCounts | DirectoryReplaced:
    """Create and change records of the directory, all of them or none."""
    section, query = call.path["collection"], call.query
    if not query.replaces:
        query.require_nothing_to_replace()
        return DirectoryCounts(**asdict(await call.logs.upsert_directory(section, call.body)))
    return _replaced(
        await call.logs.replace_directory_list(section, call.body, facility=query.facility, force=query.force)
    )


@operations.post(
    "/api/directory/",
    access=Access("directory"),
    auth="required",
    description="""\
The body is a directory file: lists of records by collection. Records are written, and what a list lacks of the facility
is withdrawn; lists that are not there stay as they are. All of it is one transaction.
""",
    query=REPLACE,
    body=dict[str, Any],
    raw_body=True,
    example={"users": []},
    answer=DirectoryReplaced,
    errors=(PermissionDenied, RecordNotFound, WithdrawalRefused),
)
async def replace(call: Call[Any, WriteQuery]) -> DirectoryReplaced:
    """Replace lists of a facility."""
    if not isinstance(call.body, dict):
        raise ValidationFailed([FieldError((), "invalid", "An object with lists of records is expected.")])
    return _replaced(await call.logs.replace_directory(call.body, facility=call.query.facility, force=call.query.force))


@operations.delete(
    "/api/directory/{collection}/{id}/",
    access=Access("directory", "directory record"),
    auth="required",
    description="Records that name it go with it; logs stay. Nobody removes the own account.",
    placeholders=(COLLECTION,),
    answer=DirectoryRemoved,
    errors=(CollectionNotFound, RecordNotFound, PermissionDenied, WithdrawalRefused),
)
async def remove(call: Call[None, None]) -> DirectoryRemoved:
    """Remove one record of the directory."""
    return DirectoryRemoved(**asdict(await call.logs.remove_directory_record(call.path["collection"], call.path["id"])))


def _replaced(outcome: Replaced) -> DirectoryReplaced:
    return DirectoryReplaced(**asdict(outcome))
