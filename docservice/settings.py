"""Settings: what an operator may choose, from `DOCSERVICE_*` variables or command options. Read only when asked for."""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Mapping
from difflib import get_close_matches
from ipaddress import ip_network
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple, Self
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, ValidationError, ValidationInfo, field_validator, model_validator
from pydantic_core import ErrorDetails
from pydantic_settings import BaseSettings, SettingsConfigDict

from docservice.domain.values.addresses import MASK, without_password
from docservice.domain.values.database_names import DEFAULT_DATABASE, name_problem, named_database
from docservice.domain.values.signing_keys import key_problem
from docservice.domain.values.validation_messages import validation_message
from docservice.errors import SettingsInvalid

_PREFIX = "DOCSERVICE_"
_OF_THE_TESTS = {"DOCSERVICE_TEST_MONGODB_URI", "DOCSERVICE_TEST_ENGINE"}
_OF_KUBERNETES = re.compile(r"DOCSERVICE_(SERVICE_(HOST|PORT(_\w+)?)|PORT_\d+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?)")
"""Kubernetes, and Docker's old links, tell each container of a service that is called docservice with these."""

_ORIGIN = re.compile(r"https?://[A-Za-z0-9.-]+(:[0-9]{1,5})?|https?://\[[0-9a-fA-F:]+\](:[0-9]{1,5})?")


SettingSource = Literal["default", "environment", "option", "address"]
"""Where the value of a setting comes from; the name of the database may be in the address of the server."""

DEFAULT_MAX_BODY_BYTES = 2_621_440
"""The largest request body; that of Django, which Kolibri uses. Bodies are read, and refused, in `rest.bodies`."""


class EffectiveSetting(NamedTuple):
    """A setting as it counts.

    Attributes:
        name: as a field of `Settings`.
        variable: the variable of the environment for it.
        value: as JSON has it, with `********` in the place of what is secret; None if it is not set.
        source: where it comes from.
    """

    name: str
    variable: str
    value: str | int | float | bool | None
    source: SettingSource


