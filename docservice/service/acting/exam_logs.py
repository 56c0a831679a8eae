"""Exam logs: begun, answered and handed in by front ends of Kolibri up to 0.14; each action in one transaction."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from docservice.domain.answers.exam_logs import ExamAttemptRow, ExamLogRow, ExamLogSaved
from docservice.domain.directory.permissions import Person, may_write_log
from docservice.domain.logs.exam_logs import changed_exam_attempt, changed_exam_log, new_exam_attempt, new_exam_log
from docservice.domain.requests.exam_logs import ChangeExamAttempt, ChangeExamLog, SaveExamAttempt, SaveExamLog
from docservice.domain.values.ids import parse_uuid
from docservice.errors import FieldError, LogNotFound, NotSignedIn, PermissionDenied, ValidationFailed
from docservice.identity import Principal
from docservice.service.acting.lists import LogReader
from docservice.service.base.actions import Actions, random_id, request_key
from docservice.service.base.clock import Clocked
from docservice.store.database.port import Database, Transaction
from docservice.store.directory.records import DirectoryStore
from docservice.store.logs.exam_logs import ExamLogStore, Owner


class Exams(Clocked):
    """Keeps exam logs and their attempts: everybody's own, and admins those of their facility."""

    def __init__(self, database: Database, actions: Actions, reader: LogReader, clock: Callable[[], datetime]) -> None:
        """Keep them in a database.

        Args:
            database: connected.
            actions: of the service.
            reader: knows the people.
            clock: gives the current time, aware.
        """
        super().__init__(clock)
        self._actions = actions
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
        log = new_exam_log(request, learner["dataset_id"], now)

        async def action(tx: Transaction) -> ExamLogSaved:
            stored = await self._logs.find(tx, log.morango_partition, log.id)
            if stored is not None:
                return ExamLogSaved(created=False, log=ExamLogRow.of(stored.log))
            await self._logs.insert(tx, log)
            return ExamLogSaved(created=True, log=ExamLogRow.of(log))

        key = request_key(str(person.user_id), idempotency_key, "save exam log", request)
        return await self._actions.answer(action, ExamLogSaved, now, log.id, key)

    async def change_log(self, principal: Principal, log_id: str, request: ChangeExamLog) -> ExamLogRow:
        """See `DocService.change_exam_log`."""
        person = await self._person(principal)
        owner = _require_owner(person, await self._logs.owner(_stored_id(log_id)))
        now = self.now()

        async def action(tx: Transaction) -> ExamLogRow:
            stored = await self._logs.find(tx, owner.partition, owner.log_id)
            if stored is None:
                raise LogNotFound()
            changed = changed_exam_log(stored.log, request, now)
            await self._logs.update(tx, changed)
            return ExamLogRow.of(changed)

        return await self._actions.run(action, queue=owner.log_id)

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

        source_id = random_id()

        async def action(tx: Transaction) -> ExamAttemptRow:
            stored = await self._logs.find(tx, owner.partition, owner.log_id, with_attempts=tx.may_be_kept)
            if stored is None:
                raise LogNotFound()
            attempt = new_exam_attempt(request, stored.log, source_id)
            await self._logs.append(tx, stored, attempt)
            return ExamAttemptRow.of(attempt)

        key = request_key(str(person.user_id), idempotency_key, "save exam attempt", request)
        now = self.now()
        return await self._actions.answer(action, ExamAttemptRow, now, owner.log_id, key)

    async def change_attempt(self, principal: Principal, attempt_id: str, request: ChangeExamAttempt) -> ExamAttemptRow:
        """See `DocService.change_exam_attempt`."""
        request.require_storable()
        person = await self._person(principal)
        stored_id = _stored_id(attempt_id)
        owner = _require_owner(person, await self._logs.attempt_owner(stored_id))

        async def action(tx: Transaction) -> ExamAttemptRow:
            stored = await self._logs.find(tx, owner.partition, owner.log_id)
            attempts = stored.log.attempts if stored else []
            position = next((n for n, attempt in enumerate(attempts) if attempt.id == stored_id), None)
            if stored is None or position is None:
                raise LogNotFound()
            changed = changed_exam_attempt(attempts[position], request)
            await self._logs.replace_attempt(tx, stored, position, changed)
            return ExamAttemptRow.of(changed)

        return await self._actions.run(action, queue=owner.log_id)

    async def _person(self, principal: Principal) -> Person:
        person = await self._reader.person(principal)
        if person.user_id is None:
            raise NotSignedIn()
        return person


def _require_writer(person: Person, user_id: str, dataset_id: str) -> None:
    if not may_write_log(person, user_id, dataset_id):
        raise PermissionDenied("An exam log is written by its learner or an admin of the facility.")


def _require_owner(person: Person, owner: Owner | None) -> Owner:
    if owner is None:
        raise LogNotFound()
    _require_writer(person, owner.user_id, owner.dataset_id)
    return owner


def _does_not_exist(*references: tuple[str, str]) -> ValidationFailed:
    return ValidationFailed(
        [
            FieldError((field,), "does_not_exist", f'Invalid pk "{value}" - object does not exist.')
            for field, value in references
        ]
    )


def _stored_id(spelled: str) -> str:
    try:
        return parse_uuid(spelled)
    except ValueError:
        raise LogNotFound() from None
