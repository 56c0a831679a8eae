"""`/api/auth/session/`: sign in with a password, sign out, as Kolibri's front end does it."""

from __future__ import annotations

from aiohttp import web
from pydantic import BaseModel

from docservice.domain.answers.session_description import SessionDescription
from docservice.domain.requests.sign_in import PasswordSignIn
from docservice.errors import (
    CredentialsRefused,
    ForgeryRefused,
    InvalidReference,
    PasswordMissing,
    PasswordNotSet,
    ServiceBusy,
    SignInDisabled,
    StoreTimeout,
    StoreUnavailable,
    TooManySignIns,
    UsernameUnknown,
)
from docservice.identity import Principal
from docservice.rest.app_keys import SIGN_INS
from docservice.rest.calls import Call
from docservice.rest.cookie_names import KOLIBRI_COOKIES
from docservice.rest.operations import PUBLIC, Operations
from docservice.rest.parameters import Parameter, boolean
from docservice.rest.query_strings import QueryString
from docservice.rest.responses import json_answer
from docservice.rest.session_cookies import (
    base_path,
    end_sessions,
    require_no_forgery,
    require_own_page,
    set_session,
)

operations = Operations(tag="Session", kolibri_view="Session")

_PATH = "/api/auth/session/"
_CURRENT = f"{_PATH}current/"


class Prevalidated(BaseModel):
    """The username and the password are right; nobody is signed in."""

    full_name: str


@operations.post(
    _PATH,
    access=PUBLIC,
    auth="none",
    description="Only if `DOCSERVICE_KOLIBRI_SIGN_IN` is set. Gives the cookies `kolibri` and `kolibri_csrftoken`; "
    "a request with them that changes something names the second in the header `X-CSRFToken`.",
    query=QueryString(
        (
            Parameter(
                "prevalidate",
                "`true`: only check the password, and answer with `full_name`.",
                {"type": "boolean"},
                boolean,
            ),
        ),
        lambda values: bool(values.get("prevalidate")),
        strict=False,
    ),
    body=PasswordSignIn,
    example={"username": "anna", "password": "secret", "facility": "0123456789abcdef0123456789abcdef"},
    answer=SessionDescription | Prevalidated,
    errors=(
        ForgeryRefused,
        InvalidReference,
        PasswordMissing,
        PasswordNotSet,
        SignInDisabled,
        CredentialsRefused,
        TooManySignIns,
        UsernameUnknown,
        ServiceBusy,
        StoreUnavailable,
        StoreTimeout,
    ),
)
async def sign_in(call: Call[PasswordSignIn, bool]) -> web.Response:
    """Sign in with facility, username and password."""
    request, base = call.request, base_path(call.request, _PATH)
    sign_ins = request.config_dict.get(SIGN_INS)
    if sign_ins is None:
        raise SignInDisabled()
    if not await require_no_forgery(request, sign_ins):
        require_own_page(request)
    account = await sign_ins.check_password(call.body, address=request.remote)
    if call.query:
        return json_answer(Prevalidated(full_name=account.full_name))
    # A new token each time: who knows one that was in the browser before, or put it there, gains nothing.
    token = await sign_ins.begin(account.id)
    person = call.service.acting_as(Principal(user_id=account.id))
    agent = request.headers.get("User-Agent")
    response = json_answer(await person.update_user_session(call.body.activity, user_agent=agent))
    await end_sessions(request, response, sign_ins, base)
    set_session(request, response, KOLIBRI_COOKIES, token, base)
    return response


@operations.delete(
    _CURRENT,
    access=PUBLIC,
    auth="none",
    description="Ends the session of the cookie; without one there is nothing to end.",
    answer=list[str],
    errors=(ForgeryRefused, ServiceBusy, StoreUnavailable, StoreTimeout),
)
async def sign_out(call: Call[None, None]) -> web.Response:
    """Sign out."""
    request, base = call.request, base_path(call.request, _CURRENT)
    response = json_answer([])
    sign_ins = request.config_dict.get(SIGN_INS)
    if sign_ins is not None:
        await require_no_forgery(request, sign_ins)
        await end_sessions(request, response, sign_ins, base)
    return response
