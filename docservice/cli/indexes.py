"""`docservice indexes`: the indexes and views that the files of `indexes/` describe."""

from __future__ import annotations

import sys
from typing import Annotated

from cyclopts import App, Parameter

from docservice.console import EXIT_FAILED, StoreOptions, opened, require_data, run, say
from docservice.store.indexes.applying import Index, IndexReport, described
from docservice.store.indexes.files import folder
from docservice.store.indexes.script import mongosh_script
from docservice.store.indexes.views import described_views

app = App(name="indexes", help="Indexes and views: apply, compare, show.")


@app.command
def apply(
    *,
    rebuild: Annotated[bool, Parameter(negative="", help="also drop and rebuild indexes that differ")] = False,
    options: StoreOptions = StoreOptions(),
) -> None:
    """Create the indexes and views that are missing. `serve` does this at its start, too."""

    async def command() -> None:
        async with opened(options.settings()) as service:
            report = await service.admin.apply_indexes(rebuild=rebuild)
            now = await service.admin.check_indexes()
        say(f"{len(now.present)} indexes are there ({len(report.missing)} were missing).")
        changed = len(report.views.missing) + len(report.views.different)
        say(f"{len(now.views.present)} views are there ({changed} were missing or different).")
        _report(now)

    run(command())


@app.command
def check(*, options: StoreOptions = StoreOptions()) -> None:
    """Compare the server's indexes and views with the files; exit code 1 if one is missing or differs."""
    settings = options.settings()
    require_data(settings)

    async def command() -> None:
        async with opened(settings, apply_indexes=False) as service:
            report = await service.admin.check_indexes()
        say(f"{len(report.present)} of {report.wanted} indexes are there.")
        say(f"{len(report.views.present)} of {len(described_views())} views are there.")
        _report(report)

    run(command())


def _report(report: IndexReport) -> None:
    for title, names in (
        ("missing", report.missing),
        ("outdated", report.outdated),
        ("different", report.different),
        ("not needed on this engine", report.superfluous),
    ):
        for index in names:
            print(f"{title}: {index.collection}.{index.name} {_keys(index)}")
    for title, views in (("missing", report.views.missing), ("different", report.views.different)):
        for view in views:
            print(f"{title}: view {view.name} on {view.on}")
    for view in report.views.taken:
        print(f"in the way: a collection is called {view.name}; rename it, the view of that name is made then")
    for name in report.unknown:
        print(f"not described (left alone): {name}")
    if not report.complete:
        say("Create them with: docservice indexes apply (--rebuild for those that differ)")
        sys.exit(EXIT_FAILED)


@app.command
def show(*, options: StoreOptions = StoreOptions()) -> None:
    """List the described indexes, each with the query that it serves, and the views. No database is asked."""
    for index in described():
        more = "".join(f" {name}={value}" for name, value in index.options.items())
        more += "".join(f" (only where {name} is {value})" for name, value in index.only_where.items())
        print(f"{index.collection}.{index.name} ({_keys(index)}){more}\n    serves {index.serves}")
    for view in described_views():
        print(f"view {view.name} on {view.on}\n    {view.about}")
    say(f"The Mongo shell applies them with: mongosh URI {folder() / 'apply.mongosh.js'}")


@app.command
def script(
    *,
    shard: Annotated[
        bool, Parameter(negative="", help="also shard the collections of logs by the partition of their learner")
    ] = False,
    options: StoreOptions = StoreOptions(),
) -> None:
    """Print mongosh commands that create the indexes and, with --shard, shard the collections. No database is asked.

    For an administrator, on a server where the service itself may not create indexes: docservice indexes script |
    mongosh URI
    """
    print(mongosh_script(options.settings().database, shard=shard))


def _keys(index: Index) -> str:
    return ", ".join(name if direction == 1 else f"{name} (descending)" for name, direction in index.keys)
