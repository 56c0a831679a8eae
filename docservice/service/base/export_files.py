"""The folder of exported files, and their removal: each holds rows of all people of a facility."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

FOLDER = "exports"
"""In the data folder. A file is `<facility>-<type>.csv`; one under way has a dot in front and more behind."""


def remove_files(data_dir: Path, facility_ids: Iterable[str]) -> int:
    """Remove all files of facilities, also those under way; how many there were. Blocks.

    Raises:
        OSError: one of them cannot be removed.
    """
    folder, number = data_dir / FOLDER, 0
    beginnings = tuple(f"{facility_id}-" for facility_id in facility_ids)
    if not beginnings or not folder.is_dir():
        return 0
    for path in sorted(folder.iterdir()):
        if path.name.lstrip(".").startswith(beginnings):
            path.unlink(missing_ok=True)
            number += 1
    return number
