"""Tracking: start a content session, report on it.

The way of a report: parse (`rest`) → principal → learner → read (`store.logs.tracking`) → rule
(`domain.tracking.content_sessions`) → write → answer. Several actions can share a transaction: their logs are read
together, each action is applied to the result of the one before it, and all is written together (see
`service.base.groups`).
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Protocol, cast

from docservice.domain.answers.tracking import Answer, SessionStarted, SessionUpdated
from docservice.domain.logs.content_logs import AttemptLog, ContentSummaryLog
from docservice.domain.requests.tracking import StartSession, UpdateSession
from docservice.domain.tracking import content_sessions, interactions, mastery
from docservice.domain.tracking.content_sessions import SessionLogs, TrackedPerson
from docservice.domain.values.ids import is_hex_id, parse_uuid, record_id
from docservice.domain.values.json_values import require_storable
from docservice.domain.values.partitions import log_partition
from docservice.errors import (
    DirectoryIncomplete,
    DocServiceError,
    InvalidReference,
    LogNotFound,
    PermissionDenied,
)
from docservice.identity import Principal
from docservice.service.acting.log_lists import stranger
from docservice.service.base.actions import Actions, random_id, request_key
from docservice.service.base.clock import Clocked
from docservice.service.base.group_commit import GroupCommit, Outcome, outcome_of
from docservice.store.database.port import Database, Transaction
from docservice.store.directory.assignments import Assigned, AssignedKind, Assignment, AssignmentStore
from docservice.store.directory.erased_people import ErasedPeopleStore
from docservice.store.directory.records import DirectoryStore
from docservice.store.logs.keys import LogKey
from docservice.store.logs.tracking import TrackedLogs


class _Action(Protocol):
    """What a caller asks of the logs.

    Attributes:
        user_id: the learner; None for an anonymous visitor.
        visitor: whose logs are written; of a learner it is known once the directory was read.
    """

    user_id: str | None
    visitor: TrackedPerson

    @property
    def session_key(self) -> LogKey | None:
        """The stored session that it is about, None if it makes a new one."""

    @property
    def chooses_attempts(self) -> bool:
        """Whether it looks at attempts that are embedded in the summary."""

    def summary_key(self, logs: TrackedLogs) -> LogKey | None:
        """Return the summary that it changes, once its session is read; None if it changes none."""

    def assignments(self, logs: TrackedLogs) -> list[Assignment]:
        """Return what has to be assigned to the learner, once the session is read."""

    async def apply(self, logs: TrackedLogs, assigned: Assigned) -> Answer:
        """Apply the rule to the logs, which have been read, and keep what it gives.

        Raises:
            DocServiceError: the rule refuses it; the logs are as they were.
        """


class Tracking(Clocked):
    """Starts content sessions and takes reports on them; those that wait together share a transaction."""

    def __init__(self, database: Database, actions: Actions, clock: Callable[[], datetime]) -> None:
        """Track into a database.

        Args:
            database: connected.
            actions: of the service.
            clock: gives the current time, aware.
        """
        super().__init__(clock)
        self._database = database
        self._directory = DirectoryStore(database)
        self._assignments = AssignmentStore(database)
        self._erased = ErasedPeopleStore(database)
        self._groups: GroupCommit[_Action, Answer] = actions.groups(self._carry_out)

    async def start(
        self, principal: Principal, request: StartSession, idempotency_key: str | None = None
    ) -> SessionStarted:
        """See `DocService.start_session`."""
        visitor = await self._visitor(principal)
        start = _Start(visitor, self.now(), request)
        caller = _caller(visitor)
        people = (visitor.user_id,)
        key = request_key(caller, idempotency_key, "start", request, start.now, people) if caller else None
        queue = visitor.user_id or f"start {random_id()}"
        return cast("SessionStarted", await self._groups.carry_out(start, SessionStarted, queue=queue, key=key))

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
        report = _Report(visitor, self.now(), session_id, request)
        caller, people = _caller(visitor) or session_id, (visitor.user_id,)
        key = request_key(caller, idempotency_key, f"update {session_id}", request, report.now, people)
        queue, weight = visitor.user_id or session_id, 1 + len(request.interactions or ())
        answer = await self._groups.carry_out(report, SessionUpdated, queue=queue, weight=weight, key=key)
        return cast("SessionUpdated", answer)

    async def _carry_out(self, tx: Transaction, actions: Sequence[_Action]) -> list[Outcome[Answer]]:
        """Read what the actions need, apply each to what the one before it left, write what changed."""
        strangers = await self._read_visitors(tx, actions)
        known = [action for action in actions if action not in strangers]
        logs = TrackedLogs(self._database, tx)
        await logs.read_sessions([action.session_key for action in known if action.session_key])
        keys = [(action, key) for action in known if (key := action.summary_key(logs))]
        choosing = {key for action, key in keys if action.chooses_attempts}
        await logs.read_summaries(choosing, {key for _, key in keys} - choosing)
        wanted = [assignment for action in known for assignment in action.assignments(logs)]
        assigned = await self._assignments.assigned(tx, wanted)
        outcomes = [strangers.get(action) or await outcome_of(action.apply(logs, assigned)) for action in actions]
        await logs.write()
        return outcomes

    async def _read_visitors(self, tx: Transaction, actions: Sequence[_Action]) -> dict[_Action, DocServiceError]:
        """Fill in the facilities of learners; the actions of those who are not in the directory, with an error."""
        learners = {action.user_id for action in actions if action.user_id is not None}
        datasets = await self._directory.datasets_of_users(tx, learners) if learners else {}
        unknown = learners - datasets.keys()
        erased = await self._erased.among(unknown, tx) if unknown else set()
        strangers: dict[_Action, DocServiceError] = {}
        for action in actions:
            if action.user_id is None:
                continue
            if action.user_id in datasets:
                action.visitor = TrackedPerson(datasets[action.user_id], action.user_id)
            else:
                strangers[action] = stranger(is_erased=action.user_id in erased)
        return strangers

    async def _visitor(self, principal: Principal) -> TrackedPerson:
        """Whose logs are written; the facility of a learner is read with the group."""
        if principal.is_service:
            raise PermissionDenied("A service token is for the directory. Content sessions are a person's.")
        if principal.user_id is not None:
            return TrackedPerson("", principal.user_id)
        dataset_id = await self._directory.default_dataset_id()
        if dataset_id is None:
            raise DirectoryIncomplete(
                "Anonymous content sessions belong to the default facility, and the directory has none. "
                "Import one: docservice directory import FILE (with default_facility)."
            )
        visitor_id = principal.visitor_id if is_hex_id(principal.visitor_id) else None
        return TrackedPerson(dataset_id, visitor_id=visitor_id)


class _LearnerAction:
    """What a start and a report have in common."""

    def __init__(self, visitor: TrackedPerson, now: datetime) -> None:
        self.user_id = visitor.user_id
        self.visitor = visitor
        self.now = now

    @property
    def partition(self) -> str:
        """The partition of the logs."""
        return log_partition(self.visitor.dataset_id, self.visitor.user_id)

    def _key_of_summary(self, content_id: str) -> LogKey | None:
        """Return the key of the learner's summary of a content, None for an anonymous visitor."""
        if self.user_id is None:
            return None
        partition = self.partition
        return LogKey(partition, record_id(partition, content_id, ContentSummaryLog.model_name))


