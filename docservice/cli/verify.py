"""`docservice verify`: check the documents against the rules, or compare them with another database."""

from __future__ import annotations

import sys
import time
from collections import Counter
from collections.abc import Mapping
from typing import Annotated

from cyclopts import Parameter
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from docservice.cli.progress import progress
from docservice.console import EXIT_FAILED, StoreOptions, opened, require_data, run, say
from docservice.domain.upkeep.comparison import Difference
from docservice.domain.upkeep.consistency import Finding
from docservice.domain.values.database_names import named_database
from docservice.errors import SettingsInvalid
from docservice.service import DocService


def verify(
    *,
    repair: Annotated[bool, Parameter(negative="", help="repair what follows from the rest of the data")] = False,
    against: Annotated[str | None, Parameter(help="MongoDB connection string of a database to compare with")] = None,
    against_database: Annotated[
        str | None, Parameter(help="its name; none given: the one in --against, or that of this one")
    ] = None,
    show: Annotated[int, Parameter(help="how many findings to print one by one")] = 20,
    options: StoreOptions = StoreOptions(),
) -> None:
    """Look at every document; exit code 1 if something is wrong and was not repaired.

    Checks fields, ids, partitions, source ids, counters, dirty marks, and that attempts which moved to buckets are
    there once and belong to a log. Safe beside running writers. With --against (or only --against-database, on the
    same server) compares directory and logs with another database instead, and changes nothing.
    """
    if repair and (against or against_database):
        raise SettingsInvalid("--repair and --against are two different things: do one after the other.")
    comparing = bool(against or against_database)
    run(_compare(against, against_database, show, options) if comparing else _verify(repair, show, options))


async def _verify(repair: bool, show: int, options: StoreOptions) -> None:
    counts: Counter[tuple[str, ...]] = Counter()
    first: list[Finding] = []

    def found(finding: Finding) -> None:
        state = "repaired" if finding.mended else "can be repaired" if finding.mendable else "cannot be repaired"
        counts[finding.collection, finding.rule, state] += 1
        if len(first) < show:
            first.append(finding)

    settings = options.settings()
    require_data(settings)
    async with opened(settings) as service:
        began = time.monotonic()
        with progress() as watch:
            checked = await service.admin.verify(found, repair=repair, watch=watch)
        seconds = time.monotonic() - began
    for finding in first:
        where = f"{finding.collection} {finding.document_id} {finding.path}".rstrip()
        print(f"{where}: {finding.rule}: {finding.message}{' (repaired)' if finding.mended else ''}")
    _show(counts, ("collection", "rule", "repair"), "findings")
    _end(checked, seconds, sum(count for key, count in counts.items() if "repaired" not in key), "wrong")


async def _compare(against: str | None, name: str | None, show: int, options: StoreOptions) -> None:
    counts: Counter[tuple[str, ...]] = Counter()
    first: list[Difference] = []

    def found(difference: Difference) -> None:
        counts[difference.collection, difference.kind] += 1
        if len(first) < show:
            first.append(difference)

    settings = options.settings()
    require_data(settings)
    async with opened(settings) as service:
        other = DocService(
            against or service.connection_string,
            database=name or (named_database(against) if against else None) or settings.database,
            timeout_seconds=settings.mongodb_timeout_ms / 1000,
            apply_indexes=False,
        )
        async with other:
            began = time.monotonic()
            with progress() as watch:
                checked = await service.admin.compare(other.admin, found, watch=watch)
            seconds = time.monotonic() - began
    for each in first:
        print(f"{each.collection} {each.document_id}: {each.kind} {', '.join(each.paths)}".rstrip())
    _show(counts, ("collection", "difference"), "documents")
    _end(checked, seconds, sum(counts.values()), "different")


def _show(counts: Mapping[tuple[str, ...], int], names: tuple[str, ...], last: str) -> None:
    if not counts:
        return
    table = Table(*names)
    table.add_column(last, justify="right")
    for key, count in sorted(counts.items()):
        table.add_row(*map(escape, key), f"{count:,}")
    Console().print(table)


def _end(checked: Mapping[str, int], seconds: float, left: int, word: str) -> None:
    count = sum(checked.values())
    say(f"Looked at {count:,} documents in {seconds:.1f} s ({count / seconds:,.0f} documents/s): {left:,} {word}.")
    if left:
        sys.exit(EXIT_FAILED)
