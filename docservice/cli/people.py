"""`docservice people`: who is in the directory."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping
from typing import Annotated, Any, Literal

from cyclopts import App, Parameter
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from docservice.console import StoreOptions, opened, require_data, run, say
from docservice.domain.requests.directory_pages import DirectoryFilters
from docservice.identity import Principal
from docservice.service import DocService
from docservice.service.acting.person_logs import ActingLogs

app = App(name="people", help="The people of the directory: list them, find them, show one.")

OPERATOR = Principal(is_service=True)
"""Who has the data folder or the server sees the directory as a program with a service token does."""

_ID_WIDTH = 32

RoleChoice = Literal["admin", "coach", "classroom assignable coach", "learner"]
AsJson = Annotated[bool, Parameter(name="--json", negative="", help="as JSON, one record a line, for programs")]
Facility = Annotated[str | None, Parameter(help="id or name of the facility")]


@app.command(name="list")
def list_(
    *,
    facility: Facility = None,
    classroom: Annotated[
        str | None, Parameter(name="--class", help="id or name of a class: who is in it or in a group of it")
    ] = None,
    role: Annotated[
        RoleChoice | None, Parameter(help="people with such a role, with --class for it; a learner has none")
    ] = None,
    json: AsJson = False,
    options: StoreOptions = StoreOptions(),
) -> None:
    """List the people of the directory, of a facility or of a class."""
    run(_list(None, facility, classroom, role, options, as_json=json))


@app.command
def find(
    text: Annotated[str, Parameter(help="a part of the username or of the full name")],
    /,
    *,
    facility: Facility = None,
    json: AsJson = False,
    options: StoreOptions = StoreOptions(),
) -> None:
    """Find people by a part of their name; upper and lower case are the same."""
    run(_list(text, facility, None, None, options, as_json=json))


@app.command
def show(
    person: Annotated[str, Parameter(help="id, username, or FACILITY/USERNAME")],
    /,
    *,
    json: AsJson = False,
    options: StoreOptions = StoreOptions(),
) -> None:
    """Show one person with classes, groups and roles."""
    run(_show(person, options, as_json=json))


async def _list(
    search: str | None,
    facility: str | None,
    classroom: str | None,
    role: str | None,
    options: StoreOptions,
    *,
    as_json: bool,
) -> None:
    settings = options.settings()
    require_data(settings)
    async with opened(settings, apply_indexes=False) as service:
        facility_id = None if facility is None else (await service.admin.facility_called(facility)).id
        classroom_id = None if classroom is None else (await service.admin.classroom_called(classroom)).id
        filters = DirectoryFilters(search=search, facility=facility_id, classroom=classroom_id, role=role)
        people = service.acting_as(OPERATOR).directory_records("users", filters, page_size=500)
        if as_json:
            await print_json_lines(people)
            return
        count = await print_people(people, await service.admin.facility_names(limit=10_000))
    say(f"docservice: {count:,} {'person' if count == 1 else 'people'}")


def table_with_ids(*names: str) -> Table:
    """Return a table whose last column has ids, which are never cut: the other columns give way."""
    table = Table(*names)
    table.add_column("id", no_wrap=True, min_width=_ID_WIDTH)
    return table


async def print_json_lines(records: AsyncIterator[Mapping[str, Any]]) -> None:
    """Print each record as a line of JSON."""
    async for record in records:
        print(json.dumps(record, ensure_ascii=False))


async def print_people(people: AsyncIterator[Mapping[str, Any]], facilities: Mapping[str, str]) -> int:
    """Print people as a table, sorted by their usernames; return how many there are."""
    rows = [
        (str(each["username"]), str(each.get("full_name") or ""), str(each["facility_id"]), str(each["id"]))
        async for each in people
    ]
    if rows:
        table = table_with_ids("username", "full name", "facility")
        for username, full_name, facility_id, user_id in sorted(rows, key=lambda row: (row[0].lower(), row[3])):
            facility = facilities.get(facility_id) or facility_id
            table.add_row(escape(username), escape(full_name), escape(facility), user_id)
        Console().print(table)
    return len(rows)


async def _show(text: str, options: StoreOptions, *, as_json: bool) -> None:
    settings = options.settings()
    require_data(settings)
    async with opened(settings, apply_indexes=False) as service:
        user_id = (await service.admin.person_called(text)).id
        logs = service.acting_as(OPERATOR)
        person = {
            **await logs.directory_record("users", user_id),
            "memberships": await _of_person(logs, "memberships", user_id),
            "roles": await _of_person(logs, "roles", user_id),
        }
        if as_json:
            print(json.dumps(person, ensure_ascii=False))
            return
        places = await collection_names(service, {each["collection_id"] for each in person["memberships"]})
        places |= await collection_names(service, {each["collection_id"] for each in person["roles"]})
        facility = await collection_names(service, {person["facility_id"]})
    table = Table(show_header=False)
    rows = [
        ("id", user_id),
        ("username", person["username"]),
        ("full name", person.get("full_name") or ""),
        ("facility", f"{facility.get(person['facility_id'], '')} ({person['facility_id']})"),
        *(("may do everything", "superuser") for _ in range(bool(person.get("is_superuser")))),
        *(("role", f"{each['kind']} of {places[each['collection_id']]}") for each in person["roles"]),
        *(("member of", places[each["collection_id"]]) for each in person["memberships"]),
    ]
    for name, value in rows:
        table.add_row(name, escape(str(value)))
    Console().print(table)


async def _of_person(logs: ActingLogs, section: Literal["memberships", "roles"], user_id: str) -> list[dict[str, Any]]:
    return [each async for each in logs.directory_records(section, DirectoryFilters(user=user_id))]


async def collection_names(service: DocService, ids: set[str]) -> dict[str, str]:
    """Return what facilities, classes and groups are called, by id; of one without a name, its id."""
    named = await service.admin.collection_names(ids)
    return {each: named.get(each) or each for each in ids}
