"""`docservice token`: a token for a user or a program, or a link that signs a user in once."""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta
from typing import Annotated
from urllib.parse import urlsplit

from cyclopts import Parameter

from docservice.console import StoreOptions, opened, require_data, run, say
from docservice.domain.directory.name_lookup import NamedPerson
from docservice.errors import SettingsInvalid
from docservice.identity import issue_service_token, issue_token, secret_path
from docservice.serving.signing import DAY_SECONDS, signing_secret
from docservice.settings import Settings

_LINK_PATH = "/docs/"
_LINK_SECONDS = 600
_LONGEST_LINK_SECONDS = 3600


def token(
    person: Annotated[str | None, Parameter(help="id, username, or FACILITY/USERNAME")] = None,
    /,
    *,
    service: Annotated[bool, Parameter(help="for a program that writes the directory", negative="")] = False,
    link: Annotated[bool, Parameter(help="print a link that signs the person in once", negative="")] = False,
    path: Annotated[str | None, Parameter(help="page of the service that the link leads to [default: /docs/]")] = None,
    base_url: Annotated[
        str | None, Parameter(help="address that browsers have for the service [default: that of serve]")
    ] = None,
    ttl_seconds: Annotated[
        int | None, Parameter(help="how long it is valid [default: a day; a link ten minutes, at most an hour]")
    ] = None,
    options: StoreOptions = StoreOptions(),
) -> None:
    """Print a token for a person of the directory, or with --service for a program that writes the directory.

    Standard output gets the token and nothing else; standard error says for whom it is and until when. It is signed
    with DOCSERVICE_SECRET_KEY, or the key kept in the data folder; a running service with the same key takes it.

    With --link it prints an address instead: who opens it in a browser is asked, and then signed in as the person.
    It is good for one use.
    """
    if ttl_seconds is not None and ttl_seconds < 1:
        raise SettingsInvalid("--ttl-seconds takes at least 1.")
    if service == (person is not None):
        raise SettingsInvalid("Give either PERSON, or --service.")
    if not link and (path is not None or base_url is not None):
        raise SettingsInvalid("--path and --base-url are for --link.")
    settings = options.settings()
    if link:
        if person is None:
            raise SettingsInvalid("A link signs a person in: give PERSON.")
        run(_link(person, settings, path or _LINK_PATH, base_url, ttl_seconds or _LINK_SECONDS))
        return
    ttl_seconds = ttl_seconds or DAY_SECONDS
    if _has_key(settings):
        signing_secret(settings)  # A key that cannot sign is refused before anything else is done.
    if person is None:
        _print_token(settings, None, ttl_seconds)
    else:
        run(_token(person, settings, ttl_seconds))


async def _link(text: str, settings: Settings, path: str, base_url: str | None, ttl_seconds: int) -> None:
    if ttl_seconds > _LONGEST_LINK_SECONDS:
        raise SettingsInvalid(f"--ttl-seconds takes at most {_LONGEST_LINK_SECONDS} for a link, which may get lost.")
    base = _base_url(settings, base_url)
    require_data(settings)
    async with opened(settings) as service:
        person = await service.admin.person_called(text)
        token = await service.admin.sign_in.make_link(person.id, path=path, ttl_seconds=ttl_seconds)
    until = f"{datetime.now(UTC) + timedelta(seconds=ttl_seconds):%Y-%m-%d %H:%M:%S} UTC"
    print(f"{base}/sign-in/{token}")
    say(f"docservice: signs in as {_shown(person)}, good for one use until {until}")


def _base_url(settings: Settings, given: str | None) -> str:
    if given is None:
        host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(settings.host, settings.host)  # noqa: S104
        return f"http://{f'[{host}]' if ':' in host else host}:{settings.port}"
    parts = urlsplit(given)
    if parts.scheme not in {"http", "https"} or not parts.hostname or parts.query or parts.fragment:
        raise SettingsInvalid(f"--base-url {given!r} is not an address, as https://logs.example is one.")
    return given.rstrip("/")


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
        claim = settings.jwt_user_claim
        print(issue_token(secret, person.id, now=now, ttl_seconds=ttl_seconds, user_claim=claim))
        say(f"docservice: for {_shown(person)}, valid until {until}")


def _shown(person: NamedPerson) -> str:
    name = f"{person.full_name} ({person.username})" if person.full_name else person.username
    return f"{name} of {person.facility.name or person.facility.id}"
