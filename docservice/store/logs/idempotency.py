"""Replies kept for retries: the same `Idempotency-Key` gets the first reply again, byte for byte."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from docservice.store.database.port import Database, Transaction, one_of
from docservice.store.mapping.schema import IDEMPOTENCY_KEYS


@dataclass(frozen=True)
class RequestKey:
    """What identifies a request that may be sent twice.

    Attributes:
        caller: whose key it is; two callers never share one.
        key: as the caller chose it.
        fingerprint: of method, path and body, so that a key used for another request is noticed.
        received_at: when the request came, UTC; its reply is kept for a day from then on.
        user_ids: the people whom the reply is about, or who asked; empty for an anonymous visitor.
    """

    caller: str
    key: str
    fingerprint: str
    received_at: datetime
    user_ids: tuple[str, ...] = ()

    @property
    def document_id(self) -> str:
        """The `_id` of the kept reply."""
        return hashlib.sha256(f"{self.caller}\n{self.key}".encode()).hexdigest()


class Reply(NamedTuple):
    """A kept reply.

    Attributes:
        fingerprint: of the request that got it.
        body: the JSON that was sent.
    """

    fingerprint: str
    body: bytes


class IdempotencyStore:
    """The kept replies."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def replies(self, tx: Transaction, requests: Sequence[RequestKey]) -> dict[str, Reply]:
        """Return the replies kept under the keys of requests, by `RequestKey.document_id`."""
        query = {"_id": one_of(request.document_id for request in requests)}
        return {
            kept["_id"]: Reply(kept["fingerprint"], bytes(kept["reply"]))
            async for kept in self._database[IDEMPOTENCY_KEYS].find(query, session=tx.session)
        }

    async def keep(self, tx: Transaction, replies: Sequence[tuple[RequestKey, bytes]]) -> None:
        """Keep new replies, in the transaction that does what they tell of."""
        documents = [
            {
                "_id": request.document_id,
                "fingerprint": request.fingerprint,
                "reply": body,
                "created_at": request.received_at,
                "user_ids": list(request.user_ids),
            }
            for request, body in replies
        ]
        await self._database[IDEMPOTENCY_KEYS].insert_many(documents, session=tx.session)
