"""`docservice export`: tables of a facility's logs as CSV or Parquet files."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter

from docservice.cli import backup as ndjson
from docservice.cli.progress import progress
from docservice.cli.pseudonyms import PseudonymOptions
from docservice.console import StoreOptions, opened, require_data, run, say
from docservice.domain.directory.name_lookup import NamedFacility
from docservice.domain.exports.pseudonyms import Pseudonyms
from docservice.domain.exports.tables import Table, TableName
from docservice.errors import SettingsInvalid
from docservice.export import CsvWriter, ParquetWriter, TableWriter, write_export
from docservice.export.atomic_files import standard_output
from docservice.service import DocService

app = App(name="export", help="Write logs to files.")
app.command(ndjson.write, name="ndjson")

TableOption = Annotated[TableName, Parameter(help="what a row is; the manual explains each, at /docs/exports")]
Facility = Annotated[str, Parameter(help="id or name of the facility; an unknown one is answered with those there are")]
Output = Annotated[Path, Parameter(allow_leading_hyphen=True, help='file to write; "-": standard output')]
Class = Annotated[str | None, Parameter(name="--class", help="only logs of the learners of this class: id or name")]
Group = Annotated[str | None, Parameter(help="only logs of the learners of this group: id or name")]
Learner = Annotated[str | None, Parameter(help="only logs of this learner: id, username, or FACILITY/USERNAME")]
Start = Annotated[str | None, Parameter(help="first day, or time in ISO 8601; UTC unless it names an offset")]
End = Annotated[str | None, Parameter(help="last day; of a time, what began up to 24 hours later comes, too")]


@app.command
def csv(
    table: TableOption,
    /,
    *,
    facility: Facility,
    output: Output,
    classroom: Class = None,
    group: Group = None,
    learner: Learner = None,
    start: Start = None,
    end: End = None,
    pseudonymous: PseudonymOptions = PseudonymOptions(),
    options: StoreOptions = StoreOptions(),
) -> None:
    """Write a CSV file; `session` and `summary` are those of Kolibri's exportlogs.

    A file that is there is replaced when the new one is whole. Cells that a spreadsheet would run begin with an
    apostrophe.
    """
    people = (classroom, group, learner)
    span = (_moment("start", start), _moment("end", end))
    run(_export(CsvWriter, table, facility, people, output, span, pseudonymous.pseudonyms(), options))


@app.command
def parquet(
    table: TableOption,
    /,
    *,
    facility: Facility,
    output: Output,
    classroom: Class = None,
    group: Group = None,
    learner: Learner = None,
    start: Start = None,
    end: End = None,
    pseudonymous: PseudonymOptions = PseudonymOptions(),
    options: StoreOptions = StoreOptions(),
) -> None:
    """Write a Parquet file with the same rows, typed; needs the extra `parquet`.

    A file that is there is replaced when the new one is whole.
    """
    people = (classroom, group, learner)
    span = (_moment("start", start), _moment("end", end))
    run(_export(ParquetWriter, table, facility, people, output, span, pseudonymous.pseudonyms(), options))


async def _export(
    writer: Callable[[Path, Table], TableWriter],
    rows: TableName,
    facility: str,
    people: tuple[str | None, str | None, str | None],
    output: Path,
    span: tuple[datetime | None, datetime | None],
    pseudonyms: Pseudonyms | None,
    options: StoreOptions,
) -> None:
    start, end = span
    if start is not None and end is not None and start - end >= timedelta(days=1):  # the end is a day later
        raise SettingsInvalid("--end is before --start.")
    settings = options.settings()
    require_data(settings)
    with tempfile.TemporaryDirectory(prefix="docservice-") as folder:
        to_pipe = str(output) == "-"
        path = Path(folder, "export") if to_pipe else output
        async with opened(settings) as service:
            named = await service.admin.facility_called(facility)
            chosen = await _people(service, named, *people)
            with progress() as watch:
                written = await write_export(
                    *(service, rows, named.id, path, writer),
                    start=start,
                    end=end,
                    people=chosen,
                    watch=watch,
                    pseudonyms=pseudonyms,
                )
        if to_pipe:
            with path.open("rb") as whole, standard_output() as pipe:
                shutil.copyfileobj(whole, pipe)
    where = "standard output" if to_pipe else output
    say(f"wrote {written.rows:,} {rows} rows ({written.bytes:,} bytes) to {where}")


async def _people(
    service: DocService, facility: NamedFacility, classroom: str | None, group: str | None, learner: str | None
) -> frozenset[str] | None:
    in_class = None
    if classroom is not None:
        in_class = await service.admin.classroom_called(classroom, facility=facility)
    in_group = None
    if group is not None:
        in_group = await service.admin.record_called("group", group, facility=facility, classroom=in_class)
    person = None if learner is None else await service.admin.person_called(learner)
    return await service.admin.people_in(
        classroom_id=None if in_class is None else in_class.id,
        group_id=None if in_group is None else in_group.id,
        user_id=None if person is None else person.id,
    )


def _moment(option: str, text: str | None) -> datetime | None:
    if text is None:
        return None
    try:
        moment = datetime.fromisoformat(text)
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        raise SettingsInvalid(f"--{option} takes a date (2024-09-30) or a time in ISO 8601.") from None
