"""`LogClient`: what `DocService` offers to one person, over the REST API."""

from __future__ import annotations

import uuid
from collections.abc import AsyncGenerator, Mapping
from dataclasses import asdict, fields
from datetime import datetime
from types import TracebackType
from typing import Any, Self, TypeVar, get_args
from urllib.parse import quote

import aiohttp
from pydantic import BaseModel, ValidationError

from docservice.client.retries import Retries
from docservice.client.transport import ApiResponse, TokenProvider, Transport
from docservice.domain.answers.directory import Removed, Replaced, Upserted
from docservice.domain.answers.exam_logs import ExamAttemptRow, ExamLogRow, ExamLogSaved
from docservice.domain.answers.lists import AttemptRow, MasteryDiffRow, MasteryRow, RowPage, Rows
from docservice.domain.answers.session_description import SessionDescription
from docservice.domain.answers.tracking import SessionStarted, SessionUpdated
from docservice.domain.directory.records import DirectorySection
from docservice.domain.person_logs import LogKindName
from docservice.domain.reports.definitions import REPORTS, Report, ReportDefinition, ReportName
from docservice.domain.reports.filters import ReportFilters
from docservice.domain.requests.directory_pages import DirectoryFilters
from docservice.domain.requests.document_pages import DEFAULT_PAGE_SIZE, DocumentFilters, DocumentPage
from docservice.domain.requests.erasure import ErasePerson
from docservice.domain.requests.exam_logs import ChangeExamAttempt, ChangeExamLog, SaveExamAttempt, SaveExamLog
from docservice.domain.requests.lists import LogFilters, Page
from docservice.domain.requests.tracking import StartSession, UpdateSession
from docservice.domain.requests.user_sessions import ReportActivity
from docservice.domain.upkeep.receipts import ErasureReceipt
from docservice.errors import CollectionNotFound, UnexpectedAnswer

DEFAULT_TIMEOUT_SECONDS = 30.0
_LOGGER = "/api/logger"
_REPORTS = "/api/reports/"
_CREATED = 201

Result = TypeVar("Result", bound=BaseModel)
Row = TypeVar("Row", MasteryRow, AttemptRow)


