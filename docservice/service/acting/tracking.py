"""Tracking: start a content session, report on it.

The way of a report: parse (`rest`) → principal → learner → read (`store.logs.tracking`) → rule
(`domain.tracking.content_sessions`) → write → answer. Several actions can share a transaction: their logs are read
together, each action is applied in turn to what the one before it left, and all is written together.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Protocol, TypeVar

from docservice.domain.answers.tracking import Answer, SessionStarted, SessionUpdated
from docservice.domain.logs.content_logs import AttemptLog, ContentSummaryLog
from docservice.domain.requests.tracking import StartSession, UpdateSession
from docservice.domain.tracking import content_sessions, mastery
from docservice.domain.tracking.content_sessions import SessionLogs, TrackedContent, Visitor
from docservice.domain.values.ids import is_hex_id, parse_uuid, record_id
from docservice.domain.values.json_values import require_storable
from docservice.domain.values.partitions import log_partition
from docservice.errors import DirectoryIncomplete, InvalidReference, LogNotFound, PermissionDenied, Unauthenticated
from docservice.identity import Principal
from docservice.service.base.actions import Actions, random_id, request_key
from docservice.service.base.clock import Clocked
from docservice.store.database.port import Database, Transaction
from docservice.store.directory.records import DirectoryStore
from docservice.store.logs.tracking import LogKey, TrackedLogs

_Result_co = TypeVar("_Result_co", bound=Answer, covariant=True)


class _Action(Protocol[_Result_co]):
    """What a caller asks of the logs."""

    @property
    def session_key(self) -> LogKey | None:
        """The stored session that it is about, None if it makes a new one."""

    @property
    def chooses_attempts(self) -> bool:
        """Whether it looks at embedded attempts or adds some."""

    def summary_key(self, logs: TrackedLogs) -> LogKey | None:
        """The summary that it changes, once its session is read; None if it changes none."""

    async def apply(self, tx: Transaction, logs: TrackedLogs) -> _Result_co:
        """Apply the rule to the logs, which have been read, and keep what it gives."""


class Tracking(Clocked):
    """Starts content sessions and takes reports on them."""

    def __init__(self, database: Database, actions: Actions, clock: Callable[[], datetime]) -> None:
        """Track into a database.

        Args:
            database: connected.
            actions: of the service.
            clock: gives the current time, aware.
        """
        super().__init__(clock)
        self._database = database
        self._actions = actions
        self._directory = DirectoryStore(database)

    async def start(
        self, principal: Principal, request: StartSession, idempotency_key: str | None = None
    ) -> SessionStarted:
        """See `DocService.start_session`."""
        visitor = await self._visitor(principal)
        content = content_sessions.tracked_content(request, visitor.user_id)
        start = _Start(self._directory, visitor, self.now(), content, repeat=request.repeat)
        caller = _caller(visitor)
        key = request_key(caller, idempotency_key, "start", request) if caller else None
        queue = start.partition if visitor.user_id is not None else None
        return await self._actions.answer(lambda tx: self._one(tx, start), SessionStarted, start.now, queue, key)

    async def update(
        self, principal: Principal, session_id: str, request: UpdateSession, idempotency_key: str | None = None
    ) -> SessionUpdated:
        """See `DocService.update_session`."""
        _require_storable(request)
        try:
            session_id = parse_uuid(session_id)
        except ValueError:
            raise LogNotFound() from None
        visitor = await self._visitor(principal)
        report = _Report(self._directory, visitor, self.now(), session_id, request)
        key = request_key(_caller(visitor) or session_id, idempotency_key, f"update {session_id}", request)
        queue = report.partition if visitor.user_id is not None else session_id
        return await self._actions.answer(lambda tx: self._one(tx, report), SessionUpdated, report.now, queue, key)

    async def _one(self, tx: Transaction, action: _Action[_Result_co]) -> _Result_co:
        return (await self._carry_out(tx, [action]))[0]

    async def _carry_out(self, tx: Transaction, actions: Sequence[_Action[_Result_co]]) -> list[_Result_co]:
        """Read what the actions need, apply each to what the one before it left, write what changed."""
        logs = TrackedLogs(self._database, tx)
        await logs.read_sessions([action.session_key for action in actions if action.session_key])
        summaries = [action.summary_key(logs) for action in actions]
        with_attempts = any(action.chooses_attempts for action in actions)
        await logs.read_summaries([key for key in summaries if key], with_attempts=with_attempts)
        answers = [await action.apply(tx, logs) for action in actions]
        await logs.write()
        return answers

    async def _visitor(self, principal: Principal) -> Visitor:
        if principal.is_service:
            raise PermissionDenied("A service token is for the directory. Content sessions are a person's.")
        if principal.user_id is None:
            dataset_id = await self._directory.default_dataset_id()
            if dataset_id is None:
                raise DirectoryIncomplete(
                    "Anonymous content sessions belong to the default facility, and the directory has none. "
                    "Import one: docservice directory import FILE (with default_facility)."
                )
            visitor_id = principal.visitor_id if is_hex_id(principal.visitor_id) else None
            return Visitor(dataset_id, visitor_id=visitor_id)
        user = await self._directory.user(principal.user_id)
        if user is None:
            raise Unauthenticated(
                "The token names a user who is not in the directory. Import the directory, or sign in again."
            )
        return Visitor(user["dataset_id"], principal.user_id)


class _LearnerAction:
    """What a start and a report have in common."""

    def __init__(self, directory: DirectoryStore, visitor: Visitor, now: datetime) -> None:
        self._directory = directory
        self.visitor = visitor
        self.now = now
        self.partition = log_partition(visitor.dataset_id, visitor.user_id)

    def _key_of_summary(self, content_id: str) -> LogKey | None:
        """The key of the learner's summary of a content, None for an anonymous visitor."""
        if self.visitor.user_id is None:
            return None
        return LogKey(self.partition, record_id(self.partition, content_id, ContentSummaryLog.model_name))

    async def _require_quiz(self, tx: Transaction, quiz_id: str) -> None:
        """Require that a quiz is active and assigned to the learner."""
        user_id = self.visitor.user_id
        if user_id is None or not await self._directory.is_assigned(tx, "exams", quiz_id, user_id, only_active=True):
            raise PermissionDenied("The quiz is not active or not assigned to the learner.")


