"""A data set, loaded into a service: the directory first, then person by person."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from datetime import date
from typing import Any

from docservice.domain.directory.records import directory_records
from docservice.errors import SettingsInvalid
from docservice.generate import assignments, people
from docservice.generate.behaviour import SchoolSimulation
from docservice.generate.plan import Calendar, Plan
from docservice.generate.recording import Logs
from docservice.service import DocService
from docservice.service.base.prefetch import iterated_in_thread, prefetched
from docservice.service.base.progress import NoWatch, Watch
from docservice.store.directory.records import DirectoryStore
from docservice.store.mapping.schema import EXAMS, SESSIONS, SUMMARIES, USER_SESSIONS

BATCH = 100
"""Logs of a kind that are written at a time."""


@dataclass(frozen=True)
class Generated:
    """What is in the database now.

    Attributes:
        dataset_id: the facility's dataset.
        until: the day the data set ends.
        documents: how many it has, by collection; and `attempts`, wherever they are stored.
        inserted: how many were not there before, of those kinds of document that hold logs.
        complete_before: whether the data set was there in full, so that nothing was done.
    """

    dataset_id: str
    until: date
    documents: dict[str, int]
    inserted: dict[str, int]
    complete_before: bool = False


async def generate(
    service: DocService, plan: Plan, *, until: date, fixed: bool = True, watch: Watch | None = None
) -> Generated:
    """Load the data set of a plan; safe to repeat: what is already loaded is not loaded again.

    Documents that are there are never changed. One learner is in memory at a time, and a few hundred documents.

    Args:
        service: entered.
        plan: what to make.
        until: the day after which nothing happens; the last week is the last whole one before its end.
        fixed: whether another end than `until` is refused when the data set is there; otherwise it keeps its own.
        watch: hears how far it is.

    Raises:
        SettingsInvalid: the data set is there with another end.
        StoreError: it is there in part; do it again to complete it.
    """
    known = await service.admin.data_sets.find(plan.dataset_id)
    calendar = Calendar.ending(until, plan.weeks)
    if known is not None:
        if fixed and Calendar.ending(known.until, plan.weeks) != calendar:
            raise SettingsInvalid(
                f"The data set of this seed and size is there and ends on {known.until}. "
                "Choose another seed, or leave the end out."
            )
        until = known.until
        if known.written is not None:
            return Generated(plan.dataset_id, until, known.written, {}, complete_before=True)
        calendar = Calendar.ending(until, plan.weeks)
    await service.admin.data_sets.begin(plan.dataset_id, asdict(plan), until)
    school = await asyncio.to_thread(SchoolSimulation, plan, calendar)
    writer = _Writer(service, school, watch or NoWatch())
    await writer.write_directory()
    await writer.write_logs()
    await service.admin.data_sets.finish(plan.dataset_id, writer.documents)
    return Generated(plan.dataset_id, until, dict(writer.documents), dict(writer.inserted))


def directory_files(school: SchoolSimulation) -> Iterator[dict[str, list[dict[str, Any]]]]:
    """Yield the directory of a data set, part by part, each in the format of `docservice directory import`."""
    plan, library = school.plan, school.library
    yield people.facility_records(plan)
    yield {"channels": library.channels, "content_nodes": library.nodes}
    for classroom in range(plan.class_count):
        yield people.class_records(plan, classroom) | assignments.class_records(plan, library, classroom)
    yield people.staff_records(plan)


class _Writer:
    def __init__(self, service: DocService, school: SchoolSimulation, watch: Watch) -> None:
        self._service = service
        self._directory = DirectoryStore(service.admin.database)
        self._school = school
        self._watch = watch
        self._waiting = Logs()
        self.documents: Counter[str] = Counter()
        self.inserted: Counter[str] = Counter()

    async def write_directory(self) -> None:
        """Classes and people, one class at a time."""
        self._watch.begin("directory", self._school.plan.class_count + 3)
        async with prefetched(iterated_in_thread(directory_files(self._school))) as files:
            async for content in files:
                # Not by `import_directory`, which compares the usernames of each class with those of all before it.
                for section, records in directory_records(content).items():
                    counts = await self._directory.upsert(records)
                    self.documents[section] += counts.created + counts.changed + counts.unchanged
                self._watch.advance("directory")

    async def write_logs(self) -> None:
        """The logs, one learner at a time; the next one is made while this one is written."""
        plan, school = self._school.plan, self._school
        self._watch.begin("learners", plan.learners)
        learners = (school.of_learner(people.learner(plan, number)) for number in range(plan.learners))
        async with prefetched(iterated_in_thread(learners)) as made:
            async for logs in made:
                await self._add(logs)
                self._watch.advance("learners")
        self._watch.begin("anonymous visits", plan.weeks)
        for week in range(plan.weeks):
            async with prefetched(iterated_in_thread(school.of_visitors(week))) as visitors:
                async for logs in visitors:
                    await self._add(logs)
            self._watch.advance("anonymous visits")
        await self._flush(0)

    async def _add(self, logs: Logs) -> None:
        waiting = self._waiting
        waiting.summaries += logs.summaries
        waiting.sessions += logs.sessions
        waiting.user_sessions += logs.user_sessions
        waiting.exams += logs.exams
        self.documents["attempts"] += sum(_attempts(logs))
        await self._flush(BATCH)

    async def _flush(self, least: int) -> None:
        """Write what waits, where there is more than so much of a kind."""
        service, waiting = self._service, self._waiting
        targets: Mapping[str, tuple[list[Any], Callable[[list[Any]], Any]]] = {
            SUMMARIES: (waiting.summaries, service.content_summary_logs.load),
            SESSIONS: (waiting.sessions, service.content_session_logs.load),
            USER_SESSIONS: (waiting.user_sessions, service.user_session_logs.load),
            EXAMS: (waiting.exams, service.exam_logs.load),
        }
        for collection, (logs, load) in targets.items():
            while len(logs) > least:
                batch = logs[:BATCH]
                del logs[:BATCH]
                self.inserted[collection] += await load(batch)
                self.documents[collection] += len(batch)


def _attempts(logs: Logs) -> Iterator[int]:
    for summary in logs.summaries:
        yield sum(log.attempt_count for log in summary.mastery_logs)
    yield from (len(session.attempts) for session in logs.sessions)
    yield from (len(exam.attempts) for exam in logs.exams)
