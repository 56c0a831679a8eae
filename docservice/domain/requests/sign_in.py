"""The request of a sign-in with a password. Rule: kolibri/core/auth/api.py (CreateSessionSerializer)."""

from __future__ import annotations

from typing import Annotated, ClassVar

from pydantic import Field

from docservice.domain.requests.field_types import BlankText, Boolean
from docservice.domain.requests.tracking import Request
from docservice.domain.requests.user_sessions import ReportActivity, Software


class PasswordSignIn(Request):
    """Who signs in. Space around the texts does not count, as in Kolibri.

    Attributes:
        username: in capital or small letters.
        password: empty if none is given.
        facility: id; None for the default facility. Text that is not an id is refused when it is looked for.
        active: whether a user session begins with the sign-in, on the device that `os` and `browser` name.
        os: None if not sent.
        browser: None if not sent.
    """

    nullable: ClassVar[frozenset[str]] = frozenset({"username", "os", "browser"})

    username: BlankText | None = None
    password: Annotated[BlankText, Field(repr=False)] = ""
    facility: BlankText | None = None
    active: Boolean = False
    os: Software | None = None
    browser: Software | None = None

    @property
    def activity(self) -> ReportActivity:
        """The report that the app is in use, which comes with a sign-in."""
        return ReportActivity(active=self.active, os=self.os, browser=self.browser)
