"""`DocService`: the object that a program constructs, enters, calls and leaves."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AsyncExitStack
from copy import copy
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from docservice.domain.answers.directory import Upserted
from docservice.domain.logs.content_logs import AttemptLog, ContentSessionLog, ContentSummaryLog, MasteryLog
from docservice.domain.logs.exam_logs import ExamAttemptLog, ExamLog
from docservice.domain.logs.user_sessions import UserSessionLog
from docservice.domain.sign_in.sessions import SignInRules
from docservice.engine import EmbeddedEngine, EngineEvent
from docservice.engine.disk_space import LEAST_BYTES
from docservice.errors import NotEntered
from docservice.identity import Principal
from docservice.service.acting.csv_exports import CsvExportRequests
from docservice.service.acting.directory import DirectoryWriter
from docservice.service.acting.directory_pages import DirectoryPageReader
from docservice.service.acting.directory_removal import DirectoryRemover
from docservice.service.acting.document_pages import DocumentPageReader
from docservice.service.acting.erasure import PersonErasure
from docservice.service.acting.exam_logs import ExamLogs
from docservice.service.acting.log_lists import ListReader
from docservice.service.acting.person_logs import Acting, ActingLogs
from docservice.service.acting.reports import PersonReports
from docservice.service.acting.sign_in import SignIns
from docservice.service.acting.tracking import Tracking
from docservice.service.acting.user_sessions import UserSessions
from docservice.service.base.actions import Actions
from docservice.service.base.connection import Connection
from docservice.service.base.erasure import Eraser
from docservice.service.trusted.admin import LogsAdmin
from docservice.service.trusted.collections import DocumentCollection
from docservice.service.trusted.embedded_collections import EmbeddedCollection
from docservice.store.database.adapters import DatabaseSource
from docservice.store.database.port import Database
from docservice.store.directory.records import DirectoryStore
from docservice.store.mapping.embedded_kinds import ATTEMPT_LOGS, EXAM_ATTEMPT_LOGS, MASTERY_LOGS
from docservice.store.mapping.log_kinds import EXAM_LOGS, SESSION_LOGS, SUMMARY_LOGS, USER_SESSION_LOGS

DEFAULT_TIMEOUT_SECONDS = 10.0
_DEFAULT_RULES = SignInRules()


def _utc_now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True)
class _Parts:
    """What an entered service is made of."""

    database: Database
    acting: Acting
    admin: LogsAdmin
    eraser: Eraser
    directory: DirectoryStore
    summaries: DocumentCollection[ContentSummaryLog]
    sessions: DocumentCollection[ContentSessionLog]
    mastery_logs: EmbeddedCollection[MasteryLog]
    attempts: EmbeddedCollection[AttemptLog]
    user_sessions: DocumentCollection[UserSessionLog]
    exams: DocumentCollection[ExamLog]
    exam_attempts: EmbeddedCollection[ExamAttemptLog]

    @classmethod
    def of(cls, database: Database, actions: Actions, clock: Callable[[], datetime], eraser: Eraser) -> _Parts:
        lists = ListReader(database)
        directory = DirectoryWriter(database, actions, lists, eraser)
        acting = Acting(
            tracking=Tracking(database, actions, clock),
            lists=lists,
            documents=DocumentPageReader(database, lists),
            exam_logs=ExamLogs(database, actions, lists, clock),
            user_sessions=UserSessions(database, actions, lists, clock),
            csv_exports=CsvExportRequests(database, lists, clock),
            directory=directory,
            directory_pages=DirectoryPageReader(database, lists),
            directory_removal=DirectoryRemover(database, actions, directory),
            erasure=PersonErasure(lists, eraser),
            reports=PersonReports(database, lists, clock),
        )
        return cls(
            database=database,
            acting=acting,
            admin=LogsAdmin(database, clock, eraser),
            eraser=eraser,
            directory=DirectoryStore(database),
            summaries=DocumentCollection(database, actions, SUMMARY_LOGS),
            sessions=DocumentCollection(database, actions, SESSION_LOGS),
            mastery_logs=EmbeddedCollection(database, actions, MASTERY_LOGS),
            attempts=EmbeddedCollection(database, actions, ATTEMPT_LOGS),
            user_sessions=DocumentCollection(database, actions, USER_SESSION_LOGS),
            exams=DocumentCollection(database, actions, EXAM_LOGS),
            exam_attempts=EmbeddedCollection(database, actions, EXAM_ATTEMPT_LOGS),
        )


class DocService:
    """Keeps what learners do as MongoDB documents.

    Enter it before use (`async with DocService() as logs:`). It owns what it makes, the connection and the embedded
    engine, and ends both when it is left. A database handle of the program around it is borrowed: it is never closed.
    Left, it can be entered again; any number of services can live in one event loop.

    - What a person may do: `logs.acting_as(principal)`, which checks that person's rights; see `PersonLogs`.
    - What a trusted program reads and writes: `logs.content_summary_logs` and the other collections.
    - What an operator does: `logs.admin`.

    Used before it was entered, or after it was left, it raises `NotEntered`.

    >>> from docservice.testing import School, interaction
    >>> school = School()
    >>> async with DocService(data_dir="example-data") as logs:  # or DocService("mongodb://..."), or your own database
    ...     created = await logs.import_directory(school.directory())
    ...     learner = logs.acting_as(school.learner())
    ...     visit = await learner.start_session(school.exercise)
    ...     report = await learner.update_session(visit.session_id, UpdateSession(interactions=[interaction("q1")]))
    ...     summary = await logs.content_summary_logs.get(user_id=learner.principal.user_id)
    >>> summary.mastery_logs[0].attempt_count
    1
    """

    def __init__(
        self,
        source: DatabaseSource = None,
        *,
        database: str | None = None,
        data_dir: Path | str = "docservice-data",
        timeout_seconds: float = DEFAULT_TIMEOUT_SECONDS,
        min_free_disk_bytes: int = LEAST_BYTES,
        clock: Callable[[], datetime] = _utc_now,
        on_engine_event: Callable[[EngineEvent], None] | None = None,
        on_session: Callable[[bytes], None] | None = None,
        apply_indexes: bool = True,
    ) -> None:
        """Choose where the logs are kept; nothing is started or connected yet.

        Args:
            source: the address (`mongodb://...`) of a replica set or sharded cluster; or a database of the program's
                own, PyMongo's `AsyncDatabase` or Motor's `AsyncIOMotorDatabase`; None starts (or joins) the embedded
                engine.
            database: name of the database; None for the one that the address names, or else `docservice`. A handle
                has its own and takes none here.
            data_dir: folder of the embedded engine, and of exported files.
            timeout_seconds: deadline for each action on the database.
            min_free_disk_bytes: writes into the embedded engine are refused while its disk has less; 0 disables the
                check.
            clock: gives the current time, aware; for tests and for loading the past.
            on_engine_event: is called with restarts of the embedded engine.
            on_session: is called with the id of each session of the database before its first transaction, and must
                not block. If this process dies, another one can end what it has left open: `admin.end_sessions`. With
                the embedded engine that is done anyway.
            apply_indexes: create missing indexes when entered.

        Raises:
            TypeError: the source is something else (a client, a database of a blocking driver).
            ValueError: a handle and a name are given.
        """
        self._data_dir = Path(data_dir)
        self._connection = Connection(
            source,
            database=database,
            data_dir=self._data_dir,
            timeout_seconds=timeout_seconds,
            min_free_disk_bytes=min_free_disk_bytes,
            on_engine_event=on_engine_event,
            on_session=on_session,
        )
        self._clock = clock
        self._timeout_seconds = timeout_seconds
        self._apply_indexes = apply_indexes
        self._exit = AsyncExitStack()
        self._entered: _Parts | None = None

    async def __aenter__(self) -> Self:
        """Start or join the engine, connect, create missing indexes.

        Raises:
            EngineNotInstalled: no source was given and the embedded engine is not installed.
            EngineNotRunning: the embedded engine does not start.
            RuntimeError: the service is entered already, or the handle's client belongs to another event loop.
            SettingsInvalid: the address is not one.
            StandaloneServer: the server is not a replica set.
            StoreRefused: the server refuses the sign-in.
            StoreUnavailable: the server does not answer.
        """
        async with AsyncExitStack() as stack:
            database = await stack.enter_async_context(self._connection)
            actions = Actions(database)
            eraser = Eraser(database, self._clock, self._data_dir, self._timeout_seconds)
            parts = _Parts.of(database, actions, self._clock, eraser)
            if self._apply_indexes:
                await parts.admin.apply_indexes()
            stack.push_async_callback(actions.finish)
            stack.push_async_callback(eraser.stop)
            self._entered, self._exit = parts, stack.pop_all()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Finish writes that have begun, close an own connection, give the engine back."""
        try:
            await self._exit.aclose()
        finally:
            self._entered = None

    @property
    def _parts(self) -> _Parts:
        if self._entered is None:
            raise NotEntered("Enter the service before you use it: async with DocService(...) as logs.")
        return self._entered

    def acting_as(self, principal: Principal) -> ActingLogs:
        """Return the logs as one person, or an anonymous visitor, may use them. Cheap: make one for each request.

        >>> coach = logs.acting_as(school.coach)
        >>> [row.item async for row in coach.attempt_logs()]
        ['q0', 'q1']
        >>> [row.item async for row in logs.acting_as(ANONYMOUS).attempt_logs()]
        []

        Args:
            principal: `Principal(user_id=...)` for a person who is signed in, `ANONYMOUS` for a visitor.

        Raises:
            NotEntered: the service is not entered.
        """
        return ActingLogs(self._parts.acting, principal)

    def sign_ins(self, secret: str, rules: SignInRules = _DEFAULT_RULES) -> SignIns:
        """Return what signs people in with passwords and links, and knows them again by a cookie.

        Args:
            secret: the service's key, with which `admin.sign_in.keep_passwords` sealed the passwords.
            rules: what is allowed; by default, links and no passwords.

        Raises:
            NotEntered: the service is not entered.
        """
        return SignIns(self._parts.database, self._clock, secret, rules)

    @property
    def admin(self) -> LogsAdmin:
        """What an operator does with the whole database: checks, repairs, backups, indexes, tables."""
        return self._parts.admin

    @property
    def content_summary_logs(self) -> DocumentCollection[ContentSummaryLog]:
        """The content summary logs, each with its mastery logs and embedded attempts."""
        return self._parts.summaries

    @property
    def content_session_logs(self) -> DocumentCollection[ContentSessionLog]:
        """The content session logs, each with its attempts that have no mastery log."""
        return self._parts.sessions

    @property
    def mastery_logs(self) -> EmbeddedCollection[MasteryLog]:
        """The mastery logs, each with its embedded attempts; they are stored in summaries."""
        return self._parts.mastery_logs

    @property
    def attempt_logs(self) -> EmbeddedCollection[AttemptLog]:
        """The attempts, those with a mastery log and those without, wherever they are stored."""
        return self._parts.attempts

    @property
    def user_session_logs(self) -> DocumentCollection[UserSessionLog]:
        """The user session logs."""
        return self._parts.user_sessions

    @property
    def exam_logs(self) -> DocumentCollection[ExamLog]:
        """The exam logs of Kolibri up to 0.14, each with its attempts."""
        return self._parts.exams

    @property
    def exam_attempt_logs(self) -> EmbeddedCollection[ExamAttemptLog]:
        """The attempts at questions of exams of Kolibri up to 0.14; they are stored in exam logs."""
        return self._parts.exam_attempts

    @property
    def engine(self) -> EmbeddedEngine | None:
        """The embedded engine, while the service is entered; None with a source of another kind."""
        return self._connection.engine

    @property
    def data_dir(self) -> Path:
        """Folder of the embedded engine, and of files that the service makes; it may not exist yet."""
        return self._data_dir

    @property
    def connection_string(self) -> str:
        """Where the documents are: the address given, or that of the embedded engine.

        Raises:
            NotEntered: the engine has no address yet.
            ValueError: the service was made with a database handle, whose address only the program has.
        """
        return self._connection.address

    async def ping(self) -> None:
        """Check that the database answers.

        Raises:
            StoreUnavailable: it does not.
        """
        await self._parts.database.command({"ping": 1})

    def with_clock(self, clock: Callable[[], datetime]) -> DocService:
        """Return the same entered service under another clock, for loading the past. Do not enter or leave it."""
        parts, other = self._parts, copy(self)
        other._clock = clock
        acting = parts.acting
        other._entered = replace(
            parts,
            acting=replace(
                acting,
                tracking=acting.tracking.with_clock(clock),
                exam_logs=acting.exam_logs.with_clock(clock),
                user_sessions=acting.user_sessions.with_clock(clock),
                csv_exports=acting.csv_exports.with_clock(clock),
                reports=acting.reports.with_clock(clock),
            ),
            admin=LogsAdmin(parts.database, clock, parts.eraser),
        )
        return other

    async def import_directory(self, content: Mapping[str, Any]) -> dict[str, Upserted]:
        """Create and change directory records; records that are not named stay.

        >>> counts = await logs.import_directory(school.directory())
        >>> counts["users"]
        Upserted(created=0, changed=0, unchanged=4, erased=0)

        Args:
            content: lists of records under the names of a `DirectorySection` (`users`, `classrooms` …), and
                `default_facility` (an id).

        Returns:
            For each list that was there, how many records were created, changed and unchanged, and how many were left
            out because their person was erased.

        Raises:
            StoreUnavailable, StoreTimeout: nothing was written of at most 1,000 records; of more, some may have been:
                do it again.
            ValidationFailed: with the position and field of every record that is invalid, or impossible among the
                others and what is stored (`domain.directory.rules`); nothing was written.
        """
        parts = self._parts
        counts = await parts.acting.directory.import_content(content)
        if content.get("default_facility"):
            await parts.directory.set_default_facility(content["default_facility"])
        return counts
