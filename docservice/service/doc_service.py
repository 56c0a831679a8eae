"""`DocService`: the object that a program constructs, enters, calls and leaves."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, aclosing
from copy import copy
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from docservice.domain.answers.directory import Upserted
from docservice.domain.answers.exam_logs import ExamAttemptRow, ExamLogRow, ExamLogSaved
from docservice.domain.answers.lists import AttemptRow, MasteryDiffRow, MasteryRow, Rows
from docservice.domain.answers.session_description import SessionDescription
from docservice.domain.answers.tracking import SessionStarted, SessionUpdated
from docservice.domain.exports.table_rows import Span
from docservice.domain.exports.tables import TableName
from docservice.domain.logs.user_sessions import UserSessionLog
from docservice.domain.requests.document_pages import DEFAULT_PAGE_SIZE, DocumentFilters, DocumentPage, FieldChoice
from docservice.domain.requests.exam_logs import ChangeExamAttempt, ChangeExamLog, SaveExamAttempt, SaveExamLog
from docservice.domain.requests.lists import LogFilters, Page
from docservice.domain.requests.tracking import StartSession, UpdateSession
from docservice.domain.upkeep.comparison import Difference
from docservice.domain.upkeep.consistency import Finding
from docservice.engine import EmbeddedEngine, EngineEvent
from docservice.engine.room import LEAST_BYTES
from docservice.identity import Principal
from docservice.service.acting.csv_exports import ExportRequests
from docservice.service.acting.directory import DirectoryWriter
from docservice.service.acting.document_pages import DocumentReader
from docservice.service.acting.exam_logs import Exams
from docservice.service.acting.lists import LogReader
from docservice.service.acting.tracking import Tracking
from docservice.service.acting.user_sessions import DeviceInfo, Sittings
from docservice.service.base.actions import Actions
from docservice.service.base.connection import Connection
from docservice.service.base.progress import Unwatched, Watch
from docservice.service.trusted.backup import Backups
from docservice.service.trusted.collections import LogCollection
from docservice.service.trusted.consolidation import Consolidation, ConsolidationReport
from docservice.service.trusted.csv_exports import ExportJobs
from docservice.service.trusted.data_sets import DataSets
from docservice.service.trusted.document_counts import Census, CensusTaker
from docservice.service.trusted.tables import LogRows, RowBatch
from docservice.service.trusted.verification import Verifier
from docservice.store.database.activity import Activity
from docservice.store.database.adapters import DatabaseSource
from docservice.store.database.port import Database
from docservice.store.directory.records import DirectoryStore
from docservice.store.indexes import applying as indexes
from docservice.store.mapping.log_kinds import EXAM_LOGS, KINDS, SESSION_LOGS, SUMMARY_LOGS, USER_SESSION_LOGS

DEFAULT_TIMEOUT_SECONDS = 10.0


def _utc_now() -> datetime:
    return datetime.now(UTC)


class DocService:
    """Keeps what learners do as MongoDB documents.

    Enter it before use (`async with DocService() as logs:`). It owns what it makes, the connection and the embedded
    engine, and ends both when it is left. A database handle of the program around it is borrowed: it is never closed.
    Left, it can be entered again; any number of services can live in one event loop.
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
        apply_indexes: bool = True,
    ) -> None:
        """Choose where the logs are kept; nothing is started or connected yet.

        Args:
            source: the address (`mongodb://...`) of a replica set or sharded cluster; or a database of the program's
                own, PyMongo's `AsyncDatabase` or Motor's `AsyncIOMotorDatabase`; None starts (or joins) the embedded
                engine.
            database: name of the database, None for `docservice`; a handle has its own and takes none here.
            data_dir: folder of the embedded engine, and of exported files.
            timeout_seconds: deadline for each action on the database.
            min_free_disk_bytes: writes into the embedded engine are refused while its disk has less; 0: never.
            clock: gives the current time, aware; for tests and for loading the past.
            on_engine_event: hears of the embedded engine's restarts.
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
        )
        self._clock = clock
        self._apply_indexes = apply_indexes
        self._exit = AsyncExitStack()

    async def __aenter__(self) -> Self:
        """Start or join the engine, connect, create missing indexes.

        Raises:
            EngineNotInstalled: no source was given and the embedded engine is not installed.
            EngineNotRunning: the embedded engine does not start.
            RuntimeError: the service is entered already, or the handle's client belongs to another event loop.
            SettingsInvalid: the address is not one.
            StandaloneServer: the server is no replica set.
            StoreRefused: the server refuses the sign-in.
            StoreUnavailable: the server does not answer.
        """
        async with AsyncExitStack() as stack:
            self._database = await stack.enter_async_context(self._connection)
            before = set(vars(self)) - {"_database"}
            stack.callback(self._forget, before)
            if self._apply_indexes:
                await indexes.apply(self._database)
            self._directory = DirectoryStore(self._database)
            actions = Actions(self._database)
            self._tracker = Tracking(self._database, actions, self._clock)
            self._reader = LogReader(self._database)
            self._exams = Exams(self._database, actions, self._reader, self._clock)
            self._sittings = Sittings(self._database, actions, self._reader, self._clock)
            self.export_jobs = ExportJobs(self._database, self._clock)
            self.export_requests = ExportRequests(self._database, self._reader, self._clock)
            self._log_rows = LogRows(self._database)
            self.backups = Backups(self._database)
            self._documents = DocumentReader(self._database, self._reader)
            self._census = CensusTaker(self._database)
            self._directory_writer = DirectoryWriter(self._database, actions, self._reader)
            self.content_summary_logs = LogCollection(self._database, actions, SUMMARY_LOGS)
            self.content_session_logs = LogCollection(self._database, actions, SESSION_LOGS)
            self.user_session_logs = LogCollection(self._database, actions, USER_SESSION_LOGS)
            self.exam_logs = LogCollection(self._database, actions, EXAM_LOGS)
            self.data_sets = DataSets(self._database)
            self._verifier = Verifier(self._database)
            stack.push_async_callback(actions.finish)
            self._exit = stack.pop_all()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Finish writes that have begun, close an own connection, give the engine back."""
        await self._exit.aclose()

    def _forget(self, before: set[str]) -> None:
        """Drop the parts that were made on entering, so that nobody works on with a service that was left."""
        for name in set(vars(self)) - before:
            delattr(self, name)

    if not TYPE_CHECKING:

        def __getattr__(self, name: str) -> Any:
            """Say why a part is missing."""
            raise AttributeError(
                f"DocService has no {name!r}. If it should have: enter it first, async with DocService(...) as logs."
            )

    @property
    def engine(self) -> EmbeddedEngine | None:
        """The embedded engine, while the service is entered; None with a source of another kind."""
        return self._connection.engine

    @property
    def data_dir(self) -> Path:
        """Folder of the embedded engine, and of files that the service makes; it may not be there yet."""
        return self._data_dir

    @property
    def connection_string(self) -> str:
        """Where the documents are: the address given, or that of the embedded engine.

        Raises:
            EngineNotRunning: the service is not entered.
            ValueError: the program gave a handle, and knows its address itself.
        """
        return self._connection.address

    @property
    def database(self) -> Database:
        """The database as stores see it, for packages that read and write many documents at a time."""
        return self._database

    async def ping(self) -> None:
        """Do nothing if the database answers.

        Raises:
            StoreUnavailable: it does not.
        """
        await self._database.command({"ping": 1})

    @property
    def activity(self) -> Activity:
        """What this process has asked of the database since the service was entered."""
        return self._database.activity

    async def census(self) -> Census:
        """How many documents there are and how many wait for sync; counted again at most every half minute.

        Raises:
            StoreError: the database did not count; see `retryable`.
        """
        return await self._census.take()

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
            FilterInvalid: a filter has a value that this list does not filter by.
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

    async def each_attempt_log(
        self, principal: Principal, filters: LogFilters | None = None
    ) -> AsyncGenerator[AttemptRow, None]:
        """Like `attempt_logs` without a page, but with one document's attempts in memory at a time."""
        async with aclosing(self._reader.each_attempt_log(principal, filters or LogFilters())) as rows:
            async for row in rows:
                yield row

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

    async def update_user_session(
        self,
        principal: Principal,
        os_info: DeviceInfo | None = None,
        browser_info: DeviceInfo | None = None,
        user_agent: str | None = None,
    ) -> UserSessionLog:
        """Note that a learner is active now: extends the learner's sitting, or begins one after a break of 5 minutes.

        Args:
            principal: the learner.
            os_info: `name` and `major` of the operating system, as the front end knows them; they name the device of
                a new sitting.
            browser_info: the same of the browser.
            user_agent: `User-Agent` header to take both from when neither is given.

        Returns:
            The sitting. However many calls race, there is one for them all.

        Raises:
            NotSignedIn: the principal is an anonymous visitor.
            StoreError: nothing was written; see `retryable`.
            Unauthenticated: the learner is not in the directory.

        Rule: kolibri/core/logger/models.py, UserSessionLog.update_log.
        """
        return await self._sittings.update(principal, os_info, browser_info, user_agent)

    async def session_description(self, principal: Principal) -> SessionDescription:
        """Who the principal is, as Kolibri's session API tells its front end.

        Raises:
            Unauthenticated: the token names a user who is not in the directory.
        """
        return await self._sittings.describe(principal)

    async def save_exam_log(
        self, principal: Principal, request: SaveExamLog, *, idempotency_key: str | None = None
    ) -> ExamLogSaved:
        """Begin an exam of the kind that Kolibri had up to 0.14. One that was begun before is left as it is.

        Args:
            principal: the learner, or an admin of the learner's facility.
            request: which exam, whose.
            idempotency_key: see `start_session`.

        Raises:
            IdempotencyMismatch: the key was used for another request.
            NotSignedIn: the principal is an anonymous visitor.
            PermissionDenied: the principal is neither.
            StoreError: nothing was written; see `retryable`.
            Unauthenticated: the principal is not in the directory.
            ValidationFailed: the directory has no such exam or learner.

        Rule: kolibri 0.14, core/logger/serializers.py, ExamLogSerializer.
        """
        return await self._exams.save_log(principal, request, idempotency_key)

    async def change_exam_log(self, principal: Principal, examlog_id: str, request: ChangeExamLog) -> ExamLogRow:
        """Hand in an exam, or open it again; see `save_exam_log` for arguments and other errors.

        Raises:
            LogNotFound: there is no such exam log.
            ValidationFailed: the request names another exam or learner than the log.
        """
        return await self._exams.change_log(principal, examlog_id, request)

    async def save_exam_attempt(
        self, principal: Principal, request: SaveExamAttempt, *, idempotency_key: str | None = None
    ) -> ExamAttemptRow:
        """Record an answered question of an exam. Adds again when sent again without a key.

        See `save_exam_log` for arguments and other errors.

        Raises:
            DocumentTooLarge: the exam log has 1,000 attempts, or they would take more than 8 MiB.
            UnstorableValue: the answer or history cannot be stored; nothing was written.
            ValidationFailed: there is no such exam log or learner, or the log is another learner's.
        """
        return await self._exams.save_attempt(principal, request, idempotency_key)

    async def change_exam_attempt(
        self, principal: Principal, attempt_id: str, request: ChangeExamAttempt
    ) -> ExamAttemptRow:
        """Change an answered question of an exam; see `save_exam_attempt`.

        Raises:
            LogNotFound: there is no such attempt.
        """
        return await self._exams.change_attempt(principal, attempt_id, request)

    async def documents(
        self,
        principal: Principal,
        kind: str,
        filters: DocumentFilters | None = None,
        *,
        fields: FieldChoice | None = None,
        page_size: int = DEFAULT_PAGE_SIZE,
        cursor: str | None = None,
    ) -> DocumentPage:
        """A page of the logs of one kind that the principal may read, each as the document it is stored as.

        Pages stay right while writers run: a log that was there at the start and is not deleted comes exactly once. Of
        a summary with very many attempts the list has the embedded ones; `attempt_count` of each try says how many
        there are, and `document` has them all.

        Args:
            principal: who asks; a list holds what they may read, and is empty for an anonymous visitor.
            kind: `contentsummarylog`, `contentsessionlog`, `usersessionlog` or `examlog`.
            filters: what to narrow the list to.
            fields: the parts to show; None: all.
            page_size: at most so many documents; a page may hold fewer, even none, before the last.
            cursor: `next` of the page before, with the same filters; None: the first page.

        Raises:
            FilterInvalid: logs of this kind have no such filter.
            KeyError: there is no such kind.
            PermissionDenied: the principal is a program with a service token.
            ValidationFailed: the cursor does not fit, or the filters name a person or topic that is not there.
        """
        return await self._documents.page(
            principal,
            KINDS[kind],
            filters or DocumentFilters(),
            fields=fields or FieldChoice(),
            size=page_size,
            cursor=cursor,
        )

    async def document(
        self, principal: Principal, kind: str, log_id: str, *, fields: FieldChoice | None = None
    ) -> dict[str, Any]:
        """One log as a document, with all its attempts, oldest first in each try; see `documents`.

        Raises:
            LogNotFound: there is none that the principal may read.
        """
        return await self._documents.one(principal, KINDS[kind], log_id, fields or FieldChoice())

    async def upsert_directory(self, principal: Principal, collection: str, body: Any) -> Upserted:
        """Create and change records of one collection of the directory, in one transaction.

        Args:
            principal: a facility's admin, for records of that facility; a superuser or a program with a service
                token, for all.
            collection: one of `domain.directory.records.SECTIONS`.
            body: list of at most 5,000 records, or an object with it in `records`.

        Raises:
            CollectionNotFound: there is no such collection.
            NotSignedIn: the principal is an anonymous visitor.
            PermissionDenied: the principal may not write one of the records; nothing was written.
            StoreError: nothing was written; see `retryable`.
            ValidationFailed: with the position and field of every record that is invalid, or impossible among the
                others and what is stored (`domain.directory.rules`); nothing was written.
        """
        return await self._directory_writer.upsert(principal, collection, body)

    def export_rows(
        self, table: TableName, facility_id: str, *, start: datetime | None = None, end: datetime | None = None
    ) -> AsyncGenerator[RowBatch, None]:
        """The rows of a table of a facility's logs (`domain.exports.tables`), in no order, some hundred at a time.

        A call of a trusted program, without permissions. Logs that are written meanwhile may be in it or not.

        Args:
            table: `session`, `summary`, `attempt` or `exam`.
            facility_id: whose logs.
            start: logs that began then or later; aware; None: from the beginning.
            end: logs that began at most a day after it; aware; None: to the end.

        Raises:
            InvalidReference: the directory has no such facility.
            StoreError: see `retryable`; an export starts again from the beginning.
        """
        return self._log_rows.batches(table, facility_id, Span(start, end))

    async def facility_name(self, facility_id: str) -> str:
        """What a facility is called.

        Raises:
            InvalidReference: the directory has no such facility.
        """
        return await self._log_rows.facility_name(facility_id)

    async def facility_names(self, *, limit: int = 20) -> dict[str, str]:
        """What at most `limit` facilities are called, by id; for whoever runs the service, without permissions."""
        return await self._log_rows.facility_names(limit)

    def with_clock(self, clock: Callable[[], datetime]) -> DocService:
        """The same entered service under another clock, for loading the past. Do not enter or leave it."""
        other = copy(self)
        other._tracker = self._tracker.with_clock(clock)
        other._exams = self._exams.with_clock(clock)
        other._sittings = self._sittings.with_clock(clock)
        return other

    async def import_directory(self, content: Mapping[str, Any]) -> dict[str, Upserted]:
        """Create and change directory records; records that are not named stay.

        Args:
            content: lists of records under the names of `domain.directory.records.SECTIONS`, and `default_facility`
                (an id).

        Returns:
            For each list that was there, how many records were created, changed and unchanged.

        Raises:
            StoreError: nothing was written of at most 1,000 records; of more, some may have been: do it again.
            ValidationFailed: with the position and field of every record that is invalid, or impossible among the
                others and what is stored (`domain.directory.rules`); nothing was written.
        """
        counts = await self._directory_writer.import_content(content)
        if content.get("default_facility"):
            await self._directory.set_default_facility(content["default_facility"])
        return counts

    async def consolidate(
        self, rules: Sequence[str], *, dry_run: bool = False, watch: Watch | None = None
    ) -> ConsolidationReport:
        """Put right what old Kolibris recorded wrongly, as Kolibri's own upgrades do; again changes nothing.

        Args:
            rules: names of `domain.upkeep.consolidation.RULES`.
            dry_run: only count.
            watch: hears how far the work is.

        Raises:
            StoreError: what was put right until then stays; see `retryable`.
        """
        return await Consolidation(self._database).run(rules, watch or Unwatched(), dry_run=dry_run)

    async def check_indexes(self) -> indexes.IndexReport:
        """Compare the server's indexes and views with the described ones; changes nothing."""
        return await indexes.check(self._database)

    async def apply_indexes(self, *, rebuild: bool = False) -> indexes.IndexReport:
        """Create missing indexes and views; with `rebuild` also indexes that differ. Returns what was found before."""
        return await indexes.apply(self._database, rebuild=rebuild)

    async def verify(
        self, found: Callable[[Finding], None], *, repair: bool = False, watch: Watch | None = None
    ) -> dict[str, int]:
        """Look at every document: fields, ids, partitions, source ids, counters, marks, buckets.

        Safe beside writers: each finding was true at one moment after its document was written, and a repair is one
        transaction for each document, which starts again if somebody else writes it. A second run after a repair finds
        what cannot be mended and nothing else.

        Args:
            found: hears of everything that is wrong, as it is found.
            repair: mend what follows from the rest of the data.
            watch: hears how far it is.

        Returns:
            how many documents were looked at, by collection.

        Raises:
            StoreError: what was mended before stays so.
        """
        return await self._verifier.verify(found, watch or Unwatched(), repair=repair)

    async def compare(
        self, other: DocService, found: Callable[[Difference], None], *, watch: Watch | None = None
    ) -> dict[str, int]:
        """Compare directory and logs with those of another service, document by document.

        See `domain.upkeep.comparison` for what is equal. Control records (idempotency keys, requests for CSV files,
        turns, notes about data sets) are not compared. Neither database is changed.

        Args:
            other: entered.
            found: hears of every difference, as it is found.
            watch: hears how far it is.

        Returns:
            how many documents of this database were compared, by collection.
        """
        return await self._verifier.compare(other._verifier, found, watch or Unwatched())
