"""The kinds of log that are documents of their own: one table for lists, pages and the query API."""

from __future__ import annotations

import types
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Annotated, Any, Generic, TypeVar, Union, get_args, get_origin

from pydantic.fields import FieldInfo

from docservice.domain.exam_logs import ExamLog
from docservice.domain.logs import ContentSessionLog, ContentSummaryLog, SyncableLog
from docservice.domain.user_sessions import UserSessionLog
from docservice.store import documents
from docservice.store.attempts import SESSIONS, SUMMARIES
from docservice.store.exam_logs import COLLECTION as EXAMS
from docservice.store.port import Document
from docservice.store.user_sessions import COLLECTION as USER_SESSIONS

Log = TypeVar("Log", bound=SyncableLog)

_PEOPLE = ("user", "facility", "classroom", "learner_group")
_CONTENT = ("content", "content_ids", "topic", "channel", "kind")
_DATES = ("start_after", "start_before")
_LISTS = {"mastery_logs", "attempts"}
_INHERITED = {"dataset_id", "user_id", "morango_partition", "summarylog_id", "masterylog_id", "examlog_id"}
_SCALARS = (str, int, float, bool, datetime)


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
        return frozenset(_paths(self.model))

    @cached_property
    def plain_fields(self) -> dict[str, type]:
        """The fields that a query can compare, by their names in the document, with the type of their values."""
        found: dict[str, type] = {}
        for name, info in self.model.model_fields.items():
            kinds = [kind for kind in _SCALARS if kind in _alternatives(info.annotation)]
            if kinds:
                found[documents.stored_name(name)] = kinds[0]
        return found


def _alternatives(annotation: Any) -> set[Any]:
    if get_origin(annotation) is Annotated:
        return _alternatives(get_args(annotation)[0])
    if get_origin(annotation) in (Union, types.UnionType):
        return {kind for part in get_args(annotation) for kind in _alternatives(part)}
    return {annotation}


def _paths(model: type[SyncableLog], before: str = "") -> list[str]:
    found = []
    for name, info in model.model_fields.items():
        if name == "recorded" or (before and name in _INHERITED):
            continue
        path = before + documents.stored_name(name)
        found.append(path)
        if name in _LISTS:
            found += _paths(_embedded_model(info), path + ".")
    if model.model_name == "examlog":
        found.append("attempt_count")
    return found


def _embedded_model(info: FieldInfo) -> type[SyncableLog]:
    embedded: type[SyncableLog] = get_args(info.annotation)[0]
    return embedded


SUMMARY_LOGS = LogKind(
    ContentSummaryLog,
    SUMMARIES,
    documents.read_summary,
    documents.summary_document,
    (*_PEOPLE, *_CONTENT, *_DATES),
    overflows=True,
)
SESSION_LOGS = LogKind(
    ContentSessionLog,
    SESSIONS,
    documents.read_session,
    documents.session_document,
    (*_PEOPLE, *_CONTENT, *_DATES),
    overflows=True,
)
USER_SESSION_LOGS = LogKind(
    UserSessionLog,
    USER_SESSIONS,
    documents.read_user_session,
    documents.user_session_document,
    (*_PEOPLE, *_DATES),
)
EXAM_LOGS = LogKind(ExamLog, EXAMS, documents.read_exam_log, documents.exam_log_document, (*_PEOPLE, "exam"))

KINDS: dict[str, LogKind[Any]] = {
    kind.name: kind for kind in (SUMMARY_LOGS, SESSION_LOGS, USER_SESSION_LOGS, EXAM_LOGS)
}
"""By the name in the path."""
