"""Settings: what an operator may choose, from `DOCSERVICE_*` variables or command options. Read only when asked for."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from docservice.errors import SettingsInvalid


class Settings(BaseSettings):
    """All settings, with units in the names."""

    model_config = SettingsConfigDict(env_prefix="DOCSERVICE_", extra="ignore", env_ignore_empty=True)

    mongodb_uri: Annotated[
        SecretStr | None, Field(description="MongoDB connection string; none: the embedded engine in `data_dir`")
    ] = None
    database: Annotated[str, Field(min_length=1, description="name of the database")] = "docservice"
    data_dir: Annotated[Path, Field(description="folder of the embedded engine and of generated secrets")] = Path(
        "docservice-data"
    )
    host: Annotated[str, Field(description="address that `serve` listens on")] = "127.0.0.1"
    port: Annotated[int, Field(ge=0, le=65535, description="port that `serve` listens on; 0 picks a free one")] = 8000
    secret_key: Annotated[
        SecretStr | None, Field(description="key of HS256 tokens; none: one is generated into `data_dir`")
    ] = None
    jwt_jwks_url: Annotated[
        str | None, Field(description="where the host's sign-in publishes its RS256/ES256 keys")
    ] = None
    jwt_public_key_file: Annotated[
        Path | None, Field(description="PEM file with the public key of the host's sign-in (RS256/ES256)")
    ] = None
    jwt_audience: Annotated[str | None, Field(description="audience that a token must name")] = None
    jwt_issuer: Annotated[str | None, Field(description="issuer that a token must name")] = None
    max_body_bytes: Annotated[int, Field(ge=1024, description="largest request body")] = 2_621_440
    mongodb_timeout_ms: Annotated[int, Field(ge=100, description="deadline for one action on the database")] = 10_000
    shutdown_timeout_seconds: Annotated[
        float, Field(ge=0, description="how long `serve` waits for requests under way when it stops")
    ] = 10.0

    @classmethod
    def load(cls, **given: object) -> Settings:
        """The settings of the environment, with those given in their place; None means not given.

        Raises:
            SettingsInvalid: a value does not fit; the message names the variable.
        """
        try:
            return cls(**{name: value for name, value in given.items() if value is not None})  # type: ignore[arg-type]
        except ValidationError as error:
            problems = "; ".join(
                f"DOCSERVICE_{str(details['loc'][0]).upper()} (or its option): {details['msg']}"
                for details in error.errors(include_input=False)
            )
            raise SettingsInvalid(problems) from None
