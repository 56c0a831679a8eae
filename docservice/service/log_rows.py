"""The rows of exported tables, read piece by piece."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Iterable, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any

from docservice.domain import export_rows
from docservice.domain.export_rows import NOBODY, QUIZ, Catalogue, Fields, Learner, Row, Span, visited_node
from docservice.domain.export_tables import TableName
from docservice.errors import InvalidReference
from docservice.service.ahead import ahead
from docservice.store.export_reads import ExportReads
from docservice.store.port import Database

_LEARNERS_AT_ONCE = 50


@dataclass(frozen=True)
class RowBatch:
    """Some rows of a table.

    Attributes:
        rows: values in the order of the table's columns.
        levels: folder columns that the rows so far need; never fewer than in the batch before.
        done: how much of the export is read, from 0 to 1.
    """

    rows: Sequence[Row]
    levels: int
    done: float


class LogRows:
    """Reads tables; what an export has read of the directory holds to its end."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def facility_name(self, facility_id: str) -> str:
        """What a facility is called.

        Raises:
            InvalidReference: there is no such facility.
        """
        return str((await _facility(ExportReads(self._database), facility_id)).get("name") or "")

    async def facility_names(self, limit: int) -> dict[str, str]:
        """See `DocService.facility_names`."""
        found = await ExportReads(self._database).some_facilities(limit)
        return {facility["_id"]: str(facility.get("name") or "") for facility in found}

    async def batches(self, table: TableName, facility_id: str, span: Span) -> AsyncGenerator[RowBatch, None]:
        """See `DocService.export_rows`."""
        reads = ExportReads(self._database)
        dataset_id = (await _facility(reads, facility_id))["dataset_id"]
        catalogue = Catalogue()
        await reads.learn_channels(catalogue)
        export = _Export(reads, dataset_id, span, catalogue)
        found = export.sessions() if table == "session" else export.by_learner(table)
        async with aclosing(found) as batches:
            async for rows, done in batches:
                yield RowBatch(rows, catalogue.deepest, done)
        yield RowBatch((), catalogue.deepest, 1.0)


async def _facility(reads: ExportReads, facility_id: str) -> dict[str, Any]:
    facility = await reads.facility(facility_id)
    if facility is None:
        raise InvalidReference("The directory has no facility with this id.")
    return facility


