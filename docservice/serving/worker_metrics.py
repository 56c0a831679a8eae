"""Exchange of metrics between workers: each has a socket in a private folder."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

_PATIENCE_SECONDS = 2.0
_SUFFIX = ".sock"


class WorkerSnapshots:
    """The workers of one `serve`.

    Args:
        folder: closed to other users.
        number: which of them this is.
    """

    def __init__(self, folder: Path, number: int) -> None:
        self._folder = folder
        self._own = folder / f"{number}{_SUFFIX}"

    @asynccontextmanager
    async def answering(self, snapshot: Callable[[], Awaitable[bytes]]) -> AsyncIterator[None]:
        """Give the others this worker's snapshot while the block runs."""

        async def answer(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            with contextlib.closing(writer), contextlib.suppress(OSError):
                writer.write(await snapshot())
                await writer.drain()

        self._own.unlink(missing_ok=True)  # of a worker that was killed
        server = await asyncio.start_unix_server(answer, self._own)
        try:
            yield
        finally:
            server.close()
            self._own.unlink(missing_ok=True)

    async def others(self) -> Mapping[str, bytes]:
        """Return the snapshots of the other workers, by their numbers; one that does not answer is left out."""
        paths = [path for path in self._folder.glob(f"*{_SUFFIX}") if path != self._own]
        snapshots = await asyncio.gather(*(_ask(path) for path in paths))
        return {path.stem: content for path, content in zip(paths, snapshots, strict=True) if content}


async def _ask(path: Path) -> bytes | None:
    try:
        async with asyncio.timeout(_PATIENCE_SECONDS):
            reader, writer = await asyncio.open_unix_connection(path)
            with contextlib.closing(writer):
                return await reader.read()
    except (OSError, TimeoutError):
        return None
