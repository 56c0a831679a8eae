"""Replies kept for retries: the same `Idempotency-Key` gets the first reply again, byte for byte."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import datetime

from docservice.errors import IdempotencyMismatch
from docservice.store.database.port import Database, Transaction

COLLECTION = "idempotency_keys"


@dataclass(frozen=True)
class RequestKey:
    """What identifies a request that may be sent twice.

    Attributes:
        caller: whose key it is; two callers never share one.
        key: as the caller chose it.
        fingerprint: of method, path and body, so that a key used for another request is noticed.
    """

    caller: str
    key: str
    fingerprint: str

    @property
    def document_id(self) -> str:
        """The `_id` of the kept reply."""
        return hashlib.sha256(f"{self.caller}\n{self.key}".encode()).hexdigest()


class IdempotencyStore:
    """The kept replies."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def reply(self, tx: Transaction, request: RequestKey) -> bytes | None:
        """The reply that the request got before, None if it is new.

        Raises:
            IdempotencyMismatch: the caller used the key for another request.
        """
        kept = await self._database[COLLECTION].find_one({"_id": request.document_id}, session=tx.session)
        if kept is None:
            return None
        if kept["fingerprint"] != request.fingerprint:
            raise IdempotencyMismatch()
        return bytes(kept["reply"])

    async def keep(self, tx: Transaction, request: RequestKey, reply: bytes, now: datetime) -> None:
        """Keep a reply, in the transaction that does what it tells of."""
        await self._database[COLLECTION].insert_one(
            {"_id": request.document_id, "fingerprint": request.fingerprint, "reply": reply, "created_at": now},
            session=tx.session,
        )
