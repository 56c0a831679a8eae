"""The counters of a document, as the schema describes them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import bson

from docservice.domain.logs.record_schema import Counted, LogSchema
from docservice.domain.logs.schema import SCHEMA_VERSION
from docservice.store.database.port import Document


def attempt_size(document: Mapping[str, Any]) -> int:
    """Bytes that an embedded attempt takes."""
    return len(bson.encode(document))


def counters(schema: LogSchema[Any], record: Mapping[str, Any]) -> Document:
    """Return the counters of a record, as they are when none of its attempts has moved.

    Args:
        schema: of the record.
        record: with all that it embeds.

    Returns:
        By stored name. Without those of embedded records, if the schema leaves them out where there are none.
    """
    attempts = embedded_attempts(schema, record)
    empty = schema.sparse and schema.embeds is not None and schema.embeds.field not in record
    values: Document = {}
    for counter in schema.counters:
        match counter.counts:
            case Counted.ATTEMPTS if not empty:
                values[counter.stored] = len(attempts)
            case Counted.CORRECT:
                values[counter.stored] = float(sum(attempt["correct"] for attempt in attempts))
            case Counted.BYTES if not empty:
                values[counter.stored] = attempt_bytes(schema, record)
            case Counted.BUCKETS if not schema.sparse:
                values[counter.stored] = 0
            case Counted.DIRTY:
                values[counter.stored] = is_dirty(schema, record)
            case Counted.VERSION:
                values[counter.stored] = SCHEMA_VERSION
    return values


def attempt_bytes(schema: LogSchema[Any], record: Mapping[str, Any]) -> int:
    """Return how many bytes the attempts take that a record embeds."""
    return sum(map(attempt_size, embedded_attempts(schema, record)))


def embedded_attempts(schema: LogSchema[Any], record: Mapping[str, Any]) -> list[Document]:
    """Return the attempts that a record embeds, in itself or in its mastery logs."""
    if schema.embeds is None:
        return []
    items = record.get(schema.embeds.field, ())
    if schema.embeds.record.embeds is None:
        return list(items)
    return [attempt for item in items for attempt in embedded_attempts(schema.embeds.record, item)]


def is_dirty(schema: LogSchema[Any], record: Mapping[str, Any]) -> bool:
    """Return whether a record, or one that it embeds, waits for sync."""
    if record["_morango_dirty_bit"]:
        return True
    embeds = schema.embeds
    return embeds is not None and any(is_dirty(embeds.record, item) for item in record.get(embeds.field, ()))
