"""The `Idempotency-Key` header."""

from __future__ import annotations

from aiohttp import web

from docservice.errors import FieldError, ValidationFailed

LONGEST_KEY = 255


def idempotency_key(request: web.Request) -> str | None:
    """The caller's name for the request, None if it has none.

    Raises:
        ValidationFailed: the key is empty or too long.
    """
    key = request.headers.get("Idempotency-Key")
    if key is not None and not 1 <= len(key) <= LONGEST_KEY:
        raise ValidationFailed(
            [FieldError(("Idempotency-Key",), "invalid", f"The header takes 1 to {LONGEST_KEY} characters.")]
        )
    return key
