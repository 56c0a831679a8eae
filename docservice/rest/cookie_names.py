"""The names of the cookies by which a person is known who is signed in."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class CookieNames:
    """The two cookies of a session.

    Attributes:
        session: holds its token; no script of a page can read it.
        csrf: holds the CSRF token; the page's script sends it back in the header.
    """

    session: str
    csrf: str


KOLIBRI_COOKIES = CookieNames("kolibri", "kolibri_csrftoken")
"""As Kolibri's front end has them. Rule: kolibri/deployment/default/settings/base.py."""

LINK_COOKIES = CookieNames("docservice_session", "docservice_csrftoken")
"""Of who came by a link. They have names of their own, since a Kolibri on the same host has those above."""

SESSION_COOKIES = (LINK_COOKIES.session, KOLIBRI_COOKIES.session)
