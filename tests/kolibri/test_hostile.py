"""Files that somebody made to do harm, or that a disk has damaged, end in a sentence."""

from __future__ import annotations

import asyncio
import gzip
import shutil
from pathlib import Path
from typing import Any

import pytest

from docservice import DocService
from docservice.errors import SettingsInvalid
from docservice.kolibri import import_kolibri

from .samples import PACKED, changing

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
