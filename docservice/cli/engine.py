"""`docservice engine`: the embedded engine."""

from __future__ import annotations

import asyncio

from cyclopts import App

from docservice.console import StoreOptions, run, say, shell_address
from docservice.engine import running_uri
from docservice.errors import EngineNotRunning, SettingsInvalid
from docservice.settings import Settings

app = App(name="engine", help="The embedded engine.")


@app.command
def uri(*, options: StoreOptions = StoreOptions()) -> None:
    """Print the connection string of the running engine and nothing else.

    With DOCSERVICE_MONGODB_URI or --mongodb-uri that address is printed: it is what the service connects to.
    """
    settings = options.settings()
    if settings.mongodb_uri is not None:
        print(settings.mongodb_uri.get_secret_value())
        return
    found = asyncio.run(running_uri(settings.data_dir))
    if found is None:
        raise EngineNotRunning(
            f"No engine is running for {settings.data_dir}. Start one with: "
            f"docservice serve --data-dir {settings.data_dir}"
        )
    print(shell_address(found, settings.database))


@app.command
def reset_password(*, options: StoreOptions = StoreOptions()) -> None:
    """Make a new password for the embedded engine, when its file is lost or does not open the data.

    Stop all commands that use the data directory first. The data stay as they are, and nobody else can reach the engine
    while its password changes.
    """
    settings = options.settings()
    if settings.mongodb_uri is not None:
        raise SettingsInvalid(
            "The password of a MongoDB server is changed there, not here: `engine reset-password` is for the embedded "
            "engine. Leave out --mongodb-uri and DOCSERVICE_MONGODB_URI."
        )
    run(_reset(settings))


async def _reset(settings: Settings) -> None:
    # Only this command needs the engine's own client.
    from docservice.engine.reset import reset_password as reset  # noqa: PLC0415

    others = await reset(settings.data_dir)
    say(f"The embedded engine in {settings.data_dir} has a new password, in {settings.data_dir / 'engine/password'}.")
    if others:
        say(f"It also has users that docservice did not make, who keep their passwords: {', '.join(others)}.")
