"""The request of a sign-in with a password. Rule: kolibri/core/auth/api.py (CreateSessionSerializer)."""

from __future__ import annotations

from typing import ClassVar

from docservice.domain.requests.field_types import BlankText
from docservice.domain.requests.tracking import Request


class PasswordSignIn(Request):
    """Who signs in. Space around the texts does not count, as in Kolibri.

    Attributes:
        username: in capital or small letters.
        password: empty if none is given.
        facility: id; None for the default facility. Text that is not an id is refused when it is looked for.
    """

    nullable: ClassVar[frozenset[str]] = frozenset({"username"})

    username: BlankText | None = None
    password: BlankText = ""
    facility: BlankText | None = None
