"""The rules of `activity`, `learner-timeline` and `data-quality`."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from docservice import ReportFilters
from docservice.domain.reports.activity import TopicPlace, activity_rows, device_rows, first_day
from docservice.domain.reports.data_quality import QualityCounts
from docservice.domain.reports.difficult_questions import AskedContent
from docservice.domain.reports.learner_timeline import timeline_rows

START = datetime(2024, 9, 2, 22, 30, tzinfo=UTC)


def visit(hours: float = 0, user: str | None = "anna", content: str = "exercise", **fields: Any) -> dict[str, Any]:
    """A content session."""
    start = START + timedelta(hours=hours)
    own: dict[str, Any] = {
        "user_id": user,
        "content_id": content,
        "kind": "exercise",
        "dataset_id": "d",
        "extra_fields": {},
    }
    return {
        **own,
        "start_timestamp": start,
        "end_timestamp": start,
        "time_spent": 60.0,
        "progress": 0.5,
        "extra_fields": {},
        **fields,
    }


def user_session(minutes: int, device: str = "Android,14/Chrome,128", **fields: Any) -> dict[str, Any]:
    """A user session."""
    last = START + timedelta(minutes=minutes)
    own = {"user_id": "anna", "dataset_id": "d", "device_info": device}
    return {**own, "start_timestamp": START, "last_interaction_timestamp": last, **fields}


def test_days_are_of_the_zone() -> None:
    """Half past ten in the evening in UTC is the next day in Nairobi; visitors do not count as learners."""
    visits = [visit(), visit(1, None), visit(30, "ben")]
    completed: list[dict[str, Any]] = [
        {"content_id": "exercise", "completion_timestamp": START},
        {"completion_timestamp": None},
    ]

    rows = activity_rows(visits, completed, ReportFilters(zone="Africa/Nairobi"), {})

    assert [(row["day"], row["learners"], row["visits"], row["completions"]) for row in rows] == [
        (date(2024, 9, 3), 1, 2, 1),
        (date(2024, 9, 4), 1, 1, 0),
    ]
    assert activity_rows(visits, completed, ReportFilters(until=date(2024, 9, 1)), {}) == []


@pytest.mark.parametrize(
    ("by", "day"), [("day", date(2024, 9, 4)), ("week", date(2024, 9, 2)), ("month", date(2024, 9, 1))]
)
def test_periods(by: Any, day: date) -> None:
    """A week begins on Monday, a month on its first day."""
    assert first_day(by, date(2024, 9, 4)) == day


def test_topics() -> None:
    """Topics come with the path to them, those with most time first; content without a place is together."""
    topics = {"exercise": TopicPlace("t", ("Mathematics", "Adding"))}
    visits = [visit(), visit(content="lost", time_spent=5.0)]

    rows = activity_rows(visits, [], ReportFilters(by="topic"), topics)

    assert [(row["topic_id"], row["topic"], row["time_spent"]) for row in rows] == [
        ("t", "Mathematics > Adding", 60.0),
        (None, "", 5.0),
    ]


def test_devices() -> None:
    """A device counts its user sessions and their time."""
    sessions = [user_session(30), user_session(10), user_session(5, "other", last_interaction_timestamp=None)]

    rows = device_rows(sessions, ReportFilters(by="device"))

    assert [(row["device"], row["visits"], row["learners"], row["time_spent"]) for row in rows] == [
        ("Android,14/Chrome,128", 2, 1, 2400.0),
        ("other", 1, 1, 0.0),
    ]
    assert device_rows(sessions, ReportFilters(by="device", since=date(2024, 9, 3))) == []


def test_a_timeline() -> None:
    """Visits, tries, answers, completions and user sessions come in the order of time, named by the directory."""
    answer = {
        "id": "a",
        "item": "q1",
        "correct": 1.0,
        "complete": True,
        "hinted": False,
        "error": False,
        "time_spent": 9.0,
        "simple_answer": "7",
        "answer": {},
        "start_timestamp": START + timedelta(minutes=1),
        "end_timestamp": START + timedelta(minutes=2),
    }
    log = {
        "id": "m",
        "mastery_level": 1,
        "mastery_criterion": {"type": "do_all"},
        "complete": True,
        "start_timestamp": START,
        "end_timestamp": START,
        "completion_timestamp": START,
        "time_spent": 9.0,
        "correct_sum": 1.0,
        "attempts": [answer],
    }
    done = START + timedelta(minutes=3)
    summary = {"content_id": "exercise", "kind": "exercise", "completion_timestamp": done, "progress": 1.0}
    loose = {**answer, "id": "b", "start_timestamp": START + timedelta(minutes=9)}
    lesson: dict[str, Any] = {"extra_fields": {"context": {"lesson_id": "lesson"}}}
    contents = {"exercise": AskedContent("exercise", "Adding", {"q1": "Adding (1)"})}

    rows = timeline_rows(
        [visit(**lesson, attempts=[loose])],
        [{**summary, "mastery_logs": [log]}],
        [user_session(30)],
        ReportFilters(),
        contents,
    )

    assert [row["event"] for row in rows] == ["user session", "visit", "try", "answer", "completion", "answer"]
    assert rows[1]["lesson_id"] == "lesson"
    assert (rows[3]["title"], rows[3]["question"], rows[3]["answer"], rows[3]["try_number"]) == (
        *("Adding", "Adding (1)"),
        *("7", 1),
    )
    assert timeline_rows([visit()], [], [], ReportFilters(since=date(2024, 9, 3)), contents) == []


def test_what_is_wrong_with_data() -> None:
    """Clocks, duplicates, rows set aside and accounts of the same name are counted, each in its facility."""
    now = START + timedelta(hours=2)
    counts = QualityCounts(now)
    counts.add_session(visit())
    counts.add_session(visit())
    counts.add_session(visit(5))
    counts.add_session(visit(-1e5))
    counts.add_session(visit(-48, end_timestamp=START))
    counts.add_session(visit(1, end_timestamp=START))
    counts.add_session(visit(user=None, end_timestamp=None))
    counts.add_session(visit(user=None, end_timestamp=None))
    counts.add_summary(visit(-48, end_timestamp=START))
    counts.add_user_session(user_session(30))
    counts.add_user_session(user_session(20, device=""))
    people = [("d", "Anna  Bell"), ("d", "anna bell"), ("e", "Anna Bell"), ("d", ""), ("d", "")]
    counts.add_people([{"dataset_id": dataset_id, "full_name": name} for dataset_id, name in people])
    counts.add_set_aside({"model_name": "users", "reason": "no name", "_morango_partition": "d:allusers-ro"})
    counts.add_set_aside({"model_name": "users", "reason": "no name", "_morango_partition": None})

    rows = list(counts.rows(lambda dataset_id: (dataset_id, "School" if dataset_id else "")))

    assert {(row["facility_id"], row["check"], row["subject"]): row["count"] for row in rows} == {
        ("d", "same learner, content and start", "content sessions"): 1,
        ("d", "time in the future", "content sessions"): 1,
        ("d", "time before the first Kolibri", "content sessions"): 1,
        ("d", "longer than a day", "content sessions"): 1,
        ("d", "end before start", "content sessions"): 1,
        ("d", "latest data", "content sessions"): 8,
        ("d", "latest data", "content summaries"): 1,
        ("d", "latest data by device", "Android,14/Chrome,128"): 1,
        ("d", "latest data by device", "unknown device"): 1,
        ("d", "accounts with the same full name", "people"): 2,
        ("d", "set aside by an import", "users: no name"): 1,
        (None, "set aside by an import", "users: no name"): 1,
    }
    [latest] = [row for row in rows if row["subject"] == "content summaries"]
    assert latest["last"] == START
