"""What an operator does about signing in: links for people, and the passwords of an imported Kolibri."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from docservice.domain.sign_in.django_hashes import read_hash
from docservice.domain.sign_in.sealing import NONCE_BYTES, SignInKeys
from docservice.domain.sign_in.sessions import TOKEN_BYTES, stored_id
from docservice.domain.values.local_paths import path_problem
from docservice.errors import SettingsInvalid
from docservice.store.database.port import Database
from docservice.store.directory.people import PeopleStore
from docservice.store.sign_in.links import SignInLinkStore, StoredLink
from docservice.store.sign_in.password_hashes import PasswordHashStore
from docservice.store.sign_in.web_sessions import WebSessionStore

_BATCH = 500


@dataclass(frozen=True)
class KeptPasswords:
    """What became of passwords.

    Attributes:
        new: were not kept before.
        changed: are others now.
        unchanged: were kept already.
        without: people whose hash no password fits; what was kept of them is removed.
    """

    new: int = 0
    changed: int = 0
    unchanged: int = 0
    without: int = 0

    def __add__(self, other: KeptPasswords) -> KeptPasswords:
        return KeptPasswords(
            self.new + other.new,
            self.changed + other.changed,
            self.unchanged + other.unchanged,
            self.without + other.without,
        )


class SignInAdmin:
    """Passwords and links."""

    def __init__(self, database: Database, clock: Callable[[], datetime]) -> None:
        self._clock = clock
        self._hashes = PasswordHashStore(database)
        self._links = SignInLinkStore(database)
        self._people = PeopleStore(database)
        self._sessions = WebSessionStore(database)

    async def keep_passwords(self, hashes: Mapping[str, str], *, secret: str) -> KeptPasswords:
        """Keep the password hashes of people, sealed. Safe to repeat: what is unchanged is not written.

        People whose password is another one now are signed out.

        Args:
            hashes: as Django writes them, by the ids of people; those of others are left out.
            secret: the service's key. With another one nobody can sign in with these passwords.
        """
        keys, total, ids = SignInKeys(secret), KeptPasswords(), sorted(hashes)
        for start in range(0, len(ids), _BATCH):
            known = await self._people.known(ids[start : start + _BATCH])
            total += await self._keep({user_id: hashes[user_id] for user_id in sorted(known)}, keys)
        return total

    async def _keep(self, hashes: Mapping[str, str], keys: SignInKeys) -> KeptPasswords:
        if not hashes:
            return KeptPasswords()
        stored = await self._hashes.of(list(hashes))
        usable = {user_id: text for user_id, text in hashes.items() if read_hash(text) is not None}
        differing = {
            user_id: keys.sealed(user_id, text, secrets.token_bytes(NONCE_BYTES))
            for user_id, text in usable.items()
            if user_id not in stored or keys.opened(user_id, stored[user_id]) != text
        }
        gone = stored.keys() - usable.keys()
        await self._hashes.write(differing, sorted(gone))
        # Who knew the old password only is signed out, as at Kolibri.
        await self._sessions.end_of(sorted((differing.keys() & stored.keys()) | gone))
        new = len(differing.keys() - stored.keys())
        return KeptPasswords(new, len(differing) - new, len(usable) - len(differing), len(hashes) - len(usable))

    async def make_link(self, user_id: str, *, path: str, ttl_seconds: int) -> str:
        """Return the token of a new link that signs a person in once.

        Args:
            user_id: whom; the directory has the person.
            path: of this service, where the browser goes then.
            ttl_seconds: how long the link is good.

        Raises:
            SettingsInvalid: the path is not one of this service.
        """
        if problem := path_problem(path):
            raise SettingsInvalid(f"{path!r} is not a path of this service: {problem}.")
        token = secrets.token_urlsafe(TOKEN_BYTES)
        until = self._clock() + timedelta(seconds=ttl_seconds)
        await self._links.add(StoredLink(stored_id(token), user_id, path, until))
        return token
