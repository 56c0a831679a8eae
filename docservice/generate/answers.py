"""Answers to one question: the interactions that a front end reports, and the progress after them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from random import Random
from typing import Any

from docservice.generate.contents import Content

_FAULTY_QUESTION = 0.003
_MOST_TRIES = 3
_CHOICES = "ABCD"


def luck(content: Content) -> float:
    """How likely a guess is right: a quarter where one of four is to be chosen, as in every other exercise."""
    return 0.25 if len(content.items) % 2 else 0.05


def seconds_passed(seconds: float) -> timedelta:
    """Return a duration, in whole milliseconds."""
    return timedelta(milliseconds=round(seconds * 1000))


def answer(chance: Random) -> tuple[dict[str, Any], str]:
    """Return an answer as a question widget gives it, and its short form."""
    if chance.random() < 0.5:
        choice = chance.choice(_CHOICES)
        return {"question": {"radio 1": choice}}, choice
    number = str(chance.randint(2, 99))
    return {"question": {"input-number 1": number}}, number


def interactions(item: str, right: bool, seconds: float, asks: float, chance: Random) -> list[dict[str, Any]]:
    """Return all interactions with one question of an exercise.

    Args:
        item: the question.
        right: whether the first answer is right, which is what counts.
        seconds: until the first answer.
        asks: how likely a wrong answer is followed by a look at a hint.
        chance: for everything else.

    Returns:
        one or more; `time_spent` of the last is that of the whole question.
    """
    if chance.random() < _FAULTY_QUESTION:
        return [{"item": item, "correct": 0, "time_spent": seconds, "error": True, "complete": True}]
    answer_json, simple = answer(chance)
    common = {"item": item, "correct": int(right), "answer": answer_json, "simple_answer": simple}
    events: list[dict[str, Any]] = [{**common, "time_spent": seconds, "complete": right}]
    while not right and len(events) < _MOST_TRIES:
        seconds = round(seconds + chance.uniform(4, 25), 1)
        if chance.random() < asks:
            events.append({"item": item, "correct": 0, "time_spent": seconds, "hinted": True, "answer": {}})
            asks = 0.0
        right = chance.random() < 0.6
        answer_json, simple = answer(chance)
        events.append(
            {**common, "correct": int(right), "time_spent": seconds, "answer": answer_json, "simple_answer": simple}
        )
    events[-1]["complete"] = True
    return events


def quiz_interaction(item: str, right: bool, seconds: float, chance: Random) -> dict[str, Any]:
    """Return the answer to a question of a quiz."""
    answer_json, simple = answer(chance)
    return {
        "item": item,
        "correct": int(right),
        "answer": answer_json,
        "simple_answer": simple,
        "time_spent": seconds,
        "complete": True,
    }


def progress(content: Content, results: Sequence[bool]) -> float:
    """How far an exercise is after the questions of a try, by its mastery model, 0..1.

    Args:
        content: an exercise.
        results: whether each first answer of the try was right, oldest first.
    """
    model = content.mastery_model or {}
    done: float
    match model.get("type"):
        case "m_of_n":
            done = sum(results[-model["n"] :]) / model["m"]
        case "num_correct_in_a_row_5":
            done = next((i for i, right in enumerate(reversed(results)) if not right), len(results)) / 5
        case _:
            done = sum(results) / len(content.items)
    return min(done, 1.0)
