"""The keys that a host's sign-in publishes (a JWKS address): fetched when needed, kept, not asked for too often."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

import jwt

from docservice.errors import SettingsInvalid, SignInUnavailable, Unauthenticated

FRESH_SECONDS = 300.0
"""How long a fetched key set is used without asking again."""

STALE_SECONDS = 3600.0
"""How long a key that was fetched counts while its publisher does not answer."""

NEXT_FETCH_SECONDS = 30.0
"""How soon a key that the set does not have may cause another fetch: tokens of strangers must not cause a flood."""

NEXT_TRY_SECONDS = 2.0
"""How soon a publisher that did not answer is asked again."""

_FETCH_TIMEOUT_SECONDS = 5.0


class JwksCache:
    """The key set at one address. Requests that need it at the same time share one fetch."""

    def __init__(self, url: str, *, clock: Callable[[], float] = time.monotonic) -> None:
        """Choose the address; nothing is fetched yet.

        Args:
            url: http or https.
            clock: seconds that never go backwards.

        Raises:
            SettingsInvalid: it is no such address.
        """
        try:
            self._client = jwt.PyJWKClient(url, cache_jwk_set=False, timeout=_FETCH_TIMEOUT_SECONDS)
        except jwt.PyJWKClientError as error:
            raise SettingsInvalid(f"The JWKS address is not usable: {error}") from None
        self._clock = clock
        self._fetching = asyncio.Lock()
        self._keys: dict[str, jwt.PyJWK] = {}
        self._fetched_at = float("-inf")
        self._failed_at = float("-inf")

    async def key(self, key_id: object) -> jwt.PyJWK:
        """Return the key of an id (`kid` of a token).

        Raises:
            SignInUnavailable: the publisher does not answer, and the key is not known from before.
            Unauthenticated: the publisher has no such key.
        """
        jwk = self._known(key_id, FRESH_SECONDS)
        if jwk is None:
            async with self._fetching:
                jwk = self._known(key_id, FRESH_SECONDS)
                if jwk is None and self._may_fetch():
                    await self._fetch()
        jwk = jwk or self._known(key_id, FRESH_SECONDS if self._answers() else STALE_SECONDS)
        if jwk is not None:
            return jwk
        if not self._answers():
            raise SignInUnavailable()
        raise Unauthenticated("The token is signed with a key that the sign-in does not publish.")

    def _known(self, key_id: object, seconds: float) -> jwt.PyJWK | None:
        usable = isinstance(key_id, str) and self._clock() - self._fetched_at < seconds
        return self._keys.get(str(key_id)) if usable else None

    def _answers(self) -> bool:
        return self._fetched_at > self._failed_at

    def _may_fetch(self) -> bool:
        now = self._clock()
        pause = NEXT_FETCH_SECONDS if self._answers() else NEXT_TRY_SECONDS
        return now - max(self._fetched_at, self._failed_at) >= pause

    async def _fetch(self) -> None:
        try:
            # The client fetches with blocking calls.
            keys = await asyncio.to_thread(self._client.get_signing_keys)
        # Beside the client's own error: a connection cut off, a page of a proxy in place of JSON, a set without a key.
        except (jwt.PyJWTError, OSError, ValueError):
            self._failed_at = self._clock()
        else:
            self._keys = {str(key.key_id): key for key in keys}
            self._fetched_at = self._clock()
