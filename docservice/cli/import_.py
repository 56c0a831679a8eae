"""`docservice import`: data from elsewhere."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter
from rich.console import Console
from rich.table import Table

from docservice.cli.console import EXIT_FAILED, StoreOptions, opened, run, say
from docservice.cli.progress import progress
from docservice.export.ndjson import SHOWN_REFUSALS, ImportReport, import_ndjson

app = App(name="import", help="Brings data from elsewhere.")


@app.command
def ndjson(
    file: Annotated[Path, Parameter(allow_leading_hyphen=True)],
    /,
    *,
    replace: Annotated[bool, Parameter(negative="", help="overwrite documents that differ from the file's")] = False,
    options: StoreOptions = StoreOptions(),
) -> None:
    """Write the documents of an export ("-": standard input, also gzipped) where they are not; again changes nothing.

    An import that was interrupted is run again and completes. A document that is there and differs stays unless
    --replace is given. Exit code 1 if a line was refused or the file is not whole; all other lines are written.
    """
    run(_ndjson(file, replace, options))


async def _ndjson(file: Path, replace: bool, options: StoreOptions) -> None:
    async with opened(options.settings()) as service:
        with progress() as watch:
            report = await import_ndjson(service, file, replace=replace, watch=watch)
    _show(report)


def _show(report: ImportReport) -> None:
    table = Table("collection", *("read", "written", "replaced", "unchanged", "refused"))
    for column in table.columns[1:]:
        column.justify = "right"
    for collection, counts in report.counts.items():
        numbers = (counts.read, counts.written, counts.replaced, counts.unchanged, counts.refused)
        table.add_row(collection or "(unreadable)", *map(str, numbers))
    Console().print(table)
    for number, reason in report.refusals.items():
        say(f"refused: line {number}: {reason}")
    if report.refused > SHOWN_REFUSALS:
        say(f"refused: {report.refused - SHOWN_REFUSALS:,} more")
    for flaw in report.flaws:
        say(flaw)
    if report.refused or report.flaws:
        sys.exit(EXIT_FAILED)
