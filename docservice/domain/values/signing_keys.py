"""Checks that a key is long enough to sign tokens."""

from __future__ import annotations

LEAST_KEY_BYTES = 32
"""Of an HS256 key: a shorter one can be found from a token by trying. Rule: RFC 7518, section 3.2."""

_HOW_TO_MAKE_ONE = "python3 -c 'import secrets; print(secrets.token_urlsafe(48))'"


def key_problem(key: str) -> str | None:
    """Return what is wrong with an HS256 key, with the command that makes a good one; None if nothing is.

    Space around the key does not count. The sentence does not show the key.
    """
    size = len(key.strip().encode("utf-8", "surrogatepass"))
    if size >= LEAST_KEY_BYTES:
        return None
    return f"the key has {size} bytes, and {LEAST_KEY_BYTES} are the least; make one with: {_HOW_TO_MAKE_ONE}"
