"""`docservice token`: a token for a user, or for a program that writes the directory."""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta
from typing import Annotated

from cyclopts import Parameter

from docservice.console import StoreOptions, opened, require_data, run, say
from docservice.domain.directory.name_lookup import NamedPerson
from docservice.errors import SettingsInvalid
from docservice.identity import issue_service_token, issue_token, secret_path
from docservice.serving.signing import DAY_SECONDS, signing_secret
from docservice.settings import Settings


def token(
    person: Annotated[str | None, Parameter(help="id, username, or FACILITY/USERNAME")] = None,
    /,
    *,
    service: Annotated[bool, Parameter(help="for a program that writes the directory", negative="")] = False,
    ttl_seconds: Annotated[int, Parameter(help="how long the token is valid")] = DAY_SECONDS,
    options: StoreOptions = StoreOptions(),
) -> None:
    """Print a token for a person of the directory, or with --service for a program that writes the directory.

    Standard output gets the token and nothing else; standard error says for whom it is and until when. It is signed
    with DOCSERVICE_SECRET_KEY, or the key kept in the data folder; a running service with the same key takes it.
    """
    if ttl_seconds < 1:
        raise SettingsInvalid("--ttl-seconds takes at least 1.")
    if service == (person is not None):
        raise SettingsInvalid("Give either PERSON, or --service.")
    settings = options.settings()
    if _has_key(settings):
        signing_secret(settings)  # A key that cannot sign is refused before anything else is done.
    if person is None:
        _print_token(settings, None, ttl_seconds)
    else:
        run(_token(person, settings, ttl_seconds))


async def _token(text: str, settings: Settings, ttl_seconds: int) -> None:
    require_data(settings)
    async with opened(settings, apply_indexes=False) as service:
        person = await service.admin.person_called(text)
    _print_token(settings, person, ttl_seconds)


def _has_key(settings: Settings) -> bool:
    # Not `Path.exists`, which fails in a folder that is closed to us.
    return settings.secret_key is not None or os.path.lexists(secret_path(settings.data_dir))


def _print_token(settings: Settings, person: NamedPerson | None, ttl_seconds: int) -> None:
    now = datetime.now(UTC)
    try:
        until = f"{now + timedelta(seconds=ttl_seconds):%Y-%m-%d %H:%M:%S} UTC"
    except OverflowError:
        raise SettingsInvalid("--ttl-seconds is too large: the token would end after the year 9999.") from None
    is_new = not _has_key(settings)
    secret = signing_secret(settings)
    if is_new:
        say(
            f"docservice: a new key was made in {settings.data_dir.resolve()}; services on other folders do not take it"
        )
    if person is None:
        print(issue_service_token(secret, now=now, ttl_seconds=ttl_seconds))
        say(f"docservice: for a program that writes the directory, valid until {until}")
    else:
        print(issue_token(secret, person.id, now=now, ttl_seconds=ttl_seconds))
        name = f"{person.full_name} ({person.username})" if person.full_name else person.username
        say(f"docservice: for {name} of {person.facility.name or person.facility.id}, valid until {until}")
