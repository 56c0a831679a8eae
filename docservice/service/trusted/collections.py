"""The logs of each model of Kolibri's logger as a collection object.

These are calls of a trusted program: no principal, no permissions. What a person may do goes through
`DocService.acting_as`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator, Iterable, Mapping, Sequence
from contextlib import aclosing
from typing import Any, Generic, Literal, TypeAlias, cast, get_args

from docservice.domain.logs.building import whole_log
from docservice.domain.logs.content_logs import AttemptLog, SyncableLog
from docservice.domain.logs.datasets import KnownDatasets
from docservice.domain.logs.record_schema import Log
from docservice.domain.requests.filter_values import FilterField, conditions, filter_value, filter_values
from docservice.domain.values.ids import is_hex_id
from docservice.domain.values.partitions import infer_dataset_id
from docservice.errors import (
    DoesNotExist,
    FieldError,
    FilterInvalid,
    InvalidReference,
    MultipleObjectsReturned,
    ValidationFailed,
)
from docservice.service.base.actions import Actions, random_id
from docservice.store.database.port import Database, Transaction
from docservice.store.directory.content_tree import ContentStore
from docservice.store.directory.records import DirectoryStore
from docservice.store.lists.document_pages import DocumentPageStore
from docservice.store.logs.collections import CollectionStore
from docservice.store.logs.loading import LoadingStore
from docservice.store.mapping.log_kinds import LogKind

ContentIdLookup = Literal[
    "content_id",
    "summarylog__content_id",
    "masterylog__summarylog__content_id",
    "sessionlog__content_id",
    "exam_id",
    "examlog__exam_id",
]
"""Which field of a log names its content, as Django's lookups in Kolibri's queries do."""

_IDS_AT_ONCE = 1000
_Conditions: TypeAlias = Mapping[str, Mapping[str, Any]]


class LogCollection(ABC, Generic[Log]):
    """All logs of one model, wherever they are stored.

    Filters are keyword arguments: a field of the log and the value that it has (`user_id=...`, `kind="video"`), or with
    a suffix `__in` (one of a list), `__gte` (at least), `__lt` (less than): `start_timestamp__gte="2024-01-01"`. Ids
    may be spelled in any way, or be `uuid.UUID`; times are datetimes with a zone, dates, or ISO text (UTC if it names
    no zone; a date is its first moment). Anything else raises `FilterInvalid`, which names the argument.

    The examples of the methods are of a school in which one learner has answered two questions of an exercise, `q0`
    right and `q1` wrong. A test runs them.

    Attributes:
        DoesNotExist: what `get` and `delete` raise when there is no such log; the class of the model.
        MultipleObjectsReturned: what `get` raises when there are several; the class of the model.
    """

    def __init__(self, database: Database, actions: Actions, model: type[Log]) -> None:
        """See `DocService`, which makes one for each model."""
        self._model = model
        self._actions = actions
        self._content = ContentStore(database)
        self._directory = DirectoryStore(database)
        self.DoesNotExist: type[DoesNotExist] = model.DoesNotExist
        self.MultipleObjectsReturned: type[MultipleObjectsReturned] = model.MultipleObjectsReturned

    async def get(self, **filters: Any) -> Log:
        """Return the one log that fits the filters, with its embedded logs.

        >>> summary = await logs.content_summary_logs.get(user_id=learner.user_id, content_id=exercise)
        >>> summary.kind
        'exercise'

        Raises:
            DoesNotExist: none fits; the class of this collection.
            MultipleObjectsReturned: several fit; the class of this collection.
            FilterInvalid: a filter names no field, or its value does not fit.
        """
        async with aclosing(self._stream([self._query(filters)], limit=2)) as logs:
            fitting = [log async for log in logs]
        if not fitting:
            raise self.DoesNotExist()
        if len(fitting) > 1:
            raise self.MultipleObjectsReturned()
        return fitting[0]

    async def find(self, **filters: Any) -> AsyncGenerator[Log, None]:
        """Yield the logs that fit the filters, in no order, each with its embedded logs; a few are in memory at a time.

        >>> async for attempt in logs.attempt_logs.find(user_id=learner.user_id, correct__lt=1):
        ...     print(attempt.item)
        q1

        Raises:
            FilterInvalid: a filter names no field, or its value does not fit.
        """
        async with aclosing(self._stream([self._query(filters)])) as logs:
            async for log in logs:
                yield log

    async def filter_by_content_ids(
        self, content_ids: Iterable[str], content_id_lookup: ContentIdLookup = "content_id", **filters: Any
    ) -> AsyncGenerator[Log, None]:
        """Like `find`, but only logs of one of these contents; any number of them, in any spelling of their ids.

        >>> [log.mastery_level async for log in logs.mastery_logs.filter_by_content_ids([exercise])]
        [1]

        Args:
            content_ids: of the contents.
            content_id_lookup: which field names the content. `content_id` is right for all models that have a content:
                of a mastery log or an attempt it is the content of the log that it belongs to, as
                `summarylog__content_id` and `sessionlog__content_id` are. `masterylog__summarylog__content_id` leaves
                out attempts without a mastery log. Exams are contents in Kolibri: `exam_id`, `examlog__exam_id`.
            filters: see the class.

        Raises:
            FilterInvalid: a filter or the lookup names no field, or a value or one of the ids does not fit.

        Rule: kolibri/core/logger/models.py, BaseLogQuerySet.
        """
        lookup = self._content_field(content_id_lookup)
        ids = sorted(set(filter_values("content_ids", "id", content_ids)))
        query = self._query(filters)
        for start in range(0, len(ids), _IDS_AT_ONCE):
            among = {lookup.stored: {"$in": ids[start : start + _IDS_AT_ONCE]}}
            async with aclosing(self._stream([query, among] if query else [among])) as logs:
                async for log in logs:
                    yield log

    async def filter_by_topic(
        self, topic: str, content_id_lookup: ContentIdLookup = "content_id", **filters: Any
    ) -> AsyncGenerator[Log, None]:
        """Like `find`, but only logs of content below a topic, at any depth, in the tree of its channel.

        >>> [log.item async for log in logs.attempt_logs.filter_by_topic(made_id("root"), correct=1)]
        ['q0']

        Args:
            topic: id of a content node; of one that is not a topic, the logs of its own content.
            content_id_lookup: see `filter_by_content_ids`.
            filters: see the class.

        Raises:
            FilterInvalid: the topic is not an id, a filter or the lookup names no field, or its value does not fit.
            InvalidReference: the directory has no such node.

        Rule: kolibri/core/logger/models.py, BaseLogQuerySet. There, the lookup is forgotten on the way.
        """
        self._content_field(content_id_lookup)
        below = await self._content.below(filter_value("topic", "id", topic))
        if below is None:
            raise InvalidReference("The directory has no content node with this id.")
        async with aclosing(self.filter_by_content_ids(below, content_id_lookup, **filters)) as logs:
            async for log in logs:
                yield log

    @abstractmethod
    async def count(self, **filters: Any) -> int:
        """Return how many logs fit the filters.

        >>> await logs.mastery_logs.count(complete=True)
        0

        Raises:
            FilterInvalid: a filter names no field, or its value does not fit.
        """

    @abstractmethod
    async def save(self, log: Log | Mapping[str, Any]) -> Log:
        """Create a log or put it in the place of the one with its id, in one transaction.

        Partition, source id and id follow from the log; so does the dataset, which may be left out.

        >>> attempt = await logs.attempt_logs.get(item="q1")
        >>> saved = await logs.attempt_logs.save(attempt.model_copy(update={"correct": 1.0}))
        >>> (await logs.mastery_logs.get(id=attempt.masterylog_id)).correct_sum
        2.0

        Args:
            log: a log of this model, or its fields by name.

        Returns:
            The log as it is stored.

        Raises:
            DirectoryIncomplete: an anonymous log without a dataset, and there is no default facility.
            DocumentTooLarge: the document is larger than it can be.
            StoreError: nothing was written; see `retryable`.
            TypeError: a log of another model.
            UnstorableValue: no document can hold a value in it.
            ValidationFailed: fields are wrong, a learner or log that it names is not there, or dataset or id are not
                those that follow from the log.
        """

    @abstractmethod
    async def delete(self, log: Log | str) -> None:
        """Remove a log with all that belongs to it, in one transaction. Devices that have it are not informed.

        >>> mastery = await logs.mastery_logs.get(user_id=learner.user_id)
        >>> await logs.mastery_logs.delete(mastery)
        >>> await logs.attempt_logs.count(masterylog_id=mastery.id)
        0

        Args:
            log: a log of this model, or its id.

        Raises:
            DoesNotExist: it is not there; the class of this collection.
            FilterInvalid: `log` is neither a log nor an id.
            StoreError: nothing was removed; see `retryable`.
        """

    @property
    @abstractmethod
    def _fields(self) -> Mapping[str, FilterField]:
        """The fields that can be compared."""

    @abstractmethod
    def _stream(self, queries: Sequence[_Conditions], limit: int = 0) -> AsyncGenerator[Log, None]:
        """Return the logs that fit all conditions on `_fields`."""

    def _query(self, filters: Mapping[str, Any]) -> dict[str, Any]:
        return conditions(self._fields, filters, f"a {self._model.__name__}")

    def _content_field(self, lookup: str) -> FilterField:
        known = [name for name in get_args(ContentIdLookup) if name in self._fields]
        if lookup in known:
            return self._fields[lookup]
        message = f"A {self._model.__name__} has no content that is called so. "
        message += f"Choose one of {', '.join(known)}." if known else "Filter by its other fields, with find()."
        raise FilterInvalid([FieldError(("content_id_lookup",), "invalid", message)])

    def _values(self, log: Log | Mapping[str, Any]) -> dict[str, Any]:
        if isinstance(log, Mapping):
            return dict(log)
        if isinstance(log, self._model):
            return log.model_dump(warnings=False)
        raise TypeError(f"a {self._model.__name__} is expected")

    def _dataset(self, values: Mapping[str, Any], known: KnownDatasets) -> str:
        """Return the dataset of a log with these values, which may name it themselves."""
        own = values.get("dataset_id") or None
        # Nothing is checked yet: the rule looks at who is named, and the checks come with the dataset.
        draft = self._model.model_construct(user_id=values.get("user_id") or None, dataset_id=own or "")
        return infer_dataset_id(own, draft.infer_dataset(known))


class DocumentCollection(LogCollection[Log]):
    """All logs of a model whose logs are documents of their own; see `LogCollection`."""

    def __init__(self, database: Database, actions: Actions, kind: LogKind[Log]) -> None:
        """See `LogCollection`.

        Args:
            database: connected.
            actions: run what is written.
            kind: of log.
        """
        super().__init__(database, actions, kind.model)
        self._kind = kind
        self._logs = CollectionStore(database)
        self._loading = LoadingStore(database)
        self._pages = DocumentPageStore(database)

    async def count(self, **filters: Any) -> int:
        """Return how many logs fit the filters; see `LogCollection.count`."""
        return await self._logs.count(self._kind, self._query(filters))

    async def attempts(self, log: Log | str) -> AsyncGenerator[AttemptLog, None]:
        """Yield all attempts of a log as they are stored now: those that moved to buckets and the embedded ones.

        They come mastery log by mastery log, oldest first in each. A log that was removed, or has no attempts, yields
        none.

        Args:
            log: a summary or session log, or its id.

        Raises:
            FilterInvalid: `log` is neither a log nor an id.
            ValueError: logs of this kind keep no attempts apart.
        """
        if not self._kind.overflows:
            raise ValueError(f"All attempts of a {self._kind.model.__name__} are in the log itself, if it has any.")
        async with aclosing(self._pages.attempts(self._kind, id_of(log))) as stream:
            async for attempt in stream:
                yield attempt

    async def save(self, log: Log | Mapping[str, Any]) -> Log:
        """Create a log or put it in the place of the one with its id; see `LogCollection.save`.

        Embedded logs may leave out what the log around them says. The stored log then has the mastery logs and embedded
        attempts of this one and no others. Attempts that had moved to buckets stay, unless the log brings them itself
        (then it counts) or no longer has their mastery log. The log, and what changed of the logs embedded in it, is
        marked as waiting for sync.
        """
        values = self._values(log)
        dataset_id = self._dataset(values, await self._known_datasets(values))
        whole = cast("Log", whole_log(self._model, values, dataset_id, random_id))

        async def action(tx: Transaction) -> Log:
            return await self._logs.save(tx, self._kind, whole)

        return await self._actions.run(action, whole.morango_partition)

    async def load(self, logs: Sequence[Log]) -> int:
        """Insert many whole logs that are not there, outside a transaction; those that are there are left alone.

        For loading the past, and safe to do again. The logs are written as they are: with their ids, counters and
        dirty bits, and nothing is asked of the directory. Logs of people who were erased are left out.

        Args:
            logs: of this kind, `identified`, with the logs embedded in them; a few hundred at a time.

        Returns:
            how many were inserted.

        Raises:
            StoreError: some may have been inserted; do it again.
        """
        return await self._loading.insert_missing(self._kind, logs)

    async def delete(self, log: Log | str) -> None:
        """Remove a log with all its mastery logs and attempts; see `LogCollection.delete`."""
        log_id = id_of(log)
        partition = await self._logs.partition(self._kind, log_id)
        if partition is None:
            raise self.DoesNotExist()

        async def action(tx: Transaction) -> bool:
            return await self._logs.delete(tx, self._kind, log_id, partition)

        if not await self._actions.run(action, partition):
            raise self.DoesNotExist()

    @property
    def _fields(self) -> Mapping[str, FilterField]:
        return self._kind.plain_fields

    async def _stream(self, queries: Sequence[_Conditions], limit: int = 0) -> AsyncGenerator[Log, None]:
        query = queries[0] if len(queries) == 1 else {"$and": queries}
        async with aclosing(self._logs.find(self._kind, query, limit=limit)) as logs:
            async for log in logs:
                yield log

    async def _known_datasets(self, values: Mapping[str, Any]) -> KnownDatasets:
        own, user_id = values.get("dataset_id") or None, values.get("user_id") or None
        if user_id is None:
            return KnownDatasets(
                of_default_facility=await self._directory.default_dataset_id(),
                own_has_facility=own is not None and is_hex_id(own) and await self._directory.has_facility(own),
            )
        user = await self._directory.user(user_id) if is_hex_id(user_id) else None
        if user is None:
            raise not_there("user_id", "The directory has no person with this id.")
        return KnownDatasets(of_learner=user["dataset_id"])


def not_there(field: str, message: str) -> ValidationFailed:
    """Return the error that says that a log names what does not exist."""
    return ValidationFailed([FieldError((field,), "does_not_exist", message)])


def id_of(log: Any) -> str:
    """Return the id of a log, or of what is an id already.

    Raises:
        FilterInvalid: it is neither.
    """
    if isinstance(log, SyncableLog):
        return log.id
    log_id: str = filter_value("log", "id", log)
    return log_id
