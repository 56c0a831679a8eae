"""A learner's tries at a quiz, from mastery logs and exam logs, each try once.

Kolibri up to 0.14 kept a try at a quiz as an exam log. Its upgrade to 0.15, and each sync with a device that has not
been upgraded, copies exam logs into mastery logs and keeps the exam logs as they are. So the same try may be in an
exam log, in a mastery log, or in both, and either of the two may be ahead of the other.

Logs are read by their stored names, and not through the models: an export reads very many.
Rule: kolibri/core/logger/utils/exam_log_migration.py (migrate_from_exam_logs).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple, TypeVar

from docservice.domain.tracking.mastery import is_quiz
from docservice.domain.upkeep.consolidation import with_time
from docservice.domain.values.rounding import exact_sum
from docservice.domain.values.times import exact_moment

Fields = Mapping[str, Any]
Record = dict[str, Any]
Log = TypeVar("Log", bound=Fields)

_UPDATED = ("time_spent", "complete", "correct", "hinted", "error", "answer", "simple_answer", "interaction_history")
_UPDATED_TIMES = ("end_timestamp", "completion_timestamp")
_LAST = datetime.max.replace(tzinfo=UTC)


class QuizTry(NamedTuple):
    """One try at a quiz.

    Attributes:
        log: its times and its result, under the names of a mastery log.
        masterylog_id: None if only an exam log holds it.
        examlog_id: None if only a mastery log holds it.
        attempts: all its attempts, if an exam log holds it or held it before an upgrade; None: those of the mastery
            log, as they are stored.
    """

    log: Fields
    masterylog_id: str | None
    examlog_id: str | None = None
    attempts: Sequence[Fields] | None = None


def stored_try(mastery_log: Fields) -> QuizTry:
    """Return a try that was a mastery log from the beginning."""
    return QuizTry(mastery_log, mastery_log["id"])


def exam_log_try(exam_log: Fields) -> QuizTry:
    """Return a try that only an exam log holds."""
    attempts = exam_log.get("attempts", ())
    log = {
        "id": exam_log["_id"],
        "end_timestamp": None,
        "completion_timestamp": None,
        "time_spent": None,
        "complete": exam_log["closed"],
    }
    log = with_time(log, "completion_timestamp", exam_log, "completion_timestamp")
    return QuizTry(_result(log, attempts), None, exam_log["_id"], attempts)


def migrated_try(mastery_log: Fields, attempts: Iterable[Fields], exam_logs: Sequence[Fields]) -> QuizTry:
    """Return a try that Kolibri copied from an exam log into a mastery log.

    Args:
        mastery_log: the copy.
        attempts: all attempts of the copy.
        exam_logs: what the copy was made of; empty if that is not here, several if the learner has changed facilities.
    """
    log: Record = {**mastery_log, "complete": mastery_log["complete"] or any(log["closed"] for log in exam_logs)}
    for exam_log in exam_logs:
        for field in _UPDATED_TIMES:
            log = _with_later(log, field, exam_log, "completion_timestamp")
    originals = [attempt for exam_log in exam_logs for attempt in exam_log.get("attempts", ())]
    united = _united(attempts, originals)
    examlog_id = exam_logs[0]["_id"] if exam_logs else None
    return QuizTry(_result(log, united), mastery_log["id"], examlog_id, united)


def numbered_tries(mastery_logs: Iterable[Log]) -> Iterator[tuple[int, Log]]:
    """Yield the tries of a summary, numbered from 1 by their start, within their own kind.

    The same content may have tries as an exercise and as a practice quiz, and Kolibri counts them apart. The level is
    not the number: tries at quizzes have random levels below zero, and mastery logs made of exam logs have huge ones.
    Rule: kolibri/core/logger/api.py (_get_or_create_masterylog).
    """
    kinds: dict[bool, list[Log]] = {False: [], True: []}
    for log in mastery_logs:
        kinds[_is_quiz_try(log)].append(log)
    for logs in kinds.values():
        yield from enumerate(sorted(logs, key=_began), 1)


def numbered_quiz_tries(tries: Iterable[QuizTry]) -> Iterator[tuple[int, QuizTry]]:
    """Yield the tries of one learner at one quiz, numbered from 1 by their start."""
    yield from enumerate(sorted(tries, key=lambda one: _began(one.log)), 1)


def _is_quiz_try(log: Fields) -> bool:
    criterion = log.get("mastery_criterion")
    return log["mastery_level"] < 0 or (isinstance(criterion, dict) and is_quiz(criterion))


def _began(log: Fields) -> tuple[datetime, str]:
    # An exam log does not keep its start: its first attempt does, and without attempts its end is all there is.
    for field in ("start_timestamp", "completion_timestamp"):
        if log[field] is not None:
            return exact_moment(log, field), log["id"]
    return _LAST, log["id"]


def _result(log: Record, attempts: Sequence[Fields]) -> Record:
    """Return the log with the result, the time and the bounds of these attempts.

    The upgrade leaves the time of a copy at zero, and takes its own time as the start of a copy without attempts.
    """
    log = {
        **log,
        "start_timestamp": None,
        "time_spent": log["time_spent"] or exact_sum(attempt["time_spent"] for attempt in attempts),
        "attempt_count": len(attempts),
        "correct_sum": exact_sum(attempt["correct"] for attempt in attempts),
    }
    if attempts:
        first = min(attempts, key=lambda attempt: exact_moment(attempt, "start_timestamp"))
        last = max(attempts, key=lambda attempt: exact_moment(attempt, "end_timestamp"))
        log = with_time(log, "start_timestamp", first, "start_timestamp")
        log = _with_later(log, "end_timestamp", last, "end_timestamp")
    return log


def _united(copies: Iterable[Fields], originals: Iterable[Fields]) -> list[Fields]:
    """Return the attempts of a try, each once, from those of the mastery log and those of the exam log.

    Of an attempt that is in both, the version with the later end counts, and the copy if both end at the same time. A
    copy begins when its original began, so two copies with the same item and start (two devices have upgraded) are one.
    An original without such a copy belongs to the copy with its item, if there is one.
    """
    by_start: dict[tuple[str, datetime], Record] = {}
    for copy in copies:
        key = copy["item"], exact_moment(copy, "start_timestamp")
        if key not in by_start or exact_moment(by_start[key], "end_timestamp") < exact_moment(copy, "end_timestamp"):
            by_start[key] = dict(copy)
    copied: dict[str, tuple[str, datetime]] = {key[0]: key for key in sorted(by_start)}
    for original in originals:
        item = f"{original['content_id']}:{original['item']}"
        key = item, exact_moment(original, "start_timestamp")
        if key not in by_start:
            key = copied.get(item, key)
        by_start[key] = _latest(by_start.get(key), {**original, "item": item})
    return list(by_start.values())


def _latest(copy: Record | None, original: Record) -> Record:
    if copy is None:
        return original
    if exact_moment(copy, "end_timestamp") >= exact_moment(original, "end_timestamp"):
        return copy
    latest = copy | {name: original[name] for name in _UPDATED if name in original}
    for field in _UPDATED_TIMES:
        latest = with_time(latest, field, original, field)
    return latest


def _with_later(log: Record, field: str, source: Fields, source_field: str) -> Record:
    if source[source_field] is None:
        return log
    if log[field] is not None and exact_moment(log, field) >= exact_moment(source, source_field):
        return log
    return with_time(log, field, source, source_field)
