"""Which try a visit belongs to."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from docservice.domain.logs.content_logs import ContentSummaryLog, MasteryLog
from docservice.domain.tracking import mastery
from docservice.errors import PermissionDenied

NOW = datetime(2024, 9, 2, 5, 0, tzinfo=UTC)
M_OF_N = {"type": "m_of_n", "m": 3, "n": 5}
COACH_QUIZ = {"type": "quiz", "coach_assigned": True}


def a_try(level: int, *, complete: bool = False, minutes: int | None = 0, criterion: Any = None) -> MasteryLog:
    """A try that was touched last so many minutes after the start; None: never."""
    return MasteryLog(
        dataset_id="d" * 32,
        user_id="a" * 32,
        summarylog_id="5" * 32,
        mastery_level=level,
        mastery_criterion=criterion or (M_OF_N if level > 0 else {"type": "quiz"}),
        start_timestamp=NOW,
        end_timestamp=None if minutes is None else NOW + timedelta(minutes=minutes),
        complete=complete,
    ).identified()


def a_summary(*tries: MasteryLog) -> ContentSummaryLog:
    """A summary with these tries."""
    return ContentSummaryLog(
        id="5" * 32,
        dataset_id="d" * 32,
        user_id="a" * 32,
        content_id="c" * 32,
        kind="exercise",
        start_timestamp=NOW,
        mastery_logs=list(tries),
    )


@pytest.mark.parametrize(
    ("tries", "quiz", "level"),
    [
        ([], False, None),
        ([a_try(1)], False, 1),
        ([a_try(1)], True, None),
        ([a_try(-5)], False, None),
        ([a_try(-5)], True, -5),
        ([a_try(1, complete=True, minutes=9), a_try(2)], False, 2),
        ([a_try(1, minutes=1), a_try(2, complete=True, minutes=9)], False, 1),
        ([a_try(1, minutes=1), a_try(2, minutes=2)], False, 2),
        ([a_try(1, minutes=2), a_try(2, minutes=1)], False, 1),
        ([a_try(1, minutes=None), a_try(2, minutes=-9)], False, 2),
        ([a_try(-1, complete=True, minutes=1), a_try(-9, complete=True, minutes=2)], True, -9),
    ],
)
def test_current_try(tries: list[MasteryLog], quiz: bool, level: int | None) -> None:
    """An open try comes before a finished one, then the one touched last; quizzes and exercises do not mix."""
    found = mastery.current_try(tries, quiz=quiz)

    assert (found.mastery_level if found else None) == level


@pytest.mark.parametrize(
    ("tries", "model", "repeat", "level", "opened"),
    [
        ([], M_OF_N, False, 1, True),
        ([], {"type": "quiz"}, False, -77, True),
        ([], {"type": "pre_post_test"}, False, -77, True),
        ([a_try(1)], M_OF_N, False, 1, False),
        ([a_try(1)], M_OF_N, True, 1, False),
        ([a_try(1, complete=True)], M_OF_N, False, 1, False),
        ([a_try(1, complete=True)], M_OF_N, True, 2, True),
        ([a_try(1, complete=True), a_try(2, complete=True, minutes=1)], M_OF_N, True, 3, True),
        ([a_try(-5)], M_OF_N, False, 1, True),
        ([a_try(1)], {"type": "quiz"}, False, -77, True),
        ([a_try(-5, complete=True, criterion=COACH_QUIZ)], COACH_QUIZ, True, -77, True),
    ],
)
def test_resume_or_open(tries: list[MasteryLog], model: dict[str, Any], repeat: bool, level: int, opened: bool) -> None:
    """A try is gone on with, unless it is finished and the learner wants to repeat, or there is none of its kind."""
    found, is_new = mastery.resume_or_open(a_summary(*tries), model, repeat=repeat, now=NOW, random_level=-77)

    assert (found.mastery_level, is_new) == (level, opened)
    assert not is_new or (found.mastery_criterion == model and found.start_timestamp == found.end_timestamp == NOW)


def test_next_level_is_free() -> None:
    """A new try takes a level that no other has, also where clocks of two devices disagree about which came last."""
    tries = [a_try(1, complete=True, minutes=9), a_try(2, complete=True, minutes=1)]

    opened, _ = mastery.resume_or_open(a_summary(*tries), M_OF_N, repeat=True, now=NOW, random_level=-1)

    assert opened.mastery_level == 3
    assert opened.id not in {log.id for log in tries}


def test_resumed_try_keeps_its_criterion() -> None:
    """What the front end asks for does not change a try that goes on."""
    found, _ = mastery.resume_or_open(a_summary(a_try(1)), {"type": "do_all"}, repeat=False, now=NOW, random_level=-1)

    assert found.mastery_criterion == M_OF_N


def test_finished_coach_quiz() -> None:
    """A finished quiz of a coach cannot be opened again; a learner's own quiz can, and so can one not finished."""
    with pytest.raises(PermissionDenied):
        mastery.resume_or_open(
            a_summary(a_try(-5, complete=True, criterion=COACH_QUIZ)),
            COACH_QUIZ,
            repeat=False,
            now=NOW,
            random_level=-1,
        )

    mastery.refuse_finished_coach_quiz(a_try(-5, complete=True))
    mastery.refuse_finished_coach_quiz(a_try(-5, criterion=COACH_QUIZ))


@pytest.mark.parametrize(
    ("criterion", "limit"),
    [
        ({"type": "m_of_n", "n": 5}, 5),
        ({"type": "m_of_n", "n": 0}, 0),
        ({"type": "m_of_n", "n": -2}, 10),
        ({"type": "m_of_n", "n": "5"}, 10),
        ({"type": "m_of_n"}, 10),
        ({"type": "num_correct_in_a_row_2"}, 2),
        ({"type": "num_correct_in_a_row_3"}, 3),
        ({"type": "num_correct_in_a_row_5"}, 5),
        ({"type": "num_correct_in_a_row_10"}, 10),
        ({"type": "do_all"}, 10),
        ({"type": "skill_check"}, 10),
        ({"type": "quiz"}, None),
        ({"type": "pre_post_test"}, None),
        ({}, 10),
    ],
)
def test_past_attempts_limit(criterion: dict[str, Any], limit: int | None) -> None:
    """How many past attempts a start shows depends on the criterion of the try."""
    assert mastery.past_attempts_limit(criterion) == limit
