"""`/api/auth/session/current/`: Kolibri's front end says every few minutes that somebody is there."""

from __future__ import annotations

import uuid

from aiohttp import web

from docservice.domain.answers.session_description import SessionDescription
from docservice.domain.requests.user_sessions import ReportActivity
from docservice.rest.app_keys import IDENTIFY, SERVICE
from docservice.rest.auth import VISITOR_COOKIE
from docservice.rest.bodies import json_answer, read_body
from docservice.rest.operations import Operation

_PATH = "/api/auth/session/current/"
_YEAR_SECONDS = 365 * 24 * 60 * 60


async def report_activity(request: web.Request) -> web.Response:
    """Extend or begin the caller's sitting if there was activity; says who the caller is.

    An anonymous caller has no sittings, but gets a cookie that keeps visits of one browser together.
    """
    principal = await request.config_dict[IDENTIFY](request)
    asked = ReportActivity.parse(await read_body(request))
    logs = request.config_dict[SERVICE].acting_as(principal)
    description = await logs.update_user_session(asked, user_agent=request.headers.get("User-Agent"))
    response = json_answer(description.as_json())
    if principal.user_id is None:
        response.set_cookie(
            VISITOR_COOKIE,
            principal.visitor_id or uuid.uuid4().hex,
            max_age=_YEAR_SECONDS,
            path=request.path.removesuffix(_PATH) or "/",  # of a host that has these routes below a prefix
            secure=request.secure,
            httponly=True,
            samesite="Lax",
        )
    return response


OPERATIONS = (
    Operation(
        method="PUT",
        path=_PATH,
        handler=report_activity,
        summary="Report that somebody is using the app; says who that is",
        tag="Session",
        kolibri_view="Session",
        example={
            "active": True,
            "os": {"name": "Android", "major": "14"},
            "browser": {"name": "Chrome", "major": "130"},
        },
        body=ReportActivity,
        answer=SessionDescription,
    ),
)
