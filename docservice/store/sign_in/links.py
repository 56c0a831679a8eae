"""Links that sign a person in once."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from docservice.store.database.port import Database
from docservice.store.mapping.schema import SIGN_IN_LINKS


@dataclass(frozen=True)
class StoredLink:
    """A link that was made and not used.

    Attributes:
        id: the hash of its token.
        user_id: whom it signs in.
        path: of this service, where it leads to.
        expires_at: until when it is good; UTC.
    """

    id: str
    user_id: str
    path: str
    expires_at: datetime


class SignInLinkStore:
    """The links."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def add(self, link: StoredLink) -> None:
        """Keep a new link."""
        document = {"_id": link.id, "user_id": link.user_id, "path": link.path, "expires_at": link.expires_at}
        async with self._database.writing():
            await self._database[SIGN_IN_LINKS].insert_one(document)

    async def get(self, link_id: str) -> StoredLink | None:
        """Return a link; it may be too old. None if there is none, or it was used."""
        with self._database.guarded():
            document = await self._database[SIGN_IN_LINKS].find_one({"_id": link_id})
        if document is None:
            return None
        return StoredLink(document["_id"], document["user_id"], document["path"], document["expires_at"])

    async def use(self, link_id: str) -> bool:
        """Use a link up; whether this call did it. Of calls at the same moment one does."""
        async with self._database.writing():
            removed = await self._database[SIGN_IN_LINKS].delete_one({"_id": link_id})
        return bool(removed.deleted_count)
