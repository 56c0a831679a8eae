"""`--pseudonymise` as an option of the commands that export."""

from __future__ import annotations

import stat
from pathlib import Path
from typing import Any

import pytest

from docservice import DocService
from tests.support.marked_person import MARKER, PERSON_ID, SCHOOL, directory

from .running import run

pytestmark = [pytest.mark.engine, pytest.mark.slow]


async def test_a_key_is_asked_for_and_used(mongodb_uri: str, database: Any, tmp_path: Path) -> None:
    """Without a key file the command that makes one is offered, which works; then each export has pseudonyms."""
    async with DocService(mongodb_uri, database=database.name, apply_indexes=False) as service:
        await service.import_directory(directory())
        await service.content_summary_logs.save(SCHOOL.content_summary_log())
    key = tmp_path / "study key"
    pseudonymise = ("--pseudonymise", str(key), "--mongodb-uri", mongodb_uri, "--database", database.name)
    table = ("export", "csv", "summary", "--facility", SCHOOL.facility_id, "--output", "-")

    missing = await run(*table, *pseudonymise)
    made = await run("-c", missing.err.partition("keep it: ")[2].strip(), program=("sh",))
    exported = await run(*table, *pseudonymise, "--shift-times", "10")
    documents = await run("export", "ndjson", "--output", "-", *pseudonymise, "--keep", "birth-years")
    wrong = await run(*table, *pseudonymise, "--keep", "names,faces")
    without = await run(*table, "--mongodb-uri", mongodb_uri, "--database", database.name, "--keep", "names")
    key.write_text("short")
    short = await run(*table, *pseudonymise)

    assert [each.code for each in (missing, made, exported, documents, wrong, without, short)] == [2, 0, 0, 0, 2, 2, 2]
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    for each in (exported, documents):
        assert MARKER not in each.out
        assert PERSON_ID not in each.out
    assert '"2010"' in documents.out
    assert "faces" in wrong.err
    assert "--pseudonymise" in without.err
    assert "32 are the least" in short.err
