"""Which fields of a log's document are shown: for lists, single documents, `fields=` and the schemas of the API.

A document has more than these: counters and marks of the store, the marks of actions that were carried out, and what
other programs put there. None of it is part of the API. Which fields are public, `domain.logs.schema` says.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

from docservice.domain.logs.content_logs import SyncableLog
from docservice.domain.logs.record_schema import FieldKind, FieldRole, LogSchema, StoredField
from docservice.domain.logs.schema import SCHEMAS

_TYPES: dict[FieldKind, type] = {"integer": int}
"""Of public fields that the store keeps beside those of the model."""


@dataclass(frozen=True)
class ShownField:
    """A field of a document as answers show it.

    Attributes:
        name: in the answer.
        stored: its name in the document.
        kind: what values it has.
        annotation: the type of its values, but for times, which are text.
        embeds: the logs that the list holds; None if it is not a list of logs.
    """

    name: str
    stored: str
    kind: FieldKind
    annotation: Any
    embeds: type[SyncableLog] | None = None


@cache
def shown_fields(model: type[SyncableLog]) -> tuple[ShownField, ...]:
    """Return the shown fields of a log, those of its model first."""
    schema = SCHEMAS[model]
    return tuple(_shown(schema, each) for each in schema.shown)


def _shown(schema: LogSchema[Any], each: StoredField) -> ShownField:
    annotation = schema.model.model_fields[each.name].annotation if each.in_model else _TYPES[each.kind]
    embeds = schema.embeds.record.model if schema.embeds is not None and each.role is FieldRole.RECORDS else None
    return ShownField(each.shown_name, each.stored, each.kind, annotation, embeds)


def shown_paths(model: type[SyncableLog], prefix: str = "") -> Iterator[str]:
    """Yield the paths of all fields that a shown document has, `mastery_logs.attempts.item`."""
    for field in shown_fields(model):
        yield prefix + field.name
        if field.embeds is not None:
            yield from shown_paths(field.embeds, f"{prefix}{field.name}.")
