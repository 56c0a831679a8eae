"""Reads what `class-progress` and the reports made of it need: one class, its work, its logs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from docservice.domain.reports.class_progress import (
    AssignedWork,
    ClassLearner,
    ClassLogs,
    Fields,
    ReportRow,
    Resource,
    class_progress_rows,
    help_candidates,
    sessions_in_need,
)
from docservice.service.reports.scope import ReportScope, name_of
from docservice.store.database.port import Database, Document
from docservice.store.lists.scope import Selection
from docservice.store.reports.directory import ReportDirectory
from docservice.store.reports.logs import ReportLogs

_SUMMARY = (
    *("dataset_id", "user_id", "content_id", "kind", "progress", "completion_timestamp", "end_timestamp"),
    *("time_spent", "_recorded.end_timestamp"),
)
_TRY = ("id", "mastery_level", "attempt_count")
_QUIZ_ATTEMPTS = ("item", "correct", "end_timestamp", "_recorded")
_HELP_ATTEMPTS = ("end_timestamp", "sessionlog_id", "interaction_history.correct")


@dataclass
class ClassPage:
    """The people and the work of a class, as far as a report may show them."""

    learners: list[ClassLearner] = field(default_factory=list)
    lessons: list[AssignedWork] = field(default_factory=list)
    quizzes: list[AssignedWork] = field(default_factory=list)
    logs: ClassLogs = field(default_factory=ClassLogs)

    def rows(self) -> list[ReportRow]:
        """Return the rows of `class-progress`."""
        return list(class_progress_rows(self.learners, self.lessons, self.quizzes, self.logs))


class ClassPages:
    """Reads classes: each reads the documents of its own learners and nothing of others."""

    def __init__(self, database: Database) -> None:
        self._directory = ReportDirectory(database)
        self._logs = ReportLogs(database)

    async def page(self, scope: ReportScope, classroom_id: str) -> ClassPage:
        """Return a class with its logs.

        Learners whom the reader may not see are left out; if none is left, so is the work of the class.

        Args:
            scope: of the report; its filters `lesson` and `quiz` choose the work.
            classroom_id: the class.
        """
        classroom = await self._directory.one("facility_collections", classroom_id)
        if classroom is None or classroom["kind"] != "classroom":
            return ClassPage()
        groups = await self._directory.groups(classroom_id)
        members = await self._directory.members([classroom_id, *(group["_id"] for group in groups)])
        people = await scope.known_people(self._directory, members[classroom_id])
        if not people:
            return ClassPage()
        named = [(str(group.get("name") or ""), group) for group in groups if group["kind"] == "learnergroup"]
        learners = [
            ClassLearner(id_, name_of(person), tuple(name for name, group in named if id_ in members[group["_id"]]))
            for id_, person in people.items()
        ]
        lessons, quizzes = await self._work(scope, classroom_id)
        page = ClassPage(sorted(learners, key=lambda each: (each.name.casefold(), each.id)))
        nodes = await self._directory.nodes(_nodes_of(lessons))
        page.lessons = [_lesson(lesson, nodes, members) for lesson in lessons]
        page.quizzes = [_quiz(exam, members) for exam in quizzes]
        page.logs = await self._class_logs(Selection(frozenset(people), scope.selection.dataset_id), page)
        return page

    async def _work(self, scope: ReportScope, classroom_id: str) -> tuple[list[Document], list[Document]]:
        lesson_id, quiz_id = scope.filters.lesson, scope.filters.quiz
        lessons, quizzes = [], []
        if quiz_id is None or lesson_id is not None:
            lessons = await self._directory.work_of_class("lessons", classroom_id)
        if lesson_id is None or quiz_id is not None:
            quizzes = await self._directory.work_of_class("exams", classroom_id)
        return (
            [lesson for lesson in lessons if lesson_id in (None, lesson["_id"])],
            [exam for exam in quizzes if quiz_id in (None, exam["_id"])],
        )

    async def _class_logs(self, learners: Selection, page: ClassPage) -> ClassLogs:
        contents = {resource.content_id for lesson in page.lessons for resource in lesson.resources}
        logs = ClassLogs()
        async for summary in self._logs.summaries(learners, contents, fields=_SUMMARY, tries=_TRY):
            logs.summaries[summary["user_id"], summary["content_id"]] = summary
        quizzes = {quiz.id for quiz in page.quizzes} | {
            summary["content_id"]
            for summary in logs.summaries.values()
            if any(log["mastery_level"] < 0 for log in summary.get("mastery_logs", ()))
        }
        async for summary in self._logs.summaries(learners, quizzes, attempts=_QUIZ_ATTEMPTS):
            logs.summaries[summary["user_id"], summary["content_id"]] = summary
        candidates = help_candidates(logs.summaries.values(), page.lessons)
        if candidates:
            logs.needing_help = await self._needing_help(candidates)
        return logs

    async def _needing_help(self, candidates: Sequence[Fields]) -> set[tuple[str, str]]:
        """Return who of those who may need help does.

        Most summaries say so by the attempts that they embed; only of the others those that moved are read.
        """
        needing: set[tuple[str, str]] = set()
        undecided = {summary["_id"]: summary for summary in candidates}
        for moved in (False, True):
            sessions: dict[str, set[str]] = {}
            found = self._logs.summaries_with_ids(undecided, attempts=_HELP_ATTEMPTS, moved=moved)
            async for summary in found:
                tries = [log.get("attempts", ()) for log in summary.get("mastery_logs", ())]
                sessions[summary["_id"]] = sessions_in_need(tries)
            in_lessons = await self._logs.sessions_in_lessons(set().union(*sessions.values()))
            decided = {summary_id for summary_id, in_need in sessions.items() if in_need & in_lessons}
            needing |= {(undecided[id_]["user_id"], undecided[id_]["content_id"]) for id_ in decided}
            undecided = {
                id_: summary
                for id_, summary in undecided.items()
                if id_ not in decided and summary.get("overflow_buckets")
            }
            if not undecided:
                break
        return needing


def resources_of(lesson: Document) -> list[Fields]:
    """Return the resources that a lesson names."""
    resources = lesson.get("resources")
    return [each for each in resources if isinstance(each, Mapping)] if isinstance(resources, list) else []


def assigned_learners(record: Document, members: Mapping[str, set[str]]) -> frozenset[str]:
    """Return the learners whom a lesson or quiz is assigned to.

    Args:
        record: of the directory.
        members: of its class and the groups in it.
    """
    learners = set(record.get("learner_ids") or ())
    return frozenset(learners.union(*(members.get(id_, set()) for id_ in record["assignments"])))


def _nodes_of(lessons: Iterable[Document]) -> set[str]:
    return {each["contentnode_id"] for lesson in lessons for each in resources_of(lesson) if each.get("contentnode_id")}


def _lesson(lesson: Document, nodes: Mapping[str, Document], members: Mapping[str, set[str]]) -> AssignedWork:
    resources = []
    for each in resources_of(lesson):
        node = nodes.get(each.get("contentnode_id") or "")
        # Where the content is not in the directory, the lesson itself still names it.
        content_id = node["content_id"] if node else each.get("content_id")
        if content_id:
            titled = (str(node.get("title") or ""), str(node.get("kind") or "")) if node else ("", "")
            resources.append(Resource(content_id, *titled))
    learners = assigned_learners(lesson, members)
    return AssignedWork(lesson["_id"], str(lesson.get("title") or ""), learners, tuple(resources))


def _quiz(exam: Document, members: Mapping[str, set[str]]) -> AssignedWork:
    count = exam.get("question_count")
    return AssignedWork(
        exam["_id"],
        str(exam.get("title") or ""),
        assigned_learners(exam, members),
        question_count=count if isinstance(count, int) else None,
    )