class _Start(_LearnerAction):
    """Start a content session. Its ids are chosen once: a transaction that runs again makes the same session."""

    session_key = None

    def __init__(self, visitor: TrackedPerson, now: datetime, request: StartSession) -> None:
        super().__init__(visitor, now)
        self._content = content_sessions.tracked_content(request, visitor.user_id)
        self._repeat = request.repeat
        self._source_id = random_id()
        self._random_level = -1 - secrets.randbelow(-mastery.LOWEST_LEVEL)

    @property
    def chooses_attempts(self) -> bool:
        """See `_Action`: the answer shows past attempts of an assessment."""
        return self._content.mastery_model is not None

    def summary_key(self, logs: TrackedLogs) -> LogKey | None:
        """See `_Action`."""
        return self._key_of_summary(self._content.content_id)

    def assignments(self, logs: TrackedLogs) -> list[Assignment]:
        """See `_Action`: the quiz, lesson or course of the session."""
        context = self._content.context
        return [
            Assignment(kind, context[name], self.user_id)
            for name, kind in _ASSIGNED_KINDS.items()
            if name in context and self.user_id is not None
        ]

    async def apply(self, logs: TrackedLogs, assigned: Assigned) -> SessionStarted:
        """See `_Action`."""
        self._require_assigned(assigned)
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

    def _require_assigned(self, assigned: Assigned) -> None:
        """Require that the quiz, lesson or course of the session is assigned to the learner."""
        context = self._content.context
        if "quiz_id" in context:
            _require_quiz(assigned, context["quiz_id"], self.user_id)
        for name in ("lesson_id", "course_session_id"):
            if name in context:
                if self.user_id is None:
                    raise PermissionDenied("Sign in to work on a lesson or course.")
                if Assignment(_ASSIGNED_KINDS[name], context[name], self.user_id) not in assigned:
                    raise InvalidReference(f"Invalid {name}")


