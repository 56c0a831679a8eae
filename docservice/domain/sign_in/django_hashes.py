"""Password hashes as Django writes them, and the check of a password.

Kolibri names no hasher, so it writes with Django's first one: PBKDF2 with SHA-256. The number of rounds, which each
hash says, grew with Django: 36,000 in Django 1.11, 260,000 in the 3.2 of Kolibri 0.19. PBKDF2 with SHA-1 is read, too,
as by any Django. Rule: django, contrib/auth/hashers.py.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import re
from dataclasses import dataclass

LEAST_ROUNDS = 260_000
"""What a try costs at least, for anybody: the rounds of Kolibri 0.19."""

MOST_ROUNDS = 2_000_000
"""A hash with more is not taken: a home made by an attacker could keep every worker busy with one sign-in."""

LONGEST_PASSWORD = 4096

_DIGESTS = {"pbkdf2_sha256": "sha256", "pbkdf2_sha1": "sha1"}
_FORM = re.compile(r"(pbkdf2_sha256|pbkdf2_sha1)\$([0-9]{1,9})\$([^$]{1,256})\$([A-Za-z0-9+/=]{4,128})")
_NOBODY_SALT = b"of a person who is not there"


@dataclass(frozen=True)
class PasswordHash:
    """A password's hash, taken apart.

    Attributes:
        digest: as `hashlib` names it.
        rounds: of PBKDF2.
        salt: as bytes.
        value: what the right password gives.
    """

    digest: str
    rounds: int
    salt: bytes
    value: bytes


def read_hash(text: object) -> PasswordHash | None:
    """Return a hash that Django wrote; None for what no password fits.

    That is `NOT_SPECIFIED`, which Kolibri writes for a learner who needs no password, Django's marks of unusable
    passwords, and hashes of other kinds.
    """
    form = _FORM.fullmatch(text) if isinstance(text, str) else None
    if form is None or not 1 <= int(form[2]) <= MOST_ROUNDS:
        return None
    try:
        value = base64.b64decode(form[4], validate=True)
    except binascii.Error:
        return None
    if len(value) != hashlib.new(_DIGESTS[form[1]], usedforsecurity=False).digest_size:
        return None
    return PasswordHash(_DIGESTS[form[1]], int(form[2]), form[3].encode("utf-8", "surrogatepass"), value)


def is_right(password: str, stored: PasswordHash | None, rounds: int = LEAST_ROUNDS) -> bool:
    """Whether a password is the one that was hashed. Takes a tenth of a second of a core: call it in a thread.

    Args:
        password: at most `LONGEST_PASSWORD` characters.
        stored: None for a person who is not there or has no password: the work is the same, and the answer is no.
        rounds: what the work is filled up to, so that the time does not tell what is stored.
    """
    typed = password.encode("utf-8", "surrogatepass")
    if stored is None:
        hashlib.pbkdf2_hmac("sha256", typed, _NOBODY_SALT, rounds)
        return False
    found = hashlib.pbkdf2_hmac(stored.digest, typed, stored.salt, stored.rounds)
    if stored.rounds < rounds:
        hashlib.pbkdf2_hmac("sha256", typed, stored.salt, rounds - stored.rounds)
    return hmac.compare_digest(found, stored.value)
