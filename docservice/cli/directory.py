"""`docservice directory`: people, classes and assignments from a file; removing them."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated, Any

from cyclopts import App, Parameter
from rich.console import Console
from rich.table import Table

from docservice.cli.confirmation import can_ask, confirmed
from docservice.cli.people import OPERATOR
from docservice.console import StoreOptions, opened, require_data, run, say
from docservice.domain.answers.directory import Removed, Upserted
from docservice.domain.directory.records import SECTIONS, DirectorySection
from docservice.errors import SettingsInvalid
from docservice.service import DocService

_TRANSACTION_MS = 60_000
"""How long a transaction of MongoDB may take, unless its server is told otherwise."""

app = App(name="directory", help="The directory: people, classes, groups, quizzes, lessons.")


@app.command(name="import")
def import_(
    file: Annotated[Path, Parameter(allow_leading_hyphen=True)], /, *, options: StoreOptions = StoreOptions()
) -> None:
    """Create and change directory records from a JSON file ("-": standard input); safe to repeat.

    The file holds lists: datasets, facilities, classrooms, learnergroups, adhoclearnersgroups, users, roles,
    memberships, exams, lessons, course_sessions, content_nodes, channels; and default_facility, an id. Other keys
    are ignored.
    """
    run(_import(_read(file), options))


@app.command
def remove(
    collection: Annotated[DirectorySection, Parameter(help="which records: users, classrooms, roles …")],
    record: Annotated[
        str, Parameter(help="id; of a person, class or facility also the name, FACILITY/NAME where needed")
    ],
    /,
    *,
    yes: Annotated[bool, Parameter(negative="", help="do not ask")] = False,
    options: StoreOptions = StoreOptions(),
) -> None:
    """Remove a record of the directory with the records that name it; logs stay.

    A class goes with its groups, memberships, roles, quizzes, lessons and courses; a person with the memberships and
    roles of the person.
    """
    run(_remove(collection, record, options, yes=yes))


@app.command
def replace(
    file: Annotated[Path, Parameter(allow_leading_hyphen=True)],
    /,
    *,
    facility: Annotated[str | None, Parameter(help="id or name; without it, the only facility in the file")] = None,
    force: Annotated[bool, Parameter(negative="", help="withdraw even more than half of the people")] = False,
    options: StoreOptions = StoreOptions(),
) -> None:
    """Make the lists of a facility what they are in a JSON file ("-": standard input); safe to repeat.

    Records of the file are created and changed; records of the facility that a list of the file lacks are withdrawn,
    with those that name them. Lists that the file does not have stay as they are. All of it is one transaction.
    """
    run(_replace(_read(file), facility, options, force=force))


async def _remove(collection: DirectorySection, text: str, options: StoreOptions, *, yes: bool) -> None:
    settings = options.settings()
    require_data(settings)
    async with opened(settings, apply_indexes=False) as service:
        record_id = await _named(service, collection, text)
        if not yes:
            if not can_ask():
                raise SettingsInvalid("Say --yes to remove records without a question.")
            if not await confirmed(f"Remove {text} from {collection}, with all records that name it?"):
                say("docservice: nothing was removed")
                return
        _print_removed(await service.acting_as(OPERATOR).remove_directory_record(collection, record_id))


async def _named(service: DocService, collection: DirectorySection, text: str) -> str:
    """Return the id of the record that a text means."""
    match collection:
        case "users":
            return (await service.admin.person_called(text)).id
        case "classrooms":
            return (await service.admin.classroom_called(text)).id
        case "facilities":
            return (await service.admin.facility_called(text)).id
    return text


async def _replace(content: dict[str, Any], facility: str | None, options: StoreOptions, *, force: bool) -> None:
    settings = options.settings()
    # One transaction may take as long as MongoDB lets it: nobody waits for an answer over HTTP here.
    long = max(settings.mongodb_timeout_ms, _TRANSACTION_MS)
    async with opened(settings.model_copy(update={"mongodb_timeout_ms": long})) as service:
        facility_id = None if facility is None else (await service.admin.facility_called(facility)).id
        replaced = await service.acting_as(OPERATOR).replace_directory(content, facility=facility_id, force=force)
    table = Table("records", "created", "changed", "unchanged", "withdrawn")
    for section in SECTIONS:
        withdrawn, counts = replaced.removed.get(section, 0), replaced.written.get(section, Upserted())
        if withdrawn or section in replaced.written:
            numbers = (counts.created, counts.changed + replaced.changed.get(section, 0), counts.unchanged, withdrawn)
            table.add_row(section, *map(str, numbers))
    Console().print(table)


def _print_removed(removed: Removed) -> None:
    table = Table("records", "removed", "no longer assigned")
    for section in SECTIONS:
        counts = (removed.removed.get(section, 0), removed.changed.get(section, 0))
        if any(counts):
            table.add_row(section, *map(str, counts))
    Console().print(table)


def _reason(error: OSError | ValueError) -> str:
    if isinstance(error, OSError):
        return error.strerror or str(error)
    return f"it is not JSON in UTF-8 ({error})."


def _read(file: Path) -> dict[str, Any]:
    try:
        content = json.loads(sys.stdin.read() if str(file) == "-" else file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise SettingsInvalid(f"The directory file {file} cannot be read: {_reason(error)}") from None
    if not isinstance(content, dict):
        raise SettingsInvalid(f"The directory file {file} must hold a JSON object with lists of records.")
    if not content.keys() & {*SECTIONS, "default_facility"}:
        raise SettingsInvalid(f"The directory file {file} has none of the lists that are read: {', '.join(SECTIONS)}.")
    return content


async def _import(content: dict[str, Any], options: StoreOptions) -> None:
    async with opened(options.settings()) as service:
        counts = await service.import_directory(content)
    table = Table("records", "created", "changed", "unchanged")
    for section, count in counts.items():
        table.add_row(section, str(count.created), str(count.changed), str(count.unchanged))
    Console().print(table)
