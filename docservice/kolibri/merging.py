"""Merges a stored document and one of a Kolibri, so that nothing of either is lost.

A record (a log, or a log embedded in one) that only one side has is kept. Where both have it and differ, the one that
was worked on later stays; of two that ended at the same moment the complete one, else the one that is here. So a
learner who has continued to work here keeps that work when an older copy of the device is imported again.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from docservice.domain.logs.record_schema import FieldRole
from docservice.domain.logs.schema import SCHEMAS
from docservice.kolibri.records import EXAM_LOGS, TABLES, LogTable
from docservice.kolibri.report import ImportReport, RecordCounts
from docservice.store.database.port import Document

_SCHEMAS = {schema.model.model_name: schema for schema in SCHEMAS.values()}
_TABLES = {table.model_name: table for table in TABLES}
_LONG_AGO = datetime.min.replace(tzinfo=UTC)


def count_records(table: LogTable, document: Mapping[str, Any], report: ImportReport, outcome: str) -> None:
    """Count a document and all that it embeds under one outcome, the name of a field of `RecordCounts`."""
    _count(report.of(table.label), outcome)
    for embedded, record in _embedded(table, document):
        count_records(embedded, record, report, outcome)


def record_names(table: LogTable, document: Mapping[str, Any]) -> Iterator[str]:
    """Yield the names in `import_set_aside` of a document's record and of all that it embeds."""
    yield f"{table.model_name}:{document.get('_id') or document['id']}"
    for embedded, record in _embedded(table, document):
        yield from record_names(embedded, record)


def _embedded(table: LogTable, document: Mapping[str, Any]) -> Iterator[tuple[LogTable, Document]]:
    """Yield the records that a document embeds itself, each with its table."""
    embeds = _SCHEMAS[table.model_name].embeds
    if embeds is not None:
        for record in document.get(embeds.field, ()):
            yield _TABLES[embeds.record.model.model_name], record


def merged(table: LogTable, here: Document, brought: Document, report: ImportReport) -> Document:
    """Return the document that holds the newest of both.

    Args:
        table: what kind of log it is.
        here: the stored one, with all its attempts.
        brought: the imported document, with all its attempts.
        report: what becomes of each imported record is added to it.

    Returns:
        A new document without the counters that follow from it.

    Raises:
        RuntimeError: the import brings a field that the schema does not describe.
    """
    fields, outcome = _newest(table, here, brought)
    _count(report.of(table.label), outcome)
    embeds = _SCHEMAS[table.model_name].embeds
    if embeds is None:
        return fields
    name, embedded = embeds.field, _TABLES[embeds.record.model.model_name]
    before = {record["id"]: record for record in here.get(name, ())}
    merged_away = set(here.get("merged_attempt_ids", ()))
    records = []
    for record in brought.get(name, ()):
        if record["id"] in merged_away:
            # It is part of another attempt here, and would count twice.
            _count(report.of(embedded.label), "kept")
        elif record["id"] in before:
            records.append(merged(embedded, before.pop(record["id"]), record, report))
        else:
            count_records(embedded, record, report, "new")
            records.append(record)
    # Exam attempts have the order in which they came; all else goes by its start.
    records = [*before.values(), *records]
    records = records if table is EXAM_LOGS else sorted(records, key=_start)
    if records or name in here or name in brought:
        fields[name] = records
    return fields


def _start(record: Mapping[str, Any]) -> tuple[datetime, str]:
    moment = record["start_timestamp"]
    return moment, record.get("_recorded", {}).get("start_timestamp", "")


def _newest(table: LogTable, here: Document, brought: Document) -> tuple[Document, str]:
    schema = _SCHEMAS[table.model_name]
    unknown = brought.keys() - schema.names
    if unknown:
        raise RuntimeError(f"The schema of a {table.model_name} does not describe {', '.join(sorted(unknown))}.")
    # Of the rest, notes of the store and what other programs have put into the stored document stay.
    aside = schema.named(FieldRole.COUNTER, FieldRole.RECORDS)
    mine = {name: value for name, value in here.items() if name not in aside}
    theirs = {name: value for name, value in brought.items() if name not in aside}
    if all(name in mine and mine[name] == value for name, value in theirs.items()):
        return mine, "unchanged"
    if _age(table, theirs) > _age(table, mine):
        # Texts of times that the Kolibri does not have any more would belong to other dates.
        return {**{n: v for n, v in mine.items() if n != "_recorded"}, **theirs}, "updated"
    return mine, "kept"


def _age(table: LogTable, record: Mapping[str, Any]) -> tuple[datetime, bool]:
    complete = record.get("complete") or record.get("closed") or record.get("completion_timestamp") is not None
    return record.get(table.end) or _LONG_AGO, bool(complete)


def _count(counts: RecordCounts, outcome: str) -> None:
    setattr(counts, outcome, getattr(counts, outcome) + 1)
