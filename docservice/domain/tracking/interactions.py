"""Interactions with questions become attempts.

Neighbours with the same item are one attempt; the first of them chooses it: by id, by `replace`, or a new one.
Rule: kolibri/core/logger/api.py (_update_or_create_attempts, _create_attempt, _update_attempt).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import groupby
from typing import Any

from docservice.domain.logs.content_logs import AttemptLog, ContentSessionLog
from docservice.domain.requests.tracking import Interaction
from docservice.errors import FieldError, InvalidReference, ValidationFailed


@dataclass
class AttemptChanges:
    """What a list of interactions did.

    Attributes:
        answered: for each run of interactions the attempt as it was after that run.
        created: new attempts by id, as they are at the end.
        changed: attempts that were there before, by id, as they are at the end.
        correct_delta: change of the sum of `correct`.
    """

    answered: list[AttemptLog] = field(default_factory=list)
    created: dict[str, AttemptLog] = field(default_factory=dict)
    changed: dict[str, AttemptLog] = field(default_factory=dict)
    correct_delta: float = 0.0


def selecting(interactions: Sequence[Interaction]) -> list[Interaction]:
    """Return the interactions that choose an attempt: the first of each run."""
    return [next(run) for _, run in groupby(interactions, key=lambda interaction: interaction.item)]


def choose_stored(interactions: Sequence[Interaction]) -> bool:
    """Whether some interactions may choose an attempt that is stored, by its id or to replace its answer."""
    return any(interaction.id is not None or interaction.replace for interaction in selecting(interactions))


def record(
    interactions: Sequence[Interaction],
    known: Sequence[AttemptLog],
    *,
    session: ContentSessionLog,
    masterylog_id: str | None,
    now: datetime,
    new_source_id: Callable[[], str],
) -> AttemptChanges:
    """Convert interactions to new and changed attempts.

    Args:
        interactions: in the order sent.
        known: stored attempts of the same learner and try that `selecting(interactions)` may choose.
        session: the content session that reports them.
        masterylog_id: the mastery log; None for content sessions without one.
        now: UTC, milliseconds.
        new_source_id: makes a random source id, 32 hex characters.

    Raises:
        InvalidReference: an interaction names an attempt that is not there.
        ValidationFailed: the start of an answer would be before the year 1.
    """
    changes = AttemptChanges()
    book = {attempt.id: attempt for attempt in known}
    # Where the real server fails because several attempts fit a `replace`, the latest of them is meant.
    by_age = sorted(known, key=lambda attempt: attempt.end_timestamp)
    latest = {attempt.item: attempt.id for attempt in by_age if replaceable(attempt, session)}
    position = 0
    for _, group in groupby(interactions, key=lambda interaction: interaction.item):
        run = list(group)
        first, position = position, position + len(run)
        chosen = _chosen(run[0], book, latest)
        if chosen is None:
            attempt = _begin(run.pop(0), first, session=session, masterylog_id=masterylog_id, now=now)
            attempt = attempt.identified(new_source_id())
        else:
            attempt = chosen
        attempt = _continue(attempt, run, now)
        book[attempt.id] = attempt
        latest[attempt.item] = attempt.id
        (changes.created if chosen is None or attempt.id in changes.created else changes.changed)[attempt.id] = attempt
        changes.answered.append(attempt)
        changes.correct_delta += attempt.correct - (chosen.correct if chosen else 0.0)
    return changes


def _chosen(interaction: Interaction, book: Mapping[str, AttemptLog], latest: Mapping[str, str]) -> AttemptLog | None:
    if interaction.id is not None:
        if interaction.id not in book:
            raise InvalidReference("Invalid attemptlog id specified")
        return book[interaction.id]
    if interaction.replace and interaction.item in latest:
        return book[latest[interaction.item]]
    return None


def replaceable(attempt: AttemptLog, session: ContentSessionLog) -> bool:
    """Whether a `replace` without an id may choose the attempt; for anonymous visitors only in the same session."""
    return session.user_id is not None or attempt.sessionlog_id == session.id


def _summary(interaction: Interaction) -> dict[str, Any]:
    if interaction.error:
        return {"type": "error"}
    if interaction.hinted:
        return {"type": "hint", "answer": interaction.answer}
    return {"type": "answer", "answer": interaction.answer, "correct": interaction.correct}


def _begin(
    interaction: Interaction, position: int, *, session: ContentSessionLog, masterylog_id: str | None, now: datetime
) -> AttemptLog:
    try:
        start = now - timedelta(seconds=interaction.time_spent)
    except OverflowError:
        raise ValidationFailed(
            [
                FieldError(
                    ("interactions", position, "time_spent"),
                    "max_value",
                    "The time spent reaches back before the calendar.",
                )
            ]
        ) from None
    return AttemptLog(
        dataset_id=session.dataset_id,
        user_id=session.user_id,
        sessionlog_id=session.id,
        masterylog_id=masterylog_id,
        item=interaction.item,
        start_timestamp=start,
        end_timestamp=now,
        completion_timestamp=now if interaction.complete else None,
        time_spent=interaction.time_spent,
        complete=interaction.complete,
        correct=interaction.correct,
        hinted=interaction.hinted,
        error=interaction.error,
        answer=interaction.answer if interaction.answer is not None else {},
        simple_answer=interaction.simple_answer or "",
        interaction_history=[_summary(interaction)],
    )


def _continue(attempt: AttemptLog, run: Sequence[Interaction], now: datetime) -> AttemptLog:
    for interaction in run:
        attempt = _advanced(attempt, interaction, now)
    if not run:
        return attempt
    history = [*attempt.interaction_history, *(_summary(interaction) for interaction in run)]
    return attempt.model_copy(update={"interaction_history": history})


def _advanced(attempt: AttemptLog, interaction: Interaction, now: datetime) -> AttemptLog:
    update: dict[str, Any] = {
        "end_timestamp": now,
        "time_spent": interaction.time_spent,
        "error": attempt.error or interaction.error,
        # A hint counts only while the attempt is wrong, judged before this interaction may replace the answer.
        "hinted": attempt.hinted or (interaction.hinted and not attempt.correct),
        "morango_dirty_bit": True,
    }
    if interaction.replace:
        update["correct"] = interaction.correct
        if interaction.has("answer"):
            update["answer"] = interaction.answer
        if interaction.has("simple_answer"):
            update["simple_answer"] = interaction.simple_answer
    if interaction.complete and not attempt.complete:
        update |= {"complete": True, "completion_timestamp": now}
    return attempt.model_copy(update=update)
