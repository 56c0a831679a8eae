"""`LogsAdmin`: what an operator does with a whole database."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Iterable, Sequence
from datetime import datetime

from docservice.domain.directory.name_lookup import (
    NamedClassroom,
    NamedFacility,
    NamedPerson,
    NamedRecord,
    RecordKind,
    chosen_classroom,
    chosen_facility,
    chosen_person,
    chosen_record,
    id_in,
)
from docservice.domain.exports.pseudonyms import Pseudonyms
from docservice.domain.exports.self_check import DirectoryValues
from docservice.domain.exports.table_rows import Span
from docservice.domain.exports.tables import TableName
from docservice.domain.reports.definitions import Report, ReportName
from docservice.domain.reports.filters import ReportFilters
from docservice.domain.upkeep.comparison import Difference
from docservice.domain.upkeep.consistency import Finding
from docservice.domain.upkeep.consolidation import ConsolidationRule
from docservice.domain.upkeep.receipts import ErasureReceipt
from docservice.errors import InvalidReference
from docservice.service.base.erasure import Eraser
from docservice.service.base.progress import NoWatch, Watch
from docservice.service.reports.maker import ReportMaker
from docservice.service.trusted.backup import Backups
from docservice.service.trusted.consolidation import Consolidation, ConsolidationReport
from docservice.service.trusted.csv_exports import ExportJobs
from docservice.service.trusted.data_sets import DataSets
from docservice.service.trusted.document_counts import Census, DocumentCounter, collection_counts
from docservice.service.trusted.sign_in import SignInAdmin
from docservice.service.trusted.tables import RowBatch, TableReader
from docservice.service.trusted.verification import Verifier
from docservice.store.database.activity import Activity
from docservice.store.database.port import Database
from docservice.store.directory.erased_people import ErasedPeopleStore, ErasureState
from docservice.store.directory.names import NameStore
from docservice.store.directory.people import PeopleStore, Readable
from docservice.store.exports.directory_values import DirectoryValueStore
from docservice.store.indexes import applying as indexes
from docservice.store.indexes.applying import IndexReport
from docservice.store.mapping.schema import BACKED_UP, OVERFLOW
from docservice.store.transfer.compacting import compact


class LogsAdmin:
    """Work on a whole database, for who runs the service: no principal, no checks of rights.

    Attributes:
        database: as stores see it, for packages of docservice that read and write many documents at a time; not part of
            what the library promises.
        backups: whole documents as lines of text, and back.
        eraser: removes people; for packages of docservice, see `erase`.
        csv_jobs: the CSV exports that run in the background.
        data_sets: notes on data sets that were generated or loaded.
        sign_in: passwords of an imported Kolibri, and links to sign in with.
    """

    database: Database
    backups: Backups
    eraser: Eraser
    csv_jobs: ExportJobs
    data_sets: DataSets
    sign_in: SignInAdmin

    def __init__(self, database: Database, clock: Callable[[], datetime], eraser: Eraser) -> None:
        """Work on a database.

        Args:
            database: connected.
            clock: gives the current time, aware.
            eraser: erases people from it.
        """
        self.database = database
        self.eraser = eraser.with_clock(clock)
        self._erased = ErasedPeopleStore(database)
        self.backups = Backups(database, self.eraser)
        self.csv_jobs = ExportJobs(database, clock)
        self.data_sets = DataSets(database)
        self.sign_in = SignInAdmin(database, clock)
        self._tables = TableReader(database)
        self._counts = DocumentCounter(database)
        self._names = NameStore(database)
        self._people = PeopleStore(database)
        self._verifier = Verifier(database)
        self._reports = ReportMaker(database, clock)

    async def end_sessions(self, ids: Iterable[bytes]) -> None:
        """End the transactions that a process has left open which died; see `on_session` of `DocService`.

        MongoDB keeps them for a minute, in which no other transaction can write the same documents. Takes some seconds,
        because statements of that process may still be on their way; never fails.

        Args:
            ids: of the process's sessions.
        """
        await self.database.end_sessions(ids)

    @property
    def activity(self) -> Activity:
        """What this process has asked of the database since the service was entered."""
        return self.database.activity

    async def document_counts(self) -> Census:
        """Return how many documents there are, and how many wait for sync; counted at most every half minute.

        Raises:
            StoreUnavailable, StoreTimeout: the database did not count; retryable.
        """
        return await self._counts.take()

    async def collection_counts(self) -> dict[str, int]:
        """Return how many documents each collection of the directory and of logs has, as the server estimates it.

        Raises:
            StoreUnavailable, StoreTimeout: the database did not count; retryable.
        """
        return await collection_counts(self.database, (*BACKED_UP, OVERFLOW))

    def table_rows(
        self,
        table: TableName,
        facility_id: str,
        *,
        start: datetime | None = None,
        end: datetime | None = None,
        people: frozenset[str] | None = None,
        pseudonyms: Pseudonyms | None = None,
    ) -> AsyncGenerator[RowBatch, None]:
        """Return the rows of a table of a facility's logs, in no order, in batches of at most some hundred.

        Logs that are written meanwhile may be in it or not.

        Args:
            table: see `domain.exports.tables`.
            facility_id: the facility.
            start: only logs that began then or later; aware. If unset, from the beginning.
            end: only logs that began at most a day after it; aware. If unset, to the end.
            pseudonyms: make these in the place of people; whether all are replaced is for the caller to check.
            people: only logs of these people, see `people_in`. If unset, of all, and of anonymous visitors.

        Raises:
            InvalidReference: the directory has no such facility.
            StoreUnavailable, StoreTimeout: retryable; an export starts again from the beginning.
        """
        return self._tables.batches(table, facility_id, Span(start, end), people, pseudonyms)

    async def directory_values(self) -> DirectoryValues:
        """Return the ids, usernames and names of the directory, which an export under pseudonyms may not hold."""
        return await DirectoryValueStore(self.database).read()

    async def people_in(
        self, *, classroom_id: str | None = None, group_id: str | None = None, user_id: str | None = None
    ) -> frozenset[str] | None:
        """Return the people whom all of a class (with its groups), a group and an id leave; None if all are unset."""
        allowed: list[set[str]] = [] if user_id is None else [{user_id}]
        if classroom_id is not None:
            allowed.append(await self._people.members_of_classes([classroom_id]))
        if group_id is not None:
            allowed.append(await self._people.members([group_id]))
        return frozenset(set.intersection(*allowed)) if allowed else None

    async def report(self, name: ReportName, filters: ReportFilters | None = None) -> Report:
        """Return a report of all learners, however few may read their logs; see `PersonLogs.report`.

        Raises:
            CollectionNotFound: there is no such report.
            FilterInvalid: the report has no such filter, or needs one that has no value.
        """
        return await self._reports.make(name, filters or ReportFilters(), Readable(everything=True))

    async def person_called(self, text: str) -> NamedPerson:
        """Return the one person that a text means: an id, a username, or `FACILITY/USERNAME`.

        Raises:
            InvalidReference: no person matches, or several do; the message lists candidates.
        """
        people = await self._names.people(text)
        return chosen_person(text, people, () if people else await self._names.usernames())

    async def facility_called(self, text: str) -> NamedFacility:
        """Return the one facility that a text means: an id or a name.

        Raises:
            InvalidReference: none fits, or several do; the message lists those that there are.
        """
        return chosen_facility(text, await self._names.facilities())

    async def record_called(
        self,
        kind: RecordKind,
        text: str,
        *,
        facility: NamedFacility | None = None,
        classroom: NamedClassroom | None = None,
    ) -> NamedRecord:
        """Return the one group, lesson, quiz, channel, topic or content that a text means: an id or a name.

        Args:
            kind: what is looked for.
            text: upper and lower case are the same.
            facility: where to look for groups, lessons and quizzes. If unset, everywhere.
            classroom: where to look for groups, lessons and quizzes. If unset, everywhere.

        Raises:
            InvalidReference: none fits, or several do; the message lists these.
        """
        dataset_id = None if facility is None else await self._people.facility_dataset(facility.id)
        classroom_id = None if classroom is None else classroom.id
        found = await self._names.records(kind, text, dataset_id=dataset_id, classroom_id=classroom_id)
        return chosen_record(text, kind, found)

    async def classroom_called(self, text: str, *, facility: NamedFacility | None = None) -> NamedClassroom:
        """Return the one class that a text means: an id, a name, or `FACILITY/NAME`.

        Args:
            text: upper and lower case are the same.
            facility: where to look. If unset, everywhere.

        Raises:
            InvalidReference: none fits, or several do; the message lists those that there are.
        """
        classrooms = await self._names.classrooms()
        return chosen_classroom(text, [each for each in classrooms if facility in (None, each.facility)])

    async def collection_names(self, ids: Iterable[str]) -> dict[str, str]:
        """Return the names of facilities, classes and groups, by id; those that are not there are left out."""
        return await self._names.collections(ids)

    async def facility_name(self, facility_id: str) -> str:
        """Return the name of a facility.

        Raises:
            InvalidReference: the directory has no such facility.
        """
        return await self._tables.facility_name(facility_id)

    async def facility_names(self, *, limit: int = 20) -> dict[str, str]:
        """Return the names of at most `limit` facilities, by id."""
        return await self._tables.facility_names(limit)

    async def consolidate(
        self, rules: Sequence[ConsolidationRule], *, dry_run: bool = False, watch: Watch | None = None
    ) -> ConsolidationReport:
        """Repair what old Kolibris recorded wrongly, as Kolibri's own upgrades do. Safe to repeat.

        Args:
            rules: which repairs.
            dry_run: only count.
            watch: is called with the progress.

        Raises:
            StoreUnavailable, StoreTimeout: what was repaired until then stays; retryable.
        """
        return await Consolidation(self.database).run(rules, watch or NoWatch(), dry_run=dry_run)

    async def erasable_person(self, text: str) -> str:
        """Return the id of the person that a text means, also of one who is only in logs, or whose erasure has begun.

        Raises:
            InvalidReference: no person matches, or several do; the message lists candidates.
        """
        try:
            return (await self.person_called(text)).id
        except InvalidReference:
            begun = await self.eraser.begun(text)
            user_id = id_in(text)
            if len(begun) != 1 and user_id is None:
                raise
            return begun[0] if len(begun) == 1 else str(user_id)

    async def preview_erasure(self, user_id: str, *, thorough: bool = False) -> ErasureReceipt:
        """Return what `erase` would remove, and change nothing.

        Raises:
            InvalidReference: nothing belongs to a person with this id, and none was erased.
            StoreUnavailable, StoreTimeout: retryable.
        """
        return await self.eraser.preview(user_id, thorough=thorough)

    async def is_last_administrator(self, user_id: str) -> bool:
        """Whether a person administers a facility, as its admin or as a superuser, and nobody else does."""
        return await self.eraser.is_last_administrator(user_id)

    async def erase(
        self, user_id: str, *, reason: str = "", thorough: bool = False, watch: Watch | None = None
    ) -> ErasureReceipt:
        """Erase a person: all logs, the account with its rights, control records, and exported files of the facility.

        A tombstone stays, which holds a keyed digest of the id: no import, backup or directory brings the person back.
        It can be interrupted at any moment, and is done again to its end; who was erased can be erased again. Exports
        in other places than the data folder, and backups, are not reached.

        Args:
            user_id: also of a person who is not in the directory any more.
            reason: for the receipt; it is not stored.
            thorough: search the logs of all others, and all content, for the id, too, which reads every document.
            watch: is called with the progress.

        Returns:
            What was removed, those of interrupted runs included; `signed(secret)` signs it.

        Raises:
            ExportError: a file cannot be removed; all else was. Erase again.
            InvalidReference: nothing belongs to a person with this id, and none was erased.
            StoreUnavailable, StoreTimeout: some of it is done; retryable.
        """
        return await self.eraser.erase(user_id, reason=reason, thorough=thorough, watch=watch)

    async def compact(self) -> dict[str, str]:
        """Have a MongoDB server give back the space of removed documents, collection by collection.

        Returns:
            For each collection that it did not compact, why.
        """
        return await compact(self.database)

    async def erasures(self) -> ErasureState:
        """Return how many erasures have begun, and how many have come to their end."""
        return await self._erased.state()

    async def erased_among(self, user_ids: Iterable[str]) -> set[str]:
        """Return those of some ids that belong to people who were erased, or are being erased."""
        return await self._erased.among(user_ids)

    async def check_indexes(self) -> IndexReport:
        """Compare the server's indexes and views with the described ones; changes nothing."""
        return await indexes.check(self.database)

    async def apply_indexes(self, *, rebuild: bool = False) -> IndexReport:
        """Create missing indexes and views.

        Args:
            rebuild: also make indexes again that differ from their description.

        Returns:
            The comparison as it was before.
        """
        return await indexes.apply(self.database, rebuild=rebuild)

    async def verify(
        self, found: Callable[[Finding], None], *, repair: bool = False, watch: Watch | None = None
    ) -> dict[str, int]:
        """Check every document: fields, ids, partitions, source ids, counters, marks, buckets.

        Safe beside writers: each finding was true at one moment after its document was written, and a repair is one
        transaction for each document, which is retried if another transaction writes it. A second run after a repair
        finds what cannot be repaired and nothing else.

        >>> checked = await logs.admin.verify(print)
        >>> checked["content_summary_logs"]
        1

        Args:
            found: called with each finding.
            repair: repair what follows from the rest of the data.
            watch: is called with the progress.

        Returns:
            How many documents were checked, by collection.

        Raises:
            StoreUnavailable, StoreTimeout: what was repaired before stays so; retryable.
        """
        return await self._verifier.verify(found, watch or NoWatch(), repair=repair)

    async def compare(
        self, other: LogsAdmin, found: Callable[[Difference], None], *, watch: Watch | None = None
    ) -> dict[str, int]:
        """Compare directory and logs with those of another service, document by document; changes neither.

        See `domain.upkeep.comparison` for what is equal. Control records (idempotency keys, requests for CSV files,
        turns, notes on data sets) are not compared.

        Args:
            other: of an entered service.
            found: called with each difference.
            watch: is called with the progress.

        Returns:
            How many documents of this database were compared, by collection.
        """
        return await self._verifier.compare(other._verifier, found, watch or NoWatch())
