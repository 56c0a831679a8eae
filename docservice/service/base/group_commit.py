"""Group commit: actions that wait at the same moment are carried out in one transaction.

    groups = GroupCommit(database, carry_out)
    answer = await groups.carry_out(action, queue="whose", size=1)

A group forms while the one before it commits, so that a single caller does not wait. What a transaction costs, the
group pays once: for the driver and the engine, sixty reports together are hardly dearer than two. Every action gets
its own answer or error:

- An action that its rule refuses changes nothing, and the others of its group go on.
- A group that fails for a reason of its own (a document that became too large, a value that cannot be stored) is
  divided until the action at fault is alone.
- A group that meets a write conflict is carried out once more, then divided. An action that still conflicts alone is
  set aside: it tries on by itself, those of the same queue wait for it, and everybody else goes on.
"""

from __future__ import annotations

import asyncio
import contextvars
import time
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, TypeAlias, TypeVar

from pydantic import BaseModel

from docservice.errors import DocServiceError, StoreError, StoreTimeout, StoreUnavailable
from docservice.service.base.replies import Replies
from docservice.store.database.port import Contended, Database, Transaction
from docservice.store.logs.idempotency import RequestKey

LONGEST_WAIT_SECONDS = 30.0
"""How long an action waits for those before it, and how long one that conflicts tries."""

MOST_ACTIONS = 64
"""How many actions a group has at most. Beyond some dozens, what is shared is a small part of what each costs."""

MOST_WEIGHT = 2_000
"""How much the actions of a group weigh together at most; see `GroupCommit.carry_out`."""

_PAUSE_SECONDS = 0.05
_EVERYBODY = ""
"""The share of all queues, where a transaction may have documents of several partitions."""

ActionT = TypeVar("ActionT")
AnswerT = TypeVar("AnswerT", bound=BaseModel)
Outcome: TypeAlias = AnswerT | DocServiceError
CarryOut: TypeAlias = Callable[[Transaction, Sequence[ActionT]], Awaitable[list[Outcome[AnswerT]]]]


async def outcome_of(answer: Awaitable[AnswerT]) -> Outcome[AnswerT]:
    """The answer of one action, or the error by which its rule refuses it. Errors of the store fail the whole group."""
    try:
        return await answer
    except StoreError:
        raise
    except DocServiceError as refusal:
        return refusal


@dataclass(eq=False)
class _Waiting(Generic[ActionT, AnswerT]):
    action: ActionT
    answer_type: type[AnswerT]
    queue: str
    weight: int
    key: RequestKey | None
    done: asyncio.Future[AnswerT]
    since: float = field(default_factory=time.monotonic)

    def settle(self, outcome: AnswerT | Exception) -> None:
        if isinstance(outcome, Exception):
            self.done.set_exception(outcome)
            # The caller may have been cancelled; asyncio would report the error as never retrieved.
            self.done.exception()
        else:
            self.done.set_result(outcome)


