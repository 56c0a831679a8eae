"""The `Idempotency-Key` header."""

from __future__ import annotations

from aiohttp import web

from docservice.errors import FieldError, ValidationFailed

LONGEST_KEY = 255


def idempotency_key(request: web.Request) -> str | None:
    """Return the caller's name for the request, None if it has none.

    Raises:
        ValidationFailed: the key is empty, too long or not plain text.
    """
    key = request.headers.get("Idempotency-Key")
    if key is not None and not (1 <= len(key) <= LONGEST_KEY and key.isascii() and key.isprintable()):
        message = f"The header takes 1 to {LONGEST_KEY} printable ASCII characters."
        raise ValidationFailed([FieldError(("Idempotency-Key",), "invalid", message)])
    return key
