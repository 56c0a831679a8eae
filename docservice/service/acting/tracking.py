"""Tracking: each action reads the logs, applies the rules of `domain.tracking.content_sessions` and writes, in one transaction."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from datetime import datetime
from typing import Any

from docservice.domain.answers.tracking import SessionStarted, SessionUpdated
from docservice.domain.logs.content_logs import AttemptLog, ContentSummaryLog
from docservice.domain.requests.tracking import StartSession, UpdateSession
from docservice.domain.tracking import content_sessions as tracking
from docservice.domain.tracking import mastery
from docservice.domain.tracking.content_sessions import TrackedContent, Visitor
from docservice.domain.values.ids import is_hex_id, parse_uuid, record_id
from docservice.domain.values.json_values import require_storable
from docservice.domain.values.partitions import log_partition
from docservice.errors import DirectoryIncomplete, InvalidReference, LogNotFound, PermissionDenied, Unauthenticated
from docservice.identity import Principal
from docservice.service.base.actions import Actions, random_id, request_key
from docservice.service.base.clock import Clocked
from docservice.store.database.port import Database, Document, Transaction
from docservice.store.directory.records import DirectoryStore
from docservice.store.logs.attempts import AttemptStore, Located
from docservice.store.logs.tracking import LogStore, Stored

_RECENT_ACTIONS = 8
"""How many of its last reports a session document names.

