"""User sessions and exam logs as pure functions: ids, the five-minute rule, what a change does."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from docservice.domain.directory.permissions import HeldRole, Person, may_write_log
from docservice.domain.logs.exam_logs import ExamAttemptLog, ExamLog, changed_exam_log, new_exam_log
from docservice.domain.logs.user_sessions import LONGEST_BREAK, UserSessionLog, current_user_session
from docservice.domain.requests.exam_logs import ChangeExamLog, SaveExamAttempt, SaveExamLog
from docservice.domain.requests.user_sessions import ReportActivity
from docservice.errors import ValidationFailed

NOW = datetime(2024, 9, 2, 5, 0, tzinfo=UTC)
DATASET, OTHER_DATASET, USER, OTHER, EXAM = "d" * 32, "e" * 32, "a" * 32, "b" * 32, "c" * 32
VECTORS = Path(__file__).parents[1] / "data" / "morango-test-vectors.json"


def vector(model_name: str) -> dict[str, Any]:
    """How a real device identified a record of a model."""
    records = json.loads(VECTORS.read_text(encoding="utf-8"))["record_ids"]
    found: dict[str, Any] = next(record for record in records if record["model_name"] == model_name)
    return found


def sit(latest: UserSessionLog | None, now: datetime, source_id: str = "1" * 32) -> UserSessionLog:
    """The user session of somebody who is active now."""
    return current_user_session(
        latest,
        dataset_id=DATASET,
        user_id=USER,
        device_info="Ubuntu,/Firefox,121",
        now=now,
        random_source_id=source_id,
    )


def test_exam_log_id() -> None:
    """An exam log has the id, partition and source id that a real device gives it."""
    expected = vector("examlog")
    fields = {name: expected["fields"][name] for name in ("dataset_id", "user_id", "exam_id")}

    log = ExamLog(**fields).identified()

    assert (log.id, log.morango_partition, log.morango_source_id) == (
        expected["id"],
        expected["partition"],
        expected["source_id"],
    )


def test_exam_attempt_id() -> None:
    """An exam attempt has the id and partition that a real device gives it with the same random source id."""
    expected = vector("examattemptlog")

    log = ExamAttemptLog(**expected["fields"], item="q1", start_timestamp=NOW, end_timestamp=NOW, correct=1).identified(
        expected["source_id"]
    )

    assert (log.id, log.morango_partition) == (expected["id"], expected["partition"])


def test_user_session_id() -> None:
    """A user session has the id and partition that a real device gives it with the same random source id."""
    expected = vector("usersessionlog")

    log = UserSessionLog(**expected["fields"], start_timestamp=NOW).identified(expected["source_id"])

    assert (log.id, log.morango_partition) == (expected["id"], expected["partition"])


def test_first_sitting() -> None:
    """Without an earlier user session a new one starts and ends now, with empty channels and pages."""
    log = sit(None, NOW)

    assert log.start_timestamp == log.last_interaction_timestamp == NOW
    assert (log.channels, log.pages, log.device_info) == ("", "", "Ubuntu,/Firefox,121")


@pytest.mark.parametrize(
    ("later", "same"),
    [
        (timedelta(0), True),
        (timedelta(minutes=4), True),
        (LONGEST_BREAK, True),
        (LONGEST_BREAK + timedelta(milliseconds=1), False),
        (timedelta(days=1), False),
        (timedelta(minutes=-10), True),
    ],
)
def test_five_minutes(later: timedelta, same: bool) -> None:
    """Up to five minutes after the last interaction it is the same user session; its end moves to now either way."""
    before = sit(None, NOW)

    after = sit(before, NOW + later, "2" * 32)

    assert (after.id == before.id) is same
    assert after.last_interaction_timestamp == NOW + later
    assert after.start_timestamp == (NOW if same else NOW + later)


def test_extended_sitting_is_dirty() -> None:
    """Extending a user session that was synced marks it for the next sync."""
    synced = sit(None, NOW).model_copy(update={"morango_dirty_bit": False})

    assert sit(synced, NOW).morango_dirty_bit


def test_sitting_without_interaction() -> None:
    """A user session that never had an interaction, as a foreign record may be, is not extended."""
    before = sit(None, NOW).model_copy(update={"last_interaction_timestamp": None})

    assert sit(before, NOW, "2" * 32).id != before.id


def test_report_of_activity() -> None:
    """A report may leave out everything, or say null; numbers are read as their text."""
    nothing = ReportActivity.parse({"os": None, "browser": None})
    something = ReportActivity.parse({"active": True, "os": {"name": "Windows", "major": 10, "version": "10.1"}})

    assert (nothing.active, nothing.os, nothing.browser) == (False, None, None)
    assert something.os is not None
    assert something.os.model_dump() == {"name": "Windows", "major": "10"}


def test_handing_in() -> None:
    """Handing in takes the time sent, else now; it stays when the log is opened again, and goes with a null."""
    log = new_exam_log(SaveExamLog(exam=EXAM, user=USER), DATASET, NOW)
    sent = ChangeExamLog.parse({"closed": True, "completion_timestamp": "2024-09-01T08:00:00.123456+03:00"})

    closed = changed_exam_log(log, ChangeExamLog(closed=True), NOW)
    opened = changed_exam_log(closed, ChangeExamLog(closed=False), NOW)
    cleared = changed_exam_log(opened, ChangeExamLog(completion_timestamp=None), NOW)

    assert (log.closed, log.completion_timestamp) == (False, None)
    assert (closed.closed, closed.completion_timestamp) == (True, NOW)
    assert (opened.closed, opened.completion_timestamp) == (False, NOW)
    assert cleared.completion_timestamp is None
    assert changed_exam_log(log, sent, NOW).completion_timestamp == datetime(2024, 9, 1, 5, 0, 0, 123000, tzinfo=UTC)


def test_exam_log_stays_with_its_learner() -> None:
    """Exam and learner, which make the id of a log, cannot be changed; naming the same ones is not a change."""
    log = new_exam_log(SaveExamLog(exam=EXAM, user=USER), DATASET, NOW)

    with pytest.raises(ValidationFailed) as refused:
        changed_exam_log(log, ChangeExamLog(exam=OTHER, user=OTHER), NOW)

    assert [error.path for error in refused.value.errors] == [("exam",), ("user",)]
    assert changed_exam_log(log, ChangeExamLog(exam=EXAM, user=USER), NOW).id == log.id


def test_attempt_fields() -> None:
    """All field errors of an attempt come together, in the order of the fields."""
    body: dict[str, Any] = {
        "examlog": "x",
        "user": USER,
        "item": "q" * 201,
        "content_id": None,
        "start_timestamp": "soon",
        "end_timestamp": "0001-01-01T00:00:00+14:00",
        "correct": 2,
        "interaction_history": {},
    }

    with pytest.raises(ValidationFailed) as refused:
        SaveExamAttempt.parse(body)

    assert [(*error.path, error.code) for error in refused.value.errors] == [
        ("examlog", "invalid"),
        ("item", "max_length"),
        ("content_id", "null"),
        ("start_timestamp", "invalid"),
        ("end_timestamp", "invalid"),
        ("correct", "max_value"),
        ("interaction_history", "not_a_list"),
    ]


@pytest.mark.parametrize(
    ("person", "may"),
    [
        (Person(), False),
        (Person(USER, DATASET), True),
        (Person(OTHER, DATASET), False),
        (Person(OTHER, DATASET, roles=(HeldRole("admin", "f" * 32, "facility", DATASET),)), True),
        (Person(OTHER, DATASET, roles=(HeldRole("coach", "f" * 32, "facility", DATASET),)), False),
        (Person(OTHER, OTHER_DATASET, roles=(HeldRole("admin", "f" * 32, "facility", OTHER_DATASET),)), False),
        (Person(OTHER, OTHER_DATASET, roles=(HeldRole("admin", "f" * 32, "facility", DATASET),)), False),
        (Person(OTHER, OTHER_DATASET, is_superuser=True), True),
    ],
)
def test_who_may_write(person: Person, may: bool) -> None:
    """A log is written by its learner, an admin of the same facility or a superuser, and nobody else."""
    assert may_write_log(person, USER, DATASET) is may
