"""What stands where an export is to be written: plain files are replaced, anything else stays."""

from __future__ import annotations

import contextlib
import os
import stat
from pathlib import Path
from typing import Any

import pytest

from docservice import DocService
from docservice.errors import ExportError
from docservice.export import CsvWriter, write_export
from docservice.export.backup import export_ndjson


async def test_only_files_are_replaced(service: DocService, recorded_directory: dict[str, Any], tmp_path: Path) -> None:
    """A pipe (or a device, which only root could replace) is not taken away; a link stays, what it names is written."""
    facility = recorded_directory["ids"]["facility"]
    pipe, link, file = tmp_path / "pipe", tmp_path / "link", tmp_path / "file"
    os.mkfifo(pipe)
    link.symlink_to(file)
    file.write_text("old")

    with pytest.raises(ExportError, match="not a plain file"):
        await write_export(service, "session", facility, pipe, CsvWriter)
    with pytest.raises(ExportError, match="not a plain file"):
        await export_ndjson(service, pipe)
    await write_export(service, "session", facility, link, CsvWriter)
    written = file.read_bytes()
    await export_ndjson(service, link)

    assert stat.S_ISFIFO(pipe.stat().st_mode)
    assert link.is_symlink()
    assert b"Facility name" in written
    assert file.read_bytes().startswith(b'{"docservice"')
    assert {name for name in os.listdir(tmp_path) if name.endswith((".part", ".narrow"))} == set()  # noqa: PTH208


@pytest.mark.skipif(not Path("/dev/full").is_char_device(), reason="needs a device that is always full")
async def test_a_full_disk_behind_a_pipe(service: DocService, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is a sentence, not a traceback."""
    full = Path("/dev/full").open("w")  # noqa: ASYNC230, SIM115
    monkeypatch.setattr("sys.stdout", full)
    try:
        with pytest.raises(ExportError, match="Standard output cannot be written"):
            await export_ndjson(service, Path("-"))
    finally:
        monkeypatch.undo()
        with contextlib.suppress(OSError):  # it still holds what it could not write
            full.close()
