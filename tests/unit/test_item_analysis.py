"""The statistics of questions, on scores whose results are known."""

from __future__ import annotations

import statistics
from datetime import UTC, datetime
from typing import Any

import pytest

from docservice.domain.reports.difficult_questions import AskedContent
from docservice.domain.reports.item_analysis import (
    answer_text,
    cronbach_alpha,
    discrimination,
    item_analysis_rows,
    kurtosis,
    quiz_statistics_row,
    responses,
    skewness,
    wilson_interval,
    wrong_answer_rows,
)

QUIZ = AskedContent("quiz", "Quiz", {"a": "A", "b": "B", "c": "C"})


def attempt(item: str, correct: float, **fields: Any) -> dict[str, Any]:
    """An attempt at a question."""
    own = {"item": item, "correct": correct, "time_spent": 10.0, "hinted": False, "error": False}
    return {**own, "simple_answer": "" if correct == 1 else "7", "answer": {}, **fields}


def mastery_log(day: int, scores: str, *, level: int = -1, complete: bool = True) -> dict[str, Any]:
    """A try of a day with a score (0 or 1) of each of the questions a, b, c; `-` was left out."""
    attempts = [attempt(item, float(score)) for item, score in zip("abc", scores, strict=False) if score != "-"]
    start = datetime(2024, 9, day, tzinfo=UTC)
    return {
        "id": str(day),
        "mastery_level": level,
        "complete": complete,
        "start_timestamp": start,
        "attempts": attempts,
    }


def summary(user: str, *tries: dict[str, Any], kind: str = "quiz") -> dict[str, Any]:
    """The tries of a learner."""
    return {"user_id": user, "kind": kind, "mastery_logs": list(tries)}


def test_a_quiz() -> None:
    """A question that was left out counts 0, and only the first complete try of a learner counts."""
    found = responses(
        QUIZ,
        [
            summary("anna", mastery_log(2, "111"), mastery_log(1, "110"), mastery_log(3, "000", complete=False)),
            summary("ben", mastery_log(1, "100")),
            summary("cara", mastery_log(1, "-00")),
            summary("dan", mastery_log(1, "111", complete=False)),
        ],
        "first",
    )
    rows = {row["item"]: row for row in item_analysis_rows(QUIZ, found, 1)}
    quiz = quiz_statistics_row(QUIZ, found)

    assert found.totals == [2, 1, 0]
    assert [(rows[item]["learners"], rows[item]["answered"]) for item in "abc"] == [(3, 2), (3, 3), (3, 3)]
    assert rows["a"]["facility_index"] == pytest.approx(200 / 3)
    assert rows["a"]["facility_sd"] == pytest.approx(100 * statistics.stdev([1, 1, 0]))
    assert rows["a"]["discrimination_index"] == pytest.approx(100 * statistics.correlation([1, 1, 0], [1, 0, 0]))
    assert rows["a"]["discriminative_efficiency"] == pytest.approx(100)
    assert (rows["c"]["discrimination_index"], rows["c"]["discriminative_efficiency"]) == (None, None)
    assert (rows["b"]["wrong_answer"], rows["b"]["wrong_answer_count"]) == ("7", 2)
    assert (quiz["learners"], quiz["responses"], quiz["questions"]) == (3, 3, 3)
    assert quiz["mean"] == pytest.approx(100 / 3)
    assert quiz["cronbach_alpha"] == pytest.approx(100 * 3 / 2 * (1 - (1 / 3 + 1 / 3) / 1))
    assert quiz["standard_error"] == pytest.approx((1 - quiz["cronbach_alpha"] / 100) ** 0.5 * quiz["sd"])


def test_all_tries_of_a_quiz() -> None:
    """All complete tries count on demand; learners are counted once."""
    found = responses(QUIZ, [summary("anna", mastery_log(1, "110"), mastery_log(2, "111"))], "all")

    [row, *_] = item_analysis_rows(QUIZ, found, 1)
    assert (row["learners"], row["responses"]) == (1, 2)
    assert list(item_analysis_rows(QUIZ, found, 2)) == []


