"""How often questions were answered, and how often rightly, as Kolibri's coach pages count it.

Rule: kolibri/plugins/coach/api.py (ExerciseDifficultQuestionsViewset, QuizDifficultQuestionsViewset,
PracticeQuizDifficultQuestionsViewset) and, for questions that nobody answered, the coach's frontend,
modules/questionList/actions.js.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from docservice.domain.logs.migrated_quizzes import QUIZ
from docservice.domain.reports.class_progress import EXERCISE, Fields, ReportRow
from docservice.domain.values.times import exact_moment

PRACTICE_QUIZ = "practice quiz"

_LONG_AGO = datetime.min.replace(tzinfo=UTC)


@dataclass(frozen=True)
class AskedContent:
    """A content that has questions, as the directory knows it.

    Attributes:
        id: the content id; of a coach's quiz the quiz.
        title: what it is called.
        questions: title of each question by its id in attempts, in the order of the content.
        is_active: of a coach's quiz, whether learners still work at it.
        learner_ids: of a coach's quiz, those whom its results are compared with: its class, or the group asked for.
    """

    id: str
    title: str = ""
    questions: Mapping[str, str] | None = None
    is_active: bool = False
    learner_ids: frozenset[str] = frozenset()

    def question(self, item: str) -> ReportRow:
        """Return what names a question."""
        items = list(self.questions or {})
        return {
            "item": item,
            "question": (self.questions or {}).get(item) or item,
            "number": items.index(item) + 1 if item in items else None,
        }


def quiz_questions(exam: Fields) -> dict[str, str]:
    """Return the title of each question of a coach's quiz, by its item, in order.

    Rule: kolibri/core/exams/models.py, the versions of `question_sources`: from version 3 on in sections; the item of
    an attempt names the exercise and the question from version 2 on.
    """
    sources = exam.get("question_sources") or []
    questions: dict[str, str] = {}
    for source in sources if isinstance(sources, list) else []:
        listed = source.get("questions", [source]) if isinstance(source, Mapping) else []
        for question in listed:
            item = question.get("item") or f"{question.get('exercise_id')}:{question.get('question_id')}"
            title = str(question.get("title") or "")
            counter = question.get("counter_in_exercise")
            questions[item] = f"{title} ({counter})" if counter is not None else title
    return questions


def exercise_questions(node: Fields) -> dict[str, str]:
    """Return the title of each question of an exercise or practice quiz, by its item, in order."""
    assessment = node.get("assessment")
    items = assessment.get("assessment_item_ids") if isinstance(assessment, Mapping) else None
    title = str(node.get("title") or "")
    return {str(item): f"{title} ({number})" for number, item in enumerate(items or (), 1)}


def difficult_question_rows(content: AskedContent, summaries: Sequence[Fields]) -> list[ReportRow]:
    """Return the rows of one content.

    Args:
        content: what it is.
        summaries: of the selected learners and this content, with all attempts of their tries.
    """
    rows_of = {QUIZ: _quiz_rows, PRACTICE_QUIZ: _practice_quiz_rows, EXERCISE: _exercise_rows}
    return rows_of[content_kind(summaries)](content, summaries)


def content_kind(summaries: Iterable[Fields]) -> str:
    """Return how a content is counted: as a coach's quiz, a practice quiz or an exercise.

    Tries at quizzes have levels below zero, whatever the directory says of the content.
    """
    kind = EXERCISE
    for summary in summaries:
        if summary["kind"] == QUIZ:
            return QUIZ
        if any(log["mastery_level"] < 0 for log in summary.get("mastery_logs", ())):
            kind = PRACTICE_QUIZ
    return kind


def hardest_first(rows: Iterable[ReportRow]) -> list[ReportRow]:
    """Return rows by their share of right answers; of equal ones those with more answers first."""
    return sorted(rows, key=lambda row: (row["share_correct"], -row["total"], row["content_id"], row["item"]))


def _exercise_rows(content: AskedContent, summaries: Iterable[Fields]) -> list[ReportRow]:
    attempts = [each for summary in summaries for log in summary.get("mastery_logs", ()) for each in _attempts(log)]
    totals: dict[str, int] = {}
    for attempt in attempts:
        totals[attempt["item"]] = totals.get(attempt["item"], 0) + 1
    return [_row(content, EXERCISE, item, totals[item], right) for item, right in _right(attempts).items()]


def _quiz_rows(content: AskedContent, summaries: Iterable[Fields]) -> list[ReportRow]:
    tries = [
        (summary["user_id"], log)
        for summary in summaries
        for log in summary.get("mastery_logs", ())
        if log["complete"] or not content.is_active
    ]
    # Who has begun counts even where the question was not answered; attempts of people elsewhere count as right ones.
    total = sum(user_id in content.learner_ids for user_id, _ in tries)
    return _of_tries(content, QUIZ, total, [log for _, log in tries])


def _practice_quiz_rows(content: AskedContent, summaries: Iterable[Fields]) -> list[ReportRow]:
    latest: list[Fields] = []
    for summary in summaries:
        complete = [log for log in summary.get("mastery_logs", ()) if log["complete"] and log["mastery_level"] < 0]
        if complete:
            latest.append(max(complete, key=_completed))
    return _of_tries(content, PRACTICE_QUIZ, len(latest), latest)


def _of_tries(content: AskedContent, kind: str, total: int, tries: Iterable[Fields]) -> list[ReportRow]:
    right = _right(each for log in tries for each in _attempts(log))
    if not right and not total:
        return []
    items = dict.fromkeys([*(content.questions or ()), *right])
    return [_row(content, kind, item, total, right.get(item, 0.0)) for item in items]


def _completed(log: Fields) -> datetime:
    return _LONG_AGO if log["completion_timestamp"] is None else exact_moment(log, "completion_timestamp")


def _attempts(log: Fields) -> Collection[Fields]:
    found: Collection[Fields] = log.get("attempts", ())
    return found


def _right(attempts: Iterable[Fields]) -> dict[str, float]:
    """Return the sum of `correct` of each question, by item."""
    values: dict[str, list[float]] = {}
    for attempt in attempts:
        values.setdefault(attempt["item"], []).append(attempt["correct"])
    return {item: math.fsum(found) for item, found in values.items()}


def _row(content: AskedContent, kind: str, item: str, total: int, right: float) -> dict[str, Any]:
    return {
        "content_id": content.id,
        "title": content.title,
        "kind": kind,
        **content.question(item),
        "total": total,
        "correct": right,
        "share_correct": right / total if total else 0.0,
    }
