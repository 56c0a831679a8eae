"""How well questions tell learners apart, as Moodle's quiz statistics define it.

A quiz is Moodle's: a learner's score is the sum over all its questions, and a question that was not answered counts 0.
Learners meet other questions of an exercise, and not the same number of them; there the rest of the score is the mean
of the learner's other questions, and only learners with other questions count for discrimination.

Rule: Moodle, mod/quiz/report/statistics and question/classes/statistics (facility index, its standard deviation,
discrimination index, discriminative efficiency, coefficient of internal consistency, error ratio, standard error), as
its developers describe them under "Quiz statistics calculations"; confidence intervals: Wilson's score interval, 95 %.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from statistics import median
from typing import Any

from docservice.domain.reports.class_progress import Fields, ReportRow
from docservice.domain.reports.difficult_questions import AskedContent, content_kind
from docservice.domain.reports.filters import CountedTries
from docservice.domain.values.times import exact_moment

_Z_95 = 1.959963984540054
_LONGEST_ANSWER = 200
"""Characters of an answer that are shown."""

_LAST = datetime.max.replace(tzinfo=UTC)


@dataclass(frozen=True)
class QuestionAnswer:
    """One answer that a statistic counts.

    Attributes:
        user_id: the learner.
        score: how right it is, 0 to 1.
        rest: the learner's score without this question; None if there is nothing else.
        attempt: None if the learner left the question out.
    """

    user_id: str
    score: float
    rest: float | None
    attempt: Fields | None


@dataclass
class ContentResponses:
    """What learners answered to the questions of a content.

    Attributes:
        kind: `quiz`, `practice quiz` or `exercise`.
        answers: of each question, by item, in the order of the content.
        totals: of a quiz the score of each try.
        learners: who has answered.
    """

    kind: str
    answers: dict[str, list[QuestionAnswer]] = field(default_factory=dict)
    totals: list[float] = field(default_factory=list)
    learners: set[str] = field(default_factory=set)


def responses(content: AskedContent, summaries: Sequence[Fields], tries: CountedTries) -> ContentResponses:
    """Return the answers that count.

    Args:
        content: what it is.
        summaries: of the selected learners and this content, with all attempts of their tries.
        tries: of a quiz each learner's first complete try, or all complete ones; of an exercise each learner's first
            attempt at each question, or all attempts.
    """
    kind = content_kind(summaries)
    return _of_exercise(content, summaries, tries) if kind == "exercise" else _of_quiz(content, summaries, tries, kind)


def _of_quiz(content: AskedContent, summaries: Iterable[Fields], tries: CountedTries, kind: str) -> ContentResponses:
    counted: list[tuple[str, dict[str, Fields]]] = []
    for summary in summaries:
        complete = [log for log in summary.get("mastery_logs", ()) if log["complete"] and log["mastery_level"] < 0]
        if kind == "quiz":
            complete = [log for log in summary.get("mastery_logs", ()) if log["complete"]]
        complete.sort(key=_began)
        counted += [
            (summary["user_id"], {attempt["item"]: attempt for attempt in reversed(log["attempts"])})
            for log in (complete[:1] if tries == "first" else complete)
        ]
    items = dict.fromkeys([*(content.questions or ()), *(item for _, answered in counted for item in answered)])
    found = ContentResponses(kind, {item: [] for item in items}, learners={user_id for user_id, _ in counted})
    for user_id, answered in counted:
        scores = {item: float(answered[item]["correct"]) if item in answered else 0.0 for item in items}
        total = math.fsum(scores.values())
        found.totals.append(total)
        for item, score in scores.items():
            rest = total - score if len(items) > 1 else None
            found.answers[item].append(QuestionAnswer(user_id, score, rest, answered.get(item)))
    return found


def _of_exercise(content: AskedContent, summaries: Iterable[Fields], tries: CountedTries) -> ContentResponses:
    found = ContentResponses("exercise", {item: [] for item in content.questions or ()})
    for summary in summaries:
        logs = sorted(summary.get("mastery_logs", ()), key=_began)
        by_item: dict[str, list[Fields]] = {}
        for attempt in (attempt for log in logs for attempt in log["attempts"]):
            by_item.setdefault(attempt["item"], []).append(attempt)
        if tries == "first":
            by_item = {item: attempts[:1] for item, attempts in by_item.items()}
        scores = {item: [float(each["correct"]) for each in attempts] for item, attempts in by_item.items()}
        for item, attempts in by_item.items():
            others = [score for other, listed in scores.items() if other != item for score in listed]
            rest = math.fsum(others) / len(others) if others else None
            found.answers.setdefault(item, []).extend(
                QuestionAnswer(summary["user_id"], float(each["correct"]), rest, each) for each in attempts
            )
            found.learners.add(summary["user_id"])
    found.answers = {item: answers for item, answers in found.answers.items() if answers}
    return found


def _began(log: Fields) -> tuple[datetime, str]:
    return (_LAST if log["start_timestamp"] is None else exact_moment(log, "start_timestamp"), log["id"])


def item_analysis_rows(content: AskedContent, found: ContentResponses, least_learners: int) -> Iterator[ReportRow]:
    """Yield a row for each question that enough learners answered, in the order of the content.

    Args:
        content: what it is.
        found: its answers.
        least_learners: fewer are not enough.
    """
    for item, answers in found.answers.items():
        learners = {answer.user_id for answer in answers}
        if len(learners) < least_learners:
            continue
        attempts = [answer.attempt for answer in answers if answer.attempt is not None]
        scores = [answer.score for answer in answers]
        low, high = wilson_interval(mean(scores), len(scores))
        compared = [(answer.score, answer.rest) for answer in answers if answer.rest is not None]
        wrong = wrong_answers(answers)
        yield {
            **_named(content, found.kind, item),
            "learners": len(learners),
            "responses": len(answers),
            "answered": len(attempts),
            "facility_index": 100 * mean(scores),
            "facility_low": 100 * low,
            "facility_high": 100 * high,
            "facility_sd": None if len(scores) < 2 else 100 * math.sqrt(covariance(scores, scores)),
            **discrimination(compared),
            "median_time": median(each["time_spent"] for each in attempts) if attempts else None,
            "share_hinted": _share(attempts, "hinted"),
            "share_error": _share(attempts, "error"),
            "wrong_answer": wrong[0][0] if wrong else None,
            "wrong_answer_count": len(wrong[0][1]) if wrong else None,
        }


def wrong_answer_rows(content: AskedContent, found: ContentResponses, least_learners: int) -> Iterator[ReportRow]:
    """Yield a row for each wrong answer to a question that enough learners answered, the most frequent first."""
    for item, answers in found.answers.items():
        if len({answer.user_id for answer in answers}) < least_learners:
            continue
        for text, listed in wrong_answers(answers):
            yield {
                **_named(content, found.kind, item),
                "answer": text,
                "count": len(listed),
                "learners": len(set(listed)),
                "share": len(listed) / len(answers),
            }


def quiz_statistics_row(content: AskedContent, found: ContentResponses) -> ReportRow:
    """Return the row of a quiz as a whole; numbers of percent are of the highest possible score."""
    totals, questions = found.totals, len(found.answers)
    percent = [100 * total / questions for total in totals] if questions else []
    count = len(percent)
    spread = covariance(percent, percent) if count > 1 else 0.0
    return {
        "content_id": content.id,
        "title": content.title,
        "kind": found.kind,
        "learners": len(found.learners),
        "responses": count,
        "questions": questions,
        "mean": mean(percent) if percent else None,
        "median": median(percent) if percent else None,
        "sd": math.sqrt(spread) if count > 1 else None,
        "skewness": skewness(percent),
        "kurtosis": kurtosis(percent),
        **_reliability(found, spread),
    }


def _reliability(found: ContentResponses, spread: float) -> ReportRow:
    scores = [[answer.score for answer in answers] for answers in found.answers.values()]
    alpha = cronbach_alpha(scores, found.totals)
    if alpha is None:
        return {"cronbach_alpha": None, "error_ratio": None, "standard_error": None}
    error_ratio = 100 * math.sqrt(max(0.0, 1 - alpha / 100))
    return {
        "cronbach_alpha": alpha,
        "error_ratio": error_ratio,
        "standard_error": error_ratio / 100 * math.sqrt(spread),
    }


def mean(values: Sequence[float]) -> float:
    """Return the arithmetic mean of at least one value."""
    return math.fsum(values) / len(values)


def covariance(first: Sequence[float], second: Sequence[float]) -> float:
    """Return the covariance of two samples of the same length, at least 2; of a sample with itself its variance."""
    of_first, of_second = mean(first), mean(second)
    products = ((a - of_first) * (b - of_second) for a, b in zip(first, second, strict=True))
    return math.fsum(products) / (len(first) - 1)


def discrimination(compared: Sequence[tuple[float, float]]) -> ReportRow:
    """Return discrimination index and discriminative efficiency, in percent; None where all scores are the same.

    The index is the correlation of the score of a question with the rest of the score. The efficiency is their
    covariance as a part of the greatest one that these scores could have, each of them sorted.

    Args:
        compared: score of the question and rest of the score, of each learner.
    """
    index = efficiency = None
    if len(compared) > 1:
        scores, rests = [score for score, _ in compared], [rest for _, rest in compared]
        together = covariance(scores, rests)
        spread = math.sqrt(covariance(scores, scores) * covariance(rests, rests))
        greatest = covariance(sorted(scores), sorted(rests))
        index = 100 * together / spread if spread > _NOTHING else None
        efficiency = 100 * together / greatest if greatest > _NOTHING else None
    return {"discrimination_index": index, "discriminative_efficiency": efficiency}


_NOTHING = 1e-12
"""A spread below this is of rounding: all scores are the same."""


def cronbach_alpha(scores: Sequence[Sequence[float]], totals: Sequence[float]) -> float | None:
    """Return the coefficient of internal consistency (Cronbach's alpha) in percent.

    Args:
        scores: of each question, those of all tries in the same order.
        totals: the score of each try.

    Returns:
        None for one question, one try, or if all tries have the same score.
    """
    questions = len(scores)
    if questions < 2 or len(totals) < 2:
        return None
    spread = covariance(totals, totals)
    if spread <= _NOTHING:
        return None
    of_questions = math.fsum(covariance(each, each) for each in scores)
    return 100 * questions / (questions - 1) * (1 - of_questions / spread)


def skewness(values: Sequence[float]) -> float | None:
    """Return the skewness of a sample (k3 / k2^(3/2)); None for fewer than 3 values, or if all are the same."""
    count = len(values)
    if count < 3:
        return None
    k2 = covariance(values, values)
    k3 = count**2 / ((count - 1) * (count - 2)) * _moment(values, 3)
    return k3 / k2**1.5 if k2 > _NOTHING else None


def kurtosis(values: Sequence[float]) -> float | None:
    """Return the excess kurtosis of a sample (k4 / k2²); None for fewer than 4 values, or if all are the same."""
    count = len(values)
    if count < 4:
        return None
    k2 = covariance(values, values)
    moments = (count + 1) * _moment(values, 4) - 3 * (count - 1) * _moment(values, 2) ** 2
    k4 = count**2 / ((count - 1) * (count - 2) * (count - 3)) * moments
    return k4 / k2**2 if k2 > _NOTHING else None


def _moment(values: Sequence[float], power: int) -> float:
    middle = mean(values)
    return math.fsum((value - middle) ** power for value in values) / len(values)


def wilson_interval(share: float, count: int) -> tuple[float, float]:
    """Return the 95 % confidence interval of a share of at least one answer, by Wilson's score."""
    square = _Z_95**2
    middle = (share + square / (2 * count)) / (1 + square / count)
    reach = _Z_95 / (1 + square / count) * math.sqrt(share * (1 - share) / count + square / (4 * count**2))
    # The share is in its interval, whatever rounding says of shares near 0 and 1.
    return min(share, max(0.0, middle - reach)), max(share, min(1.0, middle + reach))


def wrong_answers(answers: Iterable[QuestionAnswer]) -> list[tuple[str, list[str]]]:
    """Return each wrong answer with the learners who gave it, as often as they did; the most frequent first."""
    given: dict[str, list[str]] = {}
    for answer in answers:
        if answer.attempt is not None and answer.score < 1 and (text := answer_text(answer.attempt)):
            given.setdefault(text, []).append(answer.user_id)
    return sorted(given.items(), key=lambda each: (-len(each[1]), each[0]))


def answer_text(attempt: Fields) -> str:
    """Return an answer as a text: the short form that its question gave, else its JSON; empty if there is none."""
    simple: Any = attempt.get("simple_answer")
    answer = attempt.get("answer")
    text = str(simple) if simple else "" if answer in (None, {}, [], "") else _json(answer)
    return text if len(text) <= _LONGEST_ANSWER else text[: _LONGEST_ANSWER - 1] + "…"


def _json(answer: Any) -> str:
    return answer if isinstance(answer, str) else json.dumps(answer, ensure_ascii=False, sort_keys=True, default=str)


def _share(attempts: Sequence[Fields], name: str) -> float | None:
    return sum(bool(each[name]) for each in attempts) / len(attempts) if attempts else None


def _named(content: AskedContent, kind: str, item: str) -> Mapping[str, Any]:
    return {"content_id": content.id, "title": content.title, "kind": kind, **content.question(item)}
