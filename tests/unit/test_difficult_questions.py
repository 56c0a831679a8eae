"""The rules of `difficult-questions`."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from docservice.domain.reports.difficult_questions import (
    AskedContent,
    difficult_question_rows,
    exercise_questions,
    hardest_first,
    quiz_questions,
)


def summary(user: str, kind: str, *tries: tuple[int, bool, dict[str, float]]) -> dict[str, Any]:
    """A learner's tries, each with its level, whether it is complete, and how right each item was."""
    logs = [
        {
            "mastery_level": level,
            "complete": complete,
            "completion_timestamp": datetime(2024, 9, number, tzinfo=UTC) if complete else None,
            "attempts": [{"item": item, "correct": correct} for item, correct in answers.items()],
        }
        for number, (level, complete, answers) in enumerate(tries, 1)
    ]
    return {"user_id": user, "kind": kind, "mastery_logs": logs}


def counted(content: AskedContent, *summaries: dict[str, Any]) -> dict[str, tuple[int, float]]:
    """Total and right answers of each question."""
    return {row["item"]: (row["total"], row["correct"]) for row in difficult_question_rows(content, summaries)}


def test_all_attempts_at_an_exercise_count() -> None:
    """Each attempt counts, of all tries, complete or not."""
    anna = summary("anna", "exercise", (1, True, {"a": 1.0, "b": 0.0}), (2, False, {"a": 0.5}))
    ben = summary("ben", "exercise", (1, False, {"b": 0.0}))

    assert counted(AskedContent("exercise"), anna, ben) == {"a": (2, 1.5), "b": (2, 0.0)}


@pytest.mark.parametrize(("active", "total", "right"), [(True, 1, 1.0), (False, 2, 2.0)])
def test_an_active_quiz_counts_what_was_handed_in(active: bool, total: int, right: float) -> None:
    """Tries count once they are handed in, all of them once the quiz is inactive; the total is of the class."""
    content = AskedContent(
        "quiz", "Quiz", {"a": "A", "b": "B", "c": "C"}, is_active=active, learner_ids=frozenset({"anna", "ben"})
    )
    anna = summary("anna", "quiz", (-1, True, {"a": 1.0, "b": 0.0}))
    ben = summary("ben", "quiz", (-1, False, {"a": 1.0}))

    assert counted(content, anna, ben) == {"a": (total, right), "b": (total, 0.0), "c": (total, 0.0)}


def test_a_quiz_that_nobody_has_handed_in_has_no_rows() -> None:
    """There is nothing to compare with."""
    content = AskedContent("quiz", "Quiz", {"a": "A"}, is_active=True, learner_ids=frozenset({"anna"}))

    assert counted(content, summary("anna", "quiz", (-1, False, {"a": 1.0}))) == {}


def test_of_a_practice_quiz_the_latest_complete_try_counts() -> None:
    """Each learner counts once, however many tries there are; tries as an exercise do not count."""
    anna = summary("anna", "exercise", (-1, True, {"a": 0.0}), (-2, True, {"a": 1.0}), (-3, False, {"a": 0.0}))
    ben = summary("ben", "exercise", (1, True, {"a": 0.0}))

    assert counted(AskedContent("practice"), anna, ben) == {"a": (1, 1.0)}


def test_questions_have_titles() -> None:
    """Questions of a quiz are found in sections and, in old versions, in a plain list; those of exercises by number."""
    old = {"question_sources": [{"exercise_id": "e", "question_id": "q", "title": "Adding"}]}
    new = {"question_sources": [{"questions": [{"item": "e:q", "title": "Adding", "counter_in_exercise": 3}]}]}

    assert quiz_questions(old) == {"e:q": "Adding"}
    assert quiz_questions(new) == {"e:q": "Adding (3)"}
    assert quiz_questions({"question_sources": None}) == {}
    assert exercise_questions({"title": "Adding", "assessment": {"assessment_item_ids": ["x", "y"]}}) == {
        "x": "Adding (1)",
        "y": "Adding (2)",
    }
    assert AskedContent("e", questions={"x": "X", "y": "Y"}).question("y") == {
        "item": "y",
        "question": "Y",
        "number": 2,
    }


def test_hard_means_share() -> None:
    """The least share comes first, of equal shares the one with more answers."""
    rows = difficult_question_rows(
        AskedContent("e"),
        [
            summary("anna", "exercise", (1, False, {"a": 1.0, "b": 0.0, "c": 0.0})),
            summary("ben", "exercise", (1, False, {"a": 0.0, "c": 0.0})),
        ],
    )

    assert [row["item"] for row in hardest_first(rows)] == ["c", "b", "a"]