class Settings(BaseSettings):
    """All settings, with units in the names."""

    model_config = SettingsConfigDict(
        env_prefix=_PREFIX, extra="ignore", env_ignore_empty=True, allow_inf_nan=False, hide_input_in_errors=True
    )

    mongodb_uri: Annotated[
        SecretStr | None, Field(description="MongoDB connection string; none: the embedded engine in `data_dir`")
    ] = None
    database: Annotated[
        str,
        Field(
            min_length=1, description="name of the database; default: the one in the connection string, if it names one"
        ),
    ] = DEFAULT_DATABASE
    data_dir: Annotated[Path, Field(description="folder of the embedded engine and of generated secrets")] = Path(
        "docservice-data"
    )
    engine: Annotated[
        str | None,
        Field(description="build of the embedded engine: `native`, `python` or a program; if unset, the faster one"),
    ] = None
    host: Annotated[str, Field(description="address that `serve` listens on")] = "127.0.0.1"
    port: Annotated[int, Field(ge=0, le=65535, description="port that `serve` listens on; 0 picks a free one")] = 8000
    secret_key: Annotated[
        SecretStr | None,
        Field(description="key of HS256 tokens, at least 32 bytes; none: one is made in `data_dir`"),
    ] = None
    jwt_jwks_url: Annotated[
        str | None, Field(description="where the host's sign-in publishes its RS256/ES256 keys")
    ] = None
    jwt_public_key_file: Annotated[
        Path | None, Field(description="PEM file with the public key of the host's sign-in (RS256/ES256)")
    ] = None
    jwt_audience: Annotated[str | None, Field(description="audience that a token must name")] = None
    jwt_issuer: Annotated[str | None, Field(description="issuer that a token must name")] = None
    jwt_user_claim: Annotated[
        str, Field(min_length=1, description="claim that names the user, by id, username or `facility/username`")
    ] = "sub"
    jwt_leeway_seconds: Annotated[
        float, Field(ge=0, le=3600, description="how far the times of a token may be out, since clocks differ")
    ] = 10.0
    kolibri_sign_in: Annotated[
        bool,
        Field(description="whether people sign in with a password, as at a Kolibri"),
    ] = False
    kolibri_sign_in_without_password: Annotated[
        bool,
        Field(description="whether learners may leave the password out where their Kolibri's facility lets them"),
    ] = False
    kolibri_url: Annotated[
        str | None,
        Field(description="address of a Kolibri whose session cookie says who calls"),
    ] = None
    sign_in_tries_per_person: Annotated[
        int, Field(ge=1, description="wrong passwords for one person in a minute; more are refused")
    ] = 10
    sign_in_tries_per_address: Annotated[
        int, Field(ge=1, description="wrong passwords from one address in a minute; more are refused")
    ] = 100
    session_idle_seconds: Annotated[
        int, Field(ge=60, description="how long after its last request a session ends that is known by a cookie")
    ] = 1200
    session_longest_seconds: Annotated[
        int, Field(ge=60, description="how long after the sign-in it ends in any case")
    ] = 43_200
    workers: Annotated[int, Field(ge=1, le=256, description="processes that `serve` answers with, on one port")] = 1
    log_format: Annotated[
        Literal["console", "json"],
        Field(description="how `serve` writes its log: `console` or `json`"),
    ] = "console"
    access_log: Annotated[bool, Field(description="whether `serve` logs each request")] = True
    metrics: Annotated[bool, Field(description="whether `/metrics` is there")] = True
    metrics_token: Annotated[
        SecretStr | None, Field(description="bearer token that `/metrics` asks for; none: it is open")
    ] = None
    cors_origins: Annotated[
        str | None,
        Field(description="web origins whose pages may call the API, separated by commas; `*`: all, without cookies"),
    ] = None
    trusted_proxies: Annotated[
        str | None,
        Field(description="addresses or networks, separated by commas, whose `X-Forwarded-*` headers are believed"),
    ] = None
    max_in_flight_requests: Annotated[
        int, Field(ge=1, description="requests under way in one worker; more are answered with 503")
    ] = 200
    max_in_flight_requests_per_token: Annotated[
        int, Field(ge=1, description="requests under way with one token in one worker; more are answered with 429")
    ] = 32
    request_timeout_seconds: Annotated[
        float,
        Field(gt=0, description="how long a request may take until its answer begins, its body included"),
    ] = 60.0
    keepalive_timeout_seconds: Annotated[
        float, Field(gt=0, description="how long a connection may wait for the next whole request line and headers")
    ] = 75.0
    max_body_bytes: Annotated[int, Field(ge=1024, description="largest request body")] = DEFAULT_MAX_BODY_BYTES
    mongodb_timeout_ms: Annotated[
        int, Field(ge=100, le=3_600_000, description="deadline for one action on the database")
    ] = 10_000
    min_free_disk_bytes: Annotated[
        int,
        Field(
            ge=0,
            description="writes into the embedded engine are refused while its disk has less; 0 disables the check",
        ),
    ] = 134_217_728
    shutdown_timeout_seconds: Annotated[
        float, Field(ge=0, description="how long `serve` waits for requests under way when it stops")
    ] = 10.0
    drain_seconds: Annotated[
        float,
        Field(ge=0, description="how long a stopping `serve` still takes requests while `/readyz` already fails"),
    ] = 0.0

    @field_validator("*", mode="before")
    @classmethod
    def _refuse_blanks(cls, value: object) -> object:
        if isinstance(value, str) and value and not value.strip():
            raise ValueError("it holds nothing but blanks; leave it out, or set it to nothing, to have the default")
        return value

    @field_validator("database")
    @classmethod
    def _check_database(cls, value: str) -> str:
        if problem := name_problem(value):
            raise ValueError(problem)
        return value

    @model_validator(mode="after")
    def _take_database_of_address(self) -> Self:
        if self.mongodb_uri is not None and "database" not in self.model_fields_set:
            self.database = named_database(self.mongodb_uri.get_secret_value()) or DEFAULT_DATABASE
        return self

    @field_validator("secret_key")
    @classmethod
    def _check_key(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None and (problem := key_problem(value.get_secret_value())):
            raise ValueError(problem)
        return value

    @field_validator("jwt_jwks_url")
    @classmethod
    def _check_jwks_url(cls, value: str | None) -> str | None:
        if value is not None:
            parts = urlsplit(value)
            if parts.scheme not in {"http", "https"} or not parts.hostname or parts.port == 0:
                raise ValueError("it is not an http or https address, as https://login.example/jwks.json is one")
        return value

    @field_validator("kolibri_url")
    @classmethod
    def _check_kolibri_url(cls, value: str | None, info: ValidationInfo) -> str | None:
        if value is not None:
            if info.data.get("kolibri_sign_in"):
                raise ValueError(
                    "it excludes DOCSERVICE_KOLIBRI_SIGN_IN: the cookie `kolibri` is either this service's or that "
                    "Kolibri's"
                )
            parts = urlsplit(value)
            extra = parts.query or parts.fragment or parts.username or parts.password
            if parts.scheme not in {"http", "https"} or not parts.hostname or parts.port == 0 or extra:
                raise ValueError("it is not the address of a Kolibri, as http://127.0.0.1:8080 is one")
        return value

    @field_validator("cors_origins")
    @classmethod
    def _check_origins(cls, value: str | None) -> str | None:
        for origin in _listed(value):
            if origin != "*" and not _ORIGIN.fullmatch(origin):
                raise ValueError(
                    f"{origin!r} is not an origin; write it as https://learn.example or https://learn.example:8443"
                )
        return value

    @field_validator("trusted_proxies")
    @classmethod
    def _check_proxies(cls, value: str | None) -> str | None:
        for network in _listed(value):
            ip_network(network)
        return value

    @property
    def cors_origin_list(self) -> tuple[str, ...]:
        """The allowed origins, as browsers send them."""
        return _listed(self.cors_origins)

    @property
    def trusted_proxy_list(self) -> tuple[str, ...]:
        """The addresses and networks of proxies."""
        return _listed(self.trusted_proxies)

    def revealed(self) -> dict[str, object]:
        """All values as JSON has them, secrets included, for another process of the same service. Never log it."""
        values = {name: getattr(self, name) for name in type(self).model_fields}
        secrets = {name: value.get_secret_value() for name, value in values.items() if isinstance(value, SecretStr)}
        paths = {name: str(value) for name, value in values.items() if isinstance(value, Path)}
        return {**values, **secrets, **paths}

    def effective(self, options: Collection[str] = ()) -> list[EffectiveSetting]:
        """Return all values with where each comes from; secrets are not in it.

        Args:
            options: names of the settings that options of the command gave.
        """
        variables = {name.upper() for name, value in os.environ.items() if value}
        effective = []
        for name in type(self).model_fields:
            variable = _PREFIX + name.upper()
            value = getattr(self, name)
            source: SettingSource = "environment" if variable in variables else "default"
            if name in options:
                source = "option"
            elif name == "database" and source == "default" and value != DEFAULT_DATABASE:
                source = "address"
            effective.append(EffectiveSetting(name, variable, _shown(name, value), source))
        return effective

    @classmethod
    def load(cls, **given: object) -> Settings:
        """Return the settings of the environment, with those given in their place; None means not given.

        Raises:
            SettingsInvalid: a value does not fit, or a `DOCSERVICE_*` variable is not a setting; it is named.
        """
        _require_known(os.environ)
        try:
            return cls(**{name: value for name, value in given.items() if value is not None})  # type: ignore[arg-type]
        except ValidationError as error:
            raise SettingsInvalid(
                "; ".join(_problem(details) for details in error.errors(include_input=False))
            ) from None


def _shown(name: str, value: Any) -> str | int | float | bool | None:
    if isinstance(value, SecretStr):
        # Of the address only the password is secret.
        return without_password(value.get_secret_value()) if name == "mongodb_uri" else MASK
    if isinstance(value, str | Path):
        return without_password(str(value))
    shown: int | float | bool | None = value
    return shown


def _problem(details: ErrorDetails) -> str:
    variable = f"{_PREFIX}{str(details['loc'][0]).upper()}"
    message = validation_message(details)
    if variable == "DOCSERVICE_PORT" and os.environ.get(variable, "").startswith("tcp://"):
        message += " (Kubernetes sets it for a service called docservice: set enableServiceLinks to false in the pod)"
    return f"{variable} (or its option): {message}"


def _require_known(environment: Mapping[str, str]) -> None:
    """Refuse variables that look like settings and are none: what a mistyped one was to say would not count.

    Raises:
        SettingsInvalid: the message names them, with the settings whose names are near.
    """
    known = {_PREFIX + name.upper() for name in Settings.model_fields}
    problems = []
    for name, value in sorted(environment.items()):
        upper = name.upper()  # Case does not count in a setting's name, so it does not count here.
        if not upper.startswith(_PREFIX) or not value or upper in known | _OF_THE_TESTS:
            continue
        if not _OF_KUBERNETES.fullmatch(upper):
            near = get_close_matches(upper.removeprefix(_PREFIX), [each.removeprefix(_PREFIX) for each in known])
            hint = f"; did you mean {' or '.join(_PREFIX + each for each in near)}?" if near else "."
            problems.append(f"{name} is not a setting{hint}")
    if problems:
        raise SettingsInvalid(f"{' '.join(problems)} `docservice settings` prints all settings.")


def _listed(value: str | None) -> tuple[str, ...]:
    return tuple(part.strip() for part in (value or "").split(",") if part.strip())


def settings_table() -> str:
    """Return the settings as a Markdown table, one row each: variable, default, meaning. The manual has it."""
    rows = ["| variable | default | meaning |", "| --- | --- | --- |"]
    for name, setting in Settings.model_fields.items():
        default = "" if setting.default is None else f"`{setting.default}`"
        rows.append(f"| `DOCSERVICE_{name.upper()}` | {default} | {setting.description} |")
    return "\n".join(rows)
