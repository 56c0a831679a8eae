"""The kinds of log that are documents of their own: one table for lists, pages and the query API."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Generic, TypeVar

from docservice.domain.answers.shown_fields import shown_paths
from docservice.domain.logs.content_logs import ContentSessionLog, ContentSummaryLog, SyncableLog
from docservice.domain.logs.exam_logs import ExamLog
from docservice.domain.logs.user_sessions import UserSessionLog
from docservice.domain.requests.filter_values import FilterField, ValueKind
from docservice.domain.requests.lists import PEOPLE_FILTERS
from docservice.store.database.port import Document
from docservice.store.logs.exam_logs import COLLECTION as EXAMS
from docservice.store.logs.user_sessions import COLLECTION as USER_SESSIONS
from docservice.store.mapping import log_documents as documents
from docservice.store.mapping.schema import SESSIONS, SUMMARIES

Log = TypeVar("Log", bound=SyncableLog)

_CONTENT = ("content", "content_ids", "topic", "channel", "kind")
_DATES = ("start_after", "start_before")
_VALUE_KINDS: dict[str, ValueKind] = {
    "boolean": "boolean",
    "integer": "integer",
    "number": "number",
    "string": "text",
}


@dataclass(frozen=True)
class LogKind(Generic[Log]):
    """One kind of log.

    Attributes:
        model: its class.
        collection: where the documents are.
        read: makes a log of a document.
        write: makes a document of a log.
        filters: the filters that its list has.
        overflows: whether attempts that a document outgrows move to buckets.
    """

    model: type[Log]
    collection: str
    read: Callable[[Mapping[str, Any]], Log]
    write: Callable[[Log], Document]
    filters: tuple[str, ...]
    overflows: bool = False

    @property
    def name(self) -> str:
        """Morango's name of the model, which the path of the list has as well."""
        return self.model.model_name

    @cached_property
    def shown_paths(self) -> frozenset[str]:
        """The paths of all fields that a shown document has."""
        return frozenset(shown_paths(self.model))

    @cached_property
    def plain_fields(self) -> dict[str, FilterField]:
        """The fields that a query can compare, by their names in the model and in the document."""
        fields = plain_fields(self.model)
        return {**fields, "id": replace(fields["id"], stored="_id"), "_id": replace(fields["id"], stored="_id")}


def plain_fields(model: type[SyncableLog]) -> dict[str, FilterField]:
    """The fields of a log that can be compared, by their names in the model and where it is stored."""
    found: dict[str, FilterField] = {}
    for name, schema in model.model_json_schema(by_alias=False)["properties"].items():
        alternatives = schema.get("anyOf", [schema])
        kinds = [kind for part in alternatives if (kind := _value_kind(name, part))]
        if kinds:
            stored = documents.stored_name(name)
            found[name] = found[stored] = FilterField(stored, kinds[0], {"type": "null"} in alternatives)
    return found


def _value_kind(name: str, schema: Mapping[str, Any]) -> ValueKind | None:
    if name == "id" or "pattern" in schema:
        return "id"
    if schema.get("format") == "date-time":
        return "time"
    return _VALUE_KINDS.get(schema.get("type", ""))


SUMMARY_LOGS = LogKind(
    ContentSummaryLog,
    SUMMARIES,
    documents.read_summary,
    documents.summary_document,
    (*PEOPLE_FILTERS, *_CONTENT, *_DATES),
    overflows=True,
)
SESSION_LOGS = LogKind(
    ContentSessionLog,
    SESSIONS,
    documents.read_session,
    documents.session_document,
    (*PEOPLE_FILTERS, *_CONTENT, *_DATES),
    overflows=True,
)
USER_SESSION_LOGS = LogKind(
    UserSessionLog,
    USER_SESSIONS,
    documents.read_user_session,
    documents.user_session_document,
    (*PEOPLE_FILTERS, *_DATES),
)
EXAM_LOGS = LogKind(ExamLog, EXAMS, documents.read_exam_log, documents.exam_log_document, (*PEOPLE_FILTERS, "exam"))

KINDS: dict[str, LogKind[Any]] = {
    kind.name: kind for kind in (SUMMARY_LOGS, SESSION_LOGS, USER_SESSION_LOGS, EXAM_LOGS)
}
"""By the name in the path."""
