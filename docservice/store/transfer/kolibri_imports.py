"""Which Kolibris were imported, and when each import ended."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime

from docservice.domain.values.times import to_milliseconds
from docservice.store.database.port import Database
from docservice.store.mapping.schema import KOLIBRI_IMPORTS


@dataclass(frozen=True)
class KolibriImport:
    """The latest import of one Kolibri that came to its end.

    Attributes:
        path: the home folder or file that was named, as an absolute path of the machine that imported it.
        finished: when it ended, aware.
        read: how many records of the Kolibri were read.
        written: how many of them were new here, newer than here, or withdrawn here.
        set_aside: how many could not become part of a document.
    """

    path: str
    finished: datetime
    read: int
    written: int
    set_aside: int


class KolibriImportStore:
    """One document for each path that was imported."""

    def __init__(self, database: Database, clock: Callable[[], datetime]) -> None:
        self._database = database
        self._clock = clock

    async def note(self, path: str, counts: Mapping[str, int]) -> None:
        """Note that an import has come to its end now, in the place of an earlier one of the same path.

        Args:
            path: absolute.
            counts: `read`, `written` and `set_aside`; see `KolibriImport`.
        """
        document = {"_id": path, "finished": to_milliseconds(self._clock()), **counts}
        async with self._database.writing():
            await self._database[KOLIBRI_IMPORTS].replace_one({"_id": path}, document, upsert=True)

    async def latest(self) -> KolibriImport | None:
        """The import that ended last, None if nothing was ever imported."""
        with self._database.guarded():
            found = [one async for one in self._database[KOLIBRI_IMPORTS].find({}, sort=[("finished", -1)], limit=1)]
        if not found:
            return None
        document = found[0]
        return KolibriImport(
            document["_id"], document["finished"], document["read"], document["written"], document["set_aside"]
        )
