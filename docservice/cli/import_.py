"""`docservice import`: import the data of a Kolibri."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter
from rich.console import Console
from rich.table import Table

from docservice.cli import backup as ndjson
from docservice.cli.consolidate import consolidation_table
from docservice.cli.progress import progress
from docservice.console import StoreOptions, opened, resumable, run, say
from docservice.kolibri import ImportReport, import_kolibri
from docservice.kolibri.import_notes import ImportNotes, KolibriImport
from docservice.serving.signing import signing_secret
from docservice.settings import Settings

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
    keep_missing: Annotated[
        bool,
        Parameter(help="leave people, roles, classes, quizzes, lessons that are gone in the Kolibri"),
    ] = False,
    with_passwords: Annotated[
        bool, Parameter(negative="", help="also keep the passwords, sealed, to sign in here with them")
    ] = False,
    options: StoreOptions = StoreOptions(),
) -> None:
    """Bring a Kolibri's people, content tree and logs; safe to repeat.

    PATH is a Kolibri home folder, its db.sqlite3, or that file gzipped. It may be in use; nothing is written there. An
    import that was interrupted is run again and completes; what learners have done here since the first import is kept.
    People, roles, memberships, classes, quizzes and lessons of the Kolibri's facilities that it does not have any more
    are withdrawn here, too; logs and content never are.
    """
    settings = options.settings()
    secret = signing_secret(settings) if with_passwords else None
    run(_kolibri(path, consolidate, keep_missing, secret, settings))


async def _kolibri(path: Path, consolidate: bool, keep_missing: bool, secret: str | None, settings: Settings) -> None:
    async with opened(settings) as service:
        with resumable(), progress() as watch:
            report = await import_kolibri(
                service,
                path,
                consolidate=consolidate,
                keep_missing=keep_missing,
                passwords_secret=secret,
                watch=watch,
            )
    _show(report)
    _note(settings, KolibriImport.of(path, datetime.now(UTC), report))


def _note(settings: Settings, done: KolibriImport) -> None:
    try:
        ImportNotes(settings.data_dir).note(settings.database, done)
    except OSError as error:
        say(f"docservice status will not name this import: {error}")


_COLUMNS = ("read", "new", "updated", "unchanged", "kept", "withdrawn", "set aside")


def _show(report: ImportReport) -> None:
    # Terminals are narrow, and mostly nothing is withdrawn.
    hidden = () if any(counts.withdrawn for counts in report.counts.values()) else ("withdrawn",)
    columns = [column for column in _COLUMNS if column not in hidden]
    table = Table("records", *columns)
    for column in table.columns[1:]:
        column.justify = "right"
    for kind, counts in report.counts.items():
        table.add_row(kind, *(str(getattr(counts, column.replace(" ", "_"))) for column in columns))
    Console().print(table)
    if report.mended.summaries:
        Console().print(consolidation_table(report.mended))
    for (kind, reason), number in report.reasons.most_common():
        say(f"set aside: {number:,} {kind}: {reason}")
    for (kind, name), number in report.altered.most_common():
        say(f"imported in part: {number:,} {kind} without all of {name}; their rows are in import_set_aside")
    if report.copied:
        say(report.copied)
    for note in report.notes:
        say(note)
