"""`docservice export`: the command as a person or a nightly job runs it."""

from __future__ import annotations

import csv
import io
import sys
from pathlib import Path
from typing import Any

import pyarrow.parquet
import pytest

from docservice import DocService, demo

from .running import Finished, names_in, run

pytestmark = [pytest.mark.engine, pytest.mark.slow]

FACILITY = demo.directory()["facilities"][0]["id"]


async def filled(uri: str, name: str) -> None:
    """Put the demo's directory and one visit into a database."""
    async with DocService(uri, database=name) as service:
        await service.import_directory(demo.directory())
        visit = {"content_id": "b" * 32, "kind": "video", "start_timestamp": "2024-09-02T10:00:00Z"}
        await service.content_session_logs.save({**visit, "user_id": demo.directory()["users"][1]["id"]})


async def export(uri: str, database: Any, *arguments: str, cwd: Path | None = None) -> Finished:
    """Run `docservice export` on a database."""
    return await run("export", *arguments, "--mongodb-uri", uri, "--database", database.name, cwd=cwd)


async def test_files_and_pipes(mongodb_uri: str, database: Any, tmp_path: Path) -> None:
    """A file and standard output get the same rows, by the facility's id or name; bounds leave rows out."""
    await filled(mongodb_uri, database.name)
    session = ("session", "--facility", FACILITY)

    piped = await export(mongodb_uri, database, "csv", *session, "--output", "-")
    days = ("--start", "2024-09-02T10:00", "--end", "2024-09-02")
    inside = await export(mongodb_uri, database, "parquet", *session, "--output", "a.parquet", *days, cwd=tmp_path)
    days = ("--start", "2024-09-03", "--end", "2024-09-04T12:00:00+03:00")
    named = ("session", "--facility", "lakeside school")
    outside = await export(mongodb_uri, database, "csv", *named, "--output", "b.csv", *days, cwd=tmp_path)

    assert [ended.code for ended in (piped, inside, outside)] == [0] * 3, piped.err
    rows = list(csv.DictReader(io.StringIO(piped.out.removeprefix("\ufeff"))))
    assert [row["Time of first interaction"] for row in rows] == ["2024-09-02 10:00:00+00:00"]
    assert pyarrow.parquet.read_table(tmp_path / "a.parquet").num_rows == 1
    assert "wrote 1 session rows" in inside.err
    assert "wrote 0 session rows" in outside.err
    assert inside.out == ""
    assert names_in(tmp_path) == ["a.parquet", "b.csv"]


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (("--facility", "f" * 32), "facility"),
        (("--facility", "school"), "no facility 'school'"),
        (("--facility", FACILITY, "--start", "yesterday"), "--start"),
        (("--facility", FACILITY, "--end", "9999-12-31T23:00:00-02:00"), "--end"),
        (("--facility", FACILITY, "--start", "2024-09-02", "--end", "2024-09-01"), "--end is before --start"),
    ],
)
async def test_what_is_wrong_is_said(
    mongodb_uri: str, database: Any, tmp_path: Path, arguments: tuple[str, ...], named: str
) -> None:
    """A wrong option is one line and exit code 2, and no file is left."""
    ended = await export(mongodb_uri, database, "csv", "session", *arguments, "--output", "a.csv", cwd=tmp_path)

    assert (ended.code, ended.out) == (2, "")
    assert named in ended.err
    assert "Traceback" not in ended.err
    assert names_in(tmp_path) == []


@pytest.mark.parametrize("facility", ["f" * 32, "FACILITY_ID"])
async def test_a_wrong_facility_is_answered_with_those_there_are(
    mongodb_uri: str, database: Any, tmp_path: Path, facility: str
) -> None:
    """A user who does not know the id learns it from the message."""
    await filled(mongodb_uri, database.name)

    ended = await export(
        *(mongodb_uri, database, "csv", "session", "--facility", facility, "--output", "a.csv"), cwd=tmp_path
    )

    assert ended.code == 2
    assert f"There are: {FACILITY} (Lakeside School)." in ended.err


async def test_parquet_without_its_extra(mongodb_uri: str, database: Any, tmp_path: Path) -> None:
    """Without pyarrow the command says what to install."""
    await filled(mongodb_uri, database.name)
    without = "import sys; sys.modules['pyarrow'] = None; from docservice.cli.main import main; main()"
    arguments = ("export", "parquet", "session", "--facility", FACILITY, "--output", str(tmp_path / "a.parquet"))

    ended = await run(
        *arguments,
        *("--mongodb-uri", mongodb_uri, "--database", database.name),
        program=(sys.executable, "-c", without),
    )

    assert ended.code == 1
    assert "pip install 'docservice[parquet]'" in ended.err
    assert names_in(tmp_path) == []
