"""`docservice`: the command line."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from cyclopts import App
from rich.console import Console

import docservice
from docservice.cli import (
    classes,
    completion,
    consolidate,
    directory,
    engine,
    erase,
    export,
    generate,
    import_,
    indexes,
    people,
    report,
    serve,
    settings,
    shell,
    status,
    token,
    verify,
)
from docservice.cli.examples import add_examples
from docservice.console import fail
from docservice.errors import DocServiceError

app = App(
    name="docservice",
    help="Keeps learner logs (Kolibri's core.logger) as MongoDB documents.",
    version=docservice.__version__,
    error_console=Console(stderr=True),  # unlike `errors` it breaks lines, as the frame around usage errors needs
)
app.command(serve.serve)
app.command(token.token)
app.command(status.status)
app.command(engine.app)
app.command(directory.app)
app.command(report.report)
app.command(people.app)
app.command(classes.app)
app.command(export.app)
app.command(import_.app)
app.command(consolidate.app)
app.command(erase.app)
app.command(indexes.app)
app.command(generate.generate)
app.command(verify.verify)
app.command(shell.shell)
app.command(settings.settings)
app.command(completion.completion_for(app))
add_examples(app)


def main(arguments: Sequence[str] | None = None) -> None:
    """The entry point.

    Args:
        arguments: of the command line. If unset, those of this process.
    """
    try:
        app(sys.argv[1:] if arguments is None else arguments)
    except DocServiceError as error:
        fail(error)
    except BrokenPipeError:
        # The reader of a pipe has gone; say nothing, as other commands do.
        sys.stderr.close()
        sys.exit(1)
