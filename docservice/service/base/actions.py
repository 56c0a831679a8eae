"""Actions: requests that write, each run once, in a transaction, and to its end."""

from __future__ import annotations

import asyncio
import hashlib
import json
import uuid
from collections.abc import Awaitable, Callable, Iterable
from datetime import datetime
from typing import Any, TypeVar
from weakref import WeakValueDictionary

from pydantic import BaseModel

from docservice.errors import StoreTimeout
from docservice.service.base.group_commit import LONGEST_WAIT_SECONDS, ActionT, AnswerT, CarryOut, GroupCommit
from docservice.store.database.port import Database
from docservice.store.logs.idempotency import RequestKey

_Result = TypeVar("_Result")


def random_id() -> str:
    """Return a random source id: 32 hex characters of a UUID4."""
    return uuid.uuid4().hex


class Actions:
    """Runs actions; one for a service."""

    def __init__(self, database: Database) -> None:
        self._database = database
        # One learner's actions would only make each other's transactions start again: within a process they queue.
        self._queues: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        self._running: set[asyncio.Task[Any]] = set()
        self._groups: list[GroupCommit[Any, Any]] = []

    def groups(self, carry_out: CarryOut[ActionT, AnswerT]) -> GroupCommit[ActionT, AnswerT]:
        """Groups of one kind of action, which are finished with all others; see `GroupCommit`."""
        made: GroupCommit[ActionT, AnswerT] = GroupCommit(self._database, carry_out)
        self._groups.append(made)
        return made

    async def run(self, action: Callable[[Any], Awaitable[_Result]], queue: str | None) -> _Result:
        """Run an action in a transaction; once begun it is finished, even if the caller goes away.

        Args:
            action: gets the transaction's session, and may run several times.
            queue: actions with the same one wait for each other; None waits for none.
        """

        async def queued() -> _Result:
            if queue is None:
                return await self._database.transact(action)
            lock = self._queues.setdefault(queue, asyncio.Lock())
            try:
                async with asyncio.timeout(LONGEST_WAIT_SECONDS):
                    await lock.acquire()
            except TimeoutError:
                raise StoreTimeout("Too many actions of the same learner were waiting before this one.") from None
            try:
                return await self._database.transact(action)
            finally:
                lock.release()

        task = asyncio.create_task(queued())
        self._running.add(task)
        task.add_done_callback(self._running.discard)
        return await asyncio.shield(task)

    async def finish(self) -> None:
        """Wait for actions whose callers went away."""
        # Unlike gather, wait does not cancel what it waits for when the one who waits is cancelled.
        for groups in self._groups:
            await groups.finish()
        if self._running:
            await asyncio.wait(self._running)


def request_key(
    caller: str,
    key: str | None,
    action: str,
    request: BaseModel,
    now: datetime,
    people: Iterable[str | None] = (),
) -> RequestKey | None:
    """Return what identifies a request that may be sent twice; None without a key of the caller's.

    Args:
        caller: whose key it is.
        key: as the caller chose it.
        action: what is asked for, with the id of what it is asked of.
        request: the validated body.
        now: when it came, UTC.
        people: the ids of those whom the reply is about; None for an anonymous visitor.
    """
    if key is None:
        return None
    body = json.dumps(request.model_dump(exclude_unset=True), sort_keys=True, default=str)
    fingerprint = hashlib.sha256(f"{action}\n{body}".encode()).hexdigest()
    return RequestKey(caller, key, fingerprint, now, tuple(sorted({each for each in people if each is not None})))
