"""Files that somebody made to do harm, or that a disk has damaged, end in a sentence."""

from __future__ import annotations

import asyncio
import gzip
import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from docservice import DocService
from docservice.errors import SettingsInvalid
from docservice.export.backup import export_ndjson, import_ndjson
from docservice.kolibri import import_kolibri
from tests.support.documents import collections_of

from .samples import PACKED, changing, insert, rows

pytestmark = pytest.mark.slow

ENDLESS = """
    CREATE VIEW logger_usersessionlog AS
    WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) SELECT * FROM n, aside
"""


async def test_a_view_is_no_table(empty: DocService, part: Path) -> None:
    """A view of endless rows in the place of a table is not read; everything else is imported."""
    with changing(part) as database:
        database.execute("ALTER TABLE logger_usersessionlog RENAME TO aside")
        database.execute(ENDLESS)

    async with asyncio.timeout(90):
        report = await import_kolibri(empty, part)

    assert report.counts["content summaries"].new > 0
    assert report.counts["content sessions"].new > 0
    assert "user sessions" not in report.counts or report.counts["user sessions"].read == 0


async def test_a_damaged_archive(empty: DocService, tmp_path: Path) -> None:
    """What cannot be unpacked is told as such."""
    packed = bytearray(PACKED.read_bytes())
    packed[2000:2100] = b"\xff" * 100
    (tmp_path / "a.gz").write_bytes(packed)

    with pytest.raises(SettingsInvalid, match="cannot be unpacked"):
        await import_kolibri(empty, tmp_path / "a.gz")


async def test_an_archive_that_would_fill_the_disk(
    empty: DocService, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Unpacking stops while a part of the disk is free, and leaves nothing."""
    (tmp_path / "bomb.gz").write_bytes(gzip.compress(b"SQLite format 3\0" + bytes(60_000_000)))
    temporary = tmp_path / "tmp"
    temporary.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(temporary))
    disk = shutil.disk_usage(tmp_path)
    most = 0

    def usage(folder: Path) -> Any:
        nonlocal most
        used = sum(file.stat().st_size for file in folder.iterdir())
        most = max(most, used)
        return disk._replace(free=40_000_000 - used)

    monkeypatch.setattr("shutil.disk_usage", usage)

    with pytest.raises(SettingsInvalid, match=r"no room.*TMPDIR"):
        await import_kolibri(empty, tmp_path / "bomb.gz")

    assert 0 < most <= 36_000_000
    assert list(temporary.iterdir()) == []


async def test_a_row_that_no_document_can_hold(empty: DocService, database: Any, part: Path) -> None:
    """It is set aside with the beginning of what is too long, and the rest is imported."""
    with changing(part) as kolibri:
        kolibri.execute(
            "UPDATE logger_usersessionlog SET device_info = replace(hex(zeroblob(9000000)), '0', 'a'), user_id = 'x'"
            " WHERE rowid = (SELECT max(rowid) FROM logger_usersessionlog)"
        )

    report = await import_kolibri(empty, part)
    aside = await database["import_set_aside"].find_one({"row.user_id": "x"})

    assert report.counts["user sessions"].set_aside == 1
    assert report.counts["user sessions"].new > 0
    assert aside["row"]["device_info"] == "a" * 100_000


LONG = json.dumps({"text": "z" * 17_000_000})
LONG_COLUMNS = {
    "logger_contentsummarylog": {"extra_fields": LONG},
    "logger_contentsessionlog": {"extra_fields": LONG},
    "logger_masterylog": {"mastery_criterion": LONG},
    "logger_attemptlog": {"answer": LONG, "interaction_history": json.dumps([1] * 2_000_000)},
    "content_contentnode": {"title": "t" * 17_000_000},
    "exams_exam": {"question_sources": LONG},
}


async def test_values_that_are_longer_than_a_document(
    empty: DocService, database: Any, part: Path, tmp_path: Path
) -> None:
    """Values of 17 MB, or of fewer characters that take as much in BSON, are shortened and their rows kept beside: no
    row is set aside, and a backup of all comes back."""
    ids: dict[tuple[str, str], str] = {}
    with changing(part) as kolibri:
        for table, columns in LONG_COLUMNS.items():
            found = iter(kolibri.execute(f"SELECT id FROM {table} ORDER BY id").fetchall())
            for column, value in columns.items():
                ids[table, column] = next(found)[0]
                kolibri.execute(f"UPDATE {table} SET {column} = ? WHERE id = ?", (value, ids[table, column]))

    report = await import_kolibri(empty, part)
    again = await import_kolibri(empty, part)
    await export_ndjson(empty, tmp_path / "all.ndjson")

    assert not report.reasons
    assert {name for _, name in report.altered} == {name for columns in LONG_COLUMNS.values() for name in columns}
    assert await database["import_set_aside"].count_documents({}) == len(ids)
    summary = await database["content_summary_logs"].find_one({"_id": ids["logger_contentsummarylog", "extra_fields"]})
    node = await database["content_nodes"].find_one({"_id": ids["content_contentnode", "title"]})
    assert (summary["extra_fields"], node["title"]) == ({}, "t" * 1000)
    assert again.changes == 0
    before = [name for name in await collections_of(database) if await database[name].count_documents({})]
    counts = {name: await database[name].count_documents({}) for name in before}
    for name in before:
        await database[name].delete_many({})
    restored = await import_ndjson(empty, tmp_path / "all.ndjson")
    assert (restored.flaws, restored.refused) == ([], 0)
    assert {name: await database[name].count_documents({}) for name in before} == counts


async def test_an_exam_log_that_is_longer_than_a_document(empty: DocService, database: Any, part: Path) -> None:
    """Attempts at an exam stay in its document: answers that it has no room for are left out, attempts are not."""
    (old, *_) = rows(part, "SELECT * FROM logger_attemptlog WHERE user_id IS NOT NULL ORDER BY id")
    (exam,) = rows(part, "SELECT id FROM exams_exam ORDER BY id LIMIT 1")
    own = {"dataset_id": old["dataset_id"], "user_id": old["user_id"], "_morango_partition": old["dataset_id"]}
    kept = {name: value for name, value in old.items() if name not in ("masterylog_id", "sessionlog_id")}
    log = {"id": "a" * 32, "_morango_source_id": "x", "exam_id": exam["id"], "closed": 1, "_morango_dirty_bit": 1}
    with changing(part) as kolibri:
        insert(kolibri, "logger_examlog", {**own, **log})
        for number in range(18):
            fields = {"id": f"{number:032x}", "examlog_id": "a" * 32, "content_id": "e" * 32}
            fields["answer"] = json.dumps("y" * 1_000_000)
            insert(kolibri, "logger_examattemptlog", {**kept, **own, **fields})

    report = await import_kolibri(empty, part)
    stored = await database["exam_logs"].find_one({})

    assert not report.reasons
    assert [len(attempt["answer"]) for attempt in stored["attempts"]] == [1_000_000] * 14 + [1000] * 4
    assert report.altered["exam attempts", "answer"] == 4
