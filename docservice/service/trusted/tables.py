"""The rows of exported tables, read piece by piece."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Iterable, Iterator, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any

from docservice.domain.exports import table_rows as export_rows
from docservice.domain.exports.pseudonyms import Pseudonyms
from docservice.domain.exports.quiz_tries import Fields, numbered_tries
from docservice.domain.exports.table_rows import (
    UNKNOWN,
    Catalogue,
    LearnerColumns,
    LearnerNames,
    Row,
    Span,
    visited_node,
    visitor,
)
from docservice.domain.exports.tables import TableName
from docservice.domain.logs.migrated_quizzes import QUIZ
from docservice.errors import InvalidReference
from docservice.service.base.prefetch import prefetched
from docservice.service.trusted.item_tables import item_rows
from docservice.service.trusted.quiz_tries import NumberedTries, QuizTries, of_quizzes
from docservice.store.database.port import Database
from docservice.store.exports.tables import TableReads

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


class TableReader:
    """Reads tables; what an export has read of the directory holds to its end."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def facility_name(self, facility_id: str) -> str:
        """Return what a facility is called.

        Raises:
            InvalidReference: there is no such facility.
        """
        return str((await _facility(TableReads(self._database), facility_id)).get("name") or "")

    async def facility_names(self, limit: int) -> dict[str, str]:
        """See `DocService.facility_names`."""
        found = await TableReads(self._database).some_facilities(limit)
        return {facility["_id"]: str(facility.get("name") or "") for facility in found}

    async def batches(
        self,
        table: TableName,
        facility_id: str,
        span: Span,
        people: frozenset[str] | None = None,
        pseudonyms: Pseudonyms | None = None,
    ) -> AsyncGenerator[RowBatch, None]:
        """See `LogsAdmin.table_rows`.

        Args:
            table: which rows.
            facility_id: whose logs.
            span: which logs, by their start.
            people: only logs of these people; None: of all, and of anonymous visitors.
            pseudonyms: made in the place of people; if unset, people have their names.
        """
        reads = TableReads(self._database)
        dataset_id = (await _facility(reads, facility_id))["dataset_id"]
        catalogue = Catalogue()
        await reads.learn_channels(catalogue)
        by_id = pseudonyms is not None
        export = _Export(reads, dataset_id, span, catalogue, visitor(table), people, by_id=by_id)
        found = self._found(export, table, dataset_id, span, people)
        async with aclosing(found) as batches:
            async for rows, done in batches:
                shown = rows
                if pseudonyms is not None:
                    shown = await asyncio.to_thread(pseudonyms.rows, table, rows, export.username)
                yield RowBatch(shown, catalogue.deepest, done)
        yield RowBatch((), catalogue.deepest, 1.0)

    def _found(
        self, export: _Export, table: TableName, dataset_id: str, span: Span, people: frozenset[str] | None
    ) -> AsyncGenerator[tuple[list[Row], float], None]:
        match table:
            case "session" if people is None:
                return export.sessions()
            case "learner":
                return export.accounts()
            case "item":
                return item_rows(self._database, dataset_id, span, people)
            case _:
                return export.by_learner(table)


async def _facility(reads: TableReads, facility_id: str) -> dict[str, Any]:
    facility = await reads.facility(facility_id)
    if facility is None:
        raise InvalidReference("The directory has no facility with this id.")
    return facility


