"""`SignIns`: people who sign in with a password or a link, and the sessions that they then have."""

from __future__ import annotations

import asyncio
import ipaddress
import secrets
from collections.abc import Callable
from datetime import datetime, timedelta

from docservice.domain.directory.name_lookup import chosen_person
from docservice.domain.directory.rules import folded_username
from docservice.domain.requests.sign_in import PasswordSignIn
from docservice.domain.sign_in.accounts import SignInAccount, meant_account, needs_no_password
from docservice.domain.sign_in.django_hashes import LEAST_ROUNDS, LONGEST_PASSWORD, is_right, read_hash
from docservice.domain.sign_in.sealing import SignInKeys
from docservice.domain.sign_in.sessions import RENEWED_AFTER, TOKEN_BYTES, SignInRules, is_token, stored_id
from docservice.domain.values.ids import parse_uuid
from docservice.errors import (
    CredentialsRefused,
    InvalidReference,
    PasswordMissing,
    PasswordNotSet,
    SignInDisabled,
    SignInLinkUsed,
    TooManySignIns,
    UsernameUnknown,
)
from docservice.service.base.clock import Clocked
from docservice.store.database.port import Database, Document
from docservice.store.directory.names import NameStore
from docservice.store.directory.records import DirectoryStore
from docservice.store.sign_in.accounts import SignInAccountStore
from docservice.store.sign_in.failures import FailureStore
from docservice.store.sign_in.links import SignInLinkStore, StoredLink
from docservice.store.sign_in.password_hashes import PasswordHashStore
from docservice.store.sign_in.web_sessions import WebSession, WebSessionStore

_MINUTE = timedelta(seconds=60)
_CHECKED_AT_ONCE = 2
"""Passwords that one process checks at the same time: each takes a tenth of a second of a core."""


