"""The report of an import: counts of records by outcome."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from docservice.service.trusted.consolidation import ConsolidationReport


@dataclass
class RecordCounts:
    """What became of the records of one kind; the sum of all but the first and `withdrawn` is the first.

    Attributes:
        read: rows of the Kolibri.
        new: were not here.
        updated: were here, and the Kolibri's are newer.
        unchanged: are here as the Kolibri has them.
        kept: are here otherwise, and newer (or put in order since), so they stay as they are here.
        set_aside: cannot become part of a document; their rows are kept in `import_set_aside`.
        withdrawn: were here and no longer in the Kolibri, so they were removed here.
        erased: belong to people who were erased here, and were left out.
    """

    read: int = 0
    new: int = 0
    updated: int = 0
    unchanged: int = 0
    kept: int = 0
    set_aside: int = 0
    withdrawn: int = 0
    erased: int = 0

    def __iadd__(self, other: RecordCounts) -> RecordCounts:
        for name in vars(self):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        return self


@dataclass
class ImportReport:
    """All that an import did.

    Attributes:
        counts: by kind of record, in the order of the import.
        mended: repairs of imported summaries, if they were requested.
        reasons: how many records of a kind were set aside for a reason: `{(kind, reason): number}`.
        altered: how many imported records of a kind hold less than their row in a column: `{(kind, column): number}`;
            those rows are kept in `import_set_aside` as well.
        notes: what else is worth knowing, in sentences.
        copied: says that a private copy of the database was read, and as of when; empty for a packed file.
    """

    counts: dict[str, RecordCounts] = field(default_factory=dict)
    reasons: Counter[tuple[str, str]] = field(default_factory=Counter)
    altered: Counter[tuple[str, str]] = field(default_factory=Counter)
    notes: list[str] = field(default_factory=list)
    mended: ConsolidationReport = field(default_factory=ConsolidationReport)
    copied: str = ""

    def of(self, kind: str) -> RecordCounts:
        """Return the counts of a kind, to read or to add to."""
        return self.counts.setdefault(kind, RecordCounts())

    def add(self, other: ImportReport) -> None:
        """Take in what a part of the import did."""
        for kind, counts in other.counts.items():
            total = self.of(kind)
            total += counts
        self.reasons.update(other.reasons)
        self.altered.update(other.altered)
        self.notes += other.notes
        self.mended.add(other.mended)
        self.copied = self.copied or other.copied

    @property
    def changes(self) -> int:
        """How many records this import wrote or withdrew; 0 when all was here."""
        return sum(counts.new + counts.updated + counts.withdrawn for counts in self.counts.values())
