"""`/api/auth/session/current/`: Kolibri's front end reports every few minutes that the app is in use."""

from __future__ import annotations

import uuid

from aiohttp import web

from docservice.domain.answers.session_description import SessionDescription
from docservice.domain.requests.user_sessions import ReportActivity
from docservice.rest.app_keys import SIGN_INS
from docservice.rest.auth import VISITOR_COOKIE
from docservice.rest.calls import Call
from docservice.rest.operations import Access, Operations
from docservice.rest.responses import json_answer
from docservice.rest.session_cookies import COOKIES_USED, SESSION_ENDED, base_path, end_sessions, keep_csrf_token

operations = Operations(tag="Session", kolibri_view="Session")

_PATH = "/api/auth/session/current/"
_YEAR_SECONDS = 365 * 24 * 60 * 60


@operations.put(
    _PATH,
    access=Access("visitors and users"),
    body=ReportActivity,
    example={"active": True, "os": {"name": "Android", "major": "14"}, "browser": {"name": "Chrome", "major": "130"}},
    answer=SessionDescription,
    serves_ended_sessions=True,
)
async def report_activity(call: Call[ReportActivity, None]) -> web.Response:
    """Report that somebody is using the app; says who that is.

    An anonymous caller has no user sessions, but gets a cookie that keeps content sessions of one browser together.
    """
    agent = call.request.headers.get("User-Agent")
    response = json_answer(await call.logs.update_user_session(call.body, user_agent=agent))
    request, base = call.request, base_path(call.request, _PATH)
    sign_ins = request.config_dict.get(SIGN_INS)
    if sign_ins is not None:
        if SESSION_ENDED in request and call.principal.user_id is None:
            await end_sessions(request, response, sign_ins, base)
        if sign_ins.rules.with_password or COOKIES_USED in request:
            keep_csrf_token(request, response, base)
    if call.principal.user_id is None:
        response.set_cookie(
            VISITOR_COOKIE,
            call.principal.visitor_id or uuid.uuid4().hex,
            max_age=_YEAR_SECONDS,
            path=base,
            secure=call.request.secure,
            httponly=True,
            samesite="Lax",
        )
    return response
