"""`DocService`: the object that a program constructs, enters, calls and leaves."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from contextlib import AsyncExitStack
from copy import copy
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from pydantic import ValidationError

from docservice.domain.directory import SECTIONS, DirectoryRecord
from docservice.domain.filters import LogFilters, Page
from docservice.domain.requests import StartSession, UpdateSession
from docservice.domain.results import SessionStarted, SessionUpdated
from docservice.domain.rows import AttemptRow, MasteryDiffRow, MasteryRow
from docservice.engine import EmbeddedEngine, EngineEvent
from docservice.errors import EngineNotRunning, FieldError, ValidationFailed
from docservice.export_requests import ExportRequests
from docservice.identity import Principal
from docservice.reader import LogReader, Rows
from docservice.store import indexes
from docservice.store.directory import DirectoryStore, Upserted
from docservice.store.pymongo_db import PyMongoDatabase
from docservice.tracker import Tracker

DEFAULT_TIMEOUT_SECONDS = 10.0


def _utc_now() -> datetime:
    return datetime.now(UTC)


class DocService:
    """Keeps what learners do as MongoDB documents.

    Enter it before use (`async with DocService() as logs:`). It owns what it makes: the connection, and the embedded
    engine if it started one.
    """

    def __init__(
        self,
        mongodb_uri: str | None = None,
        *,
        database: str = "docservice",
        data_dir: Path | str = "docservice-data",
        timeout_seconds: float = DEFAULT_TIMEOUT_SECONDS,
        clock: Callable[[], datetime] = _utc_now,
        on_engine_event: Callable[[EngineEvent], None] | None = None,
        apply_indexes: bool = True,
    ) -> None:
        """Choose where the logs are kept; nothing is started or connected yet.

        Args:
            mongodb_uri: of a replica set or sharded cluster; None starts (or joins) the embedded engine.
            database: its name.
            data_dir: folder of the embedded engine.
            timeout_seconds: deadline for each action on the database.
            clock: gives the current time, aware; for tests and for loading the past.
            on_engine_event: hears of the embedded engine's restarts.
            apply_indexes: create missing indexes when entered.
        """
        self.mongodb_uri = mongodb_uri
        self.engine: EmbeddedEngine | None = None
        self._database_name = database
        self._data_dir = Path(data_dir)
        self._timeout_seconds = timeout_seconds
        self._clock = clock
        self._on_engine_event = on_engine_event
        self._apply_indexes = apply_indexes
        self._exit = AsyncExitStack()
        self._moves: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        """Start or join the engine, connect, create missing indexes.

        Raises:
            EngineNotInstalled: no URI was given and the embedded engine is not installed.
            EngineNotRunning: the embedded engine does not start.
            SettingsInvalid: the URI is not one.
            StandaloneServer: the server is no replica set.
            StoreRefused: the server refuses the sign-in.
            StoreUnavailable: the server does not answer.
        """
        async with AsyncExitStack() as stack:
            if self.mongodb_uri is None:
                engine = EmbeddedEngine(self._data_dir, on_event=self._engine_event)
                self.engine = await stack.enter_async_context(engine)
            self._database = PyMongoDatabase.connect(
                self.connection_string, self._database_name, timeout_seconds=self._timeout_seconds
            )
            stack.push_async_callback(self._database.close)
            await self._database.require_transactions()
            if self._apply_indexes:
                await indexes.apply(self._database)
            self._directory = DirectoryStore(self._database)
            self._tracker = Tracker(self._database, self._clock)
            self._reader = LogReader(self._database)
            self.export_requests = ExportRequests(self._database, self._reader, self._clock)
            stack.push_async_callback(self._tracker.finish)
            self._exit = stack.pop_all()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Finish writes that have begun, close the connection, give the engine back."""
        await self._exit.aclose()

    def _engine_event(self, event: EngineEvent) -> None:
        if event.name == "engine-moved" and self.engine is not None:
            move = asyncio.create_task(self._database.move(self.engine.uri))
            self._moves.add(move)
            move.add_done_callback(self._moves.discard)
        if self._on_engine_event is not None:
            self._on_engine_event(event)

    @property
    def connection_string(self) -> str:
        """Where the documents are: the URI given, or that of the embedded engine."""
        if self.mongodb_uri is not None:
            return self.mongodb_uri
        if self.engine is None:
            raise EngineNotRunning("Enter the service first: async with DocService() as logs: ...")
        return self.engine.uri

    async def ping(self) -> None:
        """Do nothing if the database answers.

        Raises:
            StoreUnavailable: it does not.
        """
        await self._database.command({"ping": 1})

    async def start_session(
        self, principal: Principal, request: StartSession, *, idempotency_key: str | None = None
    ) -> SessionStarted:
        """Start a visit to a resource, a coach's quiz or a unit's test.

        Args:
            principal: whose visit it is; anonymous visits keep no progress.
            request: what is visited.
            idempotency_key: the caller's name for this request; sent again, it gets the first answer and adds nothing.

        Raises:
            DirectoryIncomplete: an anonymous visit, and the directory has no default facility.
            IdempotencyMismatch: the key was used for another request.
            InvalidReference: the lesson or course session is not assigned to the learner.
            PermissionDenied: the quiz is not active, not assigned to the learner, or finished; or an anonymous visitor
                asks for a quiz, lesson or course.
            StoreError: nothing was written; see `retryable`.
            Unauthenticated: the learner is not in the directory.

        Rule: kolibri/core/logger/api.py, ProgressTrackingViewSet.create.
        """
        return await self._tracker.start(principal, request, idempotency_key)

    async def update_session(
        self,
        principal: Principal,
        session_id: str,
        request: UpdateSession,
        *,
        idempotency_key: str | None = None,
    ) -> SessionUpdated:
        """Report progress, time spent and interactions of a visit. Adds again when sent again without a key.

        Args:
            principal: whose visit it is; anonymous visits can be updated by any anonymous caller who knows the id.
            session_id: any spelling of the UUID that `start_session` gave.
            request: what happened since the last report.
            idempotency_key: see `start_session`.

        Raises:
            IdempotencyMismatch: the key was used for another request.
            InvalidReference: an interaction names an attempt that is not there.
            LogNotFound: there is no such visit of the caller.
            PermissionDenied: the quiz is no longer active or assigned to the learner, or the try is finished.
            StoreError: nothing was written; see `retryable`.
            UnstorableValue, DocumentTooLarge: an answer or extra field cannot be stored; nothing was written.

        Rule: kolibri/core/logger/api.py, ProgressTrackingViewSet.update.
        """
        return await self._tracker.update(principal, session_id, request, idempotency_key)

    async def mastery_logs(
        self, principal: Principal, filters: LogFilters | None = None, page: Page | None = None
    ) -> Rows[MasteryRow]:
        """The tries that the principal may read, latest end first.

        Args:
            principal: who asks; a list holds what they may read, and is empty for an anonymous visitor.
            filters: what to narrow the list to.
            page: which part; None for the whole list.

        Raises:
            PageNotFound: the list has no such page.
            ValidationFailed: `filters.user` is nobody.
        """
        return await self._reader.mastery_logs(principal, filters or LogFilters(), page)

    async def mastery_log(
        self, principal: Principal, masterylog_id: str, filters: LogFilters | None = None
    ) -> MasteryRow:
        """One try.

        Raises:
            LogNotFound: there is none that the principal may read and the filters let through.
        """
        return await self._reader.mastery_log(principal, masterylog_id, filters or LogFilters())

    async def mastery_diff(self, principal: Principal, back: int, filters: LogFilters | None = None) -> MasteryDiffRow:
        """One try beside the one before it.

        Args:
            principal: who asks.
            back: position in the list of `mastery_logs`; 0 is the newest try.
            filters: what to narrow that list to.

        Raises:
            LogNotFound: the list is shorter.
        """
        return await self._reader.mastery_diff(principal, back, filters or LogFilters())

    async def attempt_logs(
        self, principal: Principal, filters: LogFilters | None = None, page: Page | None = None
    ) -> Rows[AttemptRow]:
        """The attempts that the principal may read, by document; see `mastery_logs` for arguments and errors."""
        return await self._reader.attempt_logs(principal, filters or LogFilters(), page)

    async def attempt_log(self, principal: Principal, attempt_id: str) -> AttemptRow:
        """One attempt.

        Raises:
            LogNotFound: there is none that the principal may read.
        """
        return await self._reader.attempt_log(principal, attempt_id)

    async def user_progress(self, principal: Principal, user_id: str) -> int:
        """How many tries and contents a learner has finished, as Kolibri counts points.

        Raises:
            PermissionDenied: the learner is somebody else.
        """
        return await self._reader.user_progress(principal, user_id)

    def with_clock(self, clock: Callable[[], datetime]) -> DocService:
        """The same entered service under another clock, for loading the past. Do not enter or leave it."""
        other = copy(self)
        other._tracker = self._tracker.with_clock(clock)
        return other

    async def import_directory(self, content: Mapping[str, Any]) -> dict[str, Upserted]:
        """Create and change directory records; records that are not named stay.

        Args:
            content: lists of records under the names of `domain.directory.SECTIONS`, and `default_facility` (an id).

        Returns:
            For each list that was there, how many records were created, changed and unchanged.

        Raises:
            ValidationFailed: with every invalid record's position and field; nothing was written.
        """
        records = _directory_records(content)
        counts = {}
        for section, found in records.items():
            counts[section] = await self._directory.upsert(found)
        if content.get("default_facility"):
            await self._directory.set_default_facility(content["default_facility"])
        return counts

    async def check_indexes(self) -> indexes.IndexReport:
        """Compare the server's indexes with the described ones; changes nothing."""
        return await indexes.check(self._database)

    async def apply_indexes(self, *, rebuild: bool = False) -> indexes.IndexReport:
        """Create missing indexes; with `rebuild` also those that differ. Returns what was found before."""
        return await indexes.apply(self._database, rebuild=rebuild)


def _directory_records(content: Mapping[str, Any]) -> dict[str, list[DirectoryRecord]]:
    records: dict[str, list[DirectoryRecord]] = {}
    errors: list[FieldError] = []
    for section, model in SECTIONS.items():
        listed = content.get(section, [])
        if not isinstance(listed, list):
            errors.append(FieldError((section,), "invalid", "A list of records is expected."))
            continue
        for position, fields in enumerate(listed):
            try:
                records.setdefault(section, []).append(model.model_validate(fields))
            except ValidationError as error:
                errors += [
                    FieldError((section, position, *details["loc"]), "invalid", details["msg"])
                    for details in error.errors(include_input=False)
                ]
    default = content.get("default_facility")
    if default is not None and not isinstance(default, str):
        errors.append(FieldError(("default_facility",), "invalid", "The id of a facility is expected."))
    if errors:
        raise ValidationFailed(errors)
    return records
