"""`docservice engine`: the embedded engine."""

from __future__ import annotations

import asyncio
import json
from typing import Annotated

from cyclopts import App, Parameter
from rich.console import Console

from docservice.cli.progress import progress
from docservice.console import StoreOptions, resumable, run, say, shell_address
from docservice.engine import chosen_build, running_engine, running_uri
from docservice.engine.builds import installed_program, places
from docservice.engine.install import CRATE, CRATES, VERSION, is_installed, require_tools
from docservice.engine.install import install as compile_engine
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
    uri_or_none = asyncio.run(running_uri(settings.data_dir))
    if uri_or_none is None:
        raise EngineNotRunning(
            f"No engine is running for {settings.data_dir}. Start one with: "
            f"docservice serve --data-dir {settings.data_dir}"
        )
    print(shell_address(uri_or_none, settings.database))


@app.command
def status(
    *,
    as_json: Annotated[bool, Parameter(name="--json", negative="", help="print one JSON object, for programs")] = False,
    options: StoreOptions = StoreOptions(),
) -> None:
    """Say which build of the embedded engine serves a data directory, and why. Nothing is started."""
    settings = options.settings()
    running = asyncio.run(running_engine(settings.data_dir))
    build = running.build if running else chosen_build(settings.data_dir)
    if as_json:
        fields = {
            "build": build.name,
            "version": build.version(),
            "program": build.program or None,
            "why": build.why,
            "running": running is not None,
            "pid": running.pid if running else None,
            "used": settings.mongodb_uri is None,
        }
        print(json.dumps(fields))
        return
    out = Console(highlight=False, soft_wrap=True)
    state = f"runs (process {running.pid})" if running else "does not run now"
    out.print(f"The {build.name} build, version {build.version()}, {state}: {build.why}.", markup=False)
    if build.program:
        out.print(f"Program: {build.program}", markup=False)
    out.print("Looked for, in this order:")
    for place in places(settings.data_dir):
        out.print(f"  {place}", markup=False)
    if settings.mongodb_uri is not None:
        say("It is not used: DOCSERVICE_MONGODB_URI (or --mongodb-uri) names a server.")
    elif build.name == "python":
        say("The native build is several times as fast: docservice engine install")


@app.command
def install(*, options: StoreOptions = StoreOptions()) -> None:
    """Compile the native build of the embedded engine into the data directory, which is several times as fast.

    It downloads the sources and needs cargo, a C compiler, CMake, 3 GiB of room and some minutes. Interrupted, it goes
    on when it is run again. The data stay as they are: both builds read and write the same.
    """
    run(_install(options.settings()))


async def _install(settings: Settings) -> None:
    if await asyncio.to_thread(is_installed, settings.data_dir):
        say(f"The native build {VERSION} is there already: {installed_program(settings.data_dir)}")
        return
    await asyncio.to_thread(require_tools, settings.data_dir)
    say(f"Compiling {CRATE} {VERSION} with cargo; this takes 5 to 15 minutes.")
    with resumable(), progress() as watch:
        watch.begin("crates compiled", CRATES)
        program = await compile_engine(
            settings.data_dir,
            lambda line: watch.advance("crates compiled") if line.lstrip().startswith("Compiling") else None,
        )
    say(f"The native build is installed: {program}. The next start of the engine uses it.")
    if await running_engine(settings.data_dir) is not None:
        say("The engine that runs now goes on as it is until all commands that use it have ended.")


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