class _Start(_LearnerAction):
    """Start a content session. Its ids are chosen once: a transaction that runs again makes the same session."""

    session_key = None
    chooses_attempts = True

    def __init__(
        self, directory: DirectoryStore, visitor: Visitor, now: datetime, content: TrackedContent, *, repeat: bool
    ) -> None:
        super().__init__(directory, visitor, now)
        self._content = content
        self._repeat = repeat
        self._source_id = random_id()
        self._random_level = -1 - secrets.randbelow(-mastery.LOWEST_LEVEL)

    def summary_key(self, logs: TrackedLogs) -> LogKey | None:
        """See `_Action`."""
        return self._key_of_summary(self._content.content_id)

    async def apply(self, tx: Transaction, logs: TrackedLogs) -> SessionStarted:
        """See `_Action`."""
        await self._require_assigned(tx)
        key = self.summary_key(logs)
        stored = logs.summary(key) if key else None
        started = content_sessions.start(
            self._content,
            self.visitor,
            stored,
            repeat=self._repeat,
            now=self.now,
            new_source_id=lambda: self._source_id,
            random_level=self._random_level,
        )
        past: list[AttemptLog] = []
        if stored is not None and started.current_try is not None:
            limit = mastery.past_attempts_limit(started.current_try.mastery_criterion)
            past = await logs.past_attempts(stored, started.current_try, limit)
        logs.keep_start(started)
        return SessionStarted.of(started, past)

    async def _require_assigned(self, tx: Transaction) -> None:
        """Require that the quiz, lesson or course of the session is assigned to the learner."""
        context, user_id = self._content.context, self.visitor.user_id
        if "quiz_id" in context:
            await self._require_quiz(tx, context["quiz_id"])
        for name, kind in (("lesson_id", "lessons"), ("course_session_id", "course_sessions")):
            if name in context:
                if user_id is None:
                    raise PermissionDenied("Sign in to work on a lesson or course.")
                if not await self._directory.is_assigned(tx, kind, context[name], user_id):
                    raise InvalidReference(f"Invalid {name}")


class _Report(_LearnerAction):
    """Report on a content session."""

    def __init__(
        self, directory: DirectoryStore, visitor: Visitor, now: datetime, session_id: str, request: UpdateSession
    ) -> None:
        super().__init__(directory, visitor, now)
        self._request = request
        self.session_key = LogKey(self.partition, session_id)
        self.chooses_attempts = bool(request.interactions)

    def summary_key(self, logs: TrackedLogs) -> LogKey | None:
        """See `_Action`."""
        session = logs.session(self.session_key)
        return self._key_of_summary(session.content_id) if session else None

    async def apply(self, tx: Transaction, logs: TrackedLogs) -> SessionUpdated:
        """See `_Action`."""
        session = logs.session(self.session_key)
        if session is None or session.user_id != self.visitor.user_id:
            raise LogNotFound()
        if "quiz_id" in session.context:
            await self._require_quiz(tx, session.context["quiz_id"])
        key = self.summary_key(logs)
        summary = logs.summary(key) if key else None
        if key is not None and summary is None:
            raise LogNotFound()
        stored = SessionLogs.of(session, summary)
        interactions = self._request.interactions or ()
        known = await logs.chosen_attempts(stored, interactions) if interactions else []
        updated = content_sessions.update(self._request, stored, known, now=self.now, new_source_id=random_id)
        logs.keep_update(updated)
        return SessionUpdated.of(updated)


def _require_storable(request: UpdateSession) -> None:
    """Require that all JSON of a report can be stored.

    Raises:
        UnstorableValue: it names the field.
    """
    require_storable(request.extra_fields, ("extra_fields",))
    for position, interaction in enumerate(request.interactions or ()):
        require_storable(interaction.answer, ("interactions", position, "answer"))


def _caller(visitor: Visitor) -> str | None:
    """The owner of an idempotency key. None for an anonymous caller without a visitor id: they cannot be told apart."""
    return visitor.user_id or (visitor.visitor_id and f"visitor {visitor.visitor_id}")
