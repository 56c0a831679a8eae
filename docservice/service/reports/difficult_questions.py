"""Reads what `difficult-questions` needs: the attempts of selected learners, and the questions of contents."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Collection
from dataclasses import dataclass, field

from docservice.domain.logs.migrated_quizzes import QUIZ
from docservice.domain.reports.class_progress import ReportRow
from docservice.domain.reports.difficult_questions import (
    AskedContent,
    difficult_question_rows,
    exercise_questions,
    hardest_first,
    quiz_questions,
)
from docservice.service.reports.class_progress import assigned_learners, resources_of
from docservice.service.reports.scope import ReportScope, content_filter
from docservice.store.database.port import Database, Document
from docservice.store.lists.scope import NOBODY, Selection
from docservice.store.reports.directory import ReportDirectory
from docservice.store.reports.logs import ReportLogs

_ATTEMPTS = ("item", "correct")


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
        answered.contents = await self._contents(scope, answered.summaries)
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

    async def _contents(self, scope: ReportScope, summaries: dict[str, list[Document]]) -> dict[str, AskedContent]:
        quiz_ids = {id_ for id_, listed in summaries.items() if any(each["kind"] == QUIZ for each in listed)}
        nodes = await self._directory.nodes_of(summaries.keys() - quiz_ids, ("assessment.assessment_item_ids",))
        exams = await self._directory.by_id(
            "exams", quiz_ids, ("title", "active", "collection_id", "question_sources", "question_count")
        )
        compared_with = {exam["collection_id"] for exam in exams.values()}
        if scope.filters.learner_group is not None:
            compared_with = {scope.filters.learner_group}
        members = await self._directory.members(compared_with)
        contents = {}
        for content_id in summaries:
            exam, node = exams.get(content_id), nodes.get(content_id, {})
            if exam is not None:
                group = scope.filters.learner_group or exam["collection_id"]
                contents[content_id] = AskedContent(
                    content_id,
                    str(exam.get("title") or ""),
                    quiz_questions(exam),
                    is_active=bool(exam.get("active")),
                    learner_ids=frozenset(members[group]),
                )
            else:
                title = str(node.get("title") or "")
                contents[content_id] = AskedContent(content_id, title, exercise_questions(node))
        return contents
