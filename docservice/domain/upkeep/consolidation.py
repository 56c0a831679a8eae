"""Repairs of records that old versions of Kolibri wrote wrongly, as Kolibri's own upgrades do them.

The rules work on a summary as its document holds it, with all attempts of its mastery logs, because they are for
millions of them. Each gives a changed copy and leaves the one it was given alone; what it has put right it finds in
order the next time. Every record that changes waits for sync again.
Rule: kolibri/core/logger/upgrade.py and utils/attempt_log_consolidation.py.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, Literal, NamedTuple

from docservice.domain.logs.migrated_quizzes import is_migrated
from docservice.domain.values.times import exact_moment

Record = dict[str, Any]


class RuleResult(NamedTuple):
    """A summary after a rule.

    Attributes:
        summary: the one that was given, if nothing was wrong.
        records: how many records the rule changed or merged into another.
    """

    summary: Mapping[str, Any]
    records: int


def quiz_attempts(summary: Mapping[str, Any]) -> RuleResult:
    """Merge attempts at the same question in the same mastery log of a quiz, of which there is to be one.

    The one with the latest end stays, with its answer; it begins with the earliest, has the interactions of all in
    their order and the time of all. The try notes the ids of the others in `merged_attempt_ids`.
    Rule: kolibri, upgrade below 0.16.0 (and after syncs from such), consolidate_quiz_attempt_logs.

    In a mastery log that was made of an exam log, attempts with the same question and start are copies of one that
    several devices have made. The one with the latest end stays as it is.
    """
    count, tries = 0, []
    for log in summary.get("mastery_logs", ()):
        if len({a["item"] for a in log["attempts"]}) == len(log["attempts"]):
            mended = log
        elif log["mastery_level"] < 0:
            mended = _without_duplicates(log)
        else:
            mended = _without_copies(log) if is_migrated(summary, log) else log
        if mended is not log:
            count += len(log["attempts"]) - len(mended["attempts"])
            tries.append(mended)
        else:
            tries.append(log)
    return RuleResult({**summary, "mastery_logs": tries}, count) if count else RuleResult(summary, 0)


def _without_duplicates(log: Record) -> Record:
    by_item: dict[str, list[Record]] = {}
    for attempt in log["attempts"]:
        by_item.setdefault(attempt["item"], []).append(attempt)
    merged_away: set[str] = set(log.get("merged_attempt_ids", ()))
    attempts = []
    for same in by_item.values():
        newest_first = sorted(same, key=lambda attempt: exact_moment(attempt, "end_timestamp"), reverse=True)
        attempts.append(_merged(newest_first) if len(same) > 1 else same[0])
        merged_away.update(attempt["id"] for attempt in newest_first[1:])
    attempts.sort(key=lambda attempt: exact_moment(attempt, "start_timestamp"))
    return {**log, "attempts": attempts, "merged_attempt_ids": sorted(merged_away)}


def _without_copies(log: Record) -> Record:
    latest: dict[tuple[str, datetime], Record] = {}
    for attempt in log["attempts"]:
        key = attempt["item"], exact_moment(attempt, "start_timestamp")
        if key not in latest or exact_moment(attempt, "end_timestamp") > exact_moment(latest[key], "end_timestamp"):
            latest[key] = attempt
    if len(latest) == len(log["attempts"]):
        return log
    kept = {attempt["id"] for attempt in latest.values()}
    merged_away = {attempt["id"] for attempt in log["attempts"]} - kept | set(log.get("merged_attempt_ids", ()))
    attempts = [attempt for attempt in log["attempts"] if attempt["id"] in kept]
    return {**log, "attempts": attempts, "merged_attempt_ids": sorted(merged_away)}


def _merged(newest_first: list[Record]) -> Record:
    kept = newest_first[0]
    interactions, seconds, first = _interactions(kept), kept["time_spent"], kept
    for older in newest_first[1:]:
        interactions = _interactions(older) + interactions
        seconds += older["time_spent"]
        if exact_moment(older, "start_timestamp") < exact_moment(first, "start_timestamp"):
            first = older
    merged = {**kept, "time_spent": seconds, "interaction_history": interactions, "_morango_dirty_bit": True}
    return with_time(merged, "start_timestamp", first, "start_timestamp")


def _interactions(attempt: Mapping[str, Any]) -> list[Any]:
    # Development data of Kolibri has an object in place of an empty list.
    history = attempt["interaction_history"]
    return history if isinstance(history, list) else [history] if history else []


def progress(summary: Mapping[str, Any]) -> RuleResult:
    """Complete a summary whose progress came as near to 1 as it could, with its latest mastery log.

    Rule: kolibri, upgrade below 0.15.11, fix_asymptotic_progress.
    """
    if not 0.999 < summary["progress"] < 1:
        return RuleResult(summary, 0)
    mended = {**summary, "progress": 1.0, "_morango_dirty_bit": True}
    mended = with_time(mended, "completion_timestamp", summary, "end_timestamp")
    tries = list(summary.get("mastery_logs", ()))
    if tries:
        latest = max(range(len(tries)), key=lambda n: (tries[n]["end_timestamp"] is not None, _end(tries[n])))
        complete = {**tries[latest], "complete": True, "_morango_dirty_bit": True}
        tries[latest] = with_time(complete, "completion_timestamp", complete, "end_timestamp")
        mended["mastery_logs"] = tries
    return RuleResult(mended, 1 + bool(tries))


def mastery_times(summary: Mapping[str, Any]) -> RuleResult:
    """Give tries that end where they start the end of their latest attempt, or, without any, that of the summary.

    Rule: kolibri, upgrade from above 0.15.0 to below 0.18.0, fix_masterylog_end_timestamps.
    """
    count, tries = 0, []
    for log in summary.get("mastery_logs", ()):
        mended = _ended(log, summary)
        count += mended is not log
        tries.append(mended)
    return RuleResult({**summary, "mastery_logs": tries}, count) if count else RuleResult(summary, 0)


def _ended(log: Record, summary: Mapping[str, Any]) -> Record:
    if log["end_timestamp"] is None or exact_moment(log, "end_timestamp") != exact_moment(log, "start_timestamp"):
        return log
    source: Mapping[str, Any] = summary
    if log["attempts"]:
        source = max(log["attempts"], key=lambda attempt: exact_moment(attempt, "end_timestamp"))
    elif log["completion_timestamp"] is not None or summary["end_timestamp"] is None:
        return log
    if exact_moment(source, "end_timestamp") == exact_moment(log, "end_timestamp"):
        return log
    return with_time({**log, "_morango_dirty_bit": True}, "end_timestamp", source, "end_timestamp")


def _end(log: Mapping[str, Any]) -> datetime:
    return exact_moment(log, "end_timestamp" if log["end_timestamp"] is not None else "start_timestamp")


def with_time(record: Mapping[str, Any], field: str, source: Mapping[str, Any], source_field: str) -> Record:
    """Return the record with a time of another, and with the text that a device recorded for it."""
    recorded = {name: text for name, text in record.get("_recorded", {}).items() if name != field}
    text = source.get("_recorded", {}).get(source_field)
    if text is not None:
        recorded[field] = text
    changed: Record = {**record, field: source[source_field]}
    if recorded or "_recorded" in record:
        changed["_recorded"] = recorded
    return changed


ConsolidationRule = Literal["progress", "quiz-attempts", "mastery-times"]
"""A repair of what old Kolibris recorded wrongly; see the function of its name."""

RULES: dict[ConsolidationRule, Callable[[Mapping[str, Any]], RuleResult]] = {
    "progress": progress,
    "quiz-attempts": quiz_attempts,
    "mastery-times": mastery_times,
}
"""In the order in which the upgrades came."""
