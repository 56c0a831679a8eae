"""Sessions known by a cookie: the rules of their tokens, their age, and the requests that may come with them."""

from __future__ import annotations

import hashlib
import hmac
import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from urllib.parse import urlsplit

TOKEN_BYTES = 32
"""Random bytes of a session's or a link's token."""

RENEWED_AFTER = timedelta(seconds=60)
"""How old the latest note of a session's use may be before it is written again: not with every request."""

SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
"""Methods that change nothing, so that a page of another site gains nothing by sending them."""

_TOKEN = re.compile(r"[A-Za-z0-9_-]{43}")
_CSRF_TOKEN = re.compile(r"[A-Za-z0-9]{32,64}")


@dataclass(frozen=True)
class SignInRules:
    """What is allowed.

    Attributes:
        with_password: people sign in with a facility, a username and a password.
        without_password: learners of a facility whose Kolibri lets them may leave the password out.
        tries_per_person: wrong passwords for one person in a minute; more are refused unseen.
        tries_per_address: the same for one address.
        idle_seconds: a session ends so long after its last request.
        longest_seconds: a session ends so long after the sign-in.
    """

    with_password: bool = False
    without_password: bool = False
    tries_per_person: int = 10
    tries_per_address: int = 100
    idle_seconds: int = 1200
    longest_seconds: int = 43_200

    def end(self, began_at: datetime, now: datetime) -> datetime:
        """Return when a session ends that is used now and never again."""
        return min(now + timedelta(seconds=self.idle_seconds), began_at + timedelta(seconds=self.longest_seconds))


def is_token(text: str) -> bool:
    """Whether a text can be the token of a session or a link."""
    return _TOKEN.fullmatch(text) is not None


def stored_id(token: str) -> str:
    """Return what is stored of a token: from it, nobody gets the token, which signs in.

    A plain hash will do: a token has 256 random bits.
    """
    return hashlib.sha256(token.encode()).hexdigest()


def csrf_token(token: str) -> str:
    """Return the CSRF token of a session, 64 hex characters.

    It follows from the session's token and not the other way round, so nothing is stored for it, and a CSRF cookie that
    somebody put into the browser is worth nothing.
    """
    return hashlib.sha256(f"csrf\n{token}".encode()).hexdigest()


def is_csrf_token(text: str) -> bool:
    """Whether a text can be a CSRF token: one of Kolibri's, or one of this service."""
    return _CSRF_TOKEN.fullmatch(text) is not None


def same(sent: str, wanted: str) -> bool:
    """Whether two texts are equal, in a time that does not tell where they differ."""
    return hmac.compare_digest(sent.encode("utf-8", "surrogatepass"), wanted.encode("utf-8", "surrogatepass"))


def is_from_another_site(origin: str | None, fetch_site: str | None, host: str) -> bool:
    """Whether a browser says that a page of another site sent a request; other programs say nothing.

    Args:
        origin: the header `Origin`.
        fetch_site: the header `Sec-Fetch-Site`.
        host: the host of the request, with the port if it has one.
    """
    if fetch_site is not None:
        return fetch_site not in {"same-origin", "none"}
    if origin is None:
        return False
    try:
        return urlsplit(origin).netloc.lower() != host.lower()
    except ValueError:
        return True
