"""Keeps password hashes unreadable for who has the database and not the service's key.

AES-256-GCM, with keys that HKDF derives from the service's key, one for each purpose. A sealed hash names its person as
associated data, so that it opens for nobody else: who can write the database cannot give one person the password of
another.
"""

from __future__ import annotations

import hashlib
import hmac

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

NONCE_BYTES = 12


class SignInKeys:
    """What is derived from the service's key for signing in."""

    def __init__(self, secret: str) -> None:
        """Derive the keys.

        Args:
            secret: the service's key, at least 32 bytes.
        """
        self._sealing = AESGCM(_derived(secret, b"docservice password hashes"))
        self._naming = _derived(secret, b"docservice sign-in tries")

    def sealed(self, user_id: str, text: str, nonce: bytes) -> bytes:
        """Return a text that only these keys open, for this person.

        Args:
            user_id: whose it is.
            text: a password hash.
            nonce: `NONCE_BYTES` random bytes, new for each text.
        """
        return nonce + self._sealing.encrypt(nonce, text.encode("utf-8", "surrogatepass"), user_id.encode())

    def opened(self, user_id: str, sealed: bytes) -> str | None:
        """Return the text of `sealed`; None if it was sealed with other keys or for another person."""
        nonce, rest = sealed[:NONCE_BYTES], sealed[NONCE_BYTES:]
        try:
            return self._sealing.decrypt(nonce, rest, user_id.encode()).decode("utf-8", "surrogatepass")
        except (InvalidTag, ValueError):
            return None

    def name(self, *parts: str) -> str:
        """Return a name of 64 hex characters for what is counted, from which nobody without the keys learns it."""
        return hmac.new(self._naming, "\n".join(parts).encode("utf-8", "surrogatepass"), hashlib.sha256).hexdigest()


def _derived(secret: str, purpose: bytes) -> bytes:
    return HKDF(SHA256(), 32, salt=None, info=purpose).derive(secret.encode("utf-8", "surrogatepass"))
