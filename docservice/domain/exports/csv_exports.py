"""Background exports for a `CsvLogRequest`, and their state."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

ExportState = Literal["not-started", "waiting", "running", "completed", "failed", "interrupted", "superseded"]
"""What has become of a request:

- `not-started`: nothing was done for it yet.
- `waiting`: the export of another request for the same facility and type is under way; this one comes next.
- `running`: see `percentage`.
- `completed`: the file can be downloaded.
- `failed`: see `error`.
- `interrupted`: the service was stopped or died meanwhile; it can be started again.
- `superseded`: a later request for the same facility and type took its place.
"""

BEAT = timedelta(seconds=2)
"""How often a running export says that it is alive, and how far."""
SILENCE = timedelta(seconds=20)
"""After so long without a word a running export counts as interrupted."""


@dataclass(frozen=True)
class ExportFile:
    """A file that is whole.

    Attributes:
        request: number of the request that it was made for.
        first_day: that the request named (`2024-09-01`), None if it named none.
        last_day: likewise.
        finished: when it was.
    """

    request: int
    first_day: str | None
    last_day: str | None
    finished: datetime

    def name(self, facility_id: str, facility_name: str, log_type: str) -> str:
        """Return what the downloaded file is called.

        Rule: kolibri/core/logger/csv_export.py, CSV_EXPORT_FILENAMES.
        """
        days = f"{f'_from_{self.first_day}' if self.first_day else ''}{f'_to_{self.last_day}' if self.last_day else ''}"
        return f"{facility_name}_{facility_id[:4]}_content_{log_type}_logs{days}.csv"


@dataclass(frozen=True)
class CsvExport:
    """The latest export of a facility and type; there is one at a time.

    Attributes:
        request: number of the request that it is for.
        state: `running`, `completed`, `failed` or `interrupted`.
        percentage: how much is read, 0 to 100.
        started: when.
        beat: when it last said that it is alive.
        next: number of the request whose export comes next.
        rows: how many were written; None until it is completed.
        error: why it failed, in a sentence.
        file: the latest whole file; that of an earlier request until this one is completed.
    """

    facility: str
    log_type: str
    request: int
    state: ExportState
    percentage: int
    started: datetime
    beat: datetime
    next: int | None = None
    rows: int | None = None
    error: str | None = None
    file: ExportFile | None = None

    def is_under_way(self, now: datetime) -> bool:
        """Whether a worker is writing it."""
        return self.state == "running" and now - self.beat <= SILENCE

    def state_of(self, request: int, now: datetime) -> ExportState:
        """Return what has become of a request for this facility and type."""
        alive = self.is_under_way(now)
        if request == self.next:
            return "waiting" if alive else "interrupted"
        if request == self.request:
            return "interrupted" if self.state == "running" and not alive else self.state
        return "superseded" if request < max(self.request, self.next or 0) else "not-started"


@dataclass(frozen=True)
class RequestedExport:
    """What an admin sees of a request's export.

    Attributes:
        request: its number.
        export: the latest of the facility and type; None if there was no export.
        state: of this request.
    """

    request: int
    export: CsvExport | None
    state: ExportState

    @property
    def is_current(self) -> bool:
        """Whether the latest export is that of the request."""
        return self.export is not None and self.export.request == self.request

    @property
    def file(self) -> ExportFile | None:
        """The file of the request, if it is the latest."""
        export_file = self.export.file if self.export else None
        return export_file if export_file and export_file.request == self.request else None
