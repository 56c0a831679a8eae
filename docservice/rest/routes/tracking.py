"""`/api/logger/trackprogress/`: start a visit, report on it. Wire-compatible with Kolibri."""

from __future__ import annotations

from aiohttp import web

from docservice.domain.answers.tracking import SessionStarted, SessionUpdated
from docservice.domain.requests.tracking import StartSession, UpdateSession
from docservice.errors import (
    DirectoryIncomplete,
    DocumentTooLarge,
    InvalidReference,
    LogNotFound,
    PermissionDenied,
    UnstorableValue,
)
from docservice.rest.app_keys import IDENTIFY, SERVICE
from docservice.rest.bodies import json_answer, read_body
from docservice.rest.idempotency import idempotency_key
from docservice.rest.operations import Operation

_TAG = "Tracking"


async def start_session(request: web.Request) -> web.Response:
    """Start a visit."""
    principal = await request.config_dict[IDENTIFY](request)
    asked = StartSession.parse(await read_body(request))
    started = (
        await request.config_dict[SERVICE]
        .acting_as(principal)
        .start_session(asked, idempotency_key=idempotency_key(request))
    )
    return json_answer(started.as_json())


async def update_session(request: web.Request) -> web.Response:
    """Report on a visit."""
    principal = await request.config_dict[IDENTIFY](request)
    asked = UpdateSession.parse(await read_body(request))
    updated = (
        await request.config_dict[SERVICE]
        .acting_as(principal)
        .update_session(request.match_info["session_id"], asked, idempotency_key=idempotency_key(request))
    )
    return json_answer(updated.as_json())


OPERATIONS = (
    Operation(
        method="POST",
        path="/api/logger/trackprogress/",
        handler=start_session,
        summary="Start a visit to a resource, a coach's quiz or a unit's test",
        tag=_TAG,
        kolibri_view="Progress Tracking",
        body=StartSession,
        example={
            **dict.fromkeys(("node_id", "content_id", "channel_id"), "0123456789abcdef0123456789abcdef"),
            "kind": "exercise",
            "mastery_model": {"type": "m_of_n", "m": 3, "n": 5},
        },
        answer=SessionStarted,
        errors=(DirectoryIncomplete, InvalidReference, PermissionDenied, DocumentTooLarge),
        idempotent=True,
    ),
    Operation(
        method="PUT",
        path="/api/logger/trackprogress/{session_id}/",
        handler=update_session,
        summary="Report progress, time and interactions of a visit",
        tag=_TAG,
        kolibri_view="Progress Tracking",
        body=UpdateSession,
        example={
            "progress": 0.5,
            "time_spent_delta": 12,
            "interactions": [
                {"item": "q1", "correct": 1, "time_spent": 12, "answer": {"choice": "A"}, "complete": True}
            ],
        },
        answer=SessionUpdated,
        errors=(InvalidReference, LogNotFound, PermissionDenied, UnstorableValue, DocumentTooLarge),
        idempotent=True,
        slash_optional=True,
    ),
)
