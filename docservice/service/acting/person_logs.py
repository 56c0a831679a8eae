"""`ActingLogs`: the logs as one principal may use them, in process."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any

from docservice.domain.answers.directory import Removed, Replaced, Upserted
from docservice.domain.answers.exam_logs import ExamAttemptRow, ExamLogRow, ExamLogSaved
from docservice.domain.answers.lists import AttemptRow, MasteryDiffRow, MasteryRow, Rows
from docservice.domain.answers.session_description import SessionDescription
from docservice.domain.answers.tracking import SessionStarted, SessionUpdated
from docservice.domain.directory.records import DirectorySection
from docservice.domain.exports.csv_exports import CsvExport, RequestedExport
from docservice.domain.person_logs import DEFAULT_ROWS, LogKindName
from docservice.domain.reports.definitions import REPORTS, Report, ReportDefinition, ReportName
from docservice.domain.reports.filters import ReportFilters
from docservice.domain.requests.csv_exports import CsvLogRequest, LogType, StoredCsvRequest
from docservice.domain.requests.directory_pages import DirectoryFilters
from docservice.domain.requests.document_pages import (
    DEFAULT_PAGE_SIZE,
    DocumentFilters,
    DocumentPage,
    FieldChoice,
)
from docservice.domain.requests.erasure import ErasePerson
from docservice.domain.requests.exam_logs import ChangeExamAttempt, ChangeExamLog, SaveExamAttempt, SaveExamLog
from docservice.domain.requests.lists import LogFilters, Page
from docservice.domain.requests.tracking import StartSession, UpdateSession
from docservice.domain.requests.user_sessions import ReportActivity
from docservice.domain.upkeep.receipts import ErasureReceipt
from docservice.errors import CollectionNotFound
from docservice.identity import Principal
from docservice.service.acting.csv_exports import CsvExportRequests
from docservice.service.acting.directory import DirectoryWriter
from docservice.service.acting.directory_pages import DirectoryPageReader
from docservice.service.acting.directory_removal import DirectoryRemover
from docservice.service.acting.document_pages import DocumentPageReader
from docservice.service.acting.erasure import PersonErasure
from docservice.service.acting.exam_logs import ExamLogs
from docservice.service.acting.log_lists import ListReader
from docservice.service.acting.reports import PersonReports
from docservice.service.acting.tracking import Tracking
from docservice.service.acting.user_sessions import UserSessions
from docservice.store.mapping.log_kinds import KINDS, LogKind


@dataclass(frozen=True)
class Acting:
    """What serves people, one part for each subject; all of them check the rights of the principal they are given."""

    tracking: Tracking
    lists: ListReader
    documents: DocumentPageReader
    exam_logs: ExamLogs
    user_sessions: UserSessions
    csv_exports: CsvExportRequests
    directory: DirectoryWriter
    erasure: PersonErasure
    reports: PersonReports
    directory_pages: DirectoryPageReader
    directory_removal: DirectoryRemover


class ActingLogs:
    """The logs as one principal may use them; see `PersonLogs` for arguments, results and errors of each call.

    Attributes:
        principal: who acts.
    """

    def __init__(self, parts: Acting, principal: Principal) -> None:
        """Act as a principal; nothing is looked up yet.

        Args:
            parts: of an entered service.
            principal: who acts.
        """
        self.principal = principal
        self._parts = parts

    async def start_session(self, request: StartSession, *, idempotency_key: str | None = None) -> SessionStarted:
        """See `PersonLogs.start_session`."""
        return await self._parts.tracking.start(self.principal, request, idempotency_key)

    async def update_session(
        self, session_id: str, request: UpdateSession, *, idempotency_key: str | None = None
    ) -> SessionUpdated:
        """See `PersonLogs.update_session`."""
        return await self._parts.tracking.update(self.principal, session_id, request, idempotency_key)

    async def update_user_session(
        self, request: ReportActivity | None = None, *, user_agent: str | None = None
    ) -> SessionDescription:
        """See `PersonLogs.update_user_session`.

        Args:
            request: see `PersonLogs.update_user_session`.
            user_agent: `User-Agent` header to take the device from when the request names none.
        """
        return await self._parts.user_sessions.report(
            self.principal, request or ReportActivity(active=True), user_agent
        )

    async def mastery_logs(
        self, filters: LogFilters | None = None, *, page_size: int = DEFAULT_ROWS
    ) -> AsyncGenerator[MasteryRow, None]:
        """See `PersonLogs.mastery_logs`."""
        del page_size  # read at once: the order goes across documents
        for row in (await self._parts.lists.mastery_logs(self.principal, filters or LogFilters(), None)).rows:
            yield row

    async def mastery_log_page(
        self, filters: LogFilters | None = None, *, page: Page | None = None
    ) -> Rows[MasteryRow]:
        """See `PersonLogs.mastery_log_page`. If `page` is unset: the whole list."""
        return await self._parts.lists.mastery_logs(self.principal, filters or LogFilters(), page)

    async def mastery_log(self, masterylog_id: str, filters: LogFilters | None = None) -> MasteryRow:
        """See `PersonLogs.mastery_log`; only if the filters let it through."""
        return await self._parts.lists.mastery_log(self.principal, masterylog_id, filters or LogFilters())

    async def mastery_diff(self, back: int, filters: LogFilters | None = None) -> MasteryDiffRow:
        """See `PersonLogs.mastery_diff`."""
        return await self._parts.lists.mastery_diff(self.principal, back, filters or LogFilters())

    async def attempt_logs(
        self, filters: LogFilters | None = None, *, page_size: int = DEFAULT_ROWS
    ) -> AsyncGenerator[AttemptRow, None]:
        """See `PersonLogs.attempt_logs`; one document's attempts are in memory at a time."""
        del page_size  # of HTTP
        attempts = self._parts.lists.each_attempt_log(self.principal, filters or LogFilters())
        async with aclosing(attempts) as rows:
            async for row in rows:
                yield row

    async def shown_attempt_logs(self, filters: LogFilters | None = None) -> AsyncGenerator[list[dict[str, Any]], None]:
        """Yield the fields of the rows of `attempt_logs`, some rows at a time, for who sends them on as JSON."""
        found = self._parts.lists.shown_attempts(self.principal, filters or LogFilters())
        async with aclosing(found) as parts:
            async for part in parts:
                yield part

    async def attempt_log_page(
        self, filters: LogFilters | None = None, *, page: Page | None = None
    ) -> Rows[AttemptRow]:
        """See `PersonLogs.attempt_log_page`. If `page` is unset: the whole list, in memory."""
        return await self._parts.lists.attempt_logs(self.principal, filters or LogFilters(), page)

    async def attempt_log(self, attempt_id: str) -> AttemptRow:
        """See `PersonLogs.attempt_log`."""
        return await self._parts.lists.attempt_log(self.principal, attempt_id)

    async def user_progress(self, user_id: str) -> int:
        """See `PersonLogs.user_progress`."""
        return await self._parts.lists.user_progress(self.principal, user_id)

    async def documents(
        self,
        kind: LogKindName,
        filters: DocumentFilters | None = None,
        *,
        fields: str | FieldChoice = "",
        page_size: int = DEFAULT_PAGE_SIZE,
    ) -> AsyncGenerator[dict[str, Any], None]:
        """See `PersonLogs.documents`."""
        cursor = None
        while True:
            page = await self.document_page(kind, filters, fields=fields, page_size=page_size, cursor=cursor)
            for document in page.results:
                yield dict(document)
            cursor = page.next
            if cursor is None:
                return

    async def document_page(
        self,
        kind: LogKindName,
        filters: DocumentFilters | None = None,
        *,
        fields: str | FieldChoice = "",
        page_size: int = DEFAULT_PAGE_SIZE,
        cursor: str | None = None,
    ) -> DocumentPage:
        """See `PersonLogs.document_page`."""
        known = _kind(kind)
        return await self._parts.documents.page(
            self.principal,
            known,
            filters or DocumentFilters(),
            fields=_choice(fields, known),
            size=page_size,
            cursor=cursor,
        )

    async def document(self, kind: LogKindName, log_id: str, *, fields: str | FieldChoice = "") -> dict[str, Any]:
        """See `PersonLogs.document`."""
        known = _kind(kind)
        return await self._parts.documents.one(self.principal, known, log_id, _choice(fields, known))

    async def reports(self) -> list[ReportDefinition]:
        """See `PersonLogs.reports`."""
        return list(REPORTS.values())

    async def report(self, name: ReportName, filters: ReportFilters | None = None) -> Report:
        """See `PersonLogs.report`."""
        return await self._parts.reports.make(self.principal, name, filters or ReportFilters())

    async def save_exam_log(self, request: SaveExamLog, *, idempotency_key: str | None = None) -> ExamLogSaved:
        """See `PersonLogs.save_exam_log`."""
        return await self._parts.exam_logs.save_log(self.principal, request, idempotency_key)

    async def change_exam_log(self, examlog_id: str, request: ChangeExamLog) -> ExamLogRow:
        """See `PersonLogs.change_exam_log`."""
        return await self._parts.exam_logs.change_log(self.principal, examlog_id, request)

    async def save_exam_attempt(
        self, request: SaveExamAttempt, *, idempotency_key: str | None = None
    ) -> ExamAttemptRow:
        """See `PersonLogs.save_exam_attempt`."""
        return await self._parts.exam_logs.save_attempt(self.principal, request, idempotency_key)

    async def change_exam_attempt(self, attempt_id: str, request: ChangeExamAttempt) -> ExamAttemptRow:
        """See `PersonLogs.change_exam_attempt`."""
        return await self._parts.exam_logs.change_attempt(self.principal, attempt_id, request)

    async def directory_records(
        self,
        collection: DirectorySection,
        filters: DirectoryFilters | None = None,
        *,
        page_size: int = DEFAULT_PAGE_SIZE,
    ) -> AsyncGenerator[dict[str, Any], None]:
        """See `PersonLogs.directory_records`."""
        cursor = None
        while True:
            page = await self.directory_page(collection, filters, page_size=page_size, cursor=cursor)
            for record in page.results:
                yield dict(record)
            cursor = page.next
            if cursor is None:
                return

    async def directory_page(
        self,
        collection: DirectorySection,
        filters: DirectoryFilters | None = None,
        *,
        page_size: int = DEFAULT_PAGE_SIZE,
        cursor: str | None = None,
    ) -> DocumentPage:
        """See `PersonLogs.directory_page`."""
        return await self._parts.directory_pages.page(
            self.principal, collection, filters or DirectoryFilters(), size=page_size, cursor=cursor
        )

    async def directory_record(self, collection: DirectorySection, record_id: str) -> dict[str, Any]:
        """See `PersonLogs.directory_record`."""
        return await self._parts.directory_pages.one(self.principal, collection, record_id)

    async def person_id(self, text: str) -> str:
        """Return the id of the one person whom a text names, of those whom the principal may read in the directory.

        Args:
            text: an id in any spelling, which is not looked up; a username; or `FACILITY/USERNAME`.

        Raises:
            NotSignedIn: the principal is anonymous.
            ValidationFailed: the name fits no person, or several.
        """
        return await self._parts.directory_pages.person_id(self.principal, text)

    async def upsert_directory(self, collection: DirectorySection, records: Any) -> Upserted:
        """See `PersonLogs.upsert_directory`."""
        return await self._parts.directory.upsert(self.principal, collection, records)

    async def erase_person(self, user_id: str, request: ErasePerson | None = None) -> ErasureReceipt:
        """See `PersonLogs.erase_person`."""
        return await self._parts.erasure.erase(self.principal, user_id, request or ErasePerson())

    async def remove_directory_record(self, collection: DirectorySection, record_id: str) -> Removed:
        """See `PersonLogs.remove_directory_record`."""
        return await self._parts.directory_removal.remove(self.principal, collection, record_id)

    async def replace_directory(
        self, content: Mapping[str, Any], *, facility: str | None = None, force: bool = False
    ) -> Replaced:
        """See `PersonLogs.replace_directory`."""
        return await self._parts.directory_removal.replace(self.principal, content, facility, force=force)

    async def replace_directory_list(
        self, collection: DirectorySection, records: Any, *, facility: str | None = None, force: bool = False
    ) -> Replaced:
        """See `PersonLogs.replace_directory`, for one list. If `facility` is unset: the person's own."""
        return await self._parts.directory_removal.replace_list(
            self.principal, collection, records, facility, force=force
        )

    async def csv_requests(
        self, *, facility: str | None = None, log_type: LogType | None = None
    ) -> list[StoredCsvRequest]:
        """Return the requests for CSV exports that the principal may see, oldest first; a few for each facility.

        Raises:
            ValidationFailed: there is no such facility.
        """
        return await self._parts.csv_exports.find(self.principal, facility=facility, log_type=log_type)

    async def csv_request(self, number: int) -> StoredCsvRequest:
        """Return one request for a CSV export.

        Raises:
            LogNotFound: no such request that the principal may see.
        """
        return await self._parts.csv_exports.get(self.principal, number)

    async def create_csv_request(self, request: CsvLogRequest) -> StoredCsvRequest:
        """Ask for a CSV export of a facility. A running service (`docservice serve`, or `create_app`) carries it out.

        Raises:
            NotSignedIn: the principal is anonymous.
            PermissionDenied: the principal does not administer the facility.
            ValidationFailed: there is no such facility.
        """
        return await self._parts.csv_exports.create(self.principal, request)

    async def change_csv_request(self, number: int, request: CsvLogRequest) -> StoredCsvRequest:
        """Change a request; times that are not sent stay. See `create_csv_request`.

        Raises:
            LogNotFound: no such request that the principal may see.
        """
        return await self._parts.csv_exports.update(self.principal, number, request)

    async def delete_csv_request(self, number: int) -> None:
        """Remove a request.

        Raises:
            LogNotFound: no such request that the principal may see.
        """
        await self._parts.csv_exports.delete(self.principal, number)

    async def csv_export(self, number: int) -> RequestedExport:
        """How far the export of a request is.

        Raises:
            LogNotFound: no such request that the principal may see.
        """
        return await self._parts.csv_exports.requested(self.principal, number)

    async def latest_csv_export(self, facility: str, log_type: LogType) -> CsvExport | None:
        """Return the latest export of a facility and type, None if there was none.

        Raises:
            LogNotFound: a superuser asks for a facility that does not exist.
            NotSignedIn: the principal is anonymous.
            PermissionDenied: the principal does not administer the facility.
        """
        return await self._parts.csv_exports.latest(self.principal, facility, log_type)


def _kind(name: LogKindName) -> LogKind[Any]:
    if name not in KINDS:
        raise CollectionNotFound(f"There is no kind of log {name!r}. The kinds are {', '.join(KINDS)}.")
    return KINDS[name]


def _choice(fields: str | FieldChoice, kind: LogKind[Any]) -> FieldChoice:
    return fields if isinstance(fields, FieldChoice) else FieldChoice.parse(fields, kind.shown_paths)
