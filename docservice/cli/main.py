"""`docservice`: the command line."""

from __future__ import annotations

import sys

from cyclopts import App

import docservice
from docservice.cli import directory, engine, export, import_, indexes, serve, token
from docservice.cli.console import errors, fail
from docservice.errors import DocServiceError

app = App(
    name="docservice",
    help="Keeps learner logs (Kolibri's core.logger) as MongoDB documents.",
    version=docservice.__version__,
    error_console=errors,
)
app.command(serve.serve)
app.command(token.token)
app.command(engine.app)
app.command(directory.app)
app.command(import_.app)
app.command(export.app)
app.command(indexes.app)


def main() -> None:
    """The entry point."""
    try:
        app()
    except DocServiceError as error:
        fail(error)
    except BrokenPipeError:
        # The reader of a pipe has gone; say nothing, as other commands do.
        sys.stderr.close()
        sys.exit(1)
