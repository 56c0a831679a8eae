"""What a person may do with the logs: one protocol, in process and over HTTP.

`DocService.acting_as(principal)` gives it in the program that keeps the logs; `LogClient` gives it over the REST API.
A program written against it runs with either. Both check the same rights and raise the same errors.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
from typing import Any, Literal, Protocol

from docservice.domain.answers.directory import Removed, Replaced, Upserted
from docservice.domain.answers.exam_logs import ExamAttemptRow, ExamLogRow, ExamLogSaved
from docservice.domain.answers.lists import AttemptRow, MasteryDiffRow, MasteryRow, Rows
from docservice.domain.answers.session_description import SessionDescription
from docservice.domain.answers.tracking import SessionStarted, SessionUpdated
from docservice.domain.directory.records import DirectorySection
from docservice.domain.reports.definitions import Report, ReportDefinition, ReportName
from docservice.domain.reports.filters import ReportFilters
from docservice.domain.requests.directory_pages import DirectoryFilters
from docservice.domain.requests.document_pages import DEFAULT_PAGE_SIZE, DocumentFilters, DocumentPage
from docservice.domain.requests.erasure import ErasePerson
from docservice.domain.requests.exam_logs import ChangeExamAttempt, ChangeExamLog, SaveExamAttempt, SaveExamLog
from docservice.domain.requests.lists import LogFilters, Page
from docservice.domain.requests.tracking import StartSession, UpdateSession
from docservice.domain.requests.user_sessions import ReportActivity
from docservice.domain.upkeep.receipts import ErasureReceipt

LogKindName = Literal["contentsummarylog", "contentsessionlog", "usersessionlog", "examlog"]
"""A kind of log that is a document of its own; Morango's names of the models."""

DEFAULT_ROWS = 100
"""Rows of a list that are asked for at a time."""


