"""All documents as newline-delimited JSON: `docservice export ndjson` and `docservice import ndjson`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter
from rich.console import Console
from rich.table import Table

from docservice.cli.progress import progress
from docservice.cli.pseudonyms import PseudonymOptions
from docservice.console import EXIT_FAILED, StoreOptions, errors, opened, require_data, resumable, run, say
from docservice.domain.exports.pseudonyms import Pseudonyms
from docservice.export.atomic_files import STANDARD
from docservice.export.backup import SHOWN_REFUSALS, RestoreReport, export_ndjson, import_ndjson


def write(
    *,
    output: Annotated[
        Path, Parameter(allow_leading_hyphen=True, help='file, gzipped if it ends with .gz; "-": stdout')
    ],
    pseudonymous: PseudonymOptions = PseudonymOptions(),
    options: StoreOptions = StoreOptions(),
) -> None:
    """Write all documents as they are stored, one a line: a backup, and the way to another engine.

    The file holds names and answers of learners; only its owner may read it. Writers may go on: a log with all its
    attempts is of one moment, two logs may not be. With --pseudonymise the file is for analysis and not a backup.
    """
    run(_write(output, pseudonymous.pseudonyms(), options))


async def _write(output: Path, pseudonyms: Pseudonyms | None, options: StoreOptions) -> None:
    settings = options.settings()
    require_data(settings)
    async with opened(settings, apply_indexes=False) as service:
        with progress() as watch:
            done = await export_ndjson(service, output, watch=watch, pseudonyms=pseudonyms)
    table = Table("collection", "documents")
    table.columns[1].justify = "right"
    for collection, number in done.documents.items():
        table.add_row(collection, f"{number:,}")
    errors.print(table)
    for collection, reason in done.left_out.items():
        say(f"left out: {collection} ({reason})")
    if output != STANDARD:
        say(f"{sum(done.documents.values()):,} documents are in {output}.")


def read(
    file: Annotated[Path, Parameter(allow_leading_hyphen=True)],
    /,
    *,
    replace: Annotated[bool, Parameter(negative="", help="overwrite documents that differ from the file's")] = False,
    options: StoreOptions = StoreOptions(),
) -> None:
    """Write the documents of an export ("-": standard input, also gzipped) where they are missing; safe to repeat.

    An import that was interrupted is run again and completes. A document that is there and differs stays unless
    --replace is given; then stop the service first: what learners did since the export is replaced, too. Exit code 1
    if a line was refused or the file is not whole; all other lines are written.
    """
    run(_read(file, replace, options))


async def _read(file: Path, replace: bool, options: StoreOptions) -> None:
    async with opened(options.settings()) as service:
        with resumable(), progress() as watch:
            report = await import_ndjson(service, file, replace=replace, watch=watch)
    _show(report)


def _show(report: RestoreReport) -> None:
    table = Table("collection", *("read", "written", "replaced", "unchanged", "refused"))
    for column in table.columns[1:]:
        column.justify = "right"
    for collection, counts in report.counts.items():
        numbers = (counts.read, counts.written, counts.replaced, counts.unchanged, counts.refused)
        table.add_row(collection or "(unreadable)", *map(str, numbers))
    Console().print(table)
    if erased := sum(counts.erased for counts in report.counts.values()):
        say(f"left out: {erased:,} documents of people who were erased")
    for number, reason in report.refusals.items():
        say(f"refused: line {number}: {reason}")
    if report.refused > SHOWN_REFUSALS:
        say(f"refused: {report.refused - SHOWN_REFUSALS:,} more")
    for flaw in report.flaws:
        say(flaw)
    if report.refused or report.flaws:
        sys.exit(EXIT_FAILED)
