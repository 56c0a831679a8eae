"""`docservice classes`: the classes of the directory, and who is in them."""

from __future__ import annotations

import json
from collections import Counter
from typing import Annotated, Any

from cyclopts import App, Parameter
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from docservice.cli.people import OPERATOR, AsJson, Facility, print_json_lines, table_with_ids
from docservice.console import StoreOptions, opened, require_data, run, say
from docservice.domain.directory.records import DirectorySection
from docservice.domain.requests.directory_pages import DirectoryFilters
from docservice.service.acting.person_logs import ActingLogs

app = App(name="classes", help="The classes of the directory: list them, show one.")


@app.command(name="list")
def list_(*, facility: Facility = None, json: AsJson = False, options: StoreOptions = StoreOptions()) -> None:
    """List the classes of the directory with the number of their groups, members and coaches."""
    run(_list(facility, options, as_json=json))


@app.command
def show(
    classroom: Annotated[str, Parameter(name="CLASS", help="id, name, or FACILITY/CLASS")],
    /,
    *,
    json: AsJson = False,
    options: StoreOptions = StoreOptions(),
) -> None:
    """Show one class: its groups, coaches and members, and what is made for it."""
    run(_show(classroom, options, as_json=json))


async def _list(facility: str | None, options: StoreOptions, *, as_json: bool) -> None:
    settings = options.settings()
    require_data(settings)
    async with opened(settings, apply_indexes=False) as service:
        facility_id = None if facility is None else (await service.admin.facility_called(facility)).id
        filters, logs = DirectoryFilters(facility=facility_id), service.acting_as(OPERATOR)
        classes = logs.directory_records("classrooms", filters, page_size=500)
        if as_json:
            await print_json_lines(classes)
            return
        rows = [each async for each in classes]
        members = await _counted(logs, "memberships", filters, "collection_id")
        groups = await _counted(logs, "learnergroups", filters, "parent_id")
        coaches = await _counted(logs, "roles", filters, "collection_id")
        facilities = await service.admin.facility_names(limit=10_000)
    if rows:
        table = table_with_ids("class", "facility", "groups", "members", "coaches")
        for each in sorted(rows, key=lambda each: (str(each.get("name")).lower(), each["id"])):
            place, numbers = facilities.get(each["parent_id"]) or str(each["parent_id"]), (groups, members, coaches)
            counts = (f"{number[each['id']]:,}" for number in numbers)
            table.add_row(escape(str(each.get("name") or "")), escape(place), *counts, each["id"])
        Console().print(table)
    say(f"docservice: {len(rows):,} {'class' if len(rows) == 1 else 'classes'}")


async def _counted(logs: ActingLogs, section: DirectorySection, filters: DirectoryFilters, name: str) -> Counter[str]:
    """Count the records of a list by one of their fields."""
    return Counter([str(each[name]) async for each in logs.directory_records(section, filters, page_size=500)])


async def _show(text: str, options: StoreOptions, *, as_json: bool) -> None:
    settings = options.settings()
    require_data(settings)
    async with opened(settings, apply_indexes=False) as service:
        classroom, logs = await service.admin.classroom_called(text), service.acting_as(OPERATOR)
        of_class = DirectoryFilters(classroom=classroom.id)
        found: dict[str, Any] = await logs.directory_record("classrooms", classroom.id)
        for name, section, filters in (
            ("coaches", "users", DirectoryFilters(classroom=classroom.id, role="coach")),
            ("members", "users", of_class),
            ("groups", "learnergroups", of_class),
            ("lessons", "lessons", of_class),
            ("quizzes", "exams", of_class),
        ):
            records = logs.directory_records(section, filters, page_size=500)  # type: ignore[arg-type]
            found[name] = [_short(record) async for record in records]
    if as_json:
        print(json.dumps(found, ensure_ascii=False))
        return
    table = Table(show_header=False)
    table.add_row("id", classroom.id)
    table.add_row("class", escape(classroom.name))
    table.add_row("facility", escape(f"{classroom.facility.name} ({classroom.facility.id})"))
    for name in ("coaches", "members", "groups", "lessons", "quizzes"):
        for each in sorted(found[name], key=lambda each: str(each["name"]).lower()):
            table.add_row(name, escape(f"{each['name']} ({each['id']})"))
    Console().print(table)


def _short(record: dict[str, Any]) -> dict[str, Any]:
    """Return the id of a record and what it is called."""
    return {"id": record["id"], "name": record.get("username") or record.get("name") or record.get("title") or ""}
