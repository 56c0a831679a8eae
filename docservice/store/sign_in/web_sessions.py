"""Who is signed in with a cookie."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from docservice.store.database.port import Database
from docservice.store.database.writes import DeleteMany
from docservice.store.mapping.schema import WEB_SESSIONS


@dataclass(frozen=True)
class WebSession:
    """A session.

    Attributes:
        id: the hash of the token in the cookie.
        user_id: who is signed in.
        began_at: when the person signed in; UTC, like all times here.
        used_at: the latest use, to a minute.
        expires_at: when it ends if it is not used again.
    """

    id: str
    user_id: str
    began_at: datetime
    used_at: datetime
    expires_at: datetime


class WebSessionStore:
    """The sessions."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def add(self, session: WebSession) -> None:
        """Keep a new session."""
        async with self._database.writing():
            await self._database[WEB_SESSIONS].insert_one(
                {
                    "_id": session.id,
                    "user_id": session.user_id,
                    "began_at": session.began_at,
                    "used_at": session.used_at,
                    "expires_at": session.expires_at,
                }
            )

    async def get(self, session_id: str) -> WebSession | None:
        """Return a session; it may have ended by its age. None if there is none."""
        with self._database.guarded():
            document = await self._database[WEB_SESSIONS].find_one({"_id": session_id})
        if document is None:
            return None
        return WebSession(
            document["_id"], document["user_id"], document["began_at"], document["used_at"], document["expires_at"]
        )

    async def renew(self, session_id: str, used_at: datetime, expires_at: datetime) -> None:
        """Note that a session was used; one that was ended meanwhile stays so."""
        async with self._database.writing():
            await self._database[WEB_SESSIONS].update_one(
                {"_id": session_id}, {"$set": {"used_at": used_at, "expires_at": expires_at}}
            )

    async def end_of(self, user_ids: Sequence[str]) -> None:
        """Remove all sessions of people."""
        if user_ids:
            async with self._database.writing():
                await self._database[WEB_SESSIONS].bulk_write([DeleteMany({"user_id": {"$in": list(user_ids)}})])

    async def end(self, session_id: str) -> None:
        """Remove a session."""
        async with self._database.writing():
            await self._database[WEB_SESSIONS].delete_one({"_id": session_id})
