"""`docservice consolidate`: repair logs that old versions of Kolibri recorded wrongly."""

from __future__ import annotations

from contextlib import nullcontext
from typing import Annotated

from cyclopts import App, Parameter
from rich.console import Console
from rich.table import Table

from docservice.cli.progress import progress as shown_progress
from docservice.console import StoreOptions, opened, require_data, resumable, run, say
from docservice.domain.upkeep.consolidation import ConsolidationRule
from docservice.service.trusted.consolidation import ConsolidationReport

app = App(name="consolidate", help="Repair what old versions of Kolibri recorded wrongly; safe to repeat.")

DryRun = Annotated[bool, Parameter(name="--dry-run", negative=(), help="only count")]


@app.command
def quiz_attempts(*, dry_run: DryRun = False, options: StoreOptions = StoreOptions()) -> None:
    """Merge attempts at the same question in the same mastery log of a quiz (Kolibri below 0.16)."""
    run(_consolidate("quiz-attempts", dry_run, options))


@app.command
def progress(*, dry_run: DryRun = False, options: StoreOptions = StoreOptions()) -> None:
    """Complete content whose progress stopped between 0.999 and 1, with its latest try (Kolibri below 0.15.11)."""
    run(_consolidate("progress", dry_run, options))


@app.command
def mastery_times(*, dry_run: DryRun = False, options: StoreOptions = StoreOptions()) -> None:
    """Give tries that end where they start the end of their latest attempt, or of their summary (below 0.18)."""
    run(_consolidate("mastery-times", dry_run, options))


async def _consolidate(rule: ConsolidationRule, dry_run: bool, options: StoreOptions) -> None:
    settings = options.settings()
    require_data(settings)
    async with opened(settings) as service:
        with nullcontext() if dry_run else resumable(), shown_progress() as watch:
            report = await service.admin.consolidate([rule], dry_run=dry_run, watch=watch)
    Console().print(consolidation_table(report, [rule], dry_run=dry_run))
    if dry_run:
        say("dry run: nothing was changed")


def consolidation_table(report: ConsolidationReport, rules: list[str] | None = None, *, dry_run: bool = False) -> Table:
    """What the rules found, and what they did about it or, in a dry run, would do."""
    done = "records to put right" if dry_run else "records put right"
    table = Table("rule", "summaries looked at", "with mistakes", done)
    for column in table.columns[1:]:
        column.justify = "right"
    for rule in rules or report.summaries:
        counts = (report.summaries[rule], report.mended_summaries[rule], report.mended_records[rule])
        table.add_row(rule, *map(str, counts))
    return table
