"""`/api/auth/session/current/`: Kolibri's front end reports every few minutes that the app is in use."""

from __future__ import annotations

import uuid

from aiohttp import web

from docservice.domain.answers.session_description import SessionDescription
from docservice.domain.requests.user_sessions import ReportActivity
from docservice.rest.auth import VISITOR_COOKIE
from docservice.rest.calls import Call
from docservice.rest.operations import Access, Operations
from docservice.rest.responses import json_answer

operations = Operations(tag="Session", kolibri_view="Session")

_PATH = "/api/auth/session/current/"
_YEAR_SECONDS = 365 * 24 * 60 * 60


@operations.put(
    _PATH,
    access=Access("visitors and users"),
    body=ReportActivity,
    example={"active": True, "os": {"name": "Android", "major": "14"}, "browser": {"name": "Chrome", "major": "130"}},
    answer=SessionDescription,
)
async def report_activity(call: Call[ReportActivity, None]) -> web.Response:
    """Report that somebody is using the app; says who that is.

    An anonymous caller has no user sessions, but gets a cookie that keeps content sessions of one browser together.
    """
    agent = call.request.headers.get("User-Agent")
    response = json_answer(await call.logs.update_user_session(call.body, user_agent=agent))
    if call.principal.user_id is None:
        response.set_cookie(
            VISITOR_COOKIE,
            call.principal.visitor_id or uuid.uuid4().hex,
            max_age=_YEAR_SECONDS,
            path=call.request.path.removesuffix(_PATH) or "/",  # of a host that has these routes below a prefix
            secure=call.request.secure,
            httponly=True,
            samesite="Lax",
        )
    return response
