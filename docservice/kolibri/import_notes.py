"""Which Kolibris were imported into the databases of a data folder, and when: a file in that folder.

It is not a document, because it speaks of this machine (its paths, its clock), and because a repeated import changes no
document.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from pydantic import TypeAdapter

from docservice.engine.files import write_private
from docservice.kolibri.report import ImportReport

FILE_NAME = "kolibri-imports.json"


@dataclass(frozen=True)
class KolibriImport:
    """An import of a Kolibri that came to its end.

    Attributes:
        path: the home folder or file that was named, as an absolute path.
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

    @classmethod
    def of(cls, path: Path, finished: datetime, report: ImportReport) -> KolibriImport:
        """Return the note on an import with this report."""
        counts = report.counts.values()
        return cls(
            # A name that is not UTF-8 has no text.
            path=os.fsencode(path.resolve()).decode("utf-8", "replace"),
            finished=finished,
            read=sum(each.read for each in counts),
            written=report.changes,
            set_aside=sum(each.set_aside for each in counts),
        )


_NOTES = TypeAdapter(dict[str, KolibriImport])


class ImportNotes:
    """The latest import into each database, as noted in a data folder."""

    def __init__(self, data_dir: Path) -> None:
        self._path = data_dir / FILE_NAME

    def latest(self, database: str) -> KolibriImport | None:
        """Return the import into a database that ended last; None if none is noted, or the file cannot be read."""
        return self._read().get(database)

    def note(self, database: str, done: KolibriImport) -> None:
        """Note an import in the place of the one before.

        Raises:
            OSError: the file cannot be written.
        """
        self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        write_private(self._path, _NOTES.dump_json({**self._read(), database: done}, indent=2).decode() + "\n")

    def _read(self) -> dict[str, KolibriImport]:
        try:
            return _NOTES.validate_json(self._path.read_bytes())
        except (OSError, ValueError):
            return {}
