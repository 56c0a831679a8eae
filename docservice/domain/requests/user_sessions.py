"""The report that Kolibri's front end sends every few minutes: the app is in use, on this device.

Rule: kolibri/core/auth/api.py, SessionViewSet.update.
"""

from __future__ import annotations

from typing import Any

from pydantic import model_validator

from docservice.domain.requests.field_types import BlankText, Boolean
from docservice.domain.requests.tracking import Request


class _Lenient(Request):
    @model_validator(mode="before")
    @classmethod
    def _leave_out_nulls(cls, body: Any) -> Any:
        # The front end's library does not recognize some devices; null means the same as a missing field.
        return {name: value for name, value in body.items() if value is not None} if isinstance(body, dict) else body


class Software(_Lenient):
    """An operating system or a browser; other keys are ignored."""

    name: BlankText = ""
    major: BlankText = ""


class ReportActivity(_Lenient):
    """The app is in use.

    Attributes:
        active: whether there was activity; without it nothing is written.
        os: None if not sent.
        browser: None if not sent.
    """

    active: Boolean = False
    os: Software | None = None
    browser: Software | None = None
