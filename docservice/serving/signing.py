"""The key that signs tokens, as settings and data folder have it."""

from __future__ import annotations

from docservice.identity import load_or_create_secret
from docservice.settings import Settings

DAY_SECONDS = 86_400


def signing_secret(settings: Settings) -> str:
    """Return the HS256 key: `DOCSERVICE_SECRET_KEY`, else the one kept in the data folder, made if there is none."""
    if settings.secret_key is not None:
        return settings.secret_key.get_secret_value()
    return load_or_create_secret(settings.data_dir)
