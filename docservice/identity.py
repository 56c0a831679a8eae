"""Principals and their tokens, and the key that signs these.

The token says who (`sub`, a user id); what they may do comes from the directory.
"""

from __future__ import annotations

import os
import secrets
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

import jwt
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from docservice.domain.values.ids import parse_uuid
from docservice.domain.values.signing_keys import key_problem
from docservice.errors import SettingsInvalid, Unauthenticated
from docservice.jwks import JwksCache
from docservice.ownership import make_private

_OWN_ALGORITHMS = ["HS256"]
_PUBLIC_KEY_ALGORITHMS = ["RS256", "ES256"]
DEFAULT_LEEWAY_SECONDS = 10
DEFAULT_USER_CLAIM = "sub"
_LONGEST_NAME = 1000
_MOST_REMEMBERED = 2000
SERVICE_SCOPE = "service"
"""The `scope` of a service token. It counts only in tokens signed with the service's own key."""


@dataclass(frozen=True)
class Principal:
    """Who is calling.

    Attributes:
        user_id: None for an anonymous visitor.
        visitor_id: an anonymous visitor's browser (32 hex characters), if it said which.
        is_service: a program with a service token, which may write the directory and has no other rights.
    """

    user_id: str | None = None
    visitor_id: str | None = None
    is_service: bool = False


ANONYMOUS = Principal()


def secret_path(data_dir: Path) -> Path:
    """Return where a generated key is kept."""
    return data_dir / "secret_key"


def load_or_create_secret(data_dir: Path) -> str:
    """Return the key kept in `data_dir/secret_key`; made at the first call, readable by its owner only.

    Raises:
        SettingsInvalid: the file cannot be written or read, it is another user's, or the key in it is too short.
    """
    path = secret_path(data_dir)
    secret = _kept_secret(path, data_dir)
    if problem := key_problem(secret):
        raise SettingsInvalid(f"The key file {path} cannot be used: {problem} > {path}, or remove the file.")
    return secret


