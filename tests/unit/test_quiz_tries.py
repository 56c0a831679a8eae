"""The rules that make one try of an exam log and its copy, and that number tries."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from docservice.domain.exports.quiz_tries import migrated_try, numbered_tries
from docservice.domain.logs.migrated_quizzes import is_migrated, migrated_level

MOMENT = datetime(2019, 5, 6, 6, 0, tzinfo=UTC)
QUIZ_ID = "00accde8c627f98f4e4b9dc9caa1019b"
CONTENT = "c" * 32


def at(minutes: float) -> datetime:
    """So many minutes after the first moment."""
    return MOMENT + timedelta(minutes=minutes)


def tried(log_id: str, level: int, minutes: float, model: str = "m_of_n") -> dict[str, Any]:
    """A stored mastery log."""
    return {
        "id": log_id,
        "mastery_level": level,
        "mastery_criterion": {"type": model},
        "start_timestamp": at(minutes),
        "end_timestamp": None,
        "completion_timestamp": None,
        "complete": False,
        "time_spent": 0.0,
    }


def attempt(item: str, minutes: float, seconds: float = 10, **fields: Any) -> dict[str, Any]:
    """A stored attempt, of a copy, or of an exam log with the id of an exercise."""
    return {
        "id": f"{item} {minutes}",
        "item": item,
        "start_timestamp": at(minutes),
        "end_timestamp": at(minutes) + timedelta(seconds=seconds),
        "completion_timestamp": None,
        "time_spent": seconds,
        "correct": 1.0,
        "complete": True,
        "hinted": False,
        "error": False,
        "simple_answer": "",
        **fields,
    }


def exam_log(*attempts: dict[str, Any], closed: bool = False) -> dict[str, Any]:
    """A stored exam log."""
    completed = at(60) if closed else None
    return {
        "_id": "e" * 32,
        "closed": closed,
        "completion_timestamp": completed,
        "attempts": [{"content_id": CONTENT, **one} for one in attempts],
    }


@pytest.mark.parametrize(
    ("exam_id", "level"),
    [(QUIZ_ID, 5463963), ("0" * 31 + "7", 7), ("f" * 32, 768211455), ("0" * 32, 0)],
)
def test_the_level_of_a_copy_follows_from_the_quiz(exam_id: str, level: int) -> None:
    """The last nine decimal digits of the id; other mastery logs of the quiz, and exercises, are not copies."""
    quiz = {"kind": "quiz", "content_id": exam_id}

    assert migrated_level(exam_id) == level
    assert is_migrated(quiz, {"mastery_level": level})
    assert not is_migrated(quiz, {"mastery_level": -1 - level})
    assert not is_migrated({**quiz, "kind": "exercise"}, {"mastery_level": level})


def test_tries_are_numbered_within_their_kind() -> None:
    """By start from 1, those as an exercise apart from those as a quiz, whatever their levels are."""
    tries = [
        tried("exercise 2", 5, 30),
        tried("quiz 2", -7, 40, "quiz"),
        tried("exercise 1", 1, 0),
        tried("quiz 1", -900, 20, "quiz"),
        tried("quiz 3", 776044627, 50, "quiz"),
    ]

    numbers = {log["id"]: number for number, log in numbered_tries(tries)}

    assert numbers == {"exercise 1": 1, "exercise 2": 2, "quiz 1": 1, "quiz 2": 2, "quiz 3": 3}


def test_starts_differ_by_microseconds() -> None:
    """Tries that began in the same millisecond have the order that their device recorded."""
    texts = {"b": "2019-05-06 06:00:00.000100(UTC)", "a": "2019-05-06 06:00:00.000200(UTC)"}
    tries = [{**tried(log_id, -1, 0), "_recorded": {"start_timestamp": text}} for log_id, text in texts.items()]

    assert [(number, log["id"]) for number, log in numbered_tries(tries)] == [(1, "b"), (2, "a")]


def united(copies: list[dict[str, Any]], *originals: dict[str, Any]) -> list[tuple[str, str, float]]:
    """Id, item and correctness of the attempts of a copied try, by id."""
    found = migrated_try(tried("copy", 5463963, 0, "quiz"), copies, [exam_log(*originals)])
    assert found.attempts is not None
    assert found.log["attempt_count"] == len(found.attempts)
    assert found.log["correct_sum"] == sum(one["correct"] for one in found.attempts)
    return sorted((one["id"], one["item"], one["correct"]) for one in found.attempts)


def test_an_attempt_and_its_copy_are_one() -> None:
    """The copy counts, whether it is the original's equal or was changed after it; an original that is ahead wins."""
    copy, original = attempt(f"{CONTENT}:q", 1, id="copy"), attempt("q", 1, id="original")

    assert united([copy], original) == [("copy", f"{CONTENT}:q", 1)]
    assert united([{**copy, "correct": 0.5, "end_timestamp": at(5)}], original) == [("copy", f"{CONTENT}:q", 0.5)]
    assert united([copy], {**original, "correct": 0.25, "end_timestamp": at(5)}) == [("copy", f"{CONTENT}:q", 0.25)]


