"""`/api/directory/`: records of the directory, created and changed in bulk; all of a request or none."""

from __future__ import annotations

from dataclasses import asdict

from aiohttp import web
from pydantic import BaseModel

from docservice.rest.json_body import json_answer, read_body
from docservice.rest.keys import IDENTIFY, SERVICE
from docservice.rest.operations import Operation


class DirectoryCounts(BaseModel):
    """How many records of a request were created, changed and found unchanged."""

    created: int
    changed: int
    unchanged: int


async def upsert(request: web.Request) -> web.Response:
    """Create and change records of one collection."""
    principal = await request.config_dict[IDENTIFY](request)
    counts = await request.config_dict[SERVICE].upsert_directory(
        principal, request.match_info["collection"], await read_body(request)
    )
    return json_answer(asdict(counts))


OPERATIONS = (
    Operation(
        method="POST",
        path="/api/directory/{collection}/",
        handler=upsert,
        summary="Create and change records of the directory, all of them or none",
        answer=DirectoryCounts,
    ),
)
