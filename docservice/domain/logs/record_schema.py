"""The types of the schema: fields, their roles, and the records that a record embeds.

The records themselves are described in `domain.logs.schema`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from enum import Enum
from functools import cached_property
from typing import Any, Generic, Literal, TypeVar, get_args

from docservice.domain.logs.content_logs import SyncableLog

Log = TypeVar("Log", bound=SyncableLog)

FieldKind = Literal[
    "id", "time", "number", "sum", "integer", "boolean", "text", "texts", "names", "json", "history", "records"
]
"""What values a field has. `sum`: a number that grows by addition, which is shown without the dust of rounding;
`texts`: an object of texts; `names`: a list of texts; `json`: any JSON; `history`: a list of JSON; `records`: embedded
records."""


class FieldRole(Enum):
    """What a field is for: readers, writers and merges treat all fields of a role alike.

    Attributes:
        KEY: the id of the record.
        OWNER: whose record it is. Embedded records and buckets have it from the document around them.
        PARENT: the record around an embedded one, which does not repeat it.
        CONTENT: what happened. Of two versions of a record, the later one brings its content.
        SYNC: Morango's fields that each record has for itself.
        RECORDED: the texts of times, as a device recorded them. They go with the times and are shown in their place.
        RECORDS: the list of embedded records.
        COUNTER: follows from the record and all that it embeds; a writer of a whole record calculates it again.
        NOTE: used only by the store; a writer of a whole record copies it from the previous version.
    """

    KEY = "key"
    OWNER = "owner"
    PARENT = "parent"
    CONTENT = "content"
    SYNC = "sync"
    RECORDED = "recorded"
    RECORDS = "records"
    COUNTER = "counter"
    NOTE = "note"


class Counted(Enum):
    """What a counter says.

    Attributes:
        ATTEMPTS: how many attempts there are, moved ones too.
        CORRECT: the sum of `correct` of all attempts, moved ones too.
        BYTES: the size of the embedded attempts.
        BUCKETS: how many buckets were made for moved attempts.
        LAST_START: the latest start of the attempts.
        DIRTY: whether the record, or one that it embeds, waits for sync.
        VERSION: the version of the schema.
    """

    ATTEMPTS = "attempts"
    CORRECT = "correct"
    BYTES = "bytes"
    BUCKETS = "buckets"
    LAST_START = "last start"
    DIRTY = "dirty"
    VERSION = "version"


@dataclass(frozen=True)
class StoredField:
    """One field of a stored record.

    Attributes:
        name: in the model and in requests.
        kind: what values it has.
        role: what it is for.
        stored: its name in the document, if that is another one.
        counts: what a counter says; None for all other fields.
        public: whether answers show it.
        in_model: whether the model of the log has it; the store keeps others beside those.
        is_json: whether values are JSON as it was sent, which the store encodes.
    """

    name: str
    kind: FieldKind
    role: FieldRole = FieldRole.CONTENT
    stored: str = ""
    counts: Counted | None = None
    public: bool = True
    in_model: bool = True
    is_json: bool = field(init=False)

    def __post_init__(self) -> None:
        """Fill in what follows from the rest: it is asked for each field of each record that is read."""
        object.__setattr__(self, "stored", self.stored or self.name)
        object.__setattr__(self, "is_json", self.kind in ("json", "history"))

    @property
    def shown_name(self) -> str:
        """The name in answers."""
        return self.name if self.role is FieldRole.KEY else self.stored


def counter(
    name: str, kind: FieldKind, counts: Counted, *, public: bool = False, in_model: bool = False
) -> StoredField:
    """Return a field that follows from the rest of the record."""
    return StoredField(name, kind, FieldRole.COUNTER, counts=counts, public=public, in_model=in_model)


def note(name: str, kind: FieldKind) -> StoredField:
    """Return a field that only the store uses."""
    return StoredField(name, kind, FieldRole.NOTE, public=False, in_model=False)


def contents(kind: FieldKind, *names: str) -> tuple[StoredField, ...]:
    """Return content fields of one kind."""
    return tuple(StoredField(name, kind) for name in names)


@dataclass(frozen=True)
class RecordSchema:
    """A record that the store writes.

    Attributes:
        fields: in the order in which they are stored.
    """

    fields: tuple[StoredField, ...]

    @cached_property
    def stored(self) -> tuple[StoredField, ...]:
        """The fields that the record itself has in the database."""
        return self.fields

    @cached_property
    def names(self) -> frozenset[str]:
        """The stored names of all fields that the record has in the database."""
        return frozenset(each.stored for each in self.stored)

    def named(self, *roles: FieldRole) -> tuple[str, ...]:
        """Return the stored names of the fields of some roles, in the order in which they are stored."""
        return tuple(each.stored for each in self.stored if each.role in roles)

    @cached_property
    def counters(self) -> tuple[StoredField, ...]:
        """The fields that follow from the rest of the record."""
        return tuple(each for each in self.stored if each.role is FieldRole.COUNTER)

    def counter_of(self, counts: Counted) -> str | None:
        """Return the stored name of the field that counts something, or None if the record has no such field."""
        return next((each.stored for each in self.counters if each.counts is counts), None)


@dataclass(frozen=True)
class Embedding:
    """The records that a record embeds.

    Attributes:
        field: the list.
        record: what its items are.
        parent: the field of the items that names the record around them; None if they do not name it.
    """

    field: str
    record: LogSchema[Any]
    parent: str | None = None


@dataclass(frozen=True)
class LogSchema(RecordSchema, Generic[Log]):
    """A log: a document of its own, or a record that is embedded in one.

    Attributes:
        model: its class. The schema describes each of its fields exactly once, or it cannot be made.
        embeds: what it embeds; None if it embeds nothing.
        collection: where the documents are; empty for a log that is embedded in others.
        moves_to: collection of the attempts that no longer fit into the document; empty if attempts never move.
        sparse: whether a document without embedded records has neither the list nor what counts them.
    """

    model: type[Log] = field(kw_only=True)
    embeds: Embedding | None = field(default=None, kw_only=True)
    collection: str = field(default="", kw_only=True)
    moves_to: str = field(default="", kw_only=True)
    sparse: bool = field(default=False, kw_only=True)

    def __post_init__(self) -> None:
        """Compare the description with the model.

        Raises:
            TypeError: a field is described twice, or not at all, or the model does not have it.
        """
        name, described = self.model.__name__, [each.name for each in self.fields if each.in_model]
        twice = {each for names in (described, [each.stored for each in self.fields]) for each in _repeated(names)}
        in_model = self.model.model_fields.keys()
        missing, unknown = in_model - set(described), set(described) - in_model
        for names, what in ((twice, "twice"), (missing, "not at all"), (unknown, "but the model does not have it")):
            if names:
                raise TypeError(f"{name}: the schema describes {', '.join(sorted(names))} {what}.")
        lists = {each.name for each in self.fields if each.role is FieldRole.RECORDS}
        if lists != ({self.embeds.field} if self.embeds else set()):
            raise TypeError(f"{name}: the schema does not say what its lists embed.")
        if any((each.role is FieldRole.COUNTER) is (each.counts is None) for each in self.fields):
            raise TypeError(f"{name}: a counter says what it counts, and nothing else does.")

    @property
    def is_embedded(self) -> bool:
        """Whether the log is embedded in others."""
        return not self.collection

    @cached_property
    def stored(self) -> tuple[StoredField, ...]:
        """The fields that the record itself has in the database; an embedded one has its owner from the document."""
        left_out = (FieldRole.OWNER, FieldRole.PARENT) if self.is_embedded else ()
        return tuple(each for each in self.fields if each.role not in left_out)

    @cached_property
    def own(self) -> tuple[StoredField, ...]:
        """The fields of the model that the record itself has in the database, without the list of embedded records."""
        return tuple(each for each in self.stored if each.in_model and each.role is not FieldRole.RECORDS)

    @cached_property
    def shown(self) -> tuple[StoredField, ...]:
        """The fields that answers show: those of the model, in its order, then those that the store keeps beside."""
        order = {name: position for position, name in enumerate(self.model.model_fields)}
        public = [each for each in self.stored if each.public]
        return tuple(sorted(public, key=lambda each: order.get(each.name, len(order))))

    @property
    def holder(self) -> LogSchema[Any] | None:
        """The record with the lists of attempts: this one or one that it embeds; None if there are no attempts."""
        if self.embeds is None:
            return None
        return self.embeds.record if self.embeds.record.embeds else self

    def is_optional(self, name: str) -> bool:
        """Return whether a field of the model may be None."""
        return type(None) in get_args(self.model.model_fields[name].annotation)

    def family(self) -> Iterable[LogSchema[Any]]:
        """Give the record and those that it embeds, at every level."""
        yield self
        if self.embeds is not None:
            yield from self.embeds.record.family()


def _repeated(names: Sequence[str]) -> set[str]:
    return {name for name in names if names.count(name) > 1}