def test_an_exercise() -> None:
    """A learner's first attempt at each question counts, and the rest is the mean of the others."""
    exercise = AskedContent("exercise", "Exercise")
    anna = summary("anna", mastery_log(2, "111", level=2), mastery_log(1, "01", level=1), kind="exercise")
    ben = summary("ben", mastery_log(1, "1", level=1), kind="exercise")

    found = responses(exercise, [anna, ben], "first")

    assert {item: [(each.score, each.rest) for each in answers] for item, answers in found.answers.items()} == {
        "a": [(0.0, 1.0), (1.0, None)],
        "b": [(1.0, 0.5)],
        "c": [(1.0, 0.5)],
    }
    assert len(responses(exercise, [anna, ben], "all").answers["a"]) == 3
    [row, *_] = item_analysis_rows(exercise, found, 1)
    assert row["discrimination_index"] is None


def test_wrong_answers_are_counted() -> None:
    """The most frequent comes first, with how many learners gave it; right answers and empty ones do not count."""
    texts = {"anna": ["7", "7"], "ben": ["8"], "cara": ["7"], "dan": [""]}
    summaries = [
        summary(
            user,
            {
                **mastery_log(1, "", level=1),
                "attempts": [attempt("a", 0.0, simple_answer=text) for text in listed],
            },
            kind="exercise",
        )
        for user, listed in texts.items()
    ]
    content = AskedContent("e")

    rows = list(wrong_answer_rows(content, responses(content, summaries, "all"), 4))

    assert [(row["answer"], row["count"], row["learners"], row["share"]) for row in rows] == [
        ("7", 3, 2, 0.6),
        ("8", 1, 1, 0.2),
    ]
    assert list(wrong_answer_rows(content, responses(content, summaries, "all"), 5)) == []


def test_answers_are_shown_as_text() -> None:
    """The short form goes before JSON, and a very long answer is cut."""
    assert answer_text({"simple_answer": "7", "answer": {"x": 1}}) == "7"
    assert answer_text({"simple_answer": None, "answer": {"b": 1, "a": "é"}}) == '{"a": "é", "b": 1}'
    assert answer_text({"simple_answer": "", "answer": "text"}) == "text"
    assert answer_text({"simple_answer": "", "answer": {}}) == ""
    assert len(answer_text({"simple_answer": "x" * 999})) == 200


def test_wilson() -> None:
    """The interval is that of the score test: known values, and never outside of 0 to 1."""
    assert wilson_interval(0.5, 10) == pytest.approx((0.236593090512564, 0.763406909487436))
    assert wilson_interval(1.0, 5) == pytest.approx((0.5655175352168252, 1.0))
    assert wilson_interval(0.0, 5)[0] == 0


def test_moments() -> None:
    """Skewness and kurtosis are those of a sample, as spreadsheets compute them."""
    values = [3.0, 4.0, 5.0, 2.0, 3.0, 4.0, 5.0, 6.0, 4.0, 7.0]

    assert skewness(values) == pytest.approx(0.359543071406797)
    assert kurtosis(values) == pytest.approx(-0.151799637208416)
    assert (skewness([1.0, 1.0, 1.0]), kurtosis([1.0] * 4)) == (None, None)
    assert (skewness([1.0, 2.0]), kurtosis([1.0, 2.0, 3.0])) == (None, None)


def test_what_cannot_be_computed_is_none() -> None:
    """One learner, one question, or the same score for all has no discrimination and no consistency."""
    assert discrimination([(1.0, 2.0)]) == {"discrimination_index": None, "discriminative_efficiency": None}
    assert cronbach_alpha([[1.0, 0.0]], [1.0, 0.0]) is None
    assert cronbach_alpha([[1.0], [0.0]], [1.0]) is None
    assert cronbach_alpha([[1.0, 0.0], [0.0, 1.0]], [1.0, 1.0]) is None
    assert cronbach_alpha([[1.0, 0.0], [1.0, 0.0]], [2.0, 0.0]) == pytest.approx(100)
    empty = quiz_statistics_row(QUIZ, responses(QUIZ, [summary("anna")], "first"))
    assert (empty["responses"], empty["mean"], empty["sd"]) == (0, None, None)
