"""Checks that the disk of a data directory has free space for writes.

An engine that runs out of space in the middle of a write stops and has to be restarted; so no write is started that
may not fit.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import time
from pathlib import Path

from docservice.errors import StoreUnavailable

LEAST_BYTES = 128 * 1024 * 1024
"""What the engine may write at once at a checkpoint: about a fifth of its cache, and two files of its log."""

LEAST_BYTES_TO_START = 32 * 1024 * 1024
"""What may be missing when an engine does not start: it writes a checkpoint then, and begins a file of its log."""

_LOOK_SECONDS = 0.25


class DiskSpace:
    """Looks at the disk, a few times a second at most.

    Args:
        directory: on the disk.
        least_bytes: how much must be free; 0 disables the check.
    """

    def __init__(self, directory: Path, least_bytes: int) -> None:
        self._directory = directory
        self._least_bytes = least_bytes
        self._free_bytes = 0
        self._looked = float("-inf")

    async def require(self) -> None:
        """Check that there is enough free space.

        Raises:
            StoreUnavailable: there is not enough; the message says how much is missing.
        """
        if not self._least_bytes:
            return
        now = time.monotonic()
        if now - self._looked >= _LOOK_SECONDS:
            self._looked = now
            self._free_bytes = (await asyncio.to_thread(shutil.disk_usage, self._directory)).free
        if self._free_bytes < self._least_bytes:
            raise StoreUnavailable(
                f"The disk is nearly full: {mib(self._free_bytes)} are free where the embedded engine keeps its data, "
                f"and it needs {mib(self._least_bytes)} to write safely. This was not written: make room, "
                "and try again."
            )


def free_bytes(directory: Path) -> int:
    """Return the room on the disk of a folder, which need not be there yet. Blocks."""
    existing = next(folder for folder in (directory.absolute(), *directory.absolute().parents) if folder.exists())
    return shutil.disk_usage(existing).free


def used_bytes(directory: Path) -> int:
    """Return what all files of a folder hold; 0 if it is not there. Blocks.

    Files that come and go meanwhile count or not, and so do folders that may not be read.
    """
    total = 0
    for folder, _, names in os.walk(directory):
        for name in names:
            with contextlib.suppress(OSError):
                total += os.lstat(os.path.join(folder, name)).st_size  # noqa: PTH118 (twice as fast for many files)
    return total


def mib(number: int) -> str:
    """Return a number of bytes for people."""
    return f"{number / 1024 / 1024:.0f} MiB"
