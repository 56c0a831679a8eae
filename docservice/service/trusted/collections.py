"""The query API: each kind of log as a collection object.

These are calls of a trusted program: no principal, no permissions. What people may see goes through `DocService`'s
methods that take a principal.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterable, Mapping, Sequence
from contextlib import aclosing
from typing import Any, Generic, cast

from docservice import errors
from docservice.domain.logs.building import whole_log
from docservice.domain.logs.content_logs import AttemptLog, SyncableLog
from docservice.domain.requests.filter_values import conditions, filter_value, filter_values
from docservice.domain.values.ids import is_hex_id
from docservice.domain.values.partitions import infer_dataset_id
from docservice.errors import DirectoryIncomplete, DoesNotExist, FieldError, InvalidReference, MultipleObjectsReturned
from docservice.service.base.actions import Actions, random_id
from docservice.store.database.port import Database, Transaction
from docservice.store.directory.content_tree import ContentStore
from docservice.store.directory.records import DirectoryStore
from docservice.store.lists.document_pages import WalkStore
from docservice.store.logs.collections import SavingStore
from docservice.store.logs.loading import LoadingStore
from docservice.store.mapping.log_kinds import EXAM_LOGS, SESSION_LOGS, SUMMARY_LOGS, USER_SESSION_LOGS, Log, LogKind

_IDS_AT_ONCE = 1000

_EXCEPTIONS: dict[str, tuple[type[DoesNotExist], type[MultipleObjectsReturned]]] = {
    SUMMARY_LOGS.name: (errors.ContentSummaryLogDoesNotExist, errors.MultipleContentSummaryLogsReturned),
    SESSION_LOGS.name: (errors.ContentSessionLogDoesNotExist, errors.MultipleContentSessionLogsReturned),
    USER_SESSION_LOGS.name: (errors.UserSessionLogDoesNotExist, errors.MultipleUserSessionLogsReturned),
    EXAM_LOGS.name: (errors.ExamLogDoesNotExist, errors.MultipleExamLogsReturned),
}


class LogCollection(Generic[Log]):
    """All logs of one kind.

    Filters are keyword arguments: a field of the log and the value that it has (`user_id=...`, `kind="video"`), or with
    a suffix `__in` (one of a list), `__gte` (at least), `__lt` (less than): `start_timestamp__gte="2024-01-01"`. Ids
    may be spelled in any way, or be `uuid.UUID`; times are datetimes with a zone, dates, or ISO text (UTC if it names
    no zone; a date is its first moment). Anything else raises `FilterInvalid`, which names the argument.

    Attributes:
        DoesNotExist: what `get` and `delete` raise when there is no such log.
        MultipleObjectsReturned: what `get` raises when there are several.
    """

    def __init__(self, database: Database, actions: Actions, kind: LogKind[Log]) -> None:
        self._kind = kind
        self._actions = actions
        self._logs = SavingStore(database)
        self._loading = LoadingStore(database)
        self._walks = WalkStore(database)
        self._content = ContentStore(database)
        self._directory = DirectoryStore(database)
        self.DoesNotExist, self.MultipleObjectsReturned = _EXCEPTIONS[kind.name]

    async def get(self, **filters: Any) -> Log:
        """The one log that fits the filters, with its embedded attempts.

        Raises:
            DoesNotExist: none fits; the class of this collection.
            MultipleObjectsReturned: several fit; the class of this collection.
            FilterInvalid: a filter names no field, or its value does not fit.
        """
        found = [log async for log in self._logs.find(self._kind, self._query(filters), limit=2)]
        if not found:
            raise self.DoesNotExist()
        if len(found) > 1:
            raise self.MultipleObjectsReturned()
        return found[0]

    async def find(self, **filters: Any) -> AsyncGenerator[Log, None]:
        """The logs that fit the filters, in no order, each with its embedded attempts; a few are in memory at a time.

        Raises:
            FilterInvalid: a filter names no field, or its value does not fit.
        """
        async with aclosing(self._logs.find(self._kind, self._query(filters))) as found:
            async for log in found:
                yield log

    async def filter_by_content_ids(self, content_ids: Iterable[str], **filters: Any) -> AsyncGenerator[Log, None]:
        """Like `find`, but only logs of one of these contents; any number of them, in any spelling of their ids.

        Raises:
            FilterInvalid: a filter names no field, or a value or one of the ids does not fit.
            ValueError: the logs have no content.
        """
        if "content_id" not in self._kind.plain_fields:
            raise ValueError(f"A {self._kind.model.__name__} has no content.")
        ids = sorted(set(filter_values("content_ids", "id", content_ids)))
        query = self._query(filters)
        for start in range(0, len(ids), _IDS_AT_ONCE):
            among = {"$and": [query, {"content_id": {"$in": ids[start : start + _IDS_AT_ONCE]}}]}
            if not query:
                among = among["$and"][1]
            async with aclosing(self._logs.find(self._kind, among)) as found:
                async for log in found:
                    yield log

    async def filter_by_topic(self, topic_id: str, **filters: Any) -> AsyncGenerator[Log, None]:
        """Like `find`, but only logs of content below a topic, at any depth, in the tree of its channel.

        Args:
            topic_id: id of a content node; of one that is no topic, the logs of its own content.
            filters: see the class.

        Raises:
            FilterInvalid: the topic is no id, a filter names no field, or its value does not fit.
            InvalidReference: the directory has no such node.
            ValueError: the logs have no content.
        """
        below = await self._content.below(filter_value("topic_id", "id", topic_id))
        if below is None:
            raise InvalidReference("The directory has no content node with this id.")
        async with aclosing(self.filter_by_content_ids(below, **filters)) as found:
            async for log in found:
                yield log

    async def count(self, **filters: Any) -> int:
        """How many logs fit the filters.

        Raises:
            FilterInvalid: a filter names no field, or its value does not fit.
        """
        return await self._logs.count(self._kind, self._query(filters))

    async def attempts(self, log: Log | str) -> AsyncGenerator[AttemptLog, None]:
        """All attempts of a log as they are stored now: those that moved to buckets and the embedded ones.

        They come try by try, oldest first in each. A log that is gone, or has no attempts, gives none.

        Args:
            log: a summary or session log, or its id.

        Raises:
            FilterInvalid: `log` is neither a log nor an id.
            ValueError: logs of this kind keep no attempts apart.
        """
        if not self._kind.overflows:
            raise ValueError(f"All attempts of a {self._kind.model.__name__} are in the log itself, if it has any.")
        async with aclosing(self._walks.attempts(self._kind, _id_of(log))) as found:
            async for attempt in found:
                yield attempt

    async def save(self, log: Log | Mapping[str, Any]) -> Log:
        """Create a log or put it in the place of the one with its id, in one transaction.

        Partition, source id and id follow from the log; so does the dataset, which may be left out. The stored log then
        has the tries and embedded attempts of this one and no others. Attempts that had moved to buckets stay, unless
        the log brings them itself (then it counts) or no longer has their try. The log,
        and what changed of the logs embedded in it, is marked as waiting for sync.

        Args:
            log: a log of this kind, or its fields; embedded logs may leave out what the log around them says.

        Returns:
            The log as it is stored, with its counters.

        Raises:
            DirectoryIncomplete: an anonymous log without a dataset, and there is no default facility.
            DocumentTooLarge: it is larger than a document can be.
            StoreError: nothing was written; see `retryable`.
            TypeError: a log of another kind.
            UnstorableValue: no document can hold a value in it.
            ValidationFailed: fields are wrong, the learner is not in the directory, or dataset or id are not those that
                follow from the log.
        """
        if isinstance(log, Mapping):
            values = dict(log)
        elif isinstance(log, self._kind.model):
            values = log.model_dump(warnings=False)
        else:
            raise TypeError(f"a {self._kind.model.__name__} is expected")
        dataset_id = await self._dataset_id(values)
        whole = cast("Log", whole_log(self._kind.model, values, dataset_id, random_id))

        async def action(tx: Transaction) -> Log:
            return await self._logs.save(tx, self._kind, whole)

        return await self._actions.run(action, whole.morango_partition)

    async def load(self, logs: Sequence[Log]) -> int:
        """Insert many whole logs that are not there, outside a transaction; those that are there are left alone.

        For loading the past, and safe to do again. The logs are written as they are: with their ids, counters and
        dirty bits, and nothing is asked of the directory.

        Args:
            logs: of this kind, `identified`, with the logs embedded in them; a few hundred at a time.

        Returns:
            how many were inserted.

        Raises:
            StoreError: some may have been inserted; do it again.
        """
        return await self._loading.insert_missing(self._kind, logs)

    async def delete(self, log: Log | str) -> None:
        """Remove a log with all its attempts, in one transaction. Devices that have it are not told.

        Args:
            log: a log of this kind, or its id.

        Raises:
            DoesNotExist: it is not there; the class of this collection.
            FilterInvalid: `log` is neither a log nor an id.
            StoreError: nothing was removed; see `retryable`.
        """
        log_id = _id_of(log)
        partition = await self._logs.partition(self._kind, log_id)
        if partition is None:
            raise self.DoesNotExist()

        async def action(tx: Transaction) -> bool:
            return await self._logs.delete(tx, self._kind, log_id, partition)

        if not await self._actions.run(action, partition):
            raise self.DoesNotExist()

    async def _dataset_id(self, values: Mapping[str, Any]) -> str:
        given, user_id = values.get("dataset_id") or None, values.get("user_id") or None
        if user_id is None:
            inferred = await self._directory.default_dataset_id() or given
            if inferred is None:
                raise DirectoryIncomplete("Anonymous logs belong to the default facility, and the directory has none.")
            return infer_dataset_id(given, inferred)
        user = await self._directory.user(user_id) if is_hex_id(user_id) else None
        if user is None:
            message = "The directory has no person with this id."
            raise errors.ValidationFailed([FieldError(("user_id",), "does_not_exist", message)])
        return infer_dataset_id(given, user["dataset_id"])

    def _query(self, filters: Mapping[str, Any]) -> dict[str, Any]:
        return conditions(self._kind.plain_fields, filters, f"a {self._kind.model.__name__}")


def _id_of(log: Any) -> str:
    if isinstance(log, SyncableLog):
        return log.id
    found: str = filter_value("log", "id", log)
    return found
