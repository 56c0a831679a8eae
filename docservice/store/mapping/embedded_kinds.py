"""The kinds of log that are embedded in others, and what a query can compare of them and of the logs around them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Generic

from docservice.domain.logs.content_logs import AttemptLog, MasteryLog
from docservice.domain.logs.exam_logs import ExamAttemptLog
from docservice.domain.logs.record_schema import Log, LogSchema
from docservice.domain.logs.schema import (
    ATTEMPT_LOG,
    EXAM_ATTEMPT_LOG,
    EXAM_LOG,
    MASTERY_LOG,
    OWNER_FIELDS,
    SUMMARY_LOG,
)
from docservice.domain.requests.filter_values import FilterField
from docservice.store.database.port import Document
from docservice.store.mapping.log_documents import (
    inherited_fields,
    read_attempt,
    read_exam_attempt,
    read_mastery,
)
from docservice.store.mapping.log_kinds import plain_fields

OWN, MASTERY, SUMMARY, DOCUMENT = "own", "mastery", "summary", "document"
"""Which record has a field: the embedded log, the mastery log around it, the summary around that, or the document that
all of it is in, whichever that is."""

Conditions = Mapping[str, Mapping[str, Any]]
"""Operators and values by the name of a field."""


@dataclass(frozen=True)
class EmbeddedRecord:
    """An embedded log as it is stored, with the logs around it.

    Attributes:
        record: the embedded log.
        document: the summary, content session or exam log that it is in, with or without its lists.
        mastery: the mastery log around an attempt; empty if there is none.
    """

    record: Document
    document: Document
    mastery: Document

    def level(self, name: str) -> Document:
        """Return one of the records, by the constants of this module."""
        if name == OWN:
            return self.record
        if name == MASTERY:
            return self.mastery
        return self.document if name == DOCUMENT or self.mastery else {}


@dataclass(frozen=True)
class EmbeddedKind(Generic[Log]):
    """One kind of embedded log.

    Attributes:
        schema: how its records are described.
        read: makes a log of a stored record.
        around: the logs around it: prefix of their fields in a query, level, schema.
        also: further fields, by the name that a query has for them.
    """

    schema: LogSchema[Log]
    read: Callable[[EmbeddedRecord], Log]
    around: Sequence[tuple[str, str, LogSchema[Any]]]
    also: Mapping[str, FilterField]

    @property
    def model(self) -> type[Log]:
        """The class of the log."""
        return self.schema.model

    @property
    def name(self) -> str:
        """Morango's name of the model."""
        return self.model.model_name

    @cached_property
    def plain_fields(self) -> dict[str, FilterField]:
        """The fields that a query can compare. The stored name begins with the level: `mastery.complete`."""
        fields: dict[str, FilterField] = {}
        for name, field in plain_fields(self.schema).items():
            level = DOCUMENT if field.stored in _OF_THE_DOCUMENT else OWN
            fields[name] = replace(field, stored=f"{level}.{field.stored}")
        for prefix, level, schema in self.around:
            for name, field in plain_fields(schema).items():
                if name == "_id":
                    continue  # a query names the id of a log around by its name in the model
                # What a mastery log takes from its document is there; without a mastery log it has no value.
                place = SUMMARY if level == MASTERY and field.stored in _OF_THE_DOCUMENT else level
                fields[f"{prefix}__{name}"] = replace(field, stored=f"{place}.{field.stored}")
        return {**fields, **self.also}


_OF_THE_DOCUMENT = {field.stored for field in OWNER_FIELDS}
"""What an embedded log takes from its document."""


def _field(level: str, schema: LogSchema[Any], name: str, *, optional: bool = False) -> FilterField:
    field = plain_fields(schema)[name]
    return replace(field, stored=f"{level}.{field.stored}", optional=optional)


def _read_mastery(record: EmbeddedRecord) -> MasteryLog:
    return read_mastery(record.record, summarylog_id=record.document["_id"], **inherited_fields(record.document))


def _read_attempt(record: EmbeddedRecord) -> AttemptLog:
    inherited = inherited_fields(record.document)
    return read_attempt(record.record, masterylog_id=record.mastery.get("id"), **inherited)


def _read_exam_attempt(record: EmbeddedRecord) -> ExamAttemptLog:
    return read_exam_attempt(record.record, examlog_id=record.document["_id"], **inherited_fields(record.document))


_CONTENT = _field(DOCUMENT, SUMMARY_LOG, "content_id")

MASTERY_LOGS = EmbeddedKind(
    MASTERY_LOG,
    _read_mastery,
    (("summarylog", DOCUMENT, SUMMARY_LOG),),
    {"content_id": _CONTENT, "summarylog_id": _field(DOCUMENT, SUMMARY_LOG, "id")},
)
ATTEMPT_LOGS = EmbeddedKind(
    ATTEMPT_LOG,
    _read_attempt,
    (("masterylog", MASTERY, MASTERY_LOG), ("masterylog__summarylog", SUMMARY, SUMMARY_LOG)),
    {
        "content_id": _CONTENT,
        # A session and the summary that it reports to are of the same content.
        "sessionlog__content_id": _CONTENT,
        "masterylog_id": _field(MASTERY, MASTERY_LOG, "id", optional=True),
        "masterylog__summarylog_id": _field(SUMMARY, SUMMARY_LOG, "id", optional=True),
    },
)
EXAM_ATTEMPT_LOGS = EmbeddedKind(
    EXAM_ATTEMPT_LOG,
    _read_exam_attempt,
    (("examlog", DOCUMENT, EXAM_LOG),),
    {"examlog_id": _field(DOCUMENT, EXAM_LOG, "id")},
)


def holds(conditions: Conditions, record: EmbeddedRecord) -> bool:
    """Whether a record and the logs around it match conditions on `plain_fields`."""
    for path, wanted in conditions.items():
        level, _, name = path.partition(".")
        value = record.level(level).get(name)
        if not all(_COMPARE[operator](value, compared) for operator, compared in wanted.items()):
            return False
    return True


_COMPARE: dict[str, Callable[[Any, Any], bool]] = {
    "$eq": lambda value, compared: bool(value == compared),
    "$in": lambda value, compared: value in compared,
    "$gte": lambda value, compared: value is not None and value >= compared,
    "$lt": lambda value, compared: value is not None and value < compared,
}
