"""Everything of one learner in the order of time: visits, tries and answers."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from docservice.domain.exports.quiz_tries import numbered_tries
from docservice.domain.reports.class_progress import Fields, ReportRow
from docservice.domain.reports.difficult_questions import AskedContent
from docservice.domain.reports.filters import ReportFilters
from docservice.domain.reports.item_analysis import answer_text
from docservice.domain.values.times import exact_moment


def timeline_rows(
    visits: Iterable[Fields],
    summaries: Iterable[Fields],
    user_sessions: Iterable[Fields],
    filters: ReportFilters,
    contents: Mapping[str, AskedContent],
) -> list[ReportRow]:
    """Return the rows of `learner-timeline`, oldest first.

    Args:
        visits: content sessions of the learner, with the attempts that belong to no try.
        summaries: of the learner, with all attempts of their tries.
        user_sessions: of the learner.
        filters: of the report; what began in their span counts.
        contents: titles of contents and questions, by content id.
    """
    span = filters.span
    rows = [*_visits(visits), *_tries(summaries), *_user_sessions(user_sessions)]
    named = [{**_content(row, contents), **row} for row in rows if span.holds(row["time"])]
    return sorted(named, key=lambda row: (row["time"], _ORDER.index(row["event"])))


_ORDER = ("user session", "visit", "try", "answer", "completion")
"""Of what began at the same moment."""


def _content(row: ReportRow, contents: Mapping[str, AskedContent]) -> ReportRow:
    content = contents.get(row.get("content_id") or "")
    if content is None:
        return {}
    question = content.question(row["item"])["question"] if row.get("item") else None
    return {"title": content.title, "question": question}


def _visits(visits: Iterable[Fields]) -> Iterator[ReportRow]:
    for visit in visits:
        context = (visit.get("extra_fields") or {}).get("context") or {}
        of_content = {"content_id": visit["content_id"], "kind": visit["kind"]}
        yield {
            **of_content,
            **_times("visit", visit),
            "time_spent": visit["time_spent"],
            "progress": visit["progress"],
            "lesson_id": context.get("lesson_id"),
        }
        for attempt in visit.get("attempts", ()):
            yield {**of_content, **_answer(attempt)}


def _tries(summaries: Iterable[Fields]) -> Iterator[ReportRow]:
    for summary in summaries:
        of_content = {"content_id": summary["content_id"], "kind": summary["kind"]}
        for number, log in numbered_tries(summary.get("mastery_logs", ())):
            if log["start_timestamp"] is not None:
                yield {
                    **of_content,
                    **_times("try", log),
                    "time_spent": log["time_spent"],
                    "try_number": number,
                    "complete": log["complete"],
                    "correct": log["correct_sum"],
                }
            for attempt in log.get("attempts", ()):
                yield {**of_content, **_answer(attempt), "try_number": number}
        if summary["completion_timestamp"] is not None:
            moment = exact_moment(summary, "completion_timestamp")
            yield {**of_content, "time": moment, "event": "completion", "progress": summary["progress"]}


def _user_sessions(user_sessions: Iterable[Fields]) -> Iterator[ReportRow]:
    for session in user_sessions:
        start, last = session["start_timestamp"], session["last_interaction_timestamp"]
        yield {
            **_times("user session", session, "last_interaction_timestamp"),
            "time_spent": None if last is None else (last - start).total_seconds(),
            "device": session.get("device_info"),
        }


def _answer(attempt: Fields) -> ReportRow:
    return {
        **_times("answer", attempt),
        **{name: attempt[name] for name in ("item", "correct", "complete", "hinted", "error", "time_spent")},
        "answer": answer_text(attempt),
    }


def _times(event: str, log: Fields, end: str = "end_timestamp") -> dict[str, Any]:
    ended = None if log[end] is None else exact_moment(log, end)
    return {"event": event, "time": exact_moment(log, "start_timestamp"), "end": ended}
