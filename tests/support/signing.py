"""How tests sign in."""

from __future__ import annotations

SECRET = "a key for tests that is long enough for HS256"
"""The key that `headers_of` signs with and the services of the tests know."""
