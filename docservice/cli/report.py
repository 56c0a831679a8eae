"""`docservice report`: what learners do, as a table, CSV or JSON."""

from __future__ import annotations

import sys
from datetime import date, datetime
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo

from cyclopts import Parameter
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from docservice.console import StoreOptions, opened, require_data, run, say
from docservice.domain.directory.name_lookup import RecordKind
from docservice.domain.reports.definitions import Report, ReportName, ReportUnit
from docservice.domain.reports.filters import CountedTries, ReportFilters, ReportPeriod
from docservice.export.report_csv import report_csv
from docservice.service import DocService

Format = Literal["table", "csv", "json"]
_NUMBERS: set[ReportUnit] = {"count", "number", "share", "percent", "seconds"}


def report(
    name: Annotated[ReportName, Parameter(help="which report")],
    /,
    *,
    facility: Annotated[str | None, Parameter(help="learners of this facility: id or name")] = None,
    classroom: Annotated[str | None, Parameter(name="--class", help="learners of this class: id or name")] = None,
    group: Annotated[str | None, Parameter(help="learners of this group: id or name")] = None,
    learner: Annotated[str | None, Parameter(help="this learner: id, username, or FACILITY/USERNAME")] = None,
    channel: Annotated[str | None, Parameter(help="content of this channel: id or name")] = None,
    topic: Annotated[str | None, Parameter(help="content below this topic: id or title")] = None,
    content: Annotated[str | None, Parameter(help="this content: content id or title")] = None,
    lesson: Annotated[str | None, Parameter(help="resources and learners of this lesson: id or title")] = None,
    quiz: Annotated[str | None, Parameter(help="this quiz of a coach: id or title")] = None,
    since: Annotated[str | None, Parameter(name="--from", help="first day, as 2024-09-02")] = None,
    until: Annotated[str | None, Parameter(help="last day")] = None,
    zone: Annotated[str | None, Parameter(help="time zone of days and times; UTC if not given")] = None,
    by: Annotated[ReportPeriod | None, Parameter(help="what a row of `activity` is")] = None,
    tries: Annotated[
        CountedTries | None, Parameter(help="which tries a statistic counts; the first if not given")
    ] = None,
    least_learners: Annotated[int | None, Parameter(help="show no statistic of fewer learners; 5 if not given")] = None,
    format: Annotated[
        Format | None, Parameter(help="a table on a terminal, else CSV, if not given; JSON has the ids, too")
    ] = None,
    options: StoreOptions = StoreOptions(),
) -> None:
    """Print a report of what learners do; the manual explains each of them, at /docs/reports.

    Names count in any case; one that several have is answered with their ids. A report takes the filters that fit it
    and refuses others.
    """
    records: dict[RecordKind, str | None] = {
        "group": group,
        "lesson": lesson,
        "quiz": quiz,
        "channel": channel,
        "topic": topic,
        "content": content,
    }
    # What is wrong with these is told before anything is opened.
    values = {"since": since, "until": until, "zone": zone, "by": by, "tries": tries, "least_learners": least_learners}
    ReportFilters(**values)  # type: ignore[arg-type]  # days are read of their text
    chosen = format or ("table" if sys.stdout.isatty() else "csv")
    run(_report(name, values, facility, classroom, learner, records, chosen, options))


async def _report(
    name: ReportName,
    values: dict[str, Any],
    facility: str | None,
    classroom: str | None,
    learner: str | None,
    records: dict[RecordKind, str | None],
    chosen: Format,
    options: StoreOptions,
) -> None:
    settings = options.settings()
    require_data(settings)
    async with opened(settings) as service:
        filters = ReportFilters(**values, **await _ids(service, facility, classroom, learner, records))
        made = await service.admin.report(name, filters)
    if chosen == "json":
        print(made.model_dump_json(indent=2))
    elif chosen == "csv":
        sys.stdout.write(report_csv(made))
    else:
        _show(made, filters.timezone)
    for note in made.notes:
        say(note)


async def _ids(
    service: DocService,
    facility: str | None,
    classroom: str | None,
    learner: str | None,
    records: dict[RecordKind, str | None],
) -> dict[str, Any]:
    """Return the ids of what is named, by filter; facility and class narrow where the rest is looked for."""
    found: dict[str, Any] = {}
    in_facility = None if facility is None else await service.admin.facility_called(facility)
    if in_facility is not None:
        found["facility"] = in_facility.id
    in_class = None if classroom is None else await service.admin.classroom_called(classroom, facility=in_facility)
    if in_class is not None:
        found["classroom"] = in_class.id
    if learner is not None:
        found["user"] = (await service.admin.person_called(learner)).id
    for kind, text in records.items():
        if text is not None:
            record = await service.admin.record_called(kind, text, facility=in_facility, classroom=in_class)
            found["learner_group" if kind == "group" else kind] = record.id
    return found


def _show(made: Report, zone: ZoneInfo) -> None:
    """Print a table without ids, and without columns that are empty."""
    columns = [
        column
        for column in made.definition.columns
        if column.unit != "id" and (not made.rows or any(row[column.name] not in (None, "") for row in made.rows))
    ]
    table = Table(title=made.definition.title, caption=made.definition.about)
    for column in columns:
        table.add_column(column.title, justify="right" if column.unit in _NUMBERS else "left")
    for row in made.rows:
        table.add_row(*(escape(_cell(column.unit, row[column.name], zone)) for column in columns))
    Console().print(table)


def _cell(unit: ReportUnit, value: Any, zone: ZoneInfo) -> str:
    match unit, value:
        case _, None:
            return ""
        case "share", _:
            return f"{100 * value:.0f} %"
        case "percent", _:
            return f"{value:.1f} %"
        case "number", _:
            return f"{value:.2f}".rstrip("0").rstrip(".")
        case "seconds", _:
            return _duration(round(value))
        case "flag", _:
            return "yes" if value else "no"
        case "time", datetime():
            return f"{value.astimezone(zone):%Y-%m-%d %H:%M}"
        case "date", date():
            return value.isoformat()
        case _:
            return str(value)


def _duration(seconds: int) -> str:
    minutes, seconds = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{seconds:02}"
