"""`docservice directory`: people, classes and assignments from a file."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated, Any

from cyclopts import App, Parameter
from rich.console import Console
from rich.table import Table

from docservice.console import StoreOptions, opened, run, say
from docservice.domain.directory.records import SECTIONS
from docservice.errors import SettingsInvalid

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
    for section, count in counts.items():
        if count.erased:
            say(f"left out: {count.erased:,} {section} of people who were erased")