When the engine dies between a commit and its acknowledgement, the driver cannot tell whether it was kept, and a
restarted embedded engine does not know either (a MongoDB replica set does): the driver runs the action again. A run
that finds its own mark in the session has been kept before, and only answers. Several, because other processes may
have reported since.
"""


class Tracker(Clocked):
    """Starts visits and takes reports on them."""

    def __init__(self, database: Database, actions: Actions, clock: Callable[[], datetime]) -> None:
        """Track into a database.

        Args:
            database: connected.
            actions: of the service.
            clock: gives the current time, aware.
        """
        super().__init__(clock)
        self._actions = actions
        self._logs = LogStore(database)
        self._attempts = AttemptStore(database)
        self._directory = DirectoryStore(database)

    async def start(
        self, principal: Principal, request: StartSession, idempotency_key: str | None = None
    ) -> SessionStarted:
        """See `DocService.start_session`."""
        visitor = await self._visitor(principal)
        content = tracking.tracked_content(request, visitor.user_id)
        partition = log_partition(visitor.dataset_id, visitor.user_id)
        now = self.now()

        source_id, level = random_id(), -1 - secrets.randbelow(-mastery.LOWEST_LEVEL)
        done: list[SessionStarted] = []

        async def action(tx: Transaction) -> SessionStarted:
            if done and await self._logs.session(tx, partition, done[-1].session_id) is not None:
                return done[-1]  # see `_RECENT_ACTIONS`
            await self._require_assigned(tx, visitor.user_id, content)
            stored = None
            if visitor.user_id is not None:
                summary_id = record_id(partition, content.content_id, ContentSummaryLog.model_name)
                stored = await self._logs.summary(tx, partition, summary_id, with_attempts=True)
            started = tracking.start(
                content,
                visitor,
                stored.log if stored else None,
                repeat=request.repeat,
                now=now,
                new_source_id=lambda: source_id,
                random_level=level,
            )
            past: list[AttemptLog] = []
            if stored is None and started.summary is not None:
                await self._logs.insert_summary(tx, started.summary)
            elif stored is not None and started.summary is not None:
                await self._logs.update_summary(tx, stored.log, started.summary)
                if started.current_try is not None:
                    limit = mastery.past_attempts_limit(started.current_try.mastery_criterion)
                    past = await self._attempts.recent(tx, stored.document, started.current_try, limit)
            await self._logs.insert_session(tx, started.session)
            done.append(SessionStarted.of(started, past))
            return done[-1]

        caller = _caller(visitor)
        key = request_key(caller, idempotency_key, "start", request) if caller else None
        queue = partition if visitor.user_id is not None else None
        return await self._actions.answer(action, SessionStarted, now, queue, key)

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
        partition = log_partition(visitor.dataset_id, visitor.user_id)
        now = self.now()

        action_id = random_id()
        done: list[SessionUpdated] = []

        async def action(tx: Transaction) -> SessionUpdated:
            session = await self._logs.session(tx, partition, session_id)
            if session is None or session.log.user_id != visitor.user_id:
                raise LogNotFound()
            if done and action_id in session.document.get("recent_actions", ()):
                return done[-1]  # see `_RECENT_ACTIONS`
            if "quiz_id" in session.log.context:
                await self._require_quiz(tx, visitor.user_id, session.log.context["quiz_id"])
            summary = None
            if visitor.user_id is not None:
                summary_id = record_id(partition, session.log.content_id, ContentSummaryLog.model_name)
                summary = await self._logs.summary(tx, partition, summary_id, with_attempts=bool(request.interactions))
                if summary is None:
                    raise LogNotFound()
            current = tracking.session_try(session.log, summary.log if summary else None)
            located = Located()
            if request.interactions:
                if summary is not None and current is not None:
                    located = await self._attempts.of_try(tx, summary.document, current, request.interactions)
                else:
                    located = await self._attempts.loose(tx, session.document, request.interactions)
            updated = tracking.update(
                request,
                session.log,
                summary.log if summary else None,
                located.attempts,
                now=now,
                new_source_id=random_id,
            )
            await self._write(tx, session, summary, updated, located, action_id)
            done.append(SessionUpdated.of(updated))
            return done[-1]

        key = request_key(_caller(visitor) or session_id, idempotency_key, f"update {session_id}", request)
        queue = partition if visitor.user_id is not None else session_id
        return await self._actions.answer(action, SessionUpdated, now, queue, key)

    async def _write(
        self,
        tx: Transaction,
        session: Stored[Any],
        summary: Stored[ContentSummaryLog] | None,
        updated: tracking.Update,
        located: Located,
        action_id: str,
    ) -> None:
        session_setting: Document = {}
        summary_setting = None
        if updated.attempts is not None and updated.attempts.answered:
            level = tracking.mastery_level(session.log)
            if summary is not None and level is not None:
                number = [log.mastery_level for log in summary.log.mastery_logs].index(level)
                path = f"mastery_logs.{number}.attempts"
                summary_setting = await self._attempts.embedded_changes(
                    tx, summary.document, path, updated.attempts, located
                )
                own_id = summary.log.id
            else:
                session_setting = await self._attempts.embedded_changes(
                    tx, session.document, "attempts", updated.attempts, located
                )
                own_id = session.log.id
            await self._attempts.write_elsewhere(tx, session.log.morango_partition, own_id, updated.attempts, located)
        recent = [*session.document.get("recent_actions", ()), action_id][-_RECENT_ACTIONS:]
        session_setting["recent_actions"] = recent
        await self._logs.update_session(tx, session.log, updated.session, session_setting)
        if summary is not None and updated.summary is not None:
            await self._logs.update_summary(tx, summary.log, updated.summary, summary_setting)

    async def _visitor(self, principal: Principal) -> Visitor:
        if principal.is_service:
            raise PermissionDenied("A service token is for the directory; visits are a person's.")
        if principal.user_id is None:
            dataset_id = await self._directory.default_dataset_id()
            if dataset_id is None:
                raise DirectoryIncomplete(
                    "Anonymous visits belong to the default facility, and the directory has none. "
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

    async def _require_assigned(self, tx: Transaction, user_id: str | None, content: TrackedContent) -> None:
        """Do nothing if the quiz, lesson or course of the visit is assigned to the learner."""
        context = content.context
        if "quiz_id" in context:
            await self._require_quiz(tx, user_id, context["quiz_id"])
        for name, kind in (("lesson_id", "lessons"), ("course_session_id", "course_sessions")):
            if name in context:
                if user_id is None:
                    raise PermissionDenied("Sign in to work on a lesson or course.")
                if not await self._directory.is_assigned(tx, kind, context[name], user_id):
                    raise InvalidReference(f"Invalid {name}")

    async def _require_quiz(self, tx: Transaction, user_id: str | None, quiz_id: str) -> None:
        if user_id is None or not await self._directory.is_assigned(tx, "exams", quiz_id, user_id, only_active=True):
            raise PermissionDenied("The quiz is not active or not assigned to the learner.")


def _require_storable(request: UpdateSession) -> None:
    """Do nothing if all JSON of a report can be stored.

    Raises:
        UnstorableValue: it names the field.
    """
    require_storable(request.extra_fields, ("extra_fields",))
    for position, interaction in enumerate(request.interactions or ()):
        require_storable(interaction.answer, ("interactions", position, "answer"))


def _caller(visitor: Visitor) -> str | None:
    """Whose idempotency keys they are; None for a visitor who did not say which browser it is: two of those are two."""
    return visitor.user_id or (visitor.visitor_id and f"visitor {visitor.visitor_id}")
