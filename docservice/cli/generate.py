"""`docservice generate`: a realistic data set, for trials and measurements."""

from __future__ import annotations

import shutil
import sys
import time
from datetime import UTC, date, datetime
from typing import Annotated

from cyclopts import Parameter
from rich.console import Console
from rich.table import Table

from docservice.cli.confirmation import can_ask, confirmed
from docservice.cli.progress import progress
from docservice.console import EXIT_FAILED, StoreOptions, opened, resumable, run, say
from docservice.errors import SettingsInvalid
from docservice.generate import Estimate, Generated, Plan, estimate
from docservice.generate import generate as load
from docservice.service import DocService
from docservice.settings import Settings

ASK_FROM_SECONDS = 120.0
"""What takes longer is begun only when the person at the terminal says so. The defaults take less."""


def generate(
    *,
    learners: Annotated[int, Parameter(help="how many learners")] = 100,
    weeks: Annotated[int, Parameter(help="how many weeks of school")] = 8,
    classes: Annotated[int | None, Parameter(help="how many classes; none given: one for 30 learners")] = None,
    channels: Annotated[int, Parameter(help="how many channels of about 70 contents")] = 2,
    seed: Annotated[int, Parameter(help="another seed is another school")] = 1,
    until: Annotated[str | None, Parameter(help="last day, YYYY-MM-DD; none given: today")] = None,
    yes: Annotated[bool, Parameter(name="--yes", negative="", help="do not ask")] = False,
    options: StoreOptions = StoreOptions(),
) -> None:
    """Load an invented school: people, contents, and weeks of what the learners do.

    The same options give the same documents. Safe to repeat, also after an interruption. Its ids are
    its own: the records of other schools are left alone. What it will take is said first; at a terminal a large school,
    or one beside other data, is loaded only if you say yes.
    """
    try:
        plan = Plan(seed=seed, learners=learners, weeks=weeks, channels=channels, classes=classes)
    except ValueError as error:
        raise SettingsInvalid(f"This cannot be generated: {error}.") from None
    try:
        end = date.fromisoformat(until) if until else None
    except ValueError:
        raise SettingsInvalid(f"--until takes a day, YYYY-MM-DD, not {until!r}.") from None
    run(_generate(plan, end, options, yes=yes))


async def _generate(plan: Plan, until: date | None, options: StoreOptions, *, yes: bool) -> None:
    settings = options.settings()
    async with opened(settings, apply_indexes=False) as service:
        if not await _wanted(service, plan, settings, yes=yes):
            say("docservice: nothing was loaded.")
            sys.exit(EXIT_FAILED)
        await service.admin.apply_indexes()
        began = time.monotonic()
        with resumable(), progress() as watch:
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


async def _wanted(service: DocService, plan: Plan, settings: Settings, *, yes: bool) -> bool:
    """Say what will be done, and ask where there is a reason to.

    Without a terminal there is no question: the author of a script has chosen the size in it, and stopping is safe.
    While the disk of the embedded engine has too little room, its writes are refused.
    """
    if await service.admin.data_sets.find(plan.dataset_id) is not None:
        return True
    expected = estimate(plan)
    where = "on the server" if settings.mongodb_uri else f"in {settings.data_dir}"
    say(
        f"learners: {plan.learners:,}, weeks: {plan.weeks:,}. That is about {expected.logs:,} logs with "
        f"{expected.attempts:,} attempts, {_duration(expected.seconds)} and {_room(expected.bytes)}, in the database "
        f"{settings.database} {where}."
    )
    reasons = [] if expected.seconds <= ASK_FROM_SECONDS else ["This is large."]
    others = [name for facility, name in (await service.admin.facility_names()).items() if facility != plan.facility_id]
    if others:
        reasons.append(f"The database holds other data: {', '.join(others)}.")
    if room := _lack_of_room(settings, expected):
        reasons.append(room)
    for reason in reasons:
        say(reason)
    return yes or not reasons or not can_ask() or await confirmed("Load it?")


def _lack_of_room(settings: Settings, expected: Estimate) -> str | None:
    if settings.mongodb_uri is not None:
        return None
    free = shutil.disk_usage(settings.data_dir).free - settings.min_free_disk_bytes
    return None if expected.bytes <= free else f"The disk has room for {_room(max(0, free))}."


def _room(count: int) -> str:
    return f"{count / 1e9:.1f} GB" if count >= 1e9 else f"{count / 1e6:.0f} MB"


def _duration(seconds: float) -> str:
    if seconds < 60:
        return "less than a minute"
    minutes = round(seconds / 60)
    return f"{minutes} minute{'s' if minutes > 1 else ''}" if minutes < 120 else f"{minutes / 60:.0f} hours"


def _show(done: Generated) -> None:
    table = Table("records", "in the data set", "written now", title=f"dataset {done.dataset_id}")
    for column in table.columns[1:]:
        column.justify = "right"
    for name, count in done.documents.items():
        table.add_row(name, f"{count:,}", f"{done.inserted[name]:,}" if name in done.inserted else "")
    Console().print(table)