class LogClient:
    """A client of a running service, for one person or one anonymous visitor.

    Enter it before use (`async with LogClient("http://127.0.0.1:8000", token=token) as logs:`). Calls may be made at
    once. A call that gets no answer, or one that says "not now" (429, 502, 503, 504), is made again under the same
    `Idempotency-Key`: what it adds is added once. (Changes of exams take no key; made twice, they come to the same.)

    All calls raise the errors that the same method of `DocService` names, and besides:

    - `ServiceUnavailable`: no answer in all attempts. A write may have been carried out or not.
    - `UnexpectedAnswer`: the server is not a docservice, or had an internal error.
    - `NotEntered`: the client was not entered, or has been left.
    """

    def __init__(
        self,
        base_url: str,
        *,
        token: str | TokenProvider | None = None,
        visitor_id: str | None = None,
        retries: Retries | None = None,
        timeout_seconds: float = DEFAULT_TIMEOUT_SECONDS,
        session: aiohttp.ClientSession | None = None,
    ) -> None:
        """Choose the service; nothing is connected yet.

        Args:
            base_url: where the service is; with the prefix, if it is mounted below one.
            token: who is calling, or an async function that gives it; None: an anonymous visitor.
            visitor_id: the browser or device of an anonymous visitor, 32 hex characters; None: a new one.
            retries: how often to send a request.
            timeout_seconds: deadline for each time that a request is sent.
            session: an HTTP session to use; it stays open when the client is left.

        Raises:
            ValueError: `base_url` is not an http or https URL, or holds a password.
        """
        self._transport = Transport(
            base_url,
            token=token,
            visitor_id=visitor_id or uuid.uuid4().hex,
            retries=retries or Retries(),
            timeout_seconds=timeout_seconds,
            session=session,
        )

    async def __aenter__(self) -> Self:
        """Begin; the first request connects."""
        self._transport.open()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the connections."""
        await self._transport.close()

    async def start_session(self, request: StartSession, *, idempotency_key: str | None = None) -> SessionStarted:
        """See `PersonLogs.start_session`; starts one session, however often the request has to be sent."""
        path = f"{_LOGGER}/trackprogress/"
        return _read(SessionStarted, await self._transport.send("POST", path, body=request, key=_key(idempotency_key)))

    async def update_session(
        self, session_id: str, request: UpdateSession, *, idempotency_key: str | None = None
    ) -> SessionUpdated:
        """See `PersonLogs.update_session`; adds once, however often the request has to be sent."""
        path = f"{_LOGGER}/trackprogress/{_quoted(session_id)}/"
        return _read(SessionUpdated, await self._transport.send("PUT", path, body=request, key=_key(idempotency_key)))

    async def update_user_session(self, request: ReportActivity | None = None) -> SessionDescription:
        """Note that the person is active now; returns who that is. See `DocService.update_user_session`.

        Args:
            request: the device, or `ReportActivity(active=False)` to only ask who is calling; None: active.
        """
        return _read(
            SessionDescription,
            await self._transport.send(
                "PUT", "/api/auth/session/current/", body=request or ReportActivity(active=True)
            ),
        )

    def mastery_logs(
        self, filters: LogFilters | None = None, *, page_size: int = 100
    ) -> AsyncGenerator[MasteryRow, None]:
        """Return the mastery logs that one may read, latest end first; see `PersonLogs.mastery_logs`.

        Pages are numbered: a mastery log that starts or ends between two pages may come twice or not at all.
        `documents` has pages that stay right.
        """
        return self._rows(MasteryRow, "masterylog", {"content": "", "user": "", **_log_query(filters)}, page_size)

    async def mastery_log_page(self, filters: LogFilters | None = None, *, page: Page) -> Rows[MasteryRow]:
        """See `PersonLogs.mastery_log_page`."""
        return await self._page(MasteryRow, "masterylog", {"content": "", "user": "", **_log_query(filters)}, page)

    async def attempt_log_page(self, filters: LogFilters | None = None, *, page: Page) -> Rows[AttemptRow]:
        """See `PersonLogs.attempt_log_page`."""
        return await self._page(AttemptRow, "attemptlog", _log_query(filters), page)

    async def mastery_log(self, masterylog_id: str) -> MasteryRow:
        """Return one mastery log; see `PersonLogs.mastery_log`."""
        path = f"{_LOGGER}/masterylog/{_quoted(masterylog_id)}/"
        return _read(MasteryRow, await self._transport.send("GET", path, query={"content": "", "user": ""}))

    async def mastery_diff(self, back: int, filters: LogFilters | None = None) -> MasteryDiffRow:
        """Return one mastery log beside the one before it; see `PersonLogs.mastery_diff`."""
        query = {"content": "", "user": "", **_log_query(filters)}
        return _read(
            MasteryDiffRow, await self._transport.send("GET", f"{_LOGGER}/masterylog/{back}/diff/", query=query)
        )

    def attempt_logs(
        self, filters: LogFilters | None = None, *, page_size: int = 100
    ) -> AsyncGenerator[AttemptRow, None]:
        """Return the attempts that one may read; see `mastery_logs` and `DocService.attempt_logs`."""
        return self._rows(AttemptRow, "attemptlog", _log_query(filters), page_size)

    async def attempt_log(self, attempt_id: str) -> AttemptRow:
        """Return one attempt; see `PersonLogs.attempt_log`."""
        return _read(AttemptRow, await self._transport.send("GET", f"{_LOGGER}/attemptlog/{_quoted(attempt_id)}/"))

    async def user_progress(self, user_id: str) -> int:
        """Return a learner's points; see `PersonLogs.user_progress`."""
        answer = await self._transport.send("GET", f"{_LOGGER}/userprogress/{_quoted(user_id)}/")
        return int(_field(answer, "progress"))

    async def documents(
        self,
        kind: LogKindName,
        filters: DocumentFilters | None = None,
        *,
        fields: str = "",
        page_size: int = DEFAULT_PAGE_SIZE,
    ) -> AsyncGenerator[dict[str, Any], None]:
        """The logs of one kind that one may read, each as the document it is stored as; see `PersonLogs.documents`.

        Args:
            kind: `contentsummarylog`, `contentsessionlog`, `usersessionlog` or `examlog`.
            filters: what to narrow the list to.
            fields: `progress,kind` shows only these, `-mastery_logs.attempts` all but these.
            page_size: documents in one request, up to 500.
        """
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
        fields: str = "",
        page_size: int = DEFAULT_PAGE_SIZE,
        cursor: str | None = None,
    ) -> DocumentPage:
        """See `PersonLogs.document_page`."""
        query = {**_document_query(filters), "fields": fields, "page_size": str(page_size)}
        if cursor is not None:
            query["cursor"] = cursor
        answer = await self._transport.send("GET", _path_of(kind), query=query)
        return DocumentPage(_field(answer, "results"), _field(answer, "next"))

    async def document(self, kind: LogKindName, log_id: str, *, fields: str = "") -> dict[str, Any]:
        """Return one log as a document, with all its attempts; see `documents` and `DocService.document`."""
        path = f"{_path_of(kind)}{_quoted(log_id)}/"
        answer = await self._transport.send("GET", path, query={"fields": fields})
        if not isinstance(answer.body, dict):
            raise _unexpected(answer)
        return answer.body

    async def reports(self) -> list[ReportDefinition]:
        """See `PersonLogs.reports`."""
        answer = await self._transport.send("GET", _REPORTS)
        listed = _field(answer, "results")
        try:
            return [ReportDefinition.model_validate(each) for each in listed]
        except (TypeError, ValidationError) as error:
            raise _unexpected(answer) from error

    async def report(self, name: ReportName, filters: ReportFilters | None = None) -> Report:
        """See `PersonLogs.report`."""
        definition = REPORTS.get(name)
        if definition is None:
            raise CollectionNotFound(f"There is no report {name!r}. The reports are {', '.join(REPORTS)}.")
        filters = filters or ReportFilters()
        filters.refuse_unused(definition.filters, definition.required, definition.one_of)
        query = {key: str(value) for key, value in filters.as_json().items()}
        return _read(Report, await self._transport.send("GET", f"{_REPORTS}{_quoted(name)}/", query=query))

    async def save_exam_log(self, request: SaveExamLog, *, idempotency_key: str | None = None) -> ExamLogSaved:
        """See `PersonLogs.save_exam_log`."""
        path = f"{_LOGGER}/examlog/"
        answer = await self._transport.send("POST", path, body=request, key=_key(idempotency_key))
        return ExamLogSaved(created=answer.status == _CREATED, log=_read(ExamLogRow, answer))

    async def change_exam_log(self, examlog_id: str, request: ChangeExamLog) -> ExamLogRow:
        """Hand in an exam, or open it again; see `PersonLogs.change_exam_log`."""
        path = f"{_LOGGER}/examlog/{_quoted(examlog_id)}/"
        return _read(ExamLogRow, await self._transport.send("PATCH", path, body=request))

    async def save_exam_attempt(
        self, request: SaveExamAttempt, *, idempotency_key: str | None = None
    ) -> ExamAttemptRow:
        """See `PersonLogs.save_exam_attempt`; adds once, however often the request has to be sent."""
        path = f"{_LOGGER}/examattemptlog/"
        return _read(ExamAttemptRow, await self._transport.send("POST", path, body=request, key=_key(idempotency_key)))

    async def change_exam_attempt(self, attempt_id: str, request: ChangeExamAttempt) -> ExamAttemptRow:
        """Change an answered question of an exam; see `PersonLogs.change_exam_attempt`."""
        path = f"{_LOGGER}/examattemptlog/{_quoted(attempt_id)}/"
        return _read(ExamAttemptRow, await self._transport.send("PATCH", path, body=request))

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
        query = {name: value for name, value in asdict(filters or DirectoryFilters()).items() if value is not None}
        query["page_size"] = str(page_size)
        if cursor is not None:
            query["cursor"] = cursor
        answer = await self._transport.send("GET", _section_path(collection), query=query)
        return DocumentPage(_field(answer, "results"), _field(answer, "next"))

    async def directory_record(self, collection: DirectorySection, record_id: str) -> dict[str, Any]:
        """See `PersonLogs.directory_record`."""
        answer = await self._transport.send("GET", f"{_section_path(collection)}{_quoted(record_id)}/")
        if not isinstance(answer.body, dict):
            raise _unexpected(answer)
        return answer.body

    async def upsert_directory(self, collection: DirectorySection, records: Any) -> Upserted:
        """See `PersonLogs.upsert_directory`."""
        path = _section_path(collection)
        answer = await self._transport.send("POST", path, body=records)
        return Upserted(*(int(_field(answer, each.name)) for each in fields(Upserted)))

    async def erase_person(self, user_id: str, request: ErasePerson | None = None) -> ErasureReceipt:
        """See `PersonLogs.erase_person`."""
        path = f"/api/directory/users/{_quoted(user_id)}/erase/"
        return _read(ErasureReceipt, await self._transport.send("POST", path, body=request or ErasePerson()))

    async def remove_directory_record(self, collection: DirectorySection, record_id: str) -> Removed:
        """See `PersonLogs.remove_directory_record`.

        Raises:
            RecordNotFound: there is no such record; after a lost answer it may have been removed by this call.
        """
        answer = await self._transport.send("DELETE", f"{_section_path(collection)}{_quoted(record_id)}/")
        return Removed(_field(answer, "removed"), _field(answer, "changed"))

    async def replace_directory(
        self, content: Mapping[str, Any], *, facility: str | None = None, force: bool = False
    ) -> Replaced:
        """See `PersonLogs.replace_directory`; safe to repeat."""
        query = {"mode": "replace", "force": _text(force)}
        if facility is not None:
            query["facility"] = facility
        answer = await self._transport.send("POST", "/api/directory/", query=query, body=dict(content))
        written = {section: Upserted(**counts) for section, counts in _field(answer, "written").items()}
        return Replaced(written, _field(answer, "removed"), _field(answer, "changed"))

    async def _rows(
        self, kind: type[Row], name: str, query: Mapping[str, str], page_size: int
    ) -> AsyncGenerator[Row, None]:
        number, pages = 1, 1
        while number <= pages:
            page = await self._page(kind, name, query, Page(page_size, number))
            for row in page.rows:
                yield row
            number, pages = number + 1, page.total_pages

    async def _page(self, kind: type[Row], name: str, query: Mapping[str, str], page: Page) -> Rows[Row]:
        sent = {**query, "page_size": str(page.size), "page": str(page.number)}
        page_or_rows = _read(RowPage[kind], await self._transport.send("GET", f"{_LOGGER}/{name}/", query=sent))  # type: ignore[valid-type]
        return Rows(page_or_rows.results, page_or_rows.count, page)


