"""`/api/logger/trackprogress/`: start a content session, report on it. Wire-compatible with Kolibri."""

from __future__ import annotations

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
from docservice.rest.calls import Call
from docservice.rest.operations import Access, Operations

operations = Operations(tag="Tracking", kolibri_view="Progress Tracking")


@operations.post(
    "/api/logger/trackprogress/",
    access=Access("visitors and users"),
    body=StartSession,
    example={
        **dict.fromkeys(("node_id", "content_id", "channel_id"), "0123456789abcdef0123456789abcdef"),
        "kind": "exercise",
        "mastery_model": {"type": "m_of_n", "m": 3, "n": 5},
    },
    answer=SessionStarted,
    errors=(DirectoryIncomplete, InvalidReference, PermissionDenied, DocumentTooLarge),
    idempotent=True,
)
async def start_session(call: Call[StartSession, None]) -> SessionStarted:
    """Start a content session: a resource, a coach's quiz or a unit's test."""
    return await call.logs.start_session(call.body, idempotency_key=call.idempotency_key)


@operations.put(
    "/api/logger/trackprogress/{session_id}/",
    access=Access("owner", "session", refused=404),
    body=UpdateSession,
    example={
        "progress": 0.5,
        "time_spent_delta": 12,
        "interactions": [{"item": "q1", "correct": 1, "time_spent": 12, "answer": {"choice": "A"}, "complete": True}],
    },
    answer=SessionUpdated,
    errors=(InvalidReference, LogNotFound, PermissionDenied, UnstorableValue, DocumentTooLarge),
    idempotent=True,
    slash_optional=True,
)
async def update_session(call: Call[UpdateSession, None]) -> SessionUpdated:
    """Report progress, time and interactions of a content session."""
    return await call.logs.update_session(call.path["session_id"], call.body, idempotency_key=call.idempotency_key)
