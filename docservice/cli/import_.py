"""`docservice import`: data from elsewhere."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter
from rich.console import Console
from rich.table import Table

from docservice.cli import ndjson
from docservice.cli.console import StoreOptions, opened, resumable, run, say
from docservice.cli.consolidate import consolidation_table
from docservice.cli.progress import progress
from docservice.kolibri import ImportReport, import_kolibri

app = App(name="import", help="Bring data from elsewhere.")
app.command(ndjson.read, name="ndjson")


@app.command
def kolibri(
    path: Annotated[Path, Parameter(allow_leading_hyphen=True)],
    /,
    *,
    consolidate: Annotated[
        bool, Parameter(help="also put right what old Kolibris recorded wrongly, as docservice consolidate does")
    ] = False,
    options: StoreOptions = StoreOptions(),
) -> None:
    """Bring a Kolibri's people, content tree and logs; again changes nothing.

    PATH is a Kolibri home folder, its db.sqlite3, or that file gzipped. It is only read. An import that was interrupted
    is run again and completes; what learners have done here since the first import is kept.
    """
    run(_kolibri(path, consolidate, options))


async def _kolibri(path: Path, consolidate: bool, options: StoreOptions) -> None:
    async with opened(options.settings()) as service:
        with resumable(), progress() as watch:
            report = await import_kolibri(service, path, consolidate=consolidate, watch=watch)
    _show(report)


def _show(report: ImportReport) -> None:
    table = Table("records", *("read", "new", "updated", "unchanged", "kept", "set aside"))
    for column in table.columns[1:]:
        column.justify = "right"
    for kind, counts in report.counts.items():
        numbers = (counts.read, counts.new, counts.updated, counts.unchanged, counts.kept, counts.set_aside)
        table.add_row(kind, *map(str, numbers))
    Console().print(table)
    if report.mended.summaries:
        Console().print(consolidation_table(report.mended))
    for (kind, reason), number in report.reasons.most_common():
        say(f"set aside: {number:,} {kind}: {reason}")
    for note in report.notes:
        say(note)
