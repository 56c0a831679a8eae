"""Reads what reports of questions need: the attempts of selected learners, and the questions of contents."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Collection
from dataclasses import dataclass, field

from docservice.domain.logs.migrated_quizzes import QUIZ
from docservice.domain.reports.class_progress import EXERCISE, ReportRow
from docservice.domain.reports.difficult_questions import (
    AskedContent,
    difficult_question_rows,
    exercise_questions,
    hardest_first,
    quiz_questions,
)
from docservice.domain.reports.filters import LEAST_LEARNERS, ReportFilters
from docservice.domain.reports.item_analysis import (
    ContentResponses,
    item_analysis_rows,
    quiz_statistics_row,
    responses,
    wrong_answer_rows,
)
from docservice.service.reports.class_progress import assigned_learners, resources_of
from docservice.service.reports.scope import ReportScope, content_filter
from docservice.store.database.port import Database, Document
from docservice.store.lists.scope import NOBODY, Selection
from docservice.store.reports.directory import ReportDirectory
from docservice.store.reports.logs import ReportLogs

_ATTEMPTS = ("item", "correct")
STATISTIC_ATTEMPTS = (*_ATTEMPTS, "time_spent", "hinted", "error", "simple_answer", "answer")
"""The fields of attempts that statistics of questions need."""


@dataclass(frozen=True)
class Questioned:
    """Whose answers to which contents a report counts.

    Attributes:
        selection: whose.
        content_ids: None: all.
    """

    selection: Selection
    content_ids: set[str] | None


@dataclass
class AnsweredContents:
    """The summaries of contents with questions, by content.

    Attributes:
        contents: what the directory says of them.
    """

    summaries: dict[str, list[Document]] = field(default_factory=dict)
    contents: dict[str, AskedContent] = field(default_factory=dict)


class QuestionReads:
    """Reads answers to questions, and what the questions are called."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._directory = ReportDirectory(database)
        self._logs = ReportLogs(database)

    async def difficult_questions(self, scope: ReportScope) -> list[ReportRow]:
        """Return the rows of `difficult-questions`."""
        answered = await self.answered(scope, _ATTEMPTS)
        return hardest_first(
            row
            for content_id, summaries in answered.summaries.items()
            for row in difficult_question_rows(answered.contents[content_id], summaries)
        )

    async def item_analysis(self, scope: ReportScope, notes: list[str]) -> list[ReportRow]:
        """Return the rows of `item-analysis`; notes say how many questions are not shown."""
        return [
            row
            for content, found in await self._responses(scope, notes)
            for row in item_analysis_rows(content, found, least_of(scope.filters))
        ]

    async def wrong_answers(self, scope: ReportScope, notes: list[str]) -> list[ReportRow]:
        """Return the rows of `wrong-answers`; notes say how many questions are not shown."""
        return [
            row
            for content, found in await self._responses(scope, notes)
            for row in wrong_answer_rows(content, found, least_of(scope.filters))
        ]

    async def quiz_statistics(self, scope: ReportScope, notes: list[str]) -> list[ReportRow]:
        """Return the rows of `quiz-statistics`; notes say how many quizzes are not shown."""
        least = least_of(scope.filters)
        quizzes = [each for each in await self._responses(scope, []) if each[1].kind != EXERCISE]
        shown = [each for each in quizzes if len(each[1].learners) >= least]
        _tell(notes, len(quizzes) - len(shown), "quizzes", least)
        return [quiz_statistics_row(*each) for each in shown]

    async def _responses(self, scope: ReportScope, notes: list[str]) -> list[tuple[AskedContent, ContentResponses]]:
        answered = await self.answered(scope, STATISTIC_ATTEMPTS)
        found = [
            (
                answered.contents[content_id],
                responses(answered.contents[content_id], summaries, scope.filters.tries or "first"),
            )
            for content_id, summaries in answered.summaries.items()
        ]
        least = least_of(scope.filters)
        counts = [len({each.user_id for each in listed}) for _, one in found for listed in one.answers.values()]
        _tell(notes, sum(count < least for count in counts), "questions", least)
        return sorted(found, key=lambda each: (each[0].title, each[0].id))

    async def answered(self, scope: ReportScope, attempts: Collection[str]) -> AnsweredContents:
        """Return the summaries that a report of questions counts, with the fields of `attempts` of all attempts."""
        questioned = await self._questioned(scope)
        answered = AnsweredContents()
        async for summary in self._counted(questioned, scope.filters.channel, attempts):
            answered.summaries.setdefault(summary["content_id"], []).append(summary)
        people = {summary["user_id"] for listed in answered.summaries.values() for summary in listed}
        known = await self._directory.people(people)
        for content_id, listed in list(answered.summaries.items()):
            # Deleted accounts do not count, as in Kolibri.
            answered.summaries[content_id] = [summary for summary in listed if summary["user_id"] in known]
        quiz_ids = {id_ for id_, listed in answered.summaries.items() if any(each["kind"] == QUIZ for each in listed)}
        answered.contents = await self.contents(
            answered.summaries.keys(), quiz_ids, group_id=scope.filters.learner_group
        )
        return answered

    async def _counted(
        self, questioned: Questioned, channel: str | None, attempts: Collection[str]
    ) -> AsyncGenerator[Document, None]:
        found = self._logs.summaries(questioned.selection, questioned.content_ids, attempts=tuple(attempts))
        async for summary in found:
            if channel in (None, summary["channel_id"]) and any(log["attempts"] for log in summary["mastery_logs"]):
                yield summary

    async def _questioned(self, scope: ReportScope) -> Questioned:
        content_ids = await content_filter(self._database, scope.filters)
        lesson_id, group_id = scope.filters.lesson, scope.filters.learner_group
        if lesson_id is None:
            return Questioned(scope.selection, content_ids)
        lesson = await self._directory.one("lessons", lesson_id)
        if lesson is None:
            return Questioned(NOBODY, set())
        if group_id is not None and not {group_id, lesson["collection_id"]} & {*lesson["assignments"]}:
            return Questioned(NOBODY, set())
        members = await self._directory.members(lesson["assignments"])
        # A group that is asked for counts as a whole, even if the lesson is assigned to its class.
        learners = scope.selection if group_id is not None else scope.among(set(assigned_learners(lesson, members)))
        of_lesson = {each["content_id"] for each in resources_of(lesson) if each.get("content_id")}
        return Questioned(learners, of_lesson if content_ids is None else of_lesson & content_ids)

    async def contents(
        self, content_ids: Collection[str], quiz_ids: Collection[str], *, group_id: str | None = None
    ) -> dict[str, AskedContent]:
        """Return what the directory says of contents, by content id.

        Args:
            content_ids: all of them.
            quiz_ids: those that are a coach's quizzes.
            group_id: the group that the results of quizzes are compared with; None: the class of each.
        """
        nodes = await self._directory.nodes_of(set(content_ids) - set(quiz_ids), ("assessment.assessment_item_ids",))
        exams = await self._directory.by_id("exams", quiz_ids, ("title", "active", "collection_id", "question_sources"))
        groups = {group_id or exam["collection_id"] for exam in exams.values()}
        members = await self._directory.members(groups)
        contents = {}
        for content_id in content_ids:
            exam, node = exams.get(content_id), nodes.get(content_id, {})
            if exam is not None:
                contents[content_id] = AskedContent(
                    content_id,
                    str(exam.get("title") or ""),
                    quiz_questions(exam),
                    is_active=bool(exam.get("active")),
                    learner_ids=frozenset(members[group_id or exam["collection_id"]]),
                )
            else:
                title = str(node.get("title") or "")
                contents[content_id] = AskedContent(content_id, title, exercise_questions(node))
        return contents


def least_of(filters: ReportFilters) -> int:
    """Return how many learners a statistic needs to be shown."""
    return LEAST_LEARNERS if filters.least_learners is None else filters.least_learners


def _tell(notes: list[str], hidden: int, what: str, least: int) -> None:
    if hidden:
        notes.append(f"Not shown, for fewer than {least} learners: {hidden:,} {what}.")
