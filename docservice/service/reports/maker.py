"""`ReportMaker`: every report, within a read scope."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import datetime

from docservice.domain.reports.class_progress import (
    ReportRow,
    learners_needing_help_rows,
    lesson_progress_rows,
)
from docservice.domain.reports.definitions import REPORTS, Report, ReportDefinition, ReportName
from docservice.domain.reports.filters import ReportFilters
from docservice.errors import CollectionNotFound
from docservice.service.base.clock import Clocked
from docservice.service.reports.activity import ActivityReads
from docservice.service.reports.class_progress import ClassPage, ClassPages
from docservice.service.reports.data_quality import QualityReads
from docservice.service.reports.learner_timeline import TimelineReads
from docservice.service.reports.questions import QuestionReads
from docservice.service.reports.scope import ReportScope
from docservice.store.database.port import Database
from docservice.store.directory.people import Readable

_Rows = Callable[[ReportScope, list[str]], Awaitable[list[ReportRow]]]


class ReportMaker(Clocked):
    """Makes reports; who may read what is the caller's to say."""

    def __init__(self, database: Database, clock: Callable[[], datetime]) -> None:
        """Read a database.

        Args:
            database: connected.
            clock: gives the current time, aware.
        """
        super().__init__(clock)
        self._database = database
        self._pages = ClassPages(database)
        self._questions = QuestionReads(database)
        self._activities = ActivityReads(database)
        self._timelines = TimelineReads(database)
        self._quality = QualityReads(database)
        self._rows: dict[ReportName, _Rows] = {
            "class-progress": self._class_progress,
            "lesson-progress": self._lesson_progress,
            "learners-needing-help": self._learners_needing_help,
            "difficult-questions": self._difficult_questions,
            "item-analysis": self._questions.item_analysis,
            "quiz-statistics": self._questions.quiz_statistics,
            "wrong-answers": self._questions.wrong_answers,
            "activity": self._activity,
            "learner-timeline": self._learner_timeline,
            "data-quality": self._data_quality,
        }

    async def make(self, name: ReportName, filters: ReportFilters, readable: Readable) -> Report:
        """Return a report of what may be read.

        Raises:
            CollectionNotFound: there is no such report.
            FilterInvalid: the report has no such filter, or needs one that has no value.
        """
        definition = definition_of(name)
        filters.refuse_unused(definition.filters, definition.required, definition.one_of)
        scope = await ReportScope.of(self._database, filters, readable)
        notes: list[str] = []
        generated = self.now()
        rows = [] if scope.selection.empty else await self._rows[name](scope, notes)
        names = [column.name for column in definition.columns]
        return Report(
            definition=definition,
            filters=filters.as_json(),
            generated=generated,
            notes=notes,
            rows=[{name: row.get(name) for name in names} for row in rows],
        )

    async def _page(self, scope: ReportScope) -> ClassPage:
        return await self._pages.page(scope, scope.filters.classroom or "")

    async def _class_progress(self, scope: ReportScope, notes: list[str]) -> list[ReportRow]:
        return (await self._page(scope)).rows()

    async def _lesson_progress(self, scope: ReportScope, notes: list[str]) -> list[ReportRow]:
        page = await self._page(scope)
        return list(lesson_progress_rows(page.rows(), page.lessons))

    async def _learners_needing_help(self, scope: ReportScope, notes: list[str]) -> list[ReportRow]:
        return learners_needing_help_rows((await self._page(scope)).rows())

    async def _difficult_questions(self, scope: ReportScope, notes: list[str]) -> list[ReportRow]:
        return await self._questions.difficult_questions(scope)

    async def _activity(self, scope: ReportScope, notes: list[str]) -> list[ReportRow]:
        return await self._activities.activity(scope)

    async def _learner_timeline(self, scope: ReportScope, notes: list[str]) -> list[ReportRow]:
        return await self._timelines.learner_timeline(scope)

    async def _data_quality(self, scope: ReportScope, notes: list[str]) -> list[ReportRow]:
        return await self._quality.data_quality(scope, self.now())


def definition_of(name: str) -> ReportDefinition:
    """Return the definition of a report.

    Raises:
        CollectionNotFound: there is no such report.
    """
    for definition in REPORTS.values():
        if definition.name == name:
            return definition
    raise CollectionNotFound(f"There is no report {name!r}. The reports are {', '.join(REPORTS)}.")
