"""`docservice engine`: the embedded engine."""

from __future__ import annotations

import asyncio

from cyclopts import App

from docservice.cli.console import StoreOptions, shell_address
from docservice.engine import running_uri
from docservice.errors import EngineNotRunning

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
