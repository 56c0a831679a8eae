"""`docservice completion`: the shell completes commands and options."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from cyclopts import App, Parameter

from docservice.console import StoreOptions, say
from docservice.errors import SettingsInvalid

Shell = Literal["bash", "zsh", "fish"]


def completion_for(app: App) -> App:
    """The command `completion` of an app.

    Args:
        app: whose commands and options are to be completed.
    """
    command = App(name="completion")

    @command.default
    def completion(
        shell: Annotated[Shell, Parameter(help="which shell")],
        /,
        *,
        install: Annotated[
            bool, Parameter(negative="", help="write it where the shell finds it, and name it in its start file")
        ] = False,
        options: StoreOptions = StoreOptions(),
    ) -> None:
        """Print a script with which a shell completes commands and options at the press of Tab.

        With --install it is written into your home folder instead; a new shell has it then. Run it again after an
        upgrade.
        """
        if not install:
            print(app.generate_completion(shell=shell))
            return
        say(f"docservice: completion for {shell} is in {_installed(app, shell)}; open a new shell to use it")

    return command


def _installed(app: App, shell: Shell) -> Path:
    try:
        return app.install_completion(shell=shell)
    except OSError as error:
        reason = f"{error.filename}: {error.strerror}" if error.filename else str(error)
        raise SettingsInvalid(f"The completion cannot be installed: {reason}.") from None
