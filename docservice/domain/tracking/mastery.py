"""Mastery logs: which one a start resumes, when a new one is opened, how many past attempts it shows.

Rule: kolibri/core/logger/api.py (_get_or_create_masterylog, _start_assessment_session, _check_quiz_log_permissions).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from docservice.domain.logs.content_logs import ContentSummaryLog, MasteryLog
from docservice.errors import PermissionDenied

LOWEST_LEVEL = -(2**31)
"""The lowest mastery level; tries at a quiz draw theirs from here to -1."""

_QUIZ_TYPES = ("quiz", "pre_post_test")
_IN_A_ROW = {
    "num_correct_in_a_row_2": 2,
    "num_correct_in_a_row_3": 3,
    "num_correct_in_a_row_5": 5,
    "num_correct_in_a_row_10": 10,
}
_USUAL_PAST_ATTEMPTS = 10
_LONG_AGO = datetime.min.replace(tzinfo=UTC)


def is_quiz(mastery_model: Mapping[str, Any]) -> bool:
    """Whether tries with this model are those of a quiz: random negative levels, all past attempts shown."""
    return mastery_model.get("type") in _QUIZ_TYPES


def current_try(tries: Sequence[MasteryLog], *, quiz: bool) -> MasteryLog | None:
    """Return the mastery log that a start would resume: an open one before a finished one, then the one touched last.

    Args:
        tries: all mastery logs of the summary; the same content may have tries as a quiz and as an exercise.
        quiz: which of the two kinds is asked for.
    """
    of_kind = [log for log in tries if (log.mastery_level < 0 if quiz else log.mastery_level > 0)]
    return min(of_kind, key=lambda log: (log.complete, -_age_key(log)), default=None)


def _age_key(log: MasteryLog) -> float:
    return ((log.end_timestamp or _LONG_AGO) - _LONG_AGO).total_seconds()


def refuse_finished_coach_quiz(log: MasteryLog) -> None:
    """Refuse changes to a finished quiz that a coach assigned.

    Raises:
        PermissionDenied: it is one; nothing can be added to it.
    """
    criterion = log.mastery_criterion
    if log.complete and criterion.get("type") == "quiz" and criterion.get("coach_assigned"):
        raise PermissionDenied("Cannot update a finished coach assigned quiz")


def resume_or_open(
    summary: ContentSummaryLog,
    mastery_model: Mapping[str, Any],
    *,
    repeat: bool,
    now: datetime,
    random_level: int,
) -> tuple[MasteryLog, bool]:
    """Return the mastery log that a content session belongs to, and whether it is a new one.

    Args:
        summary: with all its mastery logs.
        mastery_model: what the front end asks for; a resumed try keeps its own criterion.
        repeat: open a new try if the current one is finished.
        now: UTC, milliseconds.
        random_level: `LOWEST_LEVEL`..-1, used for a new mastery log at a quiz.

    Raises:
        PermissionDenied: the mastery log is a finished quiz that a coach assigned.
    """
    quiz = is_quiz(mastery_model)
    current = current_try(summary.mastery_logs, quiz=quiz)
    if current is not None and not (current.complete and repeat):
        refuse_finished_coach_quiz(current)
        return current, False
    taken = {log.mastery_level for log in summary.mastery_logs}
    if quiz:
        level = random_level
        while level in taken:
            level = level - 1 if level > LOWEST_LEVEL else -1
    else:
        level = current.mastery_level + 1 if current else 1
        while level in taken:  # an open mastery log of a lower level is resumed first, so a higher one may be there
            level += 1
    opened = MasteryLog(
        dataset_id=summary.dataset_id,
        user_id=summary.user_id,
        summarylog_id=summary.id,
        mastery_criterion=dict(mastery_model),
        start_timestamp=now,
        end_timestamp=now,
        mastery_level=level,
    )
    return opened.identified(), True


def past_attempts_limit(criterion: Mapping[str, Any]) -> int | None:
    """Return how many past attempts a start shows, newest first; None: all.

    `m_of_n` without a usable `n`, where the real server fails, shows the usual ten.
    """
    if is_quiz(criterion):
        return None
    if criterion.get("type") == "m_of_n":
        n = criterion.get("n")
        return n if isinstance(n, int) and n >= 0 else _USUAL_PAST_ATTEMPTS
    return _IN_A_ROW.get(str(criterion.get("type")), _USUAL_PAST_ATTEMPTS)
