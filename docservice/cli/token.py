"""`docservice token`: a token for a user, or for a program that writes the directory."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from typing import Annotated

from cyclopts import Parameter

from docservice.console import StoreOptions, say
from docservice.domain.values.ids import parse_uuid
from docservice.errors import SettingsInvalid
from docservice.identity import issue_service_token, issue_token, secret_path
from docservice.serving.signing import DAY_SECONDS, signing_secret


def token(
    user_id: str | None = None,
    *,
    service: Annotated[bool, Parameter(help="for a program that writes the directory", negative="")] = False,
    ttl_seconds: Annotated[int, Parameter(help="how long the token is valid")] = DAY_SECONDS,
    options: StoreOptions = StoreOptions(),
) -> None:
    """Print a token for a user, or with --service for a program that writes the directory, and nothing else.

    It is signed with DOCSERVICE_SECRET_KEY, or the key kept in the data folder; a running service with the same key
    takes it.
    """
    if ttl_seconds < 1:
        raise SettingsInvalid("--ttl-seconds takes at least 1.")
    if service == (user_id is not None):
        raise SettingsInvalid("Give either USER_ID, or --service.")
    try:
        subject = parse_uuid(user_id) if user_id is not None else None
    except ValueError:
        raise SettingsInvalid("USER_ID is a Kolibri user id: 32 hex characters.") from None
    settings, now = options.settings(), datetime.now(UTC)
    # Not `Path.exists`, which fails in a folder that is closed to us.
    is_new = settings.secret_key is None and not os.path.lexists(secret_path(settings.data_dir))
    secret = signing_secret(settings)
    if is_new:
        say(
            f"docservice: a new key was made in {settings.data_dir.resolve()}; services on other folders do not take it"
        )
    if subject is None:
        print(issue_service_token(secret, now=now, ttl_seconds=ttl_seconds))
    else:
        print(issue_token(secret, subject, now=now, ttl_seconds=ttl_seconds))
