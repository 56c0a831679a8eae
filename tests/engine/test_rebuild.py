"""A database that is made again is whole at every moment."""

from __future__ import annotations

from pathlib import Path

import pytest

from docservice import DocService
from docservice.engine.files import EngineFiles
from docservice.engine.rebuild import rebuild
from docservice.errors import SettingsInvalid, StoreUnavailable

pytestmark = pytest.mark.engine


def test_a_database_that_was_moved_aside_comes_back(tmp_path: Path) -> None:
    """Killed between the two moves, the next command finds the old database in its place."""
    files = EngineFiles(tmp_path)
    files.prepare()
    files.replaced.mkdir()
    (files.replaced / "WiredTiger.turtle").touch()

    assert files.has_database()
    assert (files.database / "WiredTiger.turtle").exists()
    assert not files.replaced.exists()


@pytest.mark.slow
async def test_a_copy_that_fails_changes_nothing(tmp_path: Path) -> None:
    """What was there is there, and nothing of the copy is left by the next call."""
    async with DocService(data_dir=tmp_path) as service:
        await service.import_directory({"channels": [{"id": "c" * 32, "name": "Maths"}]})

    async def failing(source: str, target: str) -> None:
        raise StoreUnavailable("the disk is full")

    async def idle(source: str, target: str) -> None:
        """Copy nothing."""

    with pytest.raises(StoreUnavailable):
        await rebuild(tmp_path, failing)
    async with DocService(data_dir=tmp_path, apply_indexes=False) as service:
        counts = await service.admin.collection_counts()
    await rebuild(tmp_path, idle)

    files = EngineFiles(tmp_path)
    assert counts["channels"] == 1
    assert not files.rebuilding.exists()
    assert not files.replaced.exists()


async def test_a_folder_without_a_database_is_refused(tmp_path: Path) -> None:
    """Nothing is made where nothing was."""
    with pytest.raises(SettingsInvalid, match="no embedded engine"):
        await rebuild(tmp_path, None)  # type: ignore[arg-type]
