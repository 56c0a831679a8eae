"""Tokens as the service itself would sign them: with the key that it keeps in its folder."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from docservice.identity import issue_token

NOW = datetime.now(UTC)
"""When the run began."""


def headers_with_own_key(data_dir: Path, user_id: str) -> dict[str, str]:
    """The headers that sign a user in at the service of a data directory, for an hour."""
    secret = (data_dir / "secret_key").read_text()
    return {"Authorization": f"Bearer {issue_token(secret, user_id, now=NOW, ttl_seconds=3600)}"}
