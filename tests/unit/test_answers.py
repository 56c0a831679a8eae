"""Answers of the tracking API and rows of Kolibri's lists, made of logs."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from docservice.domain.answers.lists import AttemptRow, MasteryRow, Rows, mastery_diff, time_text
from docservice.domain.answers.session_description import SessionDescription
from docservice.domain.answers.tracking import SessionStarted, SessionUpdated
from docservice.domain.directory.permissions import HeldRole, Person
from docservice.domain.logs.building import whole_log
from docservice.domain.logs.content_logs import AttemptLog, ContentSummaryLog, MasteryLog
from docservice.domain.requests.lists import Page
from docservice.domain.requests.tracking import StartSession, UpdateSession
from docservice.domain.tracking import content_sessions as tracking
from docservice.errors import ValidationFailed

NOW = datetime(2024, 9, 2, 5, 12, 24, 158000, tzinfo=UTC)
DATASET, USER, CONTENT = "d" * 32, "a" * 32, "c" * 32
VIDEO = {"node_id": "e" * 32, "content_id": CONTENT, "channel_id": "b" * 32, "kind": "video"}
EXERCISE = {**VIDEO, "kind": "exercise", "mastery_model": {"type": "m_of_n", "m": 3, "n": 5}}

ANSWERED = {"item": "q1", "correct": 1, "answer": {}, "time_spent": 5, "complete": True}


def source_id() -> str:
    """The same each time: the tests make one log of a kind."""
    return "5" * 32


def attempt(item: str, correct: float = 1, number: int = 0, **more: Any) -> AttemptLog:
    """An attempt at an item, the later the greater its number."""
    begun = NOW + timedelta(minutes=number)
    values = {
        "id": f"{number:032x}",
        "dataset_id": DATASET,
        "user_id": USER,
        "morango_partition": f"{DATASET}:user-rw:{USER}",
        "masterylog_id": "9" * 32,
        "sessionlog_id": "8" * 32,
        "item": item,
        "correct": correct,
        "complete": True,
        "start_timestamp": begun,
        "end_timestamp": begun + timedelta(seconds=5),
        "completion_timestamp": None,
        "time_spent": 5.0,
        **more,
    }
    return AttemptLog.model_validate(values)


def mastery(correct_sum: float, time_spent: float | None, level: int = 1) -> MasteryLog:
    """A mastery log with these sums."""
    log = MasteryLog.model_validate(
        {
            "id": f"{level:032x}",
            "dataset_id": DATASET,
            "user_id": USER,
            "morango_partition": f"{DATASET}:user-rw:{USER}",
            "summarylog_id": "7" * 32,
            "mastery_level": level,
            "mastery_criterion": {"type": "m_of_n", "m": 3, "n": 5},
            "start_timestamp": NOW,
            "end_timestamp": NOW,
            "time_spent": time_spent,
        }
    )
    return log.model_copy(update={"correct_sum": correct_sum})


def started(body: dict[str, Any], user_id: str | None = USER) -> tracking.Start:
    """A first visit."""
    request = StartSession.parse(body)
    visitor = tracking.TrackedPerson(DATASET, user_id, "f" * 32)
    content = tracking.tracked_content(request, user_id)
    return tracking.start(content, visitor, None, repeat=False, now=NOW, new_source_id=source_id, random_level=-7)


@pytest.mark.parametrize(
    ("recorded", "text"),
    [
        (None, "2024-09-02T05:12:24.158000Z"),
        ("2024-09-02 05:12:24.158293(Africa/Nairobi)", "2024-09-02T08:12:24.158293+03:00"),
        ("2020-01-01 00:00:00.000000(Africa/Nairobi)", "2024-09-02T05:12:24.158000Z"),
    ],
)
def test_times_are_shown_as_they_were_recorded(recorded: str | None, text: str) -> None:
    """With microseconds and zone, unless the time was changed since; a time without a zone is in UTC."""
    assert time_text(NOW, recorded) == text
    assert time_text(NOW.replace(tzinfo=None), recorded) == text


def test_a_video_has_no_fields_of_assessments() -> None:
    """Neither a criterion nor attempts; the context holds what the visit was begun with."""
    answer = SessionStarted.of(started(VIDEO), []).as_json()

    assert answer == {
        "progress": 0,
        "extra_fields": {},
        "time_spent": 0.0,
        "complete": False,
        "session_id": answer["session_id"],
        "context": {"node_id": "e" * 32},
    }


def test_a_visitor_has_no_progress_of_before() -> None:
    """There is no summary to speak of."""
    answer = SessionStarted.of(started(VIDEO, None), []).as_json()

    assert (answer["progress"], answer["extra_fields"], answer["time_spent"]) == (0, {}, 0)


def test_an_exercise_shows_its_try() -> None:
    """Criterion, number of attempts, and the past ones that were given, newest first."""
    answer = SessionStarted.of(started(EXERCISE), [attempt("q2"), attempt("q1")]).as_json()

    assert answer["mastery_criterion"] == EXERCISE["mastery_model"]
    assert (answer["totalattempts"], answer["complete"]) == (0, False)
    assert [each["item"] for each in answer["pastattempts"]] == ["q2", "q1"]
    assert set(answer["pastattempts"][0]) == {
        "id",
        "correct",
        "complete",
        "hinted",
        "error",
        "item",
        "answer",
        "time_spent",
    }


@pytest.mark.parametrize("body", [{"progress": 0.5}, {"interactions": [ANSWERED]}])
def test_attempts_are_answered_only_where_some_were_sent(body: dict[str, Any]) -> None:
    """A report without interactions has no list of attempts in its answer."""
    begun = started(EXERCISE)
    logs = tracking.SessionLogs.of(begun.session, begun.summary)

    update = tracking.update(UpdateSession.parse(body), logs, [], now=NOW, new_source_id=source_id)
    answer = SessionUpdated.of(update).as_json()

    assert answer["complete"] is False
    assert ("attempts" in answer) == ("interactions" in body)


def test_rows_of_lists() -> None:
    """Ids under Kolibri's names; a sum of correctness is cut, a time without a value is None."""
    row, log = AttemptRow.of(attempt("q1", 0.5)), MasteryRow.of(mastery(2.9999999999, 1 / 3 + 1 / 3))

    assert (row.user, row.masterylog, row.sessionlog) == (USER, "9" * 32, "8" * 32)
    assert (row.start_timestamp, row.completion_timestamp) == ("2024-09-02T05:12:24.158000Z", None)
    assert (log.correct, log.time_spent, log.completion_timestamp) == (3, 0.666667, None)
    assert MasteryRow.of(mastery(0, None)).time_spent is None


