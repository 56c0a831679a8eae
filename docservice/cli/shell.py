"""`docservice shell`: the Mongo shell on the logs."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import sys
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from docservice.console import StoreOptions, opened, require_data, run, shell_address
from docservice.errors import SettingsInvalid

_ADDRESS = "DOCSERVICE_SHELL_ADDRESS"
_CONNECT = (
    f"void (() => {{ const address = process.env.{_ADDRESS}; delete process.env.{_ADDRESS}; db = connect(address) }})()"
)
_HOW_TO_INSTALL = (
    "The Mongo shell, mongosh, is not on the PATH. Install it with `npm install -g mongosh`, or from "
    "https://www.mongodb.com/docs/mongodb-shell/install/. To use another client: `docservice engine uri` prints the "
    "address while the service runs."
)


def shell(
    *files: Path,
    evaluate: Annotated[
        str | None, Parameter(name="--eval", help="JavaScript to run; its result is printed, then the shell ends")
    ] = None,
    json: Annotated[bool, Parameter(negative="", help="print the result of --eval as JSON")] = False,
    options: StoreOptions = StoreOptions(),
) -> None:
    """Open the Mongo shell on the logs; the service need not run.

    The embedded engine is started for as long as the shell is open, or joined if it runs already. The views and
    collections are described in the manual, at /docs/shell.

    Examples:
        docservice shell

        docservice shell --eval 'db.content_summary_logs.countDocuments()'

        docservice shell report.js

    Args:
        files: JavaScript files to run instead of opening a prompt; `db` is the database.
        evaluate: see its help.
        json: see its help.
        options: where the logs are kept.
    """
    mongosh = shutil.which("mongosh")
    if mongosh is None:
        raise SettingsInvalid(_HOW_TO_INSTALL)
    command = [mongosh, "--nodb", "--quiet", "--eval", _CONNECT]
    if evaluate is not None:
        command += ["--eval", evaluate]
    if json:
        command.append("--json=relaxed")
    command += map(str, files)
    if not files and evaluate is None:
        command.append("--shell")
    run(_shell(command, options))


async def _shell(command: list[str], options: StoreOptions) -> None:
    settings = options.settings()
    require_data(settings)
    async with opened(settings, apply_indexes=False) as service:
        address = service.connection_string
        if service.engine is not None:
            address = shell_address(address, settings.database)
        # Not an argument: everybody on the machine can read those, and the address holds the password.
        process = await asyncio.create_subprocess_exec(*command, env={**os.environ, _ADDRESS: address})
        code = await _ended(process)
    if code:
        sys.exit(code)


async def _ended(process: asyncio.subprocess.Process) -> int:
    """Wait for the shell; Ctrl-C at the terminal is the shell's own, which clears its line with it."""
    loop = asyncio.get_running_loop()
    if sys.platform != "win32":
        loop.add_signal_handler(signal.SIGINT, lambda: None)
    try:
        return await process.wait()
    except asyncio.CancelledError:
        process.terminate()
        await process.wait()
        raise
