"""Rules for every stored record: its fields, partition, source id and id.

An import of a backup and `verify` ask the same `field_problems`, and an import of a Kolibri makes nothing else.

The functions look at documents as they are stored (`_id`, `_morango_partition` ...), not at models, because a document
that is wrong may be no model at all.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from pydantic import BaseModel, ValidationError

from docservice.domain.directory.records import DirectoryRecord
from docservice.domain.logs.content_logs import SyncableLog
from docservice.domain.logs.schema import JSON_FIELDS
from docservice.domain.values.ids import record_id
from docservice.domain.values.json_values import json_problem

Document = dict[str, Any]

INVALID, PARTITION, SOURCE_ID, ID = "invalid", "partition", "source id", "id"
COUNTER, DIRTY, DUPLICATE = "counter", "has_dirty", "duplicate"
ORPHAN, BUCKET, OVERFULL = "orphan", "bucket", "overfull"
IMPOSSIBLE = "impossible"


_BOUNDS = frozenset({"greater_than_equal", "less_than_equal", "less_than", "string_too_short"})
"""Kinds of errors that are for requests alone: a Kolibri that holds such a value (a negative time, a `correct` of 2, an
empty kind) shows it like any other, so a stored log may have it."""


@dataclass(frozen=True)
class Finding:
    """Something that is not as it must be.

    Attributes:
        collection: where.
        document_id: in which document.
        rule: which rule is broken, one of the constants above.
        path: where in the document; empty for the whole of it.
        message: what is wrong, in a sentence; no values but ids, counts and times.
        mendable: whether what is right follows from the rest of the data.
        mended: whether it was repaired.
    """

    collection: str
    document_id: str
    rule: str
    path: str
    message: str
    mendable: bool = False
    mended: bool = False

    def as_mended(self) -> Finding:
        """Return the same after a repair."""
        return replace(self, mended=self.mendable)


@dataclass(frozen=True)
class FieldProblem:
    """A finding without its document; see `Finding`."""

    rule: str
    path: str
    message: str
    mendable: bool = False


def field_problems(model: type[BaseModel], values: Mapping[str, Any], path: str = "") -> Iterator[FieldProblem]:
    """Yield what is wrong with the fields of one record; fields that the model does not have are not checked.

    Args:
        model: of the record.
        values: by field or stored name, JSON as it was sent, with what an embedded record takes from its parent, and
            without embedded lists.
        path: path of the record in its document, with a dot at the end.
    """
    names = {name for name, field in model.model_fields.items()} | {
        field.alias for field in model.model_fields.values() if field.alias
    }
    try:
        model.model_validate({name: value for name, value in values.items() if name in names}, strict=True)
    except ValidationError as error:
        for details in error.errors(include_input=False, include_url=False):
            if details["type"] in _BOUNDS and issubclass(model, SyncableLog):
                continue
            where = ".".join(str(part) for part in details["loc"])
            yield FieldProblem(INVALID, path + where, f"{details['msg']}.")
    for name in JSON_FIELDS.intersection(names, values):
        reason = json_problem(values[name])
        if reason is not None:
            yield FieldProblem(INVALID, path + name, f"No JSON that a document can hold: {reason}.")


def directory_problems(model: type[DirectoryRecord], document: Mapping[str, Any]) -> Iterator[FieldProblem]:
    """Yield what is wrong with a record of the directory."""
    yield from field_problems(model, {**document, "id": document["_id"]})


def identify(
    record: Document, own_id: str, model: type[SyncableLog], partition: str, source_id: str | None, path: str = ""
) -> Iterator[FieldProblem]:
    """Check partition, source id and id of a record, and set in it what follows from the rest.

    A partition or source id is repaired only if the id, which is a hash of both, confirms the right one.

    Args:
        record: with its own `_morango_source_id`, and `_morango_partition` if it is a document; changed in place.
        own_id: its id.
        model: of the record.
        partition: the right one.
        source_id: the right one; None where the model takes a random one.
        path: path of the record in its document, with a dot at the end; empty for the document itself.
    """
    whole = not path
    has_source = str(record.get("_morango_source_id"))
    wanted_source = has_source if source_id is None else source_id
    confirmed = record_id(partition, wanted_source, model.model_name) == own_id
    if whole and record.get("_morango_partition") != partition:
        yield FieldProblem(
            PARTITION, path + "_morango_partition", "This is not the partition of the learner.", confirmed
        )
    elif has_source == wanted_source and not confirmed:
        yield FieldProblem(ID, "_id" if whole else path + "id", "The id is not the hash of partition and source id.")
    if has_source != wanted_source:
        message = "This is not the source id that follows from the record."
        yield FieldProblem(SOURCE_ID, path + "_morango_source_id", message, confirmed)
    if confirmed:
        record["_morango_source_id"] = wanted_source
        if whole:
            record["_morango_partition"] = partition
