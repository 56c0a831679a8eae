"""What coaches assign: each class a lesson a week, a quiz every other week, and once an exam of the old kind."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from docservice.generate.contents import Content, Library
from docservice.generate.plan import Plan

_QUIZ_QUESTIONS = 10
_EXAM_QUESTIONS = 8


@dataclass(frozen=True)
class PlannedLesson:
    """The lesson of a class in one week: a unit of a channel, the easier things first."""

    lesson_id: str
    resources: tuple[Content, ...]


@dataclass(frozen=True)
class PlannedQuiz:
    """A quiz or an old exam, with its questions: the exercise and the item of each."""

    quiz_id: str
    title: str
    questions: tuple[tuple[Content, str], ...]


def lesson(plan: Plan, library: Library, classroom: int, week: int) -> PlannedLesson:
    """Return what a class works on in a week."""
    return PlannedLesson(
        plan.id(f"lesson {classroom}.{week}"), tuple(library.units[_unit(plan, library, classroom, week)])
    )


def quiz(plan: Plan, library: Library, classroom: int, week: int) -> PlannedQuiz | None:
    """Return what a class is asked on Friday: every second week, about the lessons of both."""
    if week % 2 == 0:
        return None
    units = [_unit(plan, library, classroom, number) for number in (week - 1, week)]
    return _questions(plan, library, f"quiz {classroom}.{week}", f"Quiz {(week + 1) // 2}", units, _QUIZ_QUESTIONS)


def old_exam(plan: Plan, library: Library, classroom: int) -> PlannedQuiz:
    """Return what a class is asked at the beginning, in the form that Kolibri up to 0.14 gave it."""
    return _questions(
        plan, library, f"exam {classroom}", "Placement exam", [_unit(plan, library, classroom, 0)], _EXAM_QUESTIONS
    )


def _unit(plan: Plan, library: Library, classroom: int, week: int) -> tuple[int, int]:
    # A class takes one channel after the other, and begins somewhere of its own.
    units = list(library.units)
    start = 0 if classroom == 0 else plan.chance(f"course {classroom}").randrange(len(units))
    return units[(start + week) % len(units)]


def _questions(
    plan: Plan, library: Library, name: str, title: str, units: list[tuple[int, int]], count: int
) -> PlannedQuiz:
    chance = plan.chance(name)
    all_questions = [(content, item) for unit in units for content in library.exercises[unit] for item in content.items]
    return PlannedQuiz(plan.id(name), title, tuple(chance.sample(all_questions, count)))


def class_records(plan: Plan, library: Library, classroom: int) -> dict[str, list[dict[str, Any]]]:
    """Return the assignments of a class in the format of a directory file."""
    class_id = plan.id(f"class {classroom}")
    quizzes = [old_exam(plan, library, classroom)]
    quizzes += [planned for week in range(plan.weeks) if (planned := quiz(plan, library, classroom, week)) is not None]
    common = {"collection": class_id, "assignments": [class_id], "creator_id": plan.id(f"coach {classroom}")}
    return {
        "lessons": [
            {
                "id": planned.lesson_id,
                "title": f"Week {week + 1}: {planned.resources[0].title.split(':')[0]}",
                "resources": [
                    {"contentnode_id": each.node_id, "content_id": each.content_id, "channel_id": each.channel_id}
                    for each in planned.resources
                ],
                "is_active": True,
                **common,
            }
            for week in range(plan.weeks)
            for planned in [lesson(plan, library, classroom, week)]
        ],
        "exams": [
            {
                "id": planned.quiz_id,
                "title": planned.title,
                "active": planned is quizzes[-1] and planned is not quizzes[0],
                "question_count": len(planned.questions),
                "question_sources": [
                    {
                        "section_title": "",
                        "questions": [
                            {"exercise_id": content.content_id, "question_id": item, "title": content.title}
                            for content, item in planned.questions
                        ],
                    }
                ],
                **common,
            }
            for planned in quizzes
        ],
    }
