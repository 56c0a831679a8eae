"""The import of a Kolibri: the directory first, then the logs in the order of their references."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, asynccontextmanager
from pathlib import Path
from typing import Any, NamedTuple

from docservice.domain.directory.partial_copies import beside_stored
from docservice.domain.directory.records import DirectoryRecord
from docservice.domain.directory.withdrawal import WITHDRAWN_KINDS
from docservice.domain.logs.record_schema import LogSchema
from docservice.domain.logs.schema import EXAM_LOG, SESSION_LOG, SUMMARY_LOG, USER_SESSION_LOG
from docservice.domain.upkeep.consolidation import RULES, ConsolidationRule
from docservice.kolibri import assembling, records
from docservice.kolibri.assembling import Batch
from docservice.kolibri.database_copy import LOCK_WAIT_SECONDS, CopyOrder
from docservice.kolibri.directory import DirectoryBatch, directory_batches, label_of
from docservice.kolibri.facilities import held_facilities
from docservice.kolibri.home import KolibriHome, opened_home
from docservice.kolibri.merging import count_records, merged, record_names
from docservice.kolibri.passwords import password_batches
from docservice.kolibri.records import LogTable
from docservice.kolibri.report import ImportReport
from docservice.kolibri.tables import Tables
from docservice.service import DocService
from docservice.service.base.prefetch import called_in_thread, iterated_in_thread, prefetched
from docservice.service.base.progress import NoWatch, Watch
from docservice.service.trusted.consolidation import consolidated
from docservice.store.database.bulk import BulkStore
from docservice.store.database.port import Document
from docservice.store.directory.records import DirectoryStore
from docservice.store.directory.withdrawals import WithdrawalStore
from docservice.store.mapping.schema import SET_ASIDE
from docservice.store.transfer.merging import MergingStore, counted_and_split, is_unchanged


class _Stage(NamedTuple):
    schema: LogSchema[Any]
    table: LogTable
    batches: Callable[[Tables], Iterator[Batch]]

    @property
    def collection(self) -> str:
        return self.schema.collection


class _Prepared(NamedTuple):
    """A document with all its attempts, the same as it is stored, and what moves out of it."""

    whole: Document
    document: Document
    buckets: list[Document]


_STAGES = (
    _Stage(SUMMARY_LOG, records.SUMMARIES, assembling.summaries),
    _Stage(SESSION_LOG, records.SESSIONS, assembling.sessions),
    _Stage(EXAM_LOG, records.EXAM_LOGS, assembling.exam_logs),
    _Stage(USER_SESSION_LOG, records.USER_SESSIONS, assembling.user_sessions),
)


async def import_kolibri(
    service: DocService,
    path: Path | str,
    *,
    consolidate: bool = False,
    keep_missing: bool = False,
    passwords_secret: str | None = None,
    lock_wait_seconds: float = LOCK_WAIT_SECONDS,
    watch: Watch | None = None,
) -> ImportReport:
    """Bring a Kolibri's people, content tree and logs into the service.

    It can be interrupted and run again at any moment: what is here already is left alone, what a learner has done here
    since is kept (see `merging`), what cannot become a document is set aside with the reason.

    Args:
        service: entered.
        path: a Kolibri home folder, its `db.sqlite3`, or that file gzipped. It may be in use; nothing is written there.
        consolidate: put right in each summary what old Kolibris recorded wrongly; see `domain.upkeep.consolidation`.
        keep_missing: leave people, roles and other records of the directory that the Kolibri does not have (any more).
        passwords_secret: the service's key, to keep the passwords of people sealed with it; None leaves them out.
        lock_wait_seconds: how long a program that writes to the Kolibri is waited for.
        watch: hears how far the import is.

    Raises:
        SettingsInvalid: there is no Kolibri database at `path`, it stays locked, or a copy of it has no room.
        StoreError: the database failed; what was imported until then stays. See `retryable`.
    """
    order = CopyOrder(lock_wait_seconds)
    async with _opened(Path(path), order) as home:
        rules = list(RULES) if consolidate else []
        return await _Import(
            service,
            home,
            watch or NoWatch(),
            rules,
            keep_missing=keep_missing,
            passwords_secret=passwords_secret,
        ).run()


@asynccontextmanager
async def _opened(path: Path, order: CopyOrder) -> AsyncIterator[KolibriHome]:
    """A home, opened in a thread; nothing of it is left behind, even if the caller is cancelled meanwhile."""
    with ExitStack() as stack:
        yield await called_in_thread(stack.enter_context, opened_home(path, order), ask_to_end=order.stop)


class _Import:
    def __init__(
        self,
        service: DocService,
        home: KolibriHome,
        watch: Watch,
        rules: Sequence[ConsolidationRule],
        *,
        keep_missing: bool,
        passwords_secret: str | None,
    ) -> None:
        self._sign_in = service.admin.sign_in
        self._passwords_secret = passwords_secret
        self._rules = rules
        self._keep_missing = keep_missing
        self._home = home
        self._watch = watch
        self._bulk = BulkStore(service.admin.database)
        self._store = MergingStore(service.admin.database)
        self._directory = DirectoryStore(service.admin.database)
        self._withdrawals = WithdrawalStore(service.admin.database)
        self._report = ImportReport(copied=home.copied)
        self._aside: set[str] = set()

    async def run(self) -> ImportReport:
        # First of all, so that an interrupted import leaves no right in place that was taken away.
        if not self._keep_missing:
            await self._withdraw()
        self._aside = await self._store.ids(SET_ASIDE)
        await self._import_directory()
        if self._passwords_secret is not None:
            await self._import_passwords(self._passwords_secret)
        for stage in _STAGES:
            await self._import_logs(stage)
        await self._set_orphans_aside()
        return self._report

    async def _withdraw(self) -> None:
        """Remove the records of the home's facilities that the home does not have any more."""
        held, reason = await called_in_thread(held_facilities, self._home.tables)
        if reason:
            self._report.notes.append(reason)
        if not held.dataset_ids:
            return
        stored = {kind: await self._withdrawals.of_facilities(kind, held.dataset_ids) for kind in WITHDRAWN_KINDS}
        for kind, ours in stored.items():
            if kind in held.unknown:
                if ours:
                    left = f"{len(ours):,} {label_of(kind, {})} were left as they are"
                    self._report.notes.append(f"{left}: {held.unknown[kind]}.")
                continue
            gone = [record for record in ours if record["_id"] not in held.record_ids[kind]]
            await self._withdrawals.withdraw(kind, [record["_id"] for record in gone])
            for record in gone:
                self._report.of(label_of(kind, record)).withdrawn += 1

    async def _import_directory(self) -> None:
        self._watch.begin("directory")
        async with prefetched(iterated_in_thread(directory_batches(self._home), self._home.order.stop)) as batches:
            async for batch in batches:
                if batch.records:
                    records = await self._beside_stored(batch)
                    done = await self._directory.upsert(records)
                    counts = batch.report.of(batch.label)
                    counts.new, counts.updated, counts.unchanged = done.created, done.changed, done.unchanged
                    counts.kept = len(batch.records) - len(records)
                if batch.default_facility is not None:
                    replace = batch.default_facility not in batch.partial_ids
                    await self._directory.set_default_facility(batch.default_facility, replace=replace)
                await self._set_aside(batch.set_aside, (f"{batch.label}:{record.id}" for record in batch.records))
                self._report.add(batch.report)
                self._watch.advance("directory", len(batch.records))

    async def _import_passwords(self, secret: str) -> None:
        counts = self._report.of("passwords")
        without = 0
        async with prefetched(
            iterated_in_thread(password_batches(self._home.tables), self._home.order.stop)
        ) as batches:
            async for hashes in batches:
                kept = await self._sign_in.keep_passwords(hashes, secret=secret)
                counts.read += kept.new + kept.changed + kept.unchanged
                counts.new += kept.new
                counts.updated += kept.changed
                counts.unchanged += kept.unchanged
                without += kept.without
        if without:
            self._report.notes.append(f"People without a password that could be kept: {without:,}.")

    async def _beside_stored(self, batch: DirectoryBatch) -> list[DirectoryRecord]:
        """The records of a batch that are to be written."""
        if not batch.partial_ids:
            return batch.records
        stored = await self._directory.stored([record for record in batch.records if record.id in batch.partial_ids])
        records = (
            beside_stored(record, stored.get(record.id)) if record.id in batch.partial_ids else record
            for record in batch.records
        )
        return [record for record in records if record is not None]

    async def _import_logs(self, stage: _Stage) -> None:
        total = await called_in_thread(self._home.tables.count, stage.table.name)
        self._watch.begin(stage.table.label, total)
        fresh = await self._store.is_empty(stage.collection)
        async with prefetched(iterated_in_thread(self._prepared(stage))) as batches:
            async for batch, prepared in batches:
                await self._write(stage, batch, prepared, fresh=fresh)
                brought = (name for whole in batch.documents for name in record_names(stage.table, whole))
                await self._set_aside(batch.set_aside, brought)
                self._report.add(batch.report)
                self._watch.advance(stage.table.label, len(batch.documents))

    async def _set_aside(self, rows: Sequence[Document], imported: Iterable[str]) -> None:
        """Keep rows beside the documents; what an earlier import set aside and this one imports is not kept any more.

        Args:
            rows: documents for `import_set_aside`.
            imported: the names there of the records that were imported.
        """
        if self._aside:
            again = {row["_id"] for row in rows}
            await self._bulk.delete(SET_ASIDE, [name for name in imported if name in self._aside and name not in again])
        await self._bulk.replace(SET_ASIDE, rows, upsert=True)

    def _prepared(self, stage: _Stage) -> Iterator[tuple[Batch, list[_Prepared]]]:
        """Yield the batches of a stage with what is to be stored, made in the thread that reads."""
        for batch in stage.batches(self._home.tables):
            yield (
                batch,
                [
                    _Prepared(whole, *counted_and_split(stage.schema, self._mended(stage, whole, batch.report)))
                    for whole in batch.documents
                ],
            )

    async def _write(self, stage: _Stage, batch: Batch, prepared: Sequence[_Prepared], *, fresh: bool) -> None:
        """Write a batch; what becomes of each record is added to its report.

        Args:
            stage: what is imported.
            batch: of it.
            prepared: its documents.
            fresh: nothing was there when the stage began, so nothing is looked for first.
        """
        brought = {one.whole["_id"]: one.whole for one in prepared}
        stored = {} if fresh else await self._bulk.stored(stage.collection, list(brought))
        new: list[Document] = []
        differing: list[Document] = []
        for whole, document, buckets in prepared:
            before = stored.get(document["_id"])
            if buckets or (before is not None and not is_unchanged(document, before)):
                differing.append(whole)
            elif before is None:
                new.append(document)
            else:
                count_records(stage.table, whole, batch.report, "unchanged")
        there = await self._bulk.insert_missing(stage.collection, new)
        for document in new:
            if document["_id"] in there:
                differing.append(brought[document["_id"]])
            else:
                count_records(stage.table, brought[document["_id"]], batch.report, "new")
        for whole in differing:
            await self._combine(stage, whole, batch.report)

    def _mended(self, stage: _Stage, whole: Document, report: ImportReport) -> Document:
        if not self._rules or stage.table is not records.SUMMARIES:
            return whole
        return dict(consolidated(whole, self._rules, report.mended))

    async def _combine(self, stage: _Stage, whole: Document, report: ImportReport) -> None:
        outcome = ImportReport()

        def combined(here: Document | None, brought: Document) -> Document | None:
            nonlocal outcome
            outcome = ImportReport()
            if here is None:
                count_records(stage.table, brought, outcome, "new")
                return self._mended(stage, brought, ImportReport())
            document = merged(stage.table, here, brought, outcome)
            # What the rules find in the Kolibri's version may be in order here since the last import.
            found = ImportReport()
            document = self._mended(stage, document, found)
            return document if outcome.changes or found.mended.mended_records.total() else None

        await self._store.combine(stage.collection, whole, combined)
        report.add(outcome)

    async def _set_orphans_aside(self) -> None:
        self._watch.begin("records without a parent")
        async with prefetched(iterated_in_thread(assembling.orphans(self._home.tables))) as batches:
            async for batch in batches:
                await self._bulk.replace(SET_ASIDE, batch.set_aside, upsert=True)
                self._report.add(batch.report)
                self._watch.advance("records without a parent", len(batch.set_aside))
        lone = await called_in_thread(assembling.attempts_without_session, self._home.tables)
        if lone:
            self._report.notes.append(
                f"{lone:,} attempts name a content session that the Kolibri does not have; their tries keep them."
            )
