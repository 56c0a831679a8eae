"""Builds documents from rows: each log with the logs that it embeds, a bounded number at a time.

Nothing is dropped: a row that cannot become part of a document is set aside as it is, with the reason.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from docservice.kolibri.fitting import LONGEST_RECORD, fit, is_long
from docservice.kolibri.records import (
    ATTEMPTS,
    EXAM_ATTEMPTS,
    EXAM_LOGS,
    SESSIONS,
    SUMMARIES,
    TRIES,
    USER_SESSIONS,
    LogTable,
    dataset_of,
    learner_of,
)
from docservice.kolibri.report import ImportReport
from docservice.kolibri.tables import Row, Tables
from docservice.kolibri.values import RowRefused, plain
from docservice.store.database.port import Document

CHUNK = 200
"""Documents that are put together at a time: what an import holds in memory does not grow with the database."""

PARENT_MISSING = "its {parent} is missing"
PARENT_REFUSED = "its {parent} was set aside"
OTHER_OWNER = "it belongs to another learner than its {parent}"
OTHER_FACILITY = "it belongs to another facility than its {parent}"
"""A learner has moved and continued a log of the previous facility. As a part of that log, the people of the wrong
facility would read it."""

ALTERED = "imported without what no document can hold in {columns}"

_STAYING = (TRIES, EXAM_ATTEMPTS)
"""What is embedded in a document and never moves out of it."""

_OLDEST_FIRST = 't."start_timestamp", t.rowid'
_IN_ORDER = "t.rowid"


@dataclass
class Batch:
    """Some documents, and what became of the rows that they were made of.

    Attributes:
        documents: with all attempts embedded, however many they are.
        set_aside: documents for `import_set_aside`: rows that are not imported, and rows of which not all is.
        report: what was read and set aside.
        _room: by id, how many bytes a document has left for what stays in it, where that is known.
    """

    documents: list[Document] = field(default_factory=list)
    set_aside: list[Document] = field(default_factory=list)
    report: ImportReport = field(default_factory=ImportReport)
    _room: dict[str, int] = field(default_factory=dict)

    def refuse(self, table: LogTable, row: Row, reason: str) -> None:
        """Set a row aside."""
        self._keep(table, row, reason)
        self.report.of(table.label).set_aside += 1
        self.report.reasons[table.label, reason] += 1

    def read(self, table: LogTable, row: Row, within: str | None = None) -> Document:
        """Return the log of a row; a row that says more than its log can hold is kept beside it.

        Args:
            table: where the row is from.
            row: its columns.
            within: the id of the document that the log always stays in.

        Raises:
            RowRefused: it cannot become a log.
        """
        altered: list[str] = []
        document = table.read(row, altered)
        if within is not None:
            size, shortened = fit(document, self._room.get(within, LONGEST_RECORD))
            self._room[within] = self._room.get(within, LONGEST_RECORD) - size
            altered += shortened
        elif is_long(row):
            size, shortened = fit(document, LONGEST_RECORD)
            self._room[row[0]] = LONGEST_RECORD - size
            altered += shortened
        for column in dict.fromkeys(altered):
            self.report.altered[table.label, column] += 1
        if altered:
            self._keep(table, row, ALTERED.format(columns=", ".join(dict.fromkeys(altered))))
        return document

    def _keep(self, table: LogTable, row: Row, reason: str) -> None:
        values = {name: plain(value) for name, value in table.raw(row).items()}
        self.set_aside.append(
            {
                "_id": f"{table.model_name}:{values['id']}",
                "model_name": table.model_name,
                "record_id": values["id"],
                "_morango_partition": values["_morango_partition"],
                "reason": reason,
                "row": values,
            }
        )

    def documents_of(self, table: LogTable, rows: Iterable[Row]) -> dict[str, tuple[Row, Document | None]]:
        """Return the logs of rows by id, each with its row; None for those that were set aside."""
        found: dict[str, tuple[Row, Document | None]] = {}
        for row in rows:
            self.report.of(table.label).read += 1
            try:
                found[row[0]] = row, self.read(table, row)
            except RowRefused as error:
                found[row[0]] = row, None
                self.refuse(table, row, str(error))
        return found

    def embed(
        self, table: LogTable, rows: Iterable[Row], parents: dict[str, tuple[Row, Document | None]], at: int, name: str
    ) -> Iterator[tuple[Row, Document | None, Document | None]]:
        """Yield the logs of rows, each with the document around it; None for both where the row was set aside.

        Args:
            table: where the rows are from.
            rows: those that name one of the parents.
            parents: by id.
            at: the position in a row of the parent's id.
            name: what people call the parent.
        """
        counts = self.report.of(table.label)
        for row in rows:
            counts.read += 1
            parent_row, parent = parents[row[at]]
            if parent is None:
                self.refuse(table, row, PARENT_REFUSED.format(parent=name))
            elif learner_of(row) != learner_of(parent_row):
                self.refuse(table, row, OTHER_OWNER.format(parent=name))
            elif dataset_of(row) != dataset_of(parent_row):
                self.refuse(table, row, OTHER_FACILITY.format(parent=name))
            else:
                try:
                    yield row, self.read(table, row, row[at] if table in _STAYING else None), parent
                    continue
                except RowRefused as error:
                    self.refuse(table, row, str(error))
            yield row, None, None


def summaries(tables: Tables) -> Iterator[Batch]:
    """Content summaries with their tries and the attempts of those."""
    for rows in tables.chunks(SUMMARIES.name, SUMMARIES.columns, CHUNK):
        batch = Batch()
        parents = batch.documents_of(SUMMARIES, rows)
        _embed_tries(tables, batch, parents)
        batch.documents = [document for _, document in parents.values() if document is not None]
        yield batch


def _embed_tries(tables: Tables, batch: Batch, parents: dict[str, tuple[Row, Document | None]]) -> None:
    at = list(TRIES.columns).index("summarylog_id")
    rows = tables.related(TRIES.name, TRIES.columns, "summarylog_id", list(parents), _OLDEST_FIRST)
    tries: dict[str, tuple[Row, Document | None]] = {}
    for row, document, parent in batch.embed(TRIES, rows, parents, at, "content summary"):
        tries[row[0]] = row, document
        if document is not None and parent is not None:
            parent["mastery_logs"].append(document)
    _embed_attempts(tables, batch, tries)


def _embed_attempts(tables: Tables, batch: Batch, tries: dict[str, tuple[Row, Document | None]]) -> None:
    at = list(ATTEMPTS.columns).index("masterylog_id")
    rows = tables.related(ATTEMPTS.name, ATTEMPTS.columns, "masterylog_id", list(tries), _OLDEST_FIRST)
    for _, document, parent in batch.embed(ATTEMPTS, rows, tries, at, "mastery log"):
        if document is not None and parent is not None:
            parent["attempts"].append(document)


def sessions(tables: Tables) -> Iterator[Batch]:
    """Content sessions with the attempts that belong to no try."""
    at = list(ATTEMPTS.columns).index("sessionlog_id")
    for rows in tables.chunks(SESSIONS.name, SESSIONS.columns, 2 * CHUNK):
        batch = Batch()
        parents = batch.documents_of(SESSIONS, rows)
        loose = tables.related(
            *(ATTEMPTS.name, ATTEMPTS.columns, "sessionlog_id", list(parents), _OLDEST_FIRST),
            condition='+t."masterylog_id" IS NULL',
        )
        for _, document, parent in batch.embed(ATTEMPTS, loose, parents, at, "content session"):
            if document is not None and parent is not None:
                parent.setdefault("attempts", []).append(document)
        batch.documents = [document for _, document in parents.values() if document is not None]
        yield batch


def exam_logs(tables: Tables) -> Iterator[Batch]:
    """Exam logs of old with their attempts."""
    at = list(EXAM_ATTEMPTS.columns).index("examlog_id")
    for rows in tables.chunks(EXAM_LOGS.name, EXAM_LOGS.columns, CHUNK):
        batch = Batch()
        parents = batch.documents_of(EXAM_LOGS, rows)
        attempts = tables.related(EXAM_ATTEMPTS.name, EXAM_ATTEMPTS.columns, "examlog_id", list(parents), _IN_ORDER)
        for _, document, parent in batch.embed(EXAM_ATTEMPTS, attempts, parents, at, "exam log"):
            if document is not None and parent is not None:
                parent["attempts"].append(document)
        batch.documents = [document for _, document in parents.values() if document is not None]
        yield batch


def user_sessions(tables: Tables) -> Iterator[Batch]:
    """User sessions, which embed nothing."""
    for rows in tables.chunks(USER_SESSIONS.name, USER_SESSIONS.columns, 5 * CHUNK):
        batch = Batch()
        found = batch.documents_of(USER_SESSIONS, rows)
        batch.documents = [document for _, document in found.values() if document is not None]
        yield batch


def orphans(tables: Tables) -> Iterator[Batch]:
    """Yield the rows whose parent is not in the database at all, with what hangs below them; all are set aside."""
    for table, parent_table, key, parent, more in _PARENTS:
        condition = f'{more}NOT EXISTS (SELECT 1 FROM "{parent_table.name}" p WHERE p."id" = t."{key}")'  # noqa: S608
        for rows in tables.matching(table.name, table.columns, condition):
            batch = Batch()
            for row in rows:
                batch.report.of(table.label).read += 1
                batch.refuse(table, row, PARENT_MISSING.format(parent=parent))
            if table is TRIES:
                _embed_attempts(tables, batch, {row[0]: (row, None) for row in rows})
            yield batch


_PARENTS = (
    (TRIES, SUMMARIES, "summarylog_id", "content summary", ""),
    (ATTEMPTS, TRIES, "masterylog_id", "mastery log", 't."masterylog_id" IS NOT NULL AND '),
    (ATTEMPTS, SESSIONS, "sessionlog_id", "content session", 't."masterylog_id" IS NULL AND '),
    (EXAM_ATTEMPTS, EXAM_LOGS, "examlog_id", "exam log", ""),
)


def attempts_without_session(tables: Tables) -> int:
    """Return how many attempts are in their mastery log although their content session is missing."""
    if ATTEMPTS.name not in tables or SESSIONS.name not in tables:
        return 0
    return tables.number(
        ATTEMPTS.name,
        f't."masterylog_id" IS NOT NULL AND '  # noqa: S608
        f'NOT EXISTS (SELECT 1 FROM "{SESSIONS.name}" p WHERE p."id" = t."sessionlog_id")',
    )