class SignIns(Clocked):
    """Signs people in and knows them again by the token of their session; nobody's rights follow from anything here."""

    def __init__(self, database: Database, clock: Callable[[], datetime], secret: str, rules: SignInRules) -> None:
        """Keep sessions in a database; see `DocService.sign_ins`."""
        super().__init__(clock)
        self.rules = rules
        self._keys = SignInKeys(secret)
        self._accounts = SignInAccountStore(database)
        self._directory = DirectoryStore(database)
        self._names = NameStore(database)
        self._hashes = PasswordHashStore(database)
        self._sessions = WebSessionStore(database)
        self._links = SignInLinkStore(database)
        self._failures = FailureStore(database)
        self._checking = asyncio.Semaphore(_CHECKED_AT_ONCE)
        self._rounds = LEAST_ROUNDS

    async def check_password(self, request: PasswordSignIn, *, address: str | None) -> SignInAccount:
        """Return the account that a username and a password belong to; nobody is signed in yet.

        A try takes the same work for anybody, known or not, and at most so many wrong ones a minute are looked at
        for a person and for an address.

        Args:
            request: what the person typed.
            address: of the person's device; None if it is not known.

        Raises:
            InvalidReference: there is no such facility.
            SignInDisabled: the rules allow no passwords.
            CredentialsRefused: the username or the password is not right; see its subclasses.
            TooManySignIns: there were too many wrong ones.
        """
        if not self.rules.with_password:
            raise SignInDisabled()
        dataset = await self._dataset(request.facility)
        username = request.username or ""
        account = meant_account(
            username,
            await self._accounts.of_facility(dataset["_id"], username),
            await self._accounts.superusers(username),
        )
        if account is not None and await self._may_leave_it_out(account, dataset):
            return account
        if account is not None and not request.password:
            raise PasswordMissing() if await self._hashes.of([account.id]) else PasswordNotSet()
        tries = await self._noted_try(
            account.id if account else f"{dataset['_id']}/{folded_username(username)}", address
        )
        kept = None
        if account is not None:
            sealed = (await self._hashes.of([account.id])).get(account.id)
            kept = read_hash(self._keys.opened(account.id, sealed)) if sealed is not None else None
        self._rounds = max(self._rounds, kept.rounds if kept else 0)
        async with self._checking:
            right = len(request.password) <= LONGEST_PASSWORD and await asyncio.to_thread(
                is_right, request.password, kept, self._rounds
            )
        if account is None:
            raise UsernameUnknown()
        if kept is None:
            raise PasswordNotSet()
        if not right:
            raise CredentialsRefused()
        await self._failures.forget(tries)
        return account

    async def begin(self, user_id: str) -> str:
        """Sign a person in, who has proven who that is; return the token of the new session, a secret."""
        token, now = secrets.token_urlsafe(TOKEN_BYTES), self.now()
        await self._sessions.add(WebSession(stored_id(token), user_id, now, now, self.rules.end(now, now)))
        return token

    async def user_of(self, token: str) -> str | None:
        """Return the id of the person whose session a token belongs to; None if it has ended or never was.

        A session ends with the sign-out, by its age, and when the directory no longer has the person.
        """
        if not is_token(token):
            return None
        session, now = await self._sessions.get(stored_id(token)), self.now()
        if session is None:
            return None
        if session.expires_at <= now or await self._directory.user(session.user_id) is None:
            await self._sessions.end(session.id)
            return None
        if now - session.used_at >= RENEWED_AFTER:
            await self._sessions.renew(session.id, now, self.rules.end(session.began_at, now))
        return session.user_id

    async def end(self, token: str) -> None:
        """End a session; one that has ended, or never was, is passed over."""
        if is_token(token):
            await self._sessions.end(stored_id(token))

    async def linked_person(self, token: str) -> SignInAccount:
        """Return whom a link signs in; it stays unused.

        Raises:
            SignInLinkUsed: it was used, is too old, or never was, or the directory no longer has the person.
        """
        _, account = await self._linked(token)
        return account

    async def use_link(self, token: str) -> tuple[str, str]:
        """Use a link up.

        Returns:
            The id of the person to sign in, and the path of this service that the link leads to.

        Raises:
            SignInLinkUsed: see `linked_person`; also if another request used it at this moment.
        """
        link, account = await self._linked(token)
        if not await self._links.use(link.id):
            raise SignInLinkUsed()
        return account.id, link.path

    async def person_called(self, text: str) -> str | None:
        """Return the id of the one person of the directory that a text means; None if none does, or several do.

        Args:
            text: an id in any spelling, a username, or `facility/username`, as a token's claim may name a person.
        """
        try:
            return chosen_person(text, await self._names.people(text)).id
        except InvalidReference:
            return None

    async def _linked(self, token: str) -> tuple[StoredLink, SignInAccount]:
        link = await self._links.get(stored_id(token)) if is_token(token) else None
        if link is None or link.expires_at <= self.now():
            raise SignInLinkUsed()
        user = await self._directory.account(link.user_id)
        if user is None:
            raise SignInLinkUsed()
        return link, SignInAccount(user["_id"], user["username"], str(user.get("full_name") or ""))

    async def _dataset(self, facility: str | None) -> Document:
        facility_id: str | None
        if facility:
            try:
                facility_id = parse_uuid(facility)
            except ValueError:
                raise InvalidReference("Incorrect type. Expected pk value, received str.") from None
        else:
            facility_id = await self._directory.default_facility_id()
        dataset = await self._accounts.dataset(facility_id) if facility_id else None
        if dataset is None:
            raise InvalidReference(f'Invalid pk "{facility_id or ""}" - object does not exist.')
        return dataset

    async def _may_leave_it_out(self, account: SignInAccount, dataset: Document) -> bool:
        """Whether this learner needs no password: the rules and the learner's facility both have to say so."""
        allowed = self.rules.without_password and bool(dataset.get("learner_can_login_with_no_password"))
        return allowed and needs_no_password(
            account, has_roles=await self._accounts.has_roles(account.id), facility_allows=allowed
        )

    async def _noted_try(self, person: str, address: str | None) -> dict[str, str]:
        """Note a try before it is checked; return the ids of what is noted with their keys.

        Raises:
            TooManySignIns: there were too many in the last minute. This one is not counted: who keeps trying must not
                keep the person out for ever.
        """
        now = self.now()
        keys = {self._keys.name("person", person): self.rules.tries_per_person}
        if address is not None:
            keys[self._keys.name("address", _network(address))] = self.rules.tries_per_address
        tries = {secrets.token_hex(16): key for key in keys}
        await self._failures.note(tries, now)
        for key, most in keys.items():
            if await self._failures.count(key, now - _MINUTE) > most:
                await self._failures.forget(tries)
                raise TooManySignIns()
        return tries


def _network(address: str) -> str:
    """Return what counts as one address: of IPv6 a device has 2^64, those of its network."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return address
    if isinstance(parsed, ipaddress.IPv6Address) and parsed.ipv4_mapped is None:
        return str(ipaddress.ip_network((parsed, 64), strict=False))
    return str(parsed)
