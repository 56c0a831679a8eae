"""The answer of Kolibri's session API: who is signed in.

Rule: kolibri/core/auth/models.py (`session_data`) and api.py (SessionViewSet).
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from docservice.domain.answers.tracking import Answer
from docservice.domain.directory.permissions import Person
from docservice.domain.values.times import iso_text


class SessionDescription(Answer):
    """Who is signed in.

    Attributes:
        id: `current`, the only session there is to ask for.
        user_id: None for an anonymous visitor, whose names are empty.
        facility_id: of the person; the default facility for an anonymous visitor, None if there is none.
        kind: the kinds of the person's roles, led by `superuser` for one; `learner` if that is none; `anonymous`.
        can_manage_content: as the directory says; a superuser may. Not there for an anonymous visitor.
        full_facility_import: whether the server has the whole facility; it has.
        app_context: whether the caller runs inside Kolibri's own app; always False here.
        server_time: ISO 8601.
    """

    id: str = "current"
    user_id: str | None
    username: str
    full_name: str
    facility_id: str | None
    kind: list[str]
    can_manage_content: bool = False
    full_facility_import: bool
    app_context: bool
    server_time: str

    @classmethod
    def of(cls, person: Person, account: Mapping[str, Any], now: datetime) -> SessionDescription:
        """Return a person's session.

        Args:
            person: with roles.
            account: the directory's record of the person.
            now: aware.
        """
        kinds = sorted({role.kind for role in person.roles})
        return cls(
            id="current",
            user_id=person.user_id,
            username=account.get("username", ""),
            full_name=account.get("full_name", ""),
            facility_id=account.get("facility_id"),
            kind=["superuser", *kinds] if person.is_superuser else kinds or ["learner"],
            can_manage_content=person.is_superuser or bool(account.get("can_manage_content")),
            full_facility_import=True,
            app_context=False,
            server_time=iso_text(now),
        )

    @classmethod
    def of_visitor(cls, facility_id: str | None, now: datetime) -> SessionDescription:
        """Return an anonymous visitor's session."""
        return cls(
            id="current",
            user_id=None,
            username="",
            full_name="",
            facility_id=facility_id,
            kind=["anonymous"],
            full_facility_import=True,
            app_context=False,
            server_time=iso_text(now),
        )
