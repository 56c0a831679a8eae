"""A Kolibri's data goes through all parts, over either driver: import, verify, backup, exports."""

from __future__ import annotations

import uuid
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from motor.motor_asyncio import AsyncIOMotorClient
from pymongo import AsyncMongoClient

from docservice import DocService
from docservice.domain.exports.tables import TABLES
from docservice.export import CsvWriter, write_export
from docservice.export.backup import export_ndjson, import_ndjson
from docservice.kolibri import import_kolibri

from .samples import changing


@pytest.mark.slow
@pytest.mark.parametrize("driver", [AsyncMongoClient, AsyncIOMotorClient])
async def test_a_school_moves(driver: Any, mongodb_uri: str, mongo: Any, part: Path, tmp_path: Path) -> None:
    """What is imported, consolidated, backed up and brought elsewhere is in order, the same, and exported as the same;
    rows that were set aside move, too."""
    with changing(part) as kolibri:
        [learner] = kolibri.execute("SELECT user_id FROM logger_contentsummarylog WHERE user_id NOT NULL").fetchone()
        kolibri.execute("DELETE FROM logger_attemptlog WHERE user_id IS NULL")
        kolibri.execute(
            "UPDATE logger_contentsessionlog SET content_id = 'x' WHERE user_id = ? AND rowid % 9 = 0", [learner]
        )
        [facility] = kolibri.execute("SELECT id FROM kolibriauth_collection WHERE kind = 'facility'").fetchone()
    names = [f"test_{uuid.uuid4().hex[:12]}" for _ in range(2)]
    client = driver(mongodb_uri, tz_aware=True)
    wrong: list[Any] = []
    files: dict[str, list[bytes]] = {}
    try:
        async with DocService(client[names[0]]) as here, DocService(client[names[1]]) as there:
            imported = await import_kolibri(here, part, consolidate=True)
            await here.admin.verify(wrong.append)
            await export_ndjson(here, tmp_path / "all.ndjson.gz")
            restored = await import_ndjson(there, tmp_path / "all.ndjson.gz")
            compared = await here.admin.compare(there.admin, wrong.append)
            await there.admin.verify(wrong.append)
            for table in TABLES:
                for service in (here, there):
                    await write_export(service, table, facility, tmp_path / "rows.csv", CsvWriter)
                    files.setdefault(table, []).append((tmp_path / "rows.csv").read_bytes())
            again = await import_kolibri(there, part, consolidate=True)
        aside = [await mongo[name]["import_set_aside"].find({}).sort("_id").to_list(None) for name in names]
    finally:
        closed = client.close()
        if closed is not None:
            await closed

    assert wrong == []
    assert imported.counts["content sessions"].set_aside > 0
    assert (restored.flaws, restored.refused) == ([], 0)
    assert compared["content_summary_logs"] > 0
    assert aside[0] == aside[1] != []
    assert {table for table, (one, other) in files.items() if one != other} == set()
    assert len(files["attempt"][0].splitlines()) > 100
    assert Counter(kind for kind, counts in again.counts.items() if counts.new or counts.updated) == Counter()
