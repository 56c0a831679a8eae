"""Mastery logs, attempts and exam attempts as collections: logs that are stored inside others."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from typing import Any, cast

from docservice.domain.logs.building import whole_log
from docservice.domain.logs.content_logs import AttemptLog, MasteryLog, SyncableLog
from docservice.domain.logs.datasets import KnownDatasets
from docservice.domain.logs.exam_logs import ExamAttemptLog
from docservice.domain.logs.record_schema import Log
from docservice.domain.requests.filter_values import FilterField
from docservice.domain.values.ids import is_hex_id
from docservice.errors import FieldError, ValidationFailed
from docservice.service.base.actions import Actions, random_id
from docservice.service.trusted.collections import LogCollection, id_of, not_there
from docservice.store.database.port import Database, Transaction
from docservice.store.logs.collections import CollectionStore
from docservice.store.logs.embedded_logs import EmbeddedLogStore
from docservice.store.logs.embedded_writes import AttemptPlace, EmbeddedWriteStore
from docservice.store.mapping.embedded_kinds import Conditions, EmbeddedKind, EmbeddedRecord
from docservice.store.mapping.log_documents import attempt_document, exam_attempt_document


class EmbeddedCollection(LogCollection[Log]):
    """All logs of a model whose logs are stored inside others; see `LogCollection`.

    They are found by their own ids and fields, and by those of the logs around them: `summarylog__kind="exercise"`,
    `masterylog__complete=True`, `masterylog__summarylog__channel_id=...`, `examlog__closed=False`. Ids, and fields of
    the log that has the document, are looked up in indexes; other filters have every log of the model read.

    A save or delete changes this log, and the counters beside it. As in Kolibri it leaves the progress, times and marks
    of other logs as they are.
    """

    def __init__(self, database: Database, actions: Actions, kind: EmbeddedKind[Log]) -> None:
        """See `LogCollection`.

        Args:
            database: connected.
            actions: run what is written.
            kind: of log.
        """
        super().__init__(database, actions, kind.model)
        self._kind = kind
        self._records = EmbeddedLogStore(database)
        self._writes = EmbeddedWriteStore(database)
        self._saving = CollectionStore(database)

    async def count(self, **filters: Any) -> int:
        """Return how many logs fit the filters; see `LogCollection.count`."""
        return await self._records.count(self._kind, [self._query(filters)])

    async def save(self, log: Log | Mapping[str, Any]) -> Log:
        """Create a log or put it in the place of the one with its id; see `LogCollection.save`.

        The log that it belongs to has to be there: `summarylog_id` of a mastery log, `masterylog_id` and
        `sessionlog_id` of an attempt, `examlog_id` of an exam attempt. Learner and dataset follow from that one and may
        be left out. A mastery log then has the embedded attempts of this one; attempts that had moved to buckets stay,
        unless the log brings them itself. An attempt that names another mastery log or content session moves there.
        The log, and what changed of the attempts in it, is marked as waiting for sync.
        """
        values = self._values(log)
        parent = await self._parent(values)
        inherited = {name: parent.document[name] for name in ("dataset_id", "user_id")}
        dataset_id = self._dataset(
            {**values, "user_id": inherited["user_id"]},
            KnownDatasets(of_learner=inherited["dataset_id"], of_parent=inherited["dataset_id"]),
        )
        if values.get("user_id") not in (None, "", inherited["user_id"]):
            raise ValidationFailed(
                [FieldError(("user_id",), "invalid", "The log that it belongs to is another learner's.")]
            )
        whole = whole_log(self._model, {**values, "user_id": inherited["user_id"]}, dataset_id, random_id)
        whole = whole.model_copy(update={"morango_dirty_bit": True})
        stored = await self._stored(whole, values)
        if isinstance(whole, AttemptLog) and whole.masterylog_id is not None:
            await self._require_session(whole, stored)

        async def action(tx: Transaction) -> Log | None:
            return cast("Log | None", await self._write(tx, whole, parent, stored))

        saved = await self._actions.run(action, whole.morango_partition)
        if saved is None:
            raise not_there(*_PARENT_IS_GONE[self._kind.name])
        return saved

    async def delete(self, log: Log | str) -> None:
        """Remove a log, a mastery log with its attempts; see `LogCollection.delete`."""
        log_id = id_of(log)
        stored = await self._records.one(self._kind, log_id)
        if stored is None:
            raise self.DoesNotExist()

        async def action(tx: Transaction) -> bool:
            if self._model is MasteryLog:
                gone = await self._writes.remove_mastery_log(tx, stored.document, log_id)
            else:
                gone = await self._writes.remove_attempt(tx, AttemptPlace.of(stored), log_id)
            # An earlier run was committed although its acknowledgement was lost, and has removed it.
            return gone or tx.may_be_kept

        if not await self._actions.run(action, stored.document["_morango_partition"]):
            raise self.DoesNotExist()

    @property
    def _fields(self) -> Mapping[str, FilterField]:
        return self._kind.plain_fields

    async def _stream(self, queries: Sequence[Conditions], limit: int = 0) -> AsyncGenerator[Log, None]:
        number = 0
        async with aclosing(self._records.find(self._kind, queries)) as records:
            async for record in records:
                yield self._kind.read(record)
                number += 1
                if number == limit:
                    return

    async def _parent(self, values: Mapping[str, Any]) -> EmbeddedRecord:
        field, message = _PARENT_IS_GONE[self._kind.name]
        if self._model is AttemptLog and values.get("masterylog_id") in (None, ""):
            field, message = _SESSION_IS_GONE
        parent_id = values.get(field)
        parent = await self._records.parent(self._kind, values) if is_hex_id(parent_id) else None
        if parent is None:
            raise not_there(field, message)
        return parent

    async def _stored(self, log: SyncableLog, values: Mapping[str, Any]) -> EmbeddedRecord | None:
        """Return the attempt that is saved over, wherever it is; None if there is none, and of a mastery log.

        A mastery log never leaves its summary, and an attempt that comes without a source id has just got a new one.
        """
        named = values.get("morango_source_id") or values.get("_morango_source_id")
        return await self._records.one(self._kind, log.id) if named and not isinstance(log, MasteryLog) else None

    async def _require_session(self, attempt: AttemptLog, stored: EmbeddedRecord | None) -> None:
        """Check that the content session of an attempt exists, unless the stored attempt names it, too.

        Old attempts may name sessions that no device has any more; they can still be saved.
        """
        if stored is not None and stored.record["sessionlog_id"] == attempt.sessionlog_id:
            return
        session = await self._records.session(attempt.sessionlog_id)
        if session is None:
            raise not_there(*_SESSION_IS_GONE)
        if session["user_id"] != attempt.user_id:
            raise ValidationFailed(
                [FieldError(("sessionlog_id",), "invalid", "The content session is another learner's.")]
            )

    async def _write(
        self, tx: Transaction, log: Any, parent: EmbeddedRecord, stored: EmbeddedRecord | None
    ) -> MasteryLog | AttemptLog | ExamAttemptLog | None:
        if isinstance(log, MasteryLog):
            return await self._saving.save_mastery_log(tx, parent.document["_id"], log)
        place = AttemptPlace.of(parent)
        document = attempt_document(log) if isinstance(log, AttemptLog) else exam_attempt_document(log)
        if not await self._writes.put_attempt(tx, place, document):
            return None
        if stored is not None and (old_place := AttemptPlace.of(stored)) != place:
            await self._writes.remove_attempt(tx, old_place, log.id)
        return cast("AttemptLog | ExamAttemptLog", log)


_SESSION_IS_GONE = "sessionlog_id", "There is no content session with this id."
_PARENT_IS_GONE = {
    "masterylog": ("summarylog_id", "There is no content summary log with this id."),
    "attemptlog": ("masterylog_id", "There is no mastery log with this id."),
    "examattemptlog": ("examlog_id", "There is no exam log with this id."),
}
"""Which field names the log that one belongs to, and what to say if there is none."""