@pytest.mark.parametrize(("count", "size", "pages"), [(0, 10, 1), (10, 10, 1), (11, 10, 2)])
def test_an_empty_list_has_one_page(count: int, size: int, pages: int) -> None:
    """Others have as many as their rows fill."""
    assert Rows[int]([], count, Page(size)).total_pages == pages
    assert Rows[int]([], count).total_pages == 1


def test_a_try_beside_the_one_before() -> None:
    """Each attempt is compared with the newest at its item; who did an item for the first time has no difference."""
    before = [attempt("q1", 1, 1), attempt("q1", 0, 2)]

    row = mastery_diff(mastery(2, 30, 2), mastery(1, 50.5), [attempt("q1", 1, 3), attempt("q2", 1, 4)], before)

    assert row.diff is not None
    assert (row.diff.correct, row.diff.time_spent) == (1, -20.5)
    assert [each.diff.correct for each in row.attemptlogs] == [1, None]


def test_a_first_try_has_nothing_beside_it() -> None:
    """No difference; without a time on one side there is none of times."""
    assert mastery_diff(mastery(2, 30), None, [], []).diff is None
    compared = mastery_diff(mastery(2, 30, 2), mastery(1, None), [], []).diff
    assert compared is not None
    assert (compared.correct, compared.time_spent) == (1, None)


@pytest.mark.parametrize(
    ("roles", "superuser", "kind"),
    [
        ((), False, ["learner"]),
        (("coach", "admin", "coach"), False, ["admin", "coach"]),
        (("admin",), True, ["superuser", "admin"]),
    ],
)
def test_who_is_signed_in(roles: tuple[str, ...], superuser: bool, kind: list[str]) -> None:
    """Kinds of roles once each; who has none is a learner; a superuser manages content."""
    held = tuple(HeldRole(each, "3" * 32, "classroom", DATASET) for each in roles)
    person = Person(USER, DATASET, is_superuser=superuser, roles=held)

    answer = SessionDescription.of(person, {"username": "ada"}, NOW).as_json()

    assert (answer["kind"], answer["username"], answer["can_manage_content"]) == (kind, "ada", superuser)
    assert "can_manage_content" not in SessionDescription.of_visitor(None, NOW).as_json()


SUMMARY = {
    "user_id": USER,
    "content_id": CONTENT,
    "channel_id": "b" * 32,
    "kind": "exercise",
    "start_timestamp": NOW,
    "end_timestamp": NOW,
}
TRY = {"mastery_level": 1, "mastery_criterion": {}, "start_timestamp": NOW, "end_timestamp": NOW}


def test_a_whole_log_has_what_follows_from_it() -> None:
    """Partition, source ids and ids, of the embedded logs, too."""
    log = whole_log(ContentSummaryLog, {**SUMMARY, "mastery_logs": [TRY]}, DATASET, source_id)

    assert isinstance(log, ContentSummaryLog)
    assert log.morango_partition == f"{DATASET}:user-rw:{USER}"
    assert log.mastery_logs[0].morango_source_id == f"{log.id}:1"
    assert (log.mastery_logs[0].summarylog_id, log.mastery_logs[0].user_id) == (log.id, USER)


@pytest.mark.parametrize(
    ("values", "path"),
    [
        ({"kind": None}, ("kind",)),
        ({"id": "0" * 32}, ("id",)),
        ({"mastery_logs": 5}, ("mastery_logs",)),
        ({"mastery_logs": ["x"]}, ("mastery_logs", 0)),
        ({"mastery_logs": [TRY, TRY]}, ("mastery_logs", 1)),
        ({"mastery_logs": [{**TRY, "user_id": "0" * 32}]}, ("mastery_logs", 0, "user_id")),
        ({"mastery_logs": [{**TRY, "summarylog_id": "0" * 32}]}, ("mastery_logs", 0, "summarylog_id")),
        ({"_recorded": {"start_timestamp": "soon"}}, ("_recorded", "start_timestamp")),
    ],
    ids=lambda value: ".".join(map(str, value)) if isinstance(value, tuple) else "",
)
def test_what_makes_a_log_impossible(values: dict[str, Any], path: tuple[str | int, ...]) -> None:
    """The error names the field and its place."""
    with pytest.raises(ValidationFailed) as failed:
        whole_log(ContentSummaryLog, {**SUMMARY, **values}, DATASET, source_id)

    assert path in [error.path for error in failed.value.errors]