def _read(kind: type[Result], answer: ApiResponse) -> Result:
    try:
        return kind.model_validate(answer.body)
    except ValidationError as error:
        raise _unexpected(answer) from error


def _field(answer: ApiResponse, name: str) -> Any:
    if not isinstance(answer.body, dict) or name not in answer.body:
        raise _unexpected(answer)
    return answer.body[name]


def _unexpected(answer: ApiResponse) -> UnexpectedAnswer:
    return UnexpectedAnswer(answer.status, None, "The answer has another form. Does the service have this version?")


def _key(key: str | None) -> str:
    """Return the caller's key, or a new one that the repetitions of this request share."""
    return uuid.uuid4().hex if key is None else key


def _path_of(kind: str) -> str:
    if kind not in get_args(LogKindName):
        kinds = ", ".join(get_args(LogKindName))
        raise CollectionNotFound(f"There is no kind of log {kind!r}. The kinds are {kinds}.")
    return f"{_LOGGER}/{kind}/"


def _section_path(collection: str) -> str:
    return f"/api/directory/{_quoted(collection)}/"


def _quoted(part: str) -> str:
    """Return a part of a path; dots alone would go up in it."""
    return quote(part, safe="").replace(".", "%2E")


def _log_query(filters: LogFilters | None) -> dict[str, str]:
    return (
        {} if filters is None else {name: _text(value) for name, value in asdict(filters).items() if value is not None}
    )


def _document_query(filters: DocumentFilters | None) -> dict[str, str]:
    if filters is None:
        return {}
    own = {field.name: getattr(filters, field.name) for field in fields(filters) if field.name != "people"}
    return _log_query(filters.people) | {name: _text(value) for name, value in own.items() if value is not None}


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, datetime):
        return value.isoformat()
    return ",".join(value) if isinstance(value, tuple) else str(value)
