"""`docservice generate`: a believable data set, for trying things and for measuring."""

from __future__ import annotations

import time
from datetime import UTC, date, datetime
from typing import Annotated

from cyclopts import Parameter
from rich.console import Console
from rich.table import Table

from docservice.cli.console import StoreOptions, opened, run, say
from docservice.cli.progress import progress
from docservice.errors import SettingsInvalid
from docservice.generate import Generated, Plan
from docservice.generate import generate as load


def generate(
    *,
    learners: Annotated[int, Parameter(help="how many learners")] = 100,
    weeks: Annotated[int, Parameter(help="how many weeks of school")] = 8,
    classes: Annotated[int | None, Parameter(help="how many classes; none given: one for 30 learners")] = None,
    channels: Annotated[int, Parameter(help="how many channels of about 70 contents")] = 2,
    seed: Annotated[int, Parameter(help="another seed is another school")] = 1,
    until: Annotated[str | None, Parameter(help="last day, YYYY-MM-DD; none given: today")] = None,
    options: StoreOptions = StoreOptions(),
) -> None:
    """Load an invented school: people, contents, and weeks of what the learners do.

    The same options give the same documents. Again changes nothing, and completes what was interrupted. Its ids are
    its own: the records of other schools are left alone.
    """
    try:
        plan = Plan(seed=seed, learners=learners, weeks=weeks, channels=channels, classes=classes)
    except ValueError as error:
        raise SettingsInvalid(f"This cannot be generated: {error}.") from None
    try:
        end = date.fromisoformat(until) if until else None
    except ValueError:
        raise SettingsInvalid(f"--until takes a day, YYYY-MM-DD, not {until!r}.") from None
    run(_generate(plan, end, options))


async def _generate(plan: Plan, until: date | None, options: StoreOptions) -> None:
    async with opened(options.settings()) as service:
        began = time.monotonic()
        with progress() as watch:
            done = await load(
                service, plan, until=until or datetime.now(UTC).date(), fixed=until is not None, watch=watch
            )
        seconds = time.monotonic() - began
    _show(done)
    if done.complete_before:
        say(f"The data set is there already (until {done.until}); nothing was changed.")
    else:
        count = sum(done.inserted.values())
        say(f"Wrote {count:,} logs in {seconds:.1f} s ({count / seconds:,.0f} documents/s), until {done.until}.")


def _show(done: Generated) -> None:
    table = Table("records", "in the data set", "written now", title=f"dataset {done.dataset_id}")
    for column in table.columns[1:]:
        column.justify = "right"
    for name, count in done.documents.items():
        table.add_row(name, f"{count:,}", f"{done.inserted[name]:,}" if name in done.inserted else "")
    Console().print(table)
