"""`/sign-in/TOKEN`: the links of `docservice token --link`, each good for one use.

GET shows a page with a button, and POST signs in: programs that look at links in messages send GET. Where a link leads
to is stored with it, so that nothing in a request can send a browser elsewhere.
"""

from __future__ import annotations

from aiohttp import web

from docservice.errors import (
    ForgeryRefused,
    ServiceBusy,
    SignInDisabled,
    SignInLinkUsed,
    StoreTimeout,
    StoreUnavailable,
)
from docservice.pages import sign_in_page, used_link_page
from docservice.rest.app_keys import SIGN_INS
from docservice.rest.calls import Call
from docservice.rest.cookie_names import LINK_COOKIES
from docservice.rest.operations import HTML_PAGE, PUBLIC, Operations
from docservice.rest.parameters import Parameter
from docservice.rest.session_cookies import base_path, end_sessions, require_own_page, set_session
from docservice.service.acting.sign_in import SignIns

operations = Operations()

_PATH = "/sign-in/{token}"
_TOKEN = Parameter("token", "The secret of the link.", {"type": "string"}, required=True)
_SAFETY = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; img-src 'self'; base-uri 'none'; "
    "form-action 'self'; frame-ancestors 'none'",
    # Not `no-referrer`: with that, browsers do not say which page sent the form.
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
}
_USED = {410: ("The link was used, or is too old.", HTML_PAGE)}
_STORE = (ServiceBusy, StoreUnavailable, StoreTimeout)


@operations.get(
    _PATH,
    access=PUBLIC,
    auth="none",
    placeholders=(_TOKEN,),
    answer=str,
    media_type="text/html",
    other_answers=_USED,
    errors=(SignInDisabled, *_STORE),
)
async def show_link(call: Call[None, None]) -> web.Response:
    """A page with a button that signs in."""
    try:
        person = await _sign_ins(call.request).linked_person(call.path["token"])
    except SignInLinkUsed:
        return _page(used_link_page(), 410)
    return _page(sign_in_page(person.full_name or person.username))


@operations.post(
    _PATH,
    access=PUBLIC,
    auth="none",
    placeholders=(_TOKEN,),
    statuses=(303,),
    other_answers=_USED,
    errors=(ForgeryRefused, SignInDisabled, *_STORE),
)
async def use_link(call: Call[None, None]) -> web.Response:
    """Sign in by a link; goes on to the page that the link leads to."""
    request, sign_ins = call.request, _sign_ins(call.request)
    require_own_page(request)
    try:
        user_id, path = await sign_ins.use_link(call.path["token"])
    except SignInLinkUsed:
        return _page(used_link_page(), 410)
    base = base_path(request, f"/sign-in/{call.path['token']}")
    response = web.Response(status=303, headers={**_SAFETY, "Location": base.rstrip("/") + path})
    await end_sessions(request, response, sign_ins, base)
    set_session(request, response, LINK_COOKIES, await sign_ins.begin(user_id), base)
    return response


def _page(html: str, status: int = 200) -> web.Response:
    return web.Response(text=html, status=status, content_type="text/html", headers=_SAFETY)


def _sign_ins(request: web.Request) -> SignIns:
    """Return what signs in.

    Raises:
        SignInDisabled: the host has a sign-in of its own.
    """
    sign_ins = request.config_dict.get(SIGN_INS)
    if sign_ins is None:
        raise SignInDisabled("This service has no links to sign in with.")
    return sign_ins
