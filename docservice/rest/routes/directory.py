"""`/api/directory/`: records of the directory, created and changed in bulk; all of a request or none."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated, Any

from pydantic import BaseModel, Field

from docservice.domain.directory.records import (
    MAX_RECORDS,
    SECTIONS,
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
from docservice.errors import CollectionNotFound, PermissionDenied
from docservice.rest.calls import Call
from docservice.rest.operations import Access, Operations
from docservice.rest.parameters import Parameter

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
    """How many records of a request were created, changed, found unchanged, and left out: their person was erased."""

    created: int
    changed: int
    unchanged: int
    erased: int


@operations.post(
    "/api/directory/{collection}/",
    access=Access("directory"),
    auth="required",
    placeholders=(
        Parameter("collection", "Which records.", {"type": "string", "enum": list(SECTIONS)}, required=True),
    ),
    body=Records | DirectoryRecords,
    raw_body=True,
    example=[{"id": "0123456789abcdef0123456789abcdef", "name": "Fractions"}],
    answer=DirectoryCounts,
    errors=(CollectionNotFound, PermissionDenied),
)
async def upsert(call: Call[Any, None]) -> DirectoryCounts:
    """Create and change records of the directory, all of them or none."""
    return DirectoryCounts(**asdict(await call.logs.upsert_directory(call.path["collection"], call.body)))
