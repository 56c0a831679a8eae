"""`/api/directory/`: records of the directory, created and changed in bulk; all of a request or none."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated, cast

from aiohttp import web
from pydantic import BaseModel, Field

from docservice.domain.directory.records import (
    MAX_RECORDS,
    SECTIONS,
    Channel,
    Collection,
    ContentNode,
    CourseSession,
    DirectorySection,
    Exam,
    FacilityDataset,
    FacilityUser,
    Lesson,
    Membership,
    Role,
)
from docservice.errors import CollectionNotFound, PermissionDenied
from docservice.rest.app_keys import IDENTIFY, SERVICE
from docservice.rest.bodies import json_answer, read_body
from docservice.rest.operations import Operation, Parameter

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


async def upsert(request: web.Request) -> web.Response:
    """Create and change records of one collection."""
    principal = await request.config_dict[IDENTIFY](request)
    counts = (
        await request.config_dict[SERVICE]
        .acting_as(principal)
        .upsert_directory(cast("DirectorySection", request.match_info["collection"]), await read_body(request))
    )
    return json_answer(asdict(counts))


OPERATIONS = (
    Operation(
        method="POST",
        path="/api/directory/{collection}/",
        handler=upsert,
        summary="Create and change records of the directory, all of them or none",
        tag="Directory",
        caller="person",
        placeholders=(
            Parameter("collection", "Which records.", {"type": "string", "enum": list(SECTIONS)}, required=True),
        ),
        body=Records | DirectoryRecords,
        example=[{"id": "0123456789abcdef0123456789abcdef", "name": "Fractions"}],
        answer=DirectoryCounts,
        errors=(CollectionNotFound, PermissionDenied),
    ),
)