class _Report(_LearnerAction):
    """Report on a content session."""

    def __init__(self, visitor: TrackedPerson, now: datetime, session_id: str, request: UpdateSession) -> None:
        super().__init__(visitor, now)
        self._request = request
        self._session_id = session_id
        self._interactions = request.interactions or []
        self.chooses_attempts = interactions.choose_stored(self._interactions)

    @property
    def session_key(self) -> LogKey:
        """See `_Action`."""
        return LogKey(self.partition, self._session_id)

    def summary_key(self, logs: TrackedLogs) -> LogKey | None:
        """See `_Action`."""
        session = logs.session(self.session_key)
        return self._key_of_summary(session.content_id) if session else None

    def assignments(self, logs: TrackedLogs) -> list[Assignment]:
        """See `_Action`: the quiz of the session."""
        session = logs.session(self.session_key)
        if session is None or self.user_id is None or "quiz_id" not in session.context:
            return []
        return [Assignment("exams", session.context["quiz_id"], self.user_id)]

    async def apply(self, logs: TrackedLogs, assigned: Assigned) -> SessionUpdated:
        """See `_Action`."""
        session = logs.session(self.session_key)
        if session is None or session.user_id != self.user_id:
            raise LogNotFound()
        if "quiz_id" in session.context:
            _require_quiz(assigned, session.context["quiz_id"], self.user_id)
        key = self.summary_key(logs)
        summary = logs.summary(key) if key else None
        if key is not None and summary is None:
            raise LogNotFound()
        stored = SessionLogs.of(session, summary)
        known = await logs.chosen_attempts(stored, self._interactions) if self.chooses_attempts else []
        updated = content_sessions.update(self._request, stored, known, now=self.now, new_source_id=random_id)
        logs.keep_update(updated)
        return SessionUpdated.of(updated)


_ASSIGNED_KINDS: Mapping[str, AssignedKind] = {
    "quiz_id": "exams",
    "lesson_id": "lessons",
    "course_session_id": "course_sessions",
}
"""Where what a session's context names is assigned to learners."""


def _require_quiz(assigned: Assigned, quiz_id: str, user_id: str | None) -> None:
    """Require that a quiz is active and assigned to the learner."""
    if user_id is None or not assigned.is_active(Assignment("exams", quiz_id, user_id)):
        raise PermissionDenied("The quiz is not active or not assigned to the learner.")


def _require_storable(request: UpdateSession) -> None:
    """Require that all JSON of a report can be stored.

    Raises:
        UnstorableValue: it names the field.
    """
    require_storable(request.extra_fields, ("extra_fields",))
    for position, interaction in enumerate(request.interactions or ()):
        require_storable(interaction.answer, ("interactions", position, "answer"))


def _caller(visitor: TrackedPerson) -> str | None:
    """Return the owner of an idempotency key; None for anonymous callers without a visitor id, who are all alike."""
    return visitor.user_id or (visitor.visitor_id and f"visitor {visitor.visitor_id}")
