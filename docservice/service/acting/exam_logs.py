"""Exam logs: begun, answered and handed in by front ends of Kolibri up to 0.14.

Actions that wait together share a transaction, see `service.base.groups`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Protocol, cast

from docservice.domain.answers.exam_logs import ExamAttemptRow, ExamLogRow, ExamLogSaved
from docservice.domain.answers.tracking import Answer
from docservice.domain.directory.permissions import Person, may_write_log
from docservice.domain.logs.exam_logs import (
    ExamLog,
    changed_exam_attempt,
    changed_exam_log,
    new_exam_attempt,
    new_exam_log,
)
from docservice.domain.requests.exam_logs import ChangeExamAttempt, ChangeExamLog, SaveExamAttempt, SaveExamLog
from docservice.domain.requests.kolibri_messages import no_such_object
from docservice.domain.values.ids import parse_uuid
from docservice.errors import (
    LogNotFound,
    NotSignedIn,
    PermissionDenied,
    ValidationFailed,
)
from docservice.identity import Principal
from docservice.service.acting.log_lists import ListReader
from docservice.service.base.actions import Actions, random_id, request_key
from docservice.service.base.clock import Clocked
from docservice.service.base.group_commit import GroupCommit, Outcome, outcome_of
from docservice.store.database.port import Database, Transaction
from docservice.store.directory.records import DirectoryStore
from docservice.store.logs.exam_logs import ExamLogStore, OpenExamLogs, Owner
from docservice.store.logs.keys import LogKey

_WEIGHT_OF_A_WHOLE_LOG = 100
"""Of an action that reads all attempts of a log, next to one that reads none; see `GroupCommit.carry_out`."""


class ExamLogs(Clocked):
    """Keeps exam logs and their attempts: everybody's own, and admins those of their facility."""

    def __init__(self, database: Database, actions: Actions, reader: ListReader, clock: Callable[[], datetime]) -> None:
        """Keep them in a database.

        Args:
            database: connected.
            actions: of the service.
            reader: reads people and scopes.
            clock: gives the current time, aware.
        """
        super().__init__(clock)
        self._database = database
        self._groups: GroupCommit[_Action, Answer] = actions.groups(self._carry_out)
        self._reader = reader
        self._directory = DirectoryStore(database)
        self._logs = ExamLogStore(database)

    async def save_log(self, principal: Principal, request: SaveExamLog, idempotency_key: str | None) -> ExamLogSaved:
        """See `DocService.save_exam_log`."""
        person = await self._person(principal)
        learner = await self._directory.user(request.user)
        missing = [] if await self._directory.exam_exists(request.exam) else [("exam", request.exam)]
        if learner is None:
            missing.append(("user", request.user))
        if learner is None or missing:
            raise _does_not_exist(*missing)
        _require_writer(person, request.user, learner["dataset_id"])
        now = self.now()
        save = _SaveLog(new_exam_log(request, learner["dataset_id"], now))
        people = (person.user_id, request.user)
        key = request_key(str(person.user_id), idempotency_key, "save exam log", request, now, people)
        answer = await self._groups.carry_out(
            save, ExamLogSaved, queue=save.key.log_id, weight=_WEIGHT_OF_A_WHOLE_LOG, key=key
        )
        return cast("ExamLogSaved", answer)

    async def change_log(self, principal: Principal, log_id: str, request: ChangeExamLog) -> ExamLogRow:
        """See `DocService.change_exam_log`."""
        person = await self._person(principal)
        owner = _require_owner(person, await self._logs.owner(_stored_id(log_id)))
        change = _ChangeLog(owner.key, request, self.now())
        return cast(
            "ExamLogRow",
            await self._groups.carry_out(change, ExamLogRow, queue=owner.log_id, weight=_WEIGHT_OF_A_WHOLE_LOG),
        )

    async def save_attempt(
        self, principal: Principal, request: SaveExamAttempt, idempotency_key: str | None
    ) -> ExamAttemptRow:
        """See `DocService.save_exam_attempt`."""
        request.require_storable()
        person = await self._person(principal)
        owner = await self._logs.owner(request.examlog)
        learner = await self._directory.user(request.user)
        missing = [("examlog", request.examlog)] if owner is None else []
        if learner is None:
            missing.append(("user", request.user))
        if owner is None or missing:
            raise _does_not_exist(*missing)
        _require_owner(person, owner)

        people = (person.user_id, request.user, owner.user_id)
        key = request_key(str(person.user_id), idempotency_key, "save exam attempt", request, self.now(), people)
        save = _SaveAttempt(owner.key, request)
        answer = await self._groups.carry_out(save, ExamAttemptRow, queue=owner.log_id, key=key)
        return cast("ExamAttemptRow", answer)

    async def change_attempt(self, principal: Principal, attempt_id: str, request: ChangeExamAttempt) -> ExamAttemptRow:
        """See `DocService.change_exam_attempt`."""
        request.require_storable()
        person = await self._person(principal)
        stored_id = _stored_id(attempt_id)
        owner = _require_owner(person, await self._logs.attempt_owner(stored_id))
        change = _ChangeAttempt(owner.key, stored_id, request)
        answer = await self._groups.carry_out(change, ExamAttemptRow, queue=owner.log_id, weight=_WEIGHT_OF_A_WHOLE_LOG)
        return cast("ExamAttemptRow", answer)

    async def _carry_out(self, tx: Transaction, actions: Sequence[_Action]) -> list[Outcome[Answer]]:
        """Read the logs of all actions, apply each to what the one before it left, write what changed."""
        logs = OpenExamLogs(self._database, tx)
        await logs.read(
            [action.key for action in actions if action.chooses_attempts],
            [action.key for action in actions if not action.chooses_attempts],
        )
        outcomes = [await outcome_of(action.apply(logs)) for action in actions]
        await logs.write()
        return outcomes

    async def _person(self, principal: Principal) -> Person:
        person = await self._reader.person(principal)
        if person.user_id is None:
            raise NotSignedIn()
        return person


