"""The kinds of log that are documents of their own: one table for lists, pages and the query API."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Generic

from docservice.domain.answers.shown_fields import shown_paths
from docservice.domain.logs.record_schema import FieldKind, Log, LogSchema
from docservice.domain.logs.schema import EXAM_LOG, SESSION_LOG, SUMMARY_LOG, USER_SESSION_LOG
from docservice.domain.requests.filter_values import FilterField, ValueKind
from docservice.domain.requests.lists import PEOPLE_FILTERS
from docservice.store.database.port import Document
from docservice.store.mapping.log_documents import log_document, read_log

_CONTENT = ("content", "content_ids", "topic", "channel", "kind")
_DATES = ("start_after", "start_before")
_VALUE_KINDS: dict[FieldKind, ValueKind] = {
    "id": "id",
    "time": "time",
    "integer": "integer",
    "number": "number",
    "sum": "number",
    "boolean": "boolean",
    "text": "text",
}
"""What a query can compare fields with; lists and JSON are not compared."""


@dataclass(frozen=True)
class LogKind(Generic[Log]):
    """One kind of log.

    Attributes:
        schema: how its documents are described.
        filters: the filters that its list has.
    """

    schema: LogSchema[Log]
    filters: tuple[str, ...]

    @property
    def model(self) -> type[Log]:
        """The class of the log."""
        return self.schema.model

    @property
    def collection(self) -> str:
        """Where the documents are."""
        return self.schema.collection

    @property
    def overflows(self) -> bool:
        """Whether attempts that do not fit into a document move to buckets."""
        return bool(self.schema.moves_to)

    @property
    def name(self) -> str:
        """Morango's name of the model, which the path of the list has as well."""
        return self.model.model_name

    def read(self, document: Mapping[str, Any]) -> Log:
        """Return the log of a document."""
        return read_log(self.schema, document)

    def write(self, log: Log) -> Document:
        """Return the document of a log."""
        return log_document(self.schema, log)

    @cached_property
    def shown_paths(self) -> frozenset[str]:
        """The paths of all fields that a shown document has."""
        return frozenset(shown_paths(self.model))

    @cached_property
    def plain_fields(self) -> dict[str, FilterField]:
        """The fields that a query can compare, by their names in the model and in the document."""
        return plain_fields(self.schema)


def plain_fields(schema: LogSchema[Any]) -> dict[str, FilterField]:
    """Return the fields of a log that can be compared, by their names in the model and where it is stored."""
    fields: dict[str, FilterField] = {}
    for field in schema.fields:
        if field.in_model and field.kind in _VALUE_KINDS:
            comparable = FilterField(field.stored, _VALUE_KINDS[field.kind], schema.is_optional(field.name))
            fields[field.name] = fields[field.stored] = comparable
    return fields


SUMMARY_LOGS = LogKind(SUMMARY_LOG, (*PEOPLE_FILTERS, *_CONTENT, *_DATES))
SESSION_LOGS = LogKind(SESSION_LOG, (*PEOPLE_FILTERS, *_CONTENT, *_DATES))
USER_SESSION_LOGS = LogKind(USER_SESSION_LOG, (*PEOPLE_FILTERS, *_DATES))
EXAM_LOGS = LogKind(EXAM_LOG, (*PEOPLE_FILTERS, "exam"))

KINDS: dict[str, LogKind[Any]] = {
    kind.name: kind for kind in (SUMMARY_LOGS, SESSION_LOGS, USER_SESSION_LOGS, EXAM_LOGS)
}
"""By the name in the path."""