class _Export:
    """One export under way."""

    def __init__(
        self,
        reads: TableReads,
        dataset_id: str,
        span: Span,
        catalogue: Catalogue,
        visitor: LearnerColumns,
        people: frozenset[str] | None,
        *,
        by_id: bool,
    ) -> None:
        """Read one table.

        Args:
            reads: of the database.
            dataset_id: of the facility.
            span: which logs.
            catalogue: of contents.
            visitor: what rows say of an anonymous visitor.
            people: only logs of these; None: of all.
            by_id: rows have the id of the learner in the place of the username.
        """
        self._reads = reads
        self._dataset_id = dataset_id
        self._span = span
        self._catalogue = catalogue
        self._visitor = visitor
        self._by_id = by_id
        self._people = people
        self._names: dict[str, LearnerNames] = {}
        self._learners: dict[str, LearnerColumns] = {}
        self._contents: set[str] = set()
        self._nodes: set[str] = set()

    async def sessions(self) -> AsyncGenerator[tuple[list[Row], float], None]:
        async with prefetched(self._described_sessions()) as batches:
            async for logs, done in batches:
                # In a thread: so many rows would block the requests of a server.
                yield await asyncio.to_thread(self._session_rows, logs), done

    async def _described_sessions(self) -> AsyncGenerator[tuple[list[dict[str, Any]], float], None]:
        """Yield the visits that are exported, once people and contents in them are known.

        One query follows another: some engines work on one at a time, and short ones would wait for long ones.
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
        # By who has logs here: people move to other facilities, or are missing in the directory, and their logs stay.
        user_ids = await self._reads.owners(self._dataset_id, with_exam_logs=table in ("attempt", "exam"))
        if self._people is not None:
            user_ids = [user_id for user_id in user_ids if user_id in self._people]
        read = {
            "session": self._sessions_of,
            "summary": self._summaries,
            "attempt": self._attempts,
            "exam": self._exams,
            "mastery": self._mastery_logs,
            "activity": self._activity,
        }[table]
        for start in range(0, len(user_ids), _LEARNERS_AT_ONCE):
            some = user_ids[start : start + _LEARNERS_AT_ONCE]
            self._learners = await self._reads.learners(some)
            self._names = {} if table in ("session", "summary") else await self._reads.names(some)
            async with aclosing(read(some)) as batches:
                async for rows in batches:
                    yield rows, start / len(user_ids)
        if table == "attempt":
            async with aclosing(self._loose_attempts()) as batches:
                async for rows in batches:
                    yield rows, 1.0

    async def accounts(self) -> AsyncGenerator[tuple[list[Row], float], None]:
        """Yield the people of the facility."""
        async with aclosing(self._reads.accounts(self._dataset_id)) as batches:
            async for batch in batches:
                people = [person for person in batch if self._people is None or person["_id"] in self._people]
                user_ids = {person["_id"] for person in people}
                self._learners, self._names = await self._reads.learners(user_ids), await self._reads.names(user_ids)
                yield (
                    [
                        (
                            *self._named({"user_id": each["_id"]}),
                            *(_text(each.get(name)) for name in ("birth_year", "gender")),
                        )
                        for each in people
                    ],
                    0.0,
                )

    async def _sessions_of(self, user_ids: Sequence[str]) -> AsyncGenerator[list[Row], None]:
        async with aclosing(self._reads.sessions_of(user_ids)) as batches:
            async for batch in batches:
                wanted = [log for log in self._own(batch) if self._holds(log)]
                await self._learn_nodes(wanted, map(visited_node, wanted))
                yield self._session_rows(wanted)

    async def _mastery_logs(self, user_ids: Sequence[str]) -> AsyncGenerator[list[Row], None]:
        latest = await self._reads.latest_nodes(user_ids)
        async with aclosing(self._reads.summaries(user_ids, tries=True)) as batches:
            async for batch in batches:
                logs = self._own(batch)
                nodes = [_latest_node(latest, log) for log in logs]
                await self._learn_nodes(logs, nodes)
                await self._learn_exams(log["content_id"] for log in of_quizzes(logs))
                yield [
                    export_rows.mastery_row(log, mastery_log, number, node, self._named(log), self._catalogue)
                    for log, node in zip(logs, nodes, strict=True)
                    for number, mastery_log in numbered_tries(log.get("mastery_logs", ()))
                    if self._span.holds(mastery_log)
                ]

    async def _activity(self, user_ids: Sequence[str]) -> AsyncGenerator[list[Row], None]:
        visits: dict[str, list[Fields]] = {user_id: [] for user_id in user_ids}
        summaries: dict[str, list[Fields]] = {user_id: [] for user_id in user_ids}
        for logs, found in ((visits, self._reads.sessions_of(user_ids)), (summaries, self._reads.summaries(user_ids))):
            async with aclosing(found) as batches:
                async for batch in batches:
                    for log in self._own(batch):
                        logs[log["user_id"]].append(log)
        yield [
            row
            for user_id in user_ids
            for row in export_rows.activity_rows(
                visits[user_id], summaries[user_id], self._span, self._named({"user_id": user_id})
            )
        ]

    async def _summaries(self, user_ids: Sequence[str]) -> AsyncGenerator[list[Row], None]:
        latest = await self._reads.latest_nodes(user_ids)
        async with aclosing(self._reads.summaries(user_ids)) as batches:
            async for batch in batches:
                wanted = [(log, _latest_node(latest, log)) for log in self._own(batch) if self._holds(log)]
                await self._learn_nodes([log for log, _ in wanted], [node for _, node in wanted])
                yield [export_rows.summary_row(log, node, self._learner(log), self._catalogue) for log, node in wanted]

    async def _attempts(self, user_ids: Sequence[str]) -> AsyncGenerator[list[Row], None]:
        latest = await self._reads.latest_nodes(user_ids)
        quiz_tries = await self._quiz_tries(user_ids)
        async with aclosing(self._reads.summaries(user_ids, tries=True, attempts=True)) as batches:
            async for batch in batches:
                logs = self._own(batch)
                nodes = [_latest_node(latest, log) for log in logs]
                await self._learn_nodes(logs, nodes)
                await self._learn_exams(log["content_id"] for log in of_quizzes(logs))
                tries_of = await quiz_tries.of_summaries(of_quizzes(logs))
                for log, node in zip(logs, nodes, strict=True):
                    if log["kind"] == QUIZ:
                        found = self._quiz_attempts(log, tries_of[log["_id"]])
                    else:
                        found = self._attempts_of_tries(log, node)
                    async with aclosing(found) as some:
                        async for rows in some:
                            yield rows
        for user_id, exam_id, tries in quiz_tries.without_summary():
            async with aclosing(self._quiz_attempts(_quiz_of(user_id, exam_id), tries)) as some:
                async for rows in some:
                    yield rows

    async def _attempts_of_tries(self, log: dict[str, Any], node: str | None) -> AsyncGenerator[list[Row], None]:
        for number, attempted in numbered_tries(log.get("mastery_logs", ())):
            async with aclosing(self._attempt_rows(log, attempted, node, number, attempted["id"])) as parts:
                async for rows in parts:
                    yield rows

    async def _quiz_attempts(self, log: dict[str, Any], tries: NumberedTries) -> AsyncGenerator[list[Row], None]:
        for number, quiz_try in tries:
            if quiz_try.attempts is None:
                async with aclosing(
                    self._attempt_rows(log, quiz_try.log, None, number, quiz_try.masterylog_id)
                ) as batches:
                    async for rows in batches:
                        yield rows
            else:
                yield [
                    export_rows.attempt_row(
                        *(attempt, log, None, self._named(log), self._catalogue),
                        try_number=number,
                        masterylog_id=quiz_try.masterylog_id,
                        examlog_id=quiz_try.examlog_id,
                    )
                    for attempt in quiz_try.attempts
                    if self._span.holds(attempt)
                ]

    async def _loose_attempts(self) -> AsyncGenerator[list[Row], None]:
        self._learners = {}
        async with aclosing(self._reads.loose_sessions(self._dataset_id)) as batches:
            async for batch in batches:
                logs = [log for log in batch if self._people is None or log["user_id"] in self._people]
                user_ids = {log["user_id"] for log in logs}
                await self._learn_people(user_ids)
                self._names = await self._reads.names(user_ids - {None})
                await self._learn_nodes(logs, map(visited_node, logs))
                for log in logs:
                    async with aclosing(self._attempt_rows(log, log, visited_node(log), None, None)) as parts:
                        async for rows in parts:
                            yield rows

    async def _exams(self, user_ids: Sequence[str]) -> AsyncGenerator[list[Row], None]:
        quiz_tries = await self._quiz_tries(user_ids)
        async with aclosing(self._reads.summaries(user_ids, tries=True)) as batches:
            async for batch in batches:
                quizzes = of_quizzes(self._own(batch))
                await self._learn_exams(log["content_id"] for log in quizzes)
                tries_of = await quiz_tries.of_summaries(quizzes)
                yield [row for log in quizzes for row in self._quiz_rows(log, tries_of[log["_id"]])]
        yield [
            row
            for user_id, exam_id, tries in quiz_tries.without_summary()
            for row in self._quiz_rows(_quiz_of(user_id, exam_id), tries)
        ]

    def _quiz_rows(self, log: Fields, tries: NumberedTries) -> Iterator[Row]:
        for number, quiz_try in tries:
            # Without any attempt there is no start to go by, and perhaps no end either.
            times = ("start_timestamp", "completion_timestamp")
            field = next((name for name in times if quiz_try.log[name] is not None), None)
            if field is None or self._span.holds(quiz_try.log, field):
                yield export_rows.quiz_row(log["content_id"], quiz_try, number, self._named(log), self._catalogue)

    async def _quiz_tries(self, user_ids: Sequence[str]) -> QuizTries:
        tries = await QuizTries.read(self._reads, self._dataset_id, user_ids)
        await self._learn_exams(tries.exam_ids)
        return tries

    async def _attempt_rows(
        self, log: dict[str, Any], holder: Fields, node: str | None, number: int | None, masterylog_id: str | None
    ) -> AsyncGenerator[list[Row], None]:
        """Yield all attempts of a try, or the loose ones of a visit."""
        learner = self._named(log)
        async with aclosing(self._reads.attempts(log, masterylog_id, holder.get("attempts", []))) as parts:
            async for part in parts:
                yield [
                    export_rows.attempt_row(
                        attempt, log, node, learner, self._catalogue, try_number=number, masterylog_id=masterylog_id
                    )
                    for attempt in part
                    if self._span.holds(attempt)
                ]

    def _holds(self, log: Fields) -> bool:
        return log["kind"] != QUIZ and self._span.holds(log)

    def _own(self, logs: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
        return [log for log in logs if log["dataset_id"] == self._dataset_id]

    def _learner(self, log: Fields) -> LearnerColumns:
        user_id = log["user_id"]
        if user_id is None:
            return self._visitor
        columns = self._learners.get(user_id, UNKNOWN)
        return columns._replace(username=user_id) if self._by_id else columns

    def username(self, user_id: str) -> str | None:
        """Return the username of a person whose rows were just read; None if the directory has none."""
        return self._learners.get(user_id, UNKNOWN).username

    def _named(self, log: Fields) -> Row:
        """Return all columns that say whose a log is."""
        user_id = log["user_id"]
        return (*self._learner(log), user_id, *self._names.get(user_id, LearnerNames()))

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


def _quiz_of(user_id: str, exam_id: str) -> dict[str, Any]:
    """Return what rows say of a quiz that has exam logs and no summary."""
    return {"user_id": user_id, "content_id": exam_id, "kind": QUIZ}


def _text(value: Any) -> str | None:
    return None if value is None else str(value)


def _latest_node(latest: dict[tuple[str, str, str | None], Any], log: Fields) -> str | None:
    if log["channel_id"] is None:
        return None  # As in Kolibri, whose query compares it with the channels of the visits: NULL equals nothing.
    visit = latest.get((log["user_id"], log["content_id"], log["channel_id"]))
    return visited_node(visit) if visit else None