class _Action(Protocol):
    """What a caller asks of an exam log."""

    @property
    def key(self) -> LogKey:
        """The exam log."""

    @property
    def chooses_attempts(self) -> bool:
        """Whether it looks at the attempts of the log."""

    async def apply(self, logs: OpenExamLogs) -> Answer:
        """Apply the rule to the log, which has been read, and keep what it gives.

        Raises:
            DocServiceError: the rule refuses it; the logs are as they were.
        """


class _SaveLog:
    """Keep a new log, or give the one that is there."""

    chooses_attempts = True  # its answer counts them

    def __init__(self, log: ExamLog) -> None:
        self.key = LogKey(log.morango_partition, log.id)
        self._log = log

    async def apply(self, logs: OpenExamLogs) -> ExamLogSaved:
        """See `_Action`."""
        stored = logs.log(self.key)
        if stored is not None:
            return ExamLogSaved(created=False, log=ExamLogRow.of(stored))
        logs.insert(self._log)
        return ExamLogSaved(created=True, log=ExamLogRow.of(self._log))


class _ChangeLog:
    """Hand a log in, or open it again."""

    chooses_attempts = True  # its answer counts them

    def __init__(self, key: LogKey, request: ChangeExamLog, now: datetime) -> None:
        self.key = key
        self._request = request
        self._now = now

    async def apply(self, logs: OpenExamLogs) -> ExamLogRow:
        """See `_Action`."""
        changed = changed_exam_log(_required(logs.log(self.key)), self._request, self._now)
        logs.change(changed)
        return ExamLogRow.of(changed)


class _SaveAttempt:
    """Add an attempt. Its id is chosen once: a transaction that runs again makes the same attempt."""

    chooses_attempts = False

    def __init__(self, key: LogKey, request: SaveExamAttempt) -> None:
        self.key = key
        self._request = request
        self._source_id = random_id()

    async def apply(self, logs: OpenExamLogs) -> ExamAttemptRow:
        """See `_Action`."""
        log = _required(logs.log(self.key))
        attempt = new_exam_attempt(self._request, log, self._source_id)
        logs.append(log, attempt)
        return ExamAttemptRow.of(attempt)


class _ChangeAttempt:
    """Change an attempt."""

    chooses_attempts = True

    def __init__(self, key: LogKey, attempt_id: str, request: ChangeExamAttempt) -> None:
        self.key = key
        self._attempt_id = attempt_id
        self._request = request

    async def apply(self, logs: OpenExamLogs) -> ExamAttemptRow:
        """See `_Action`."""
        log = _required(logs.log(self.key))
        position = next((n for n, attempt in enumerate(log.attempts) if attempt.id == self._attempt_id), None)
        if position is None:
            raise LogNotFound()
        changed = changed_exam_attempt(log.attempts[position], self._request)
        logs.replace_attempt(log, position, changed)
        return ExamAttemptRow.of(changed)


def _required(log: ExamLog | None) -> ExamLog:
    if log is None:
        raise LogNotFound()
    return log


def _require_writer(person: Person, user_id: str, dataset_id: str) -> None:
    if not may_write_log(person, user_id, dataset_id):
        raise PermissionDenied("An exam log is written by its learner or an admin of the facility.")


def _require_owner(person: Person, owner: Owner | None) -> Owner:
    if owner is None:
        raise LogNotFound()
    _require_writer(person, owner.user_id, owner.dataset_id)
    return owner


def _does_not_exist(*references: tuple[str, str]) -> ValidationFailed:
    return ValidationFailed([no_such_object(field, key) for field, key in references])


def _stored_id(spelled: str) -> str:
    try:
        return parse_uuid(spelled)
    except ValueError:
        raise LogNotFound() from None
