"""`/api/logger/trackprogress/`: start a visit, report on it. Wire-compatible with Kolibri."""

from __future__ import annotations

from aiohttp import web

from docservice.domain.requests import StartSession, UpdateSession
from docservice.domain.results import SessionStarted, SessionUpdated
from docservice.rest.idempotency import idempotency_key
from docservice.rest.json_body import json_answer, read_body
from docservice.rest.keys import IDENTIFY, SERVICE
from docservice.rest.operations import Operation


async def start_session(request: web.Request) -> web.Response:
    """Start a visit."""
    principal = await request.config_dict[IDENTIFY](request)
    asked = StartSession.parse(await read_body(request))
    started = await request.config_dict[SERVICE].start_session(
        principal, asked, idempotency_key=idempotency_key(request)
    )
    return json_answer(started.as_json())


async def update_session(request: web.Request) -> web.Response:
    """Report on a visit."""
    principal = await request.config_dict[IDENTIFY](request)
    asked = UpdateSession.parse(await read_body(request))
    updated = await request.config_dict[SERVICE].update_session(
        principal, request.match_info["session_id"], asked, idempotency_key=idempotency_key(request)
    )
    return json_answer(updated.as_json())


OPERATIONS = (
    Operation(
        method="POST",
        path="/api/logger/trackprogress/",
        handler=start_session,
        summary="Start a visit to a resource, a coach's quiz or a unit's test",
        kolibri_view="Progress Tracking",
        body=StartSession,
        answer=SessionStarted,
    ),
    Operation(
        method="PUT",
        path="/api/logger/trackprogress/{session_id}/",
        handler=update_session,
        summary="Report progress, time and interactions of a visit",
        kolibri_view="Progress Tracking",
        body=UpdateSession,
        answer=SessionUpdated,
        slash_optional=True,
    ),
)