class PersonLogs(Protocol):
    """The logs as one person, or one anonymous visitor, may use them.

    Every call may raise, besides what it names:

    - `Unauthenticated`: the person is not in the directory.
    - `PermissionDenied`: the caller is a program with a service token, and the call is a person's.
    - `StoreUnavailable`, `StoreTimeout`: the database does not answer; retryable, nothing was half-written.
    """

    async def start_session(self, request: StartSession, *, idempotency_key: str | None = None) -> SessionStarted:
        """Start a content session: the learner opens a resource, a coach's quiz, or a unit's test.

        >>> visit = await logs.acting_as(learner).start_session(school.quiz)
        >>> visit.mastery_criterion
        {'type': 'quiz', 'coach_assigned': True}

        Args:
            request: what is opened.
            idempotency_key: 1 to 255 printable ASCII characters; a second call of the same person under the same key
                gets the first answer and changes nothing. If unset, each call starts a session.

        Raises:
            DirectoryIncomplete: an anonymous visitor, and there is no default facility.
            DocumentTooLarge: the summary cannot take another mastery log.
            IdempotencyMismatch: the key was used for another request.
            InvalidReference: the lesson or course is not assigned to the learner.
            PermissionDenied: the quiz is not active or not assigned to the learner, or is finished.
        """
        ...

    async def update_session(
        self, session_id: str, request: UpdateSession, *, idempotency_key: str | None = None
    ) -> SessionUpdated:
        """Report progress, time and answers of a content session.

        >>> visit = await logs.acting_as(learner).start_session(school.exercise)
        >>> right = Interaction(item="q2", correct=1, complete=True, time_spent=12, answer={"choice": "B"})
        >>> report = UpdateSession(time_spent_delta=12, interactions=[right])
        >>> answer = await logs.acting_as(learner).update_session(visit.session_id, report)
        >>> [attempt.item for attempt in answer.attempts]
        ['q2']

        Args:
            session_id: from the answer to a start; any spelling of a UUID.
            request: what happened since the last report.
            idempotency_key: see `start_session`. Without one, a repeated report adds again.

        Raises:
            DocumentTooLarge: one attempt is larger than a document can be.
            IdempotencyMismatch: the key was used for another request.
            InvalidReference: the report names an attempt that does not exist.
            LogNotFound: no such session of this caller.
            PermissionDenied: the quiz is not active any more, not assigned to the learner, or finished.
            UnstorableValue: an answer holds what no document can hold; the error names the field.
            ValidationFailed: a sum passes what a number can hold.
        """
        ...

    async def update_user_session(self, request: ReportActivity | None = None) -> SessionDescription:
        """Note that the person is active now, and say who that is.

        Extends the learner's user session, or begins one after a break of five minutes. However many calls race, there
        is one for all of them. An anonymous visitor has no user sessions.

        Args:
            request: the device; `ReportActivity(active=False)` only asks who is calling. If unset: active.
        """
        ...

    def mastery_logs(
        self, filters: LogFilters | None = None, *, page_size: int = DEFAULT_ROWS
    ) -> AsyncGenerator[MasteryRow, None]:
        """Return the mastery logs that the person may read, latest end first, those without an end last.

        Args:
            filters: what to narrow the list to.
            page_size: rows read at a time over HTTP. There a mastery log that starts or ends meanwhile may come twice
                or not at all.

        Raises:
            FilterInvalid: the list has no such filter.
            ValidationFailed: `filters` names a person who does not exist.
        """
        ...

    async def mastery_log_page(self, filters: LogFilters | None = None, *, page: Page) -> Rows[MasteryRow]:
        """Return one numbered page of `mastery_logs`, with the count of all rows.

        Raises:
            PageNotFound: the list has no such page.
            ValidationFailed: see `mastery_logs`.
        """
        ...

    async def mastery_log(self, masterylog_id: str) -> MasteryRow:
        """Return one mastery log.

        Raises:
            LogNotFound: no such log that the person may read.
        """
        ...

    async def mastery_diff(self, back: int, filters: LogFilters | None = None) -> MasteryDiffRow:
        """Return a mastery log compared with the one before it.

        Args:
            back: position in the list of `mastery_logs`; 0 is the newest.
            filters: what to narrow that list to.

        Raises:
            LogNotFound: the list is shorter.
        """
        ...

    def attempt_logs(
        self, filters: LogFilters | None = None, *, page_size: int = DEFAULT_ROWS
    ) -> AsyncGenerator[AttemptRow, None]:
        """Return the attempts that the person may read, log by log; see `mastery_logs` for arguments.

        Raises:
            ValidationFailed: `filters` names a person or a mastery log that does not exist.
        """
        ...

    async def attempt_log_page(self, filters: LogFilters | None = None, *, page: Page) -> Rows[AttemptRow]:
        """Return one numbered page of `attempt_logs`, with the count of all rows.

        Raises:
            PageNotFound: the list has no such page.
            ValidationFailed: see `attempt_logs`.
        """
        ...

    async def attempt_log(self, attempt_id: str) -> AttemptRow:
        """Return one attempt.

        Raises:
            LogNotFound: no such attempt that the person may read.
        """
        ...

    async def user_progress(self, user_id: str) -> int:
        """Return how many mastery logs and contents the person has completed, as Kolibri counts points.

        Raises:
            PermissionDenied: `user_id` is another person.
        """
        ...

    def documents(
        self,
        kind: LogKindName,
        filters: DocumentFilters | None = None,
        *,
        fields: str = "",
        page_size: int = DEFAULT_PAGE_SIZE,
    ) -> AsyncGenerator[dict[str, Any], None]:
        """Return the logs of one kind that the person may read, each as the JSON of its stored document.

        >>> async for log in logs.acting_as(school.coach).documents("contentsummarylog", fields="user_id,progress"):
        ...     print(log["user_id"] == learner.user_id, log["progress"])
        True 0.0

        A log that exists from the beginning to the end comes exactly once. Of a summary with very many attempts the
        list has the embedded ones: `attempt_count` of each mastery log counts all, and `document` has all.

        Args:
            kind: of log.
            filters: what to narrow the list to.
            fields: `progress,kind` shows only these, `-mastery_logs.attempts` all but these. If empty: all.
            page_size: documents read at a time, 1 to 500.

        Raises:
            CollectionNotFound: there is no such kind.
            ValidationFailed: a field is unknown, or the filters name a person or topic that does not exist.
        """
        ...

    async def document_page(
        self,
        kind: LogKindName,
        filters: DocumentFilters | None = None,
        *,
        fields: str = "",
        page_size: int = DEFAULT_PAGE_SIZE,
        cursor: str | None = None,
    ) -> DocumentPage:
        """Return one page of `documents`.

        Args:
            kind: of log.
            filters: what to narrow the list to.
            fields: see `documents`.
            page_size: the most documents of a page, 1 to 500. A page may hold fewer, even none, before the last.
            cursor: `next` of the page before, with the same filters; also later, and in another program.

        Raises:
            CollectionNotFound: there is no such kind.
            ValidationFailed: see `documents`; or the cursor does not fit.
        """
        ...

    async def document(self, kind: LogKindName, log_id: str, *, fields: str = "") -> dict[str, Any]:
        """Return one log as the JSON of its stored document, with all its attempts, oldest first in each mastery log.

        Raises:
            CollectionNotFound: there is no such kind.
            LogNotFound: no such log that the person may read.
            ValidationFailed: a field is unknown.
        """
        ...

    async def reports(self) -> list[ReportDefinition]:
        """Return the reports that there are, each with its definition, columns and filters."""
        ...

    async def report(self, name: ReportName, filters: ReportFilters | None = None) -> Report:
        """Return a report of the logs that the person may read: a coach's has no other class, a learner's no other one.

        >>> report = await logs.acting_as(school.coach).report(
        ...     "class-progress", ReportFilters(classroom=school.classroom_id, user=learner.user_id)
        ... )
        >>> [(row["learner"], row["title"], row["status"]) for row in report.rows]
        [('learner0', 'Lesson', 'NotStarted'), ('learner0', 'Quiz', 'NotStarted')]

        Args:
            name: of the report.
            filters: what to narrow it to; each report has its own, and `class-progress` needs a class.

        Raises:
            CollectionNotFound: there is no such report.
            FilterInvalid: the report has no such filter, or needs one that has no value.
            NotSignedIn: the caller is anonymous.
            ValidationFailed: `filters` names a person who does not exist.
        """
        ...

    async def save_exam_log(self, request: SaveExamLog, *, idempotency_key: str | None = None) -> ExamLogSaved:
        """Begin an exam of the kind that Kolibri had up to 0.14. One that was begun before stays as it is.

        Args:
            request: which exam, whose.
            idempotency_key: see `start_session`.

        Raises:
            NotSignedIn: the caller is anonymous.
            PermissionDenied: the caller is neither the learner nor an admin of the learner's facility.
            ValidationFailed: the directory has no such exam or learner.
        """
        ...

    async def change_exam_log(self, examlog_id: str, request: ChangeExamLog) -> ExamLogRow:
        """Hand in an exam, or open it again; see `save_exam_log`.

        Raises:
            LogNotFound: no such exam log.
            NotSignedIn, PermissionDenied: see `save_exam_log`.
            ValidationFailed: the request names another exam or learner than the log.
        """
        ...

    async def save_exam_attempt(
        self, request: SaveExamAttempt, *, idempotency_key: str | None = None
    ) -> ExamAttemptRow:
        """Record an answered question of an exam. Without a key, a repeated call adds again.

        Raises:
            DocumentTooLarge: the exam log has 1,000 attempts, or they would take more than 8 MiB.
            NotSignedIn, PermissionDenied: see `save_exam_log`.
            UnstorableValue: the answer or history cannot be stored.
            ValidationFailed: no such exam log or learner, or the log is another learner's.
        """
        ...

    async def change_exam_attempt(self, attempt_id: str, request: ChangeExamAttempt) -> ExamAttemptRow:
        """Change an answered question of an exam; see `save_exam_attempt`.

        Raises:
            LogNotFound: no such attempt.
        """
        ...

    def directory_records(
        self,
        collection: DirectorySection,
        filters: DirectoryFilters | None = None,
        *,
        page_size: int = DEFAULT_PAGE_SIZE,
    ) -> AsyncGenerator[dict[str, Any], None]:
        """Return the records of one collection of the directory that the caller may read, as JSON.

        >>> coach = logs.acting_as(school.coach)
        >>> found = coach.directory_records("users", DirectoryFilters(search="LEARNER"))
        >>> sorted([person["username"] async for person in found])
        ['learner0', 'learner1']

        A facility's admins and coaches read all of it, a coach of a class the people, groups, memberships, roles,
        quizzes, lessons and courses of it; everybody the own record, classes, memberships and roles, what is assigned,
        and content. A program with a service token reads everything. No answer has a password.

        Args:
            collection: `users`, `classrooms`, `roles` …
            filters: what to narrow the list to.
            page_size: records read at a time, 1 to 500.

        Raises:
            CollectionNotFound: there is no such collection.
            FilterInvalid: the list has no such filter.
            NotSignedIn: the caller is anonymous.
            ValidationFailed: `filters.user` fits no person whom the caller may read, or several.
        """
        ...

    async def directory_page(
        self,
        collection: DirectorySection,
        filters: DirectoryFilters | None = None,
        *,
        page_size: int = DEFAULT_PAGE_SIZE,
        cursor: str | None = None,
    ) -> DocumentPage:
        """Return one page of `directory_records`.

        Args:
            collection: see `directory_records`.
            filters: what to narrow the list to.
            page_size: the most records of a page, 1 to 500. A page may hold fewer, even none, before the last.
            cursor: `next` of the page before, with the same filters.

        Raises:
            CollectionNotFound, FilterInvalid, NotSignedIn: see `directory_records`.
            ValidationFailed: see `directory_records`; or the cursor does not fit.
        """
        ...

    async def directory_record(self, collection: DirectorySection, record_id: str) -> dict[str, Any]:
        """Return one record of the directory as JSON.

        Raises:
            CollectionNotFound: there is no such collection.
            NotSignedIn: the caller is anonymous.
            RecordNotFound: no such record that the caller may read.
        """
        ...

    async def upsert_directory(self, collection: DirectorySection, records: Any) -> Upserted:
        """Create and change records of one collection of the directory, all of them or none.

        Args:
            collection: `users`, `classrooms`, `roles` …
            records: list of at most 5,000 records, with Kolibri's field names.

        Raises:
            CollectionNotFound: there is no such collection.
            NotSignedIn: the caller is anonymous.
            PermissionDenied: the caller may not write one of the records.
            ValidationFailed: with the position and field of every invalid record.
        """
        ...

    async def erase_person(self, user_id: str, request: ErasePerson | None = None) -> ErasureReceipt:
        """Erase a person of a facility that the caller administers: all logs, the account, and what else there is.

        Nothing brings the person back; see the page on privacy of the manual. Once begun it goes on even if the caller
        goes away; done again after an interruption, it completes. Over HTTP the receipt is signed.

        Args:
            user_id: the person.
            request: the reason; `ErasePerson(dry_run=True)` only counts. If unset: no reason.

        Raises:
            LogNotFound: there is no such person in a facility that the caller administers.
            NotSignedIn: the caller is anonymous.
            PermissionDenied: nobody else administers the facility, or the caller is a program.
        """
        ...

    async def remove_directory_record(self, collection: DirectorySection, record_id: str) -> Removed:
        """Remove one record of the directory, with those that name it, in one transaction. Logs stay.

        A class goes with its groups, memberships, roles, quizzes, lessons and courses; a person with the own
        memberships and roles. A right that goes with it counts no more from the next request on.

        Args:
            collection: see `directory_records`.
            record_id: any spelling of a UUID.

        Raises:
            CollectionNotFound: there is no such collection.
            NotSignedIn: the caller is anonymous.
            PermissionDenied: the caller may not remove it, or it is the caller's own account.
            RecordNotFound: there is no such record, and the caller may write all of the directory.
            WithdrawalRefused: more than 20,000 records would go or change.
        """
        ...

    async def replace_directory(
        self, content: Mapping[str, Any], *, facility: str | None = None, force: bool = False
    ) -> Replaced:
        """Make lists of a facility what they are in a file: write its records, withdraw what the lists lack.

        One transaction: all of it is done, or nothing. Lists that are not there stay as they are, but for what goes
        with withdrawn records (see `remove_directory_record`); an empty list withdraws all of its records. Facilities,
        datasets and content are only added to.

        Args:
            content: lists of records under the names of a `DirectorySection`, as for `import_directory`; at most 20,000
                records. `default_facility` is not looked at.
            facility: id of the facility. If unset, the only one in the list `facilities`.
            force: withdraw even more than half of the people.

        Raises:
            NotSignedIn: the caller is anonymous.
            PermissionDenied: the caller may not write a record, or would be withdrawn.
            RecordNotFound: there is no such facility.
            ValidationFailed: with the position and field of every invalid record, or of another facility.
            WithdrawalRefused: more than half of the people would be withdrawn, or there are too many records.
        """
        ...
