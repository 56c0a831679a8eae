"""Session and summary logs as documents."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Generic, TypeVar

from pydantic import BaseModel

from docservice.domain.logs.content_logs import ContentSessionLog, ContentSummaryLog
from docservice.store.database.port import Database, Document, Transaction
from docservice.store.logs.attempts import SESSIONS, SUMMARIES
from docservice.store.mapping.log_documents import (
    mastery_document,
    read_session,
    read_summary,
    session_document,
    stored_name,
    stored_value,
    summary_document,
)

Log = TypeVar("Log", bound=BaseModel)


@dataclass(frozen=True)
class Stored(Generic[Log]):
    """A log and the document it was read from."""

    log: Log
    document: Document


class LogStore:
    """Reads and writes whole logs inside a transaction; every statement carries the partition, the shard key."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def session(self, tx: Transaction, partition: str, session_id: str) -> Stored[ContentSessionLog] | None:
        """A visit with its loose attempts, None if the partition has no such visit."""
        document = await self._database[SESSIONS].find_one(
            {"_id": session_id, "_morango_partition": partition}, session=tx.session
        )
        return Stored(read_session(document), document) if document else None

    async def summary(
        self, tx: Transaction, partition: str, summary_id: str, *, with_attempts: bool
    ) -> Stored[ContentSummaryLog] | None:
        """A summary with its tries, None if the partition has no such summary.

        Args:
            tx: the transaction's session.
            partition: the learner's.
            summary_id: computed from partition and content.
            with_attempts: have the embedded attempts in the document. They are not in the log: an update looks at few
                of them, and making models of all would cost more than the rest of it.
        """
        document = await self._database[SUMMARIES].find_one(
            {"_id": summary_id, "_morango_partition": partition},
            None if with_attempts else {"mastery_logs.attempts": 0},
            session=tx.session,
        )
        return Stored(read_summary(document, with_attempts=False), document) if document else None

    async def insert_session(self, tx: Transaction, session: ContentSessionLog) -> None:
        """Store a new visit."""
        await self._database[SESSIONS].insert_one(session_document(session), session=tx.session)

    async def insert_summary(self, tx: Transaction, summary: ContentSummaryLog) -> None:
        """Store a new summary with its tries."""
        await self._database[SUMMARIES].insert_one(summary_document(summary), session=tx.session)

    async def update_session(
        self, tx: Transaction, before: ContentSessionLog, after: ContentSessionLog, also: Document | None = None
    ) -> None:
        """Write the fields of a visit that changed, and what `also` says of its attempts."""
        setting = _changed(before, after, {"attempts"}) | (also or {})
        await self._set(SESSIONS, after, setting, tx)

    async def update_summary(
        self, tx: Transaction, before: ContentSummaryLog, after: ContentSummaryLog, also: Document | None = None
    ) -> None:
        """Write the fields of a summary and its tries that changed, new tries, and what `also` says of attempts."""
        setting = _changed(before, after, {"mastery_logs"})
        for number, log in enumerate(after.mastery_logs):
            path = f"mastery_logs.{number}"
            if number >= len(before.mastery_logs):
                setting[path] = mastery_document(log)
            elif log is not before.mastery_logs[number]:
                changed = _changed(before.mastery_logs[number], log, {"attempts"})
                setting |= {f"{path}.{name}": value for name, value in changed.items()}
        await self._set(SUMMARIES, after, setting | (also or {}), tx)

    async def _set(
        self, collection: str, log: ContentSessionLog | ContentSummaryLog, setting: Document, tx: Transaction
    ) -> None:
        await self._database[collection].update_one(
            {"_id": log.id, "_morango_partition": log.morango_partition},
            {"$set": {**setting, "has_dirty": True}},
            session=tx.session,
        )


def _changed(before: BaseModel, after: BaseModel, leave_out: set[str]) -> Document:
    return {
        stored_name(name): stored_value(name, getattr(after, name))
        for name in type(after).model_fields
        if name not in leave_out and getattr(after, name) is not getattr(before, name)
    }
