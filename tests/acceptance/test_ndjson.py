"""`docservice export ndjson` and `import ndjson`, as commands."""

from __future__ import annotations

import gzip
import json
import re
from pathlib import Path
from typing import Any

import pytest

from docservice import DocService

from .running import run

pytestmark = [pytest.mark.engine, pytest.mark.slow]


async def test_a_backup_through_files_and_pipes(
    service: DocService, mongodb_uri: str, mongo: Any, database: Any, tmp_path: Path
) -> None:
    """A file and standard output hold the same; a table tells what was done; a refused line is exit code 1."""
    store = ("--mongodb-uri", mongodb_uri, "--database")
    other = f"{database.name}_copy"
    path = tmp_path / "school.ndjson.gz"
    people = await database["facility_users"].count_documents({})

    try:
        exported = await run("export", "ndjson", "--output", str(path), *store, database.name)
        piped = await run("export", "ndjson", "--output", "-", *store, database.name)
        imported = await run("import", "ndjson", "-", *store, other, stdin=path.read_bytes())
        again = await run("import", "ndjson", str(path), *store, other)
        copied = await mongo[other]["facility_users"].count_documents({})
        path.write_bytes(gzip.compress(piped.out.encode() + b'{"collection": "users"}\n'))
        refused = await run("import", "ndjson", str(path), *store, other)
    finally:
        await mongo.drop_database(other)

    lines = [json.loads(line) for line in piped.out.splitlines()]
    assert (exported.code, piped.code, imported.code, again.code, refused.code) == (0, 0, 0, 0, 1), imported.err
    assert exported.out == ""
    assert f"{len(lines) - 2:,} documents are in {path}" in exported.err
    assert "left out: idempotency_keys" in exported.err
    assert copied == people
    assert re.search(rf"facility_users\W+{people}\W+{people}\W+0\W+0\W+0\b", imported.out)
    assert re.search(rf"facility_users\W+{people}\W+0\W+0\W+{people}\W+0\b", again.out)
    assert f"refused: line {len(lines) + 1}: " in refused.err


async def test_files_that_are_not_there(mongodb_uri: str, database: Any, tmp_path: Path) -> None:
    """One line that names the file; an export that cannot be written is an export that failed."""
    store = ("--mongodb-uri", mongodb_uri, "--database", database.name)

    imported = await run("import", "ndjson", str(tmp_path / "no.ndjson"), *store)
    exported = await run("export", "ndjson", "--output", str(tmp_path / "no" / "a.ndjson"), *store)

    assert (imported.code, exported.code) == (2, 1)
    assert "no.ndjson cannot be read" in imported.err
    assert "cannot be written" in exported.err
    assert "a.ndjson: No such file" in exported.err
