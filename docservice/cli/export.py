"""`docservice export`: data as files."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter
from rich.table import Table

from docservice.cli.console import StoreOptions, errors, opened, run, say
from docservice.cli.progress import progress
from docservice.export.files import STANDARD
from docservice.export.ndjson import export_ndjson

app = App(name="export", help="Writes data to files.")


@app.command
def ndjson(
    *,
    output: Annotated[
        Path, Parameter(allow_leading_hyphen=True, help='file, gzipped if it ends with .gz; "-": stdout')
    ],
    options: StoreOptions = StoreOptions(),
) -> None:
    """Write all documents as they are stored, one a line: a backup, and the way to another engine.

    The file holds names and answers of learners; only its owner may read it. Writers may go on: a log with all its
    attempts is of one moment, two logs may not be.
    """
    run(_ndjson(output, options))


async def _ndjson(output: Path, options: StoreOptions) -> None:
    async with opened(options.settings(), apply_indexes=False) as service:
        with progress() as watch:
            done = await export_ndjson(service, output, watch=watch)
    table = Table("collection", "documents")
    table.columns[1].justify = "right"
    for collection, number in done.documents.items():
        table.add_row(collection, f"{number:,}")
    errors.print(table)
    for collection, reason in done.left_out.items():
        say(f"left out: {collection} ({reason})")
    if output != STANDARD:
        say(f"{sum(done.documents.values()):,} documents are in {output}.")
