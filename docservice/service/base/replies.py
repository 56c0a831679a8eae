"""First answers of requests with a key, for a group of them in one transaction."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TypeVar

from pydantic import BaseModel

from docservice.domain.answers.tracking import Answer
from docservice.errors import DocServiceError, IdempotencyMismatch
from docservice.store.database.port import Database, Transaction
from docservice.store.logs.idempotency import IdempotencyStore, RequestKey

AnswerT = TypeVar("AnswerT", bound=BaseModel)


class Replies:
    """The kept answers."""

    def __init__(self, database: Database) -> None:
        self._store = IdempotencyStore(database)

    async def known(
        self, tx: Transaction, requests: Sequence[tuple[RequestKey | None, type[AnswerT]]]
    ) -> dict[int, AnswerT | DocServiceError]:
        """Return what requests got before: by position the first answer, or an error for a key of another request."""
        keys = [key for key, _ in requests if key is not None]
        if not keys:
            return {}
        stored = await self._store.replies(tx, keys)
        known: dict[int, AnswerT | DocServiceError] = {}
        for position, (key, answer_type) in enumerate(requests):
            reply = stored.get(key.document_id) if key else None
            if key is None or reply is None:
                continue
            if reply.fingerprint != key.fingerprint:
                known[position] = IdempotencyMismatch()
            else:
                known[position] = answer_type.model_validate(json.loads(reply.body))
        return known

    async def keep(
        self, tx: Transaction, answered: Sequence[tuple[RequestKey | None, BaseModel | DocServiceError]]
    ) -> None:
        """Keep the answers of requests with a key, in the transaction that does what they tell of; errors are not."""
        replies = [
            (key, json.dumps(outcome.as_json()).encode())
            for key, outcome in answered
            if key is not None and isinstance(outcome, Answer)
        ]
        if replies:
            await self._store.keep(tx, replies)