class GroupCommit(Generic[ActionT, AnswerT]):
    """Carries out actions of one kind, in groups; one for a service."""

    def __init__(self, database: Database, carry_out: CarryOut[ActionT, AnswerT]) -> None:
        """Form groups for a database.

        Args:
            database: connected.
            carry_out: reads what the actions need, applies them one after the other and writes what changed, in the
                transaction that it is given; it may run several times. Returns for each action its answer, or the error
                that refuses it. What it raises fails the whole transaction.
        """
        self._database = database
        self._carry_out = carry_out
        self._replies = Replies(database)
        self._waiting: deque[_Waiting[ActionT, AnswerT]] = deque()
        self._held: dict[str, deque[_Waiting[ActionT, AnswerT]]] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._committing: set[str] = set()

    async def carry_out(
        self, action: ActionT, answer_type: type[AnswerT], *, queue: str, weight: int = 1, key: RequestKey | None = None
    ) -> AnswerT:
        """Carry out an action; once it is waiting it is finished, even if the caller goes away.

        Args:
            action: what `carry_out` of the constructor takes.
            answer_type: of its answer.
            queue: actions with the same one are applied in the order in which they came.
            weight: how big it is, next to the smallest ones; a group takes only so much.
            key: a request that comes again under its key gets its first answer, and is not carried out again.

        Raises:
            IdempotencyMismatch: the key was used for another request.
            StoreTimeout: it did not get through in time; nothing of it was kept.
        """
        waiting = _Waiting(action, answer_type, queue, weight, key, asyncio.get_running_loop().create_future())
        if queue in self._held:
            self._held[queue].append(waiting)
        else:
            self._waiting.append(waiting)
            self._commit_what_waits()
        return await asyncio.shield(waiting.done)

    async def finish(self) -> None:
        """Wait for all actions, those of callers who went away too."""
        while self._tasks:
            await asyncio.wait(self._tasks)

    def _commit_what_waits(self) -> None:
        """Begin to commit what waits, unless a group of it is being committed; the next one forms meanwhile."""
        across = self._database.traits.commits_across_partitions
        for share in {self._share_of(waiting, across=across) for waiting in self._waiting} - self._committing:
            self._committing.add(share)
            self._begin(self._commit_share(share))

    @staticmethod
    def _share_of(waiting: _Waiting[ActionT, AnswerT], *, across: bool) -> str:
        """Which actions may share a transaction: all of them, or those of one queue, whose logs have one partition."""
        return _EVERYBODY if across else waiting.queue

    def _begin(self, work: Coroutine[Any, Any, None]) -> None:
        # An empty context: a deadline or the log fields of the caller who happened to come first are not the group's.
        task = asyncio.get_running_loop().create_task(work, context=contextvars.Context())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _commit_share(self, share: str) -> None:
        try:
            while group := self._next_group(share):
                await self._commit(group)
        finally:
            self._committing.discard(share)
        self._commit_what_waits()

    def _next_group(self, share: str) -> list[_Waiting[ActionT, AnswerT]]:
        """Take the first that wait and may share a transaction, until the group is full."""
        group: list[_Waiting[ActionT, AnswerT]] = []
        left: deque[_Waiting[ActionT, AnswerT]] = deque()
        passed_over: set[str] = set()
        keys: set[str] = set()
        weight, now = 0, time.monotonic()
        while self._waiting and len(group) < MOST_ACTIONS:
            waiting = self._waiting.popleft()
            document_id = waiting.key.document_id if waiting.key else None
            if waiting.queue in passed_over or share not in (_EVERYBODY, waiting.queue) or document_id in keys:
                # The same key twice: the second one finds the answer of the first in the next group.
                passed_over.add(waiting.queue)
                left.append(waiting)
            elif now - waiting.since > LONGEST_WAIT_SECONDS:
                waiting.settle(StoreTimeout("Too many actions were waiting for the database before this one."))
            elif group and weight + waiting.weight > MOST_WEIGHT:
                left.append(waiting)
                break
            else:
                group.append(waiting)
                weight += waiting.weight
                if document_id is not None:
                    keys.add(document_id)
        self._waiting.extendleft(reversed(left))
        return group

    async def _commit(self, group: Sequence[_Waiting[ActionT, AnswerT]]) -> None:
        """Commit a group, or what can be committed of it; settle every action that is not set aside."""
        try:
            outcomes = await self._database.transact(lambda tx: self._outcomes(tx, group), gives_way=True)
        except Contended:
            if len(group) == 1:
                self._set_aside(group[0])
            else:
                await self._commit_halves(group)
        except (StoreUnavailable, StoreTimeout) as error:
            for waiting in group:
                waiting.settle(error)
        except Exception as error:  # whatever it is, it is one caller's, and the others go on
            if len(group) == 1:
                group[0].settle(error)
            else:
                await self._commit_halves(group)
        else:
            for waiting, outcome in zip(group, outcomes, strict=True):
                waiting.settle(outcome)

    async def _commit_halves(self, group: Sequence[_Waiting[ActionT, AnswerT]]) -> None:
        middle = len(group) // 2
        await self._commit(group[:middle])
        # One of the first half may have been set aside: those of its queue stay behind it.
        second = [waiting for waiting in group[middle:] if not self._hold(waiting)]
        if second:
            await self._commit(second)

    def _hold(self, waiting: _Waiting[ActionT, AnswerT]) -> bool:
        held = self._held.get(waiting.queue)
        if held is not None:
            held.append(waiting)
        return held is not None

    def _set_aside(self, waiting: _Waiting[ActionT, AnswerT]) -> None:
        """Let an action try on by itself, and those of its queue wait for it."""
        behind = [each for each in self._waiting if each.queue == waiting.queue]
        self._held[waiting.queue] = deque(behind)
        self._waiting = deque(each for each in self._waiting if each.queue != waiting.queue)
        self._begin(self._try_on(waiting))

    async def _try_on(self, waiting: _Waiting[ActionT, AnswerT]) -> None:
        try:
            while True:
                # Between two tries the database is free for others, also on an engine with one transaction at a
                # time.
                await asyncio.sleep(_PAUSE_SECONDS)
                try:
                    outcomes = await self._database.transact(lambda tx: self._outcomes(tx, [waiting]), gives_way=True)
                except Contended:
                    if time.monotonic() - waiting.since > LONGEST_WAIT_SECONDS:
                        message = "Another transaction holds what this one would change, and does not end."
                        waiting.settle(StoreTimeout(message))
                        return
                except Exception as error:  # as in `_commit`
                    waiting.settle(error)
                    return
                else:
                    waiting.settle(outcomes[0])
                    return
        finally:
            self._waiting.extendleft(reversed(self._held.pop(waiting.queue)))
            self._commit_what_waits()

    async def _outcomes(self, tx: Transaction, group: Sequence[_Waiting[ActionT, AnswerT]]) -> list[Outcome[AnswerT]]:
        keyed = [(waiting.key, waiting.answer_type) for waiting in group]
        known = await self._replies.known(tx, keyed)
        new = [number for number in range(len(group)) if number not in known]
        outcomes: dict[int, Outcome[AnswerT]] = dict(known)
        if new:
            made = await self._carry_out(tx, [group[number].action for number in new])
            outcomes |= dict(zip(new, made, strict=True))
            await self._replies.keep(tx, [(group[number].key, outcomes[number]) for number in new])
        return [outcomes[number] for number in range(len(group))]