def test_attempts_on_one_side_only_count() -> None:
    """An original that was not copied yet, and an attempt that the copy alone has, are both there."""
    copies = [attempt(f"{CONTENT}:q", 1, id="copy"), attempt(f"{CONTENT}:new", 9, id="later")]
    originals = [attempt("q", 1, id="original"), attempt("r", 2, id="left")]

    assert [found[0] for found in united(copies, *originals)] == ["copy", "later", "left"]


def test_copies_of_two_devices_are_one() -> None:
    """Each device that upgrades makes copies with ids of its own; they have the item and the start of the original."""
    copies = [attempt(f"{CONTENT}:q", 1, id=name) for name in ("here", "there")]

    assert [found[0] for found in united(copies, attempt("q", 1))] == ["here"]
    assert [found[0] for found in united(copies)] == ["here"]


def test_two_answers_to_a_question_stay_two() -> None:
    """An exam log that has two attempts at an item has them as a copy; one that came later belongs to the copy."""
    first, second = attempt("q", 1, id="first"), attempt("q", 2, id="second", correct=0.5)
    copies = [{**one, "item": f"{CONTENT}:q", "id": f"copy of {one['id']}"} for one in (first, second)]

    assert [found[0] for found in united(copies, first, second)] == ["copy of first", "copy of second"]
    assert united(copies[:1], first, second) == [("copy of first", f"{CONTENT}:q", 0.5)]


def test_a_copy_has_the_times_of_its_attempts() -> None:
    """The upgrade leaves the time spent at zero; what was handed in on either side is handed in, at the later time."""
    copy = tried("copy", 5463963, 1, "quiz")
    attempts = [attempt(f"{CONTENT}:q", 1, 0.1), attempt(f"{CONTENT}:r", 2, 0.2)]

    still_open = migrated_try(copy, attempts, [exam_log()]).log
    closed = migrated_try(copy, attempts, [exam_log(closed=True)]).log

    assert (still_open["start_timestamp"], still_open["end_timestamp"]) == (at(1), at(2) + timedelta(seconds=0.2))
    assert (still_open["complete"], still_open["completion_timestamp"]) == (False, None)
    assert (closed["complete"], closed["completion_timestamp"], closed["end_timestamp"]) == (True, at(60), at(60))
    assert closed["time_spent"] == pytest.approx(0.3)
    assert migrated_try({**copy, "time_spent": 7.5}, attempts, []).log["time_spent"] == 7.5


def test_a_copy_without_attempts_has_no_start() -> None:
    """The upgrade takes its own time as the start of such a copy, which says nothing of the learner."""
    found = migrated_try(tried("copy", 5463963, 999, "quiz"), [], [exam_log(closed=True)]).log

    assert (found["start_timestamp"], found["completion_timestamp"], found["attempt_count"]) == (None, at(60), 0)