class _Export:
    """One export under way."""

    def __init__(self, reads: ExportReads, dataset_id: str, span: Span, catalogue: Catalogue) -> None:
        self._reads = reads
        self._dataset_id = dataset_id
        self._span = span
        self._catalogue = catalogue
        self._learners: dict[str, Learner] = {}
        self._contents: set[str] = set()
        self._nodes: set[str] = set()

    async def sessions(self) -> AsyncGenerator[tuple[list[Row], float], None]:
        async with ahead(self._described_sessions()) as batches:
            async for logs, done in batches:
                # In a thread: so many rows would hold up the requests of a server.
                yield await asyncio.to_thread(self._session_rows, logs), done

    async def _described_sessions(self) -> AsyncGenerator[tuple[list[dict[str, Any]], float], None]:
        """The visits that are exported, once people and contents in them are known.

        One query follows another: the embedded engine works on one at a time, and short ones would wait for long ones.
        """
        self._learners = await self._reads.learners_of(self._dataset_id)
        async with aclosing(self._reads.sessions(self._dataset_id)) as batches:
            async for batch, done in batches:
                wanted = [log for log in batch if self._holds(log)]
                await self._learn_people({log["user_id"] for log in wanted})
                await self._learn_nodes(wanted, map(visited_node, wanted))
                yield wanted, done

    def _session_rows(self, logs: Sequence[Fields]) -> list[Row]:
        return [export_rows.session_row(log, self._learner(log), self._catalogue) for log in logs]

    async def by_learner(self, table: TableName) -> AsyncGenerator[tuple[list[Row], float], None]:
        # No log is written for anybody whom the directory does not know, and nobody leaves it: these are all.
        user_ids = await self._reads.user_ids(self._dataset_id)
        read = {"summary": self._summaries, "attempt": self._attempts, "exam": self._exams}[table]
        for start in range(0, len(user_ids), _LEARNERS_AT_ONCE):
            some = user_ids[start : start + _LEARNERS_AT_ONCE]
            self._learners = await self._reads.learners(some)
            async with aclosing(read(some)) as batches:
                async for rows in batches:
                    yield rows, start / len(user_ids)
        if table == "attempt":
            async with aclosing(self._loose_attempts()) as batches:
                async for rows in batches:
                    yield rows, 1.0

    async def _summaries(self, user_ids: Sequence[str]) -> AsyncGenerator[list[Row], None]:
        latest = await self._reads.latest_nodes(user_ids)
        async with aclosing(self._reads.summaries(user_ids)) as batches:
            async for batch in batches:
                wanted = [(log, _latest_node(latest, log)) for log in batch if self._holds(log)]
                await self._learn_nodes([log for log, _ in wanted], [node for _, node in wanted])
                yield [export_rows.summary_row(log, node, self._learner(log), self._catalogue) for log, node in wanted]

    async def _attempts(self, user_ids: Sequence[str]) -> AsyncGenerator[list[Row], None]:
        latest = await self._reads.latest_nodes(user_ids)
        async with aclosing(self._reads.summaries(user_ids, tries=True, attempts=True)) as batches:
            async for batch in batches:
                nodes = [_latest_node(latest, log) for log in batch]
                await self._learn_nodes(batch, nodes)
                await self._learn_exams(log["content_id"] for log in batch if log["kind"] == QUIZ)
                for log, node in zip(batch, nodes, strict=True):
                    for number, attempted in export_rows.numbered_tries(log.get("mastery_logs", ())):
                        found = self._shelf(log, attempted, node, number, attempted["id"])
                        async with aclosing(found) as shelves:
                            async for rows in shelves:
                                yield rows
        async with aclosing(self._reads.exam_logs(user_ids)) as batches:
            async for batch in batches:
                await self._learn_exams(log["exam_id"] for log in batch)
                yield [
                    export_rows.exam_attempt_row(attempt, log, self._learner(log), self._catalogue)
                    for log in batch
                    for attempt in log.get("attempts", ())
                    if self._span.holds(attempt["start_timestamp"])
                ]

    async def _loose_attempts(self) -> AsyncGenerator[list[Row], None]:
        self._learners = {}
        async with aclosing(self._reads.loose_sessions(self._dataset_id)) as batches:
            async for batch in batches:
                await self._learn_people({log["user_id"] for log in batch})
                await self._learn_nodes(batch, map(visited_node, batch))
                for log in batch:
                    async with aclosing(self._shelf(log, log, visited_node(log), None, None)) as shelves:
                        async for rows in shelves:
                            yield rows

    async def _exams(self, user_ids: Sequence[str]) -> AsyncGenerator[list[Row], None]:
        async with aclosing(self._reads.summaries(user_ids, tries=True)) as batches:
            async for batch in batches:
                quizzes = [log for log in batch if log["kind"] == QUIZ]
                await self._learn_exams(log["content_id"] for log in quizzes)
                yield [
                    export_rows.quiz_row(log, attempted, number, self._learner(log), self._catalogue)
                    for log in quizzes
                    for number, attempted in export_rows.numbered_tries(log.get("mastery_logs", ()))
                    if self._span.holds(attempted["start_timestamp"])
                ]
        async with aclosing(self._reads.exam_logs(user_ids)) as batches:
            async for batch in batches:
                await self._learn_exams(log["exam_id"] for log in batch)
                rows = [(log, export_rows.exam_row(log, self._learner(log), self._catalogue)) for log in batch]
                yield [row for log, row in rows if self._exam_in_span(log)]

    def _exam_in_span(self, log: Fields) -> bool:
        # An exam log does not keep its start: its first attempt does, and without attempts there is none to go by.
        starts = [attempt["start_timestamp"] for attempt in log.get("attempts", ())]
        began = min(starts, default=log["completion_timestamp"])
        return began is None or self._span.holds(began)

    async def _shelf(
        self, log: dict[str, Any], shelf: Fields, node: str | None, number: int | None, masterylog_id: str | None
    ) -> AsyncGenerator[list[Row], None]:
        """The attempts of a try, or the loose ones of a visit: those that moved to buckets, then the embedded ones."""
        embedded = shelf.get("attempts", [])
        here = {attempt["id"] for attempt in embedded}
        learner = self._learner(log)

        def rows(attempts: Iterable[Fields]) -> list[Row]:
            return [
                export_rows.attempt_row(
                    attempt, log, node, learner, self._catalogue, try_number=number, masterylog_id=masterylog_id
                )
                for attempt in attempts
                if self._span.holds(attempt["start_timestamp"])
            ]

        async with aclosing(self._reads.moved_attempts(log, masterylog_id, here)) as buckets:
            async for moved in buckets:
                yield rows(moved)
        yield rows(embedded)

    def _holds(self, log: Fields) -> bool:
        return log["kind"] != QUIZ and self._span.holds(log["start_timestamp"])

    def _learner(self, log: Fields) -> Learner:
        return self._learners.get(log["user_id"], NOBODY)

    async def _learn_people(self, user_ids: set[str | None]) -> None:
        unknown = {user_id for user_id in user_ids if user_id is not None} - self._learners.keys()
        if unknown:
            self._learners |= await self._reads.learners(unknown)

    async def _learn_nodes(self, logs: Iterable[Fields], node_ids: Iterable[str | None]) -> None:
        contents = {log["content_id"] for log in logs} - self._contents
        nodes = {node_id for node_id in node_ids if node_id is not None} - self._nodes
        if contents or nodes:
            await self._reads.learn_nodes(self._catalogue, contents, nodes)
            self._contents |= contents
            self._nodes |= nodes

    async def _learn_exams(self, exam_ids: Iterable[str]) -> None:
        unknown = set(exam_ids) - self._catalogue.exams.keys()
        if unknown:
            await self._reads.learn_exams(self._catalogue, unknown)


def _latest_node(latest: dict[tuple[str, str, str | None], Any], log: Fields) -> str | None:
    visit = latest.get((log["user_id"], log["content_id"], log["channel_id"]))
    return visited_node(visit) if visit else None