def _kept_secret(path: Path, data_dir: Path) -> str:
    try:
        data_dir.mkdir(parents=True, exist_ok=True)
        try:
            make_private(path)
            return path.read_text(encoding="ascii").strip()
        except FileNotFoundError:
            pass
        draft = data_dir / f"secret_key.{os.getpid()}.{secrets.token_hex(4)}"
        with os.fdopen(os.open(draft, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "w", encoding="ascii") as file:
            file.write(secrets.token_urlsafe(48))
        try:
            # A hard link appears whole or not at all, so that two commands that start together share one key.
            os.link(draft, path)
        except FileExistsError:
            pass
        finally:
            draft.unlink()
        return path.read_text(encoding="ascii").strip()
    except OSError as error:
        raise SettingsInvalid(
            f"The key file {path} cannot be used: {error.strerror or error}. Let this user read it and write its "
            "folder, or set DOCSERVICE_SECRET_KEY."
        ) from error
    except UnicodeDecodeError as error:
        raise SettingsInvalid(f"The key file {path} cannot be used: it is not text. Remove it.") from error


def issue_token(
    secret: str, user_id: str, *, now: datetime, ttl_seconds: int, user_claim: str = DEFAULT_USER_CLAIM
) -> str:
    """Return a signed token for a user.

    Args:
        secret: the HS256 key, at least 32 bytes.
        user_id: 32 hex characters.
        now: aware.
        ttl_seconds: how long it is valid.
        user_claim: the claim that names the user, as `TokenVerifier` is told.

    Raises:
        SettingsInvalid: the key is too short.
    """
    return _signed({user_claim: user_id, "iat": now, "exp": now + timedelta(seconds=ttl_seconds)}, secret)


def issue_service_token(secret: str, *, now: datetime, ttl_seconds: int) -> str:
    """Return a signed token for a program that writes the directory; see `issue_token`."""
    return _signed({"scope": SERVICE_SCOPE, "iat": now, "exp": now + timedelta(seconds=ttl_seconds)}, secret)


def _signed(claims: dict[str, Any], secret: str) -> str:
    _require_strong(secret)
    return jwt.encode(claims, secret, algorithm="HS256")


def _require_strong(secret: str) -> None:
    if problem := key_problem(secret):
        raise SettingsInvalid(f"Tokens cannot be signed: {problem}")


def require_public_key(text: str) -> None:
    """Check that a text is a public key that tokens of a host's sign-in can be signed with.

    Raises:
        SettingsInvalid: it is not.
    """
    try:
        key = load_pem_public_key(text.encode())
    except (ValueError, UnsupportedAlgorithm):
        key = None
    is_p256 = isinstance(key, EllipticCurvePublicKey) and isinstance(key.curve, SECP256R1)
    if not is_p256 and not isinstance(key, RSAPublicKey):
        raise SettingsInvalid(
            "The public key is not one for RS256 or ES256: it begins with -----BEGIN PUBLIC KEY----- and is of an RSA "
            "or a P-256 key."
        )


PersonCalled = Callable[[str], Awaitable[str | None]]
"""Gives the id of the person that a username, or `facility/username`, means; None if it means nobody, or several."""


class _Named(NamedTuple):
    """Whom a valid token names.

    Attributes:
        user: the claim that names the user.
        is_service: it is a service token.
        until: when it expires, in seconds since 1970, leeway included.
    """

    user: object
    is_service: bool
    until: float


class TokenVerifier:
    """Reads tokens signed with the service's own key or by the host's sign-in.

    Tokens signed with a key that is fixed are remembered: to check one again takes a tenth of the time of a request.
    """

    def __init__(
        self,
        *,
        secret: str | None = None,
        public_key: str | None = None,
        jwks_url: str | None = None,
        audience: str | None = None,
        issuer: str | None = None,
        user_claim: str = DEFAULT_USER_CLAIM,
        leeway_seconds: float = DEFAULT_LEEWAY_SECONDS,
    ) -> None:
        """Choose what to trust; at least one of the three keys.

        Args:
            secret: HS256 key, at least 32 bytes.
            public_key: PEM text, for RS256 and ES256.
            jwks_url: where RS256 and ES256 keys are published; fetched when first needed, then cached.
            audience: `aud` that a token must have; None: not asked for.
            issuer: `iss` that a token must have; None: not asked for.
            user_claim: the claim that names the user, by id or by name.
            leeway_seconds: how far `exp`, `nbf` and `iat` may be out of time: clocks differ between machines.

        Raises:
            SettingsInvalid: `secret` is too short, `public_key` is not a public key of these kinds, or `jwks_url` is
                not an http or https address.
        """
        if secret is not None:
            _require_strong(secret)
        if public_key is not None:
            require_public_key(public_key)
        self._secret = secret
        self._public_key = public_key
        self._published = JwksCache(jwks_url) if jwks_url else None
        self._audience = audience
        self._issuer = issuer
        self._user_claim = user_claim
        self._leeway_seconds = leeway_seconds
        self._valid: OrderedDict[str, _Named] = OrderedDict()

    async def principal(self, token: str, person_called: PersonCalled | None = None) -> Principal:
        """Whom a token names: a user, or a program with a service token.

        Args:
            token: of a request.
            person_called: looks a name up that is not an id; None takes ids only.

        Raises:
            SignInUnavailable: the host's sign-in does not give its keys now.
            Unauthenticated: the token is not valid; the message says why and where to get a new one.
        """
        named = self._read_before(token) or await self._read(token)
        if named.is_service:
            return Principal(is_service=True)
        return Principal(user_id=await self._user_id(named.user, person_called))

    def _read_before(self, token: str) -> _Named | None:
        """Return whom a token names that was found valid before and has not expired since."""
        named = self._valid.get(token)
        return named if named is not None and time.time() < named.until else None

    async def _read(self, token: str) -> _Named:
        try:
            key, algorithms = await self._key(jwt.get_unverified_header(token))
            claims = jwt.decode(
                token,
                key,
                algorithms=algorithms,
                audience=self._audience,
                issuer=self._issuer,
                leeway=self._leeway_seconds,
                options={"require": ["exp"], "verify_aud": self._audience is not None},
            )
            # A host's sign-in may use the claim `scope` for purposes of its own.
            is_service = algorithms == _OWN_ALGORITHMS and claims.get("scope") == SERVICE_SCOPE
            if not is_service and self._user_claim not in claims:
                raise jwt.MissingRequiredClaimError(self._user_claim)
        except jwt.ExpiredSignatureError:
            raise Unauthenticated("The token has expired. Sign in again or ask for a new one.") from None
        except RecursionError:
            raise Unauthenticated("The token is not valid: it is nested too deeply.") from None
        # A key of another kind than the token's algorithm is a TypeError of the library.
        except (jwt.PyJWTError, UnicodeError, TypeError) as error:
            raise Unauthenticated(f"The token is not valid: {error}") from None
        named = _Named(claims.get(self._user_claim), is_service, int(claims["exp"]) + self._leeway_seconds)
        if key in (self._secret, self._public_key):  # published keys are withdrawn now and then
            self._valid[token] = named
            while len(self._valid) > _MOST_REMEMBERED:
                self._valid.popitem(last=False)
        return named

    async def _user_id(self, named: object, person_called: PersonCalled | None) -> str:
        """Return the id of the user that a claim names; an id is not looked up here."""
        if isinstance(named, str):
            try:
                return parse_uuid(named)
            except ValueError:
                pass
            if person_called is not None and named.strip() and len(named) <= _LONGEST_NAME:
                user_id = await person_called(named)
                if user_id is not None:
                    return user_id
        raise Unauthenticated(
            f"The token's claim {self._user_claim} names no user: it takes an id (a UUID in any spelling), or the "
            "username of one person of the directory (facility/username where several have it)."
        )

    async def _key(self, header: Mapping[str, Any]) -> tuple[Any, list[str]]:
        algorithm = header.get("alg")
        if algorithm == "HS256" and self._secret is not None:
            return self._secret, _OWN_ALGORITHMS
        if algorithm in _PUBLIC_KEY_ALGORITHMS and self._public_key is not None:
            return self._public_key, _PUBLIC_KEY_ALGORITHMS
        if algorithm in _PUBLIC_KEY_ALGORITHMS and self._published is not None:
            return (await self._published.key(header.get("kid"))).key, _PUBLIC_KEY_ALGORITHMS
        raise Unauthenticated("The token is signed in a way that this server does not accept.")
