"""A generated data set is the same each time, and looks like a school."""

from __future__ import annotations

from collections import Counter
from datetime import date, timedelta
from typing import Any

import pytest

from docservice import demo
from docservice.domain.directory.records import directory_records
from docservice.generate import Plan, estimate, people
from docservice.generate.behaviour import SchoolSimulation
from docservice.generate.contents import Library
from docservice.generate.plan import Calendar
from docservice.generate.recording import Logs
from docservice.generate.writer import directory_files

PLAN = Plan(seed=5, learners=24, weeks=3, channels=1)
UNTIL = date(2026, 11, 22)


def school(plan: Plan = PLAN, until: date = UNTIL) -> SchoolSimulation:
    """A plan with its calendar."""
    return SchoolSimulation(plan, Calendar.ending(until, plan.weeks))


@pytest.fixture(scope="module")
def learners() -> list[tuple[people.GeneratedLearner, Logs]]:
    """All learners of the plan, with their logs."""
    made = school()
    return [(who, made.of_learner(who)) for who in (people.learner(PLAN, n) for n in range(PLAN.learners))]


@pytest.mark.slow
def test_the_same_plan_gives_the_same_logs(learners: list[tuple[people.GeneratedLearner, Logs]]) -> None:
    """All fields of all logs, in any order of making; the anonymous visits too."""
    again = school()

    for who, logs in learners[3::-1]:
        assert again.of_learner(people.learner(PLAN, who.number)) == logs
    assert list(again.of_visitors(1)) == list(school().of_visitors(1))
    assert list(directory_files(again)) == list(directory_files(school()))


def test_another_end_shifts_it_by_whole_weeks() -> None:
    """Same ids and durations; each time is two weeks earlier."""
    who = people.learner(PLAN, 1)
    now, before = (school(until=until).of_learner(who) for until in (UNTIL, UNTIL - timedelta(days=11)))

    assert [session.id for session in now.sessions] == [session.id for session in before.sessions]
    shifts = {
        one.start_timestamp - other.start_timestamp for one, other in zip(now.sessions, before.sessions, strict=True)
    }
    assert shifts == {timedelta(weeks=2)}


@pytest.mark.slow
def test_it_ends_before_its_end(learners: list[tuple[people.GeneratedLearner, Logs]]) -> None:
    """Nothing happens after the last day, nor before the first week."""
    first, last = UNTIL - timedelta(weeks=3) + timedelta(days=1), UNTIL

    days = {session.start_timestamp.date() for _, logs in learners for session in logs.sessions}

    assert first <= min(days) < max(days) <= last


@pytest.mark.parametrize("change", [{"seed": 6}, {"learners": 25}, {"weeks": 4}, {"channels": 2}])
def test_another_plan_has_other_ids(change: dict[str, int]) -> None:
    """Data sets of two plans can be in one database."""
    sizes = {"seed": 5, "learners": 24, "weeks": 3, "channels": 1}
    other = Plan(**{**sizes, **change})

    def ids(plan: Plan) -> set[str]:
        return {
            record["id"] for part in directory_files(school(plan)) for records in part.values() for record in records
        }

    assert not ids(PLAN) & ids(other)


def test_ids_follow_from_the_rules(learners: list[tuple[people.GeneratedLearner, Logs]]) -> None:
    """Every log is what `identified` makes of it, and its counters count its attempts."""
    for _, logs in learners[:4]:
        for summary in logs.summaries:
            assert summary.identified() == summary
            for log in summary.mastery_logs:
                assert log.identified() == log
                assert log.attempt_count == len(log.attempts)
                assert log.correct_sum == pytest.approx(sum(attempt.correct for attempt in log.attempts))
                assert all(attempt.identified() == attempt for attempt in log.attempts)
        for other in (*logs.sessions, *logs.user_sessions, *logs.exams):
            assert other.identified() == other


def test_the_able_answer_better(learners: list[tuple[people.GeneratedLearner, Logs]]) -> None:
    """The better half of the learners has more right answers to the same exercises."""

    def share(some: list[tuple[people.GeneratedLearner, Logs]]) -> float:
        attempts = [
            attempt.correct
            for _, logs in some
            for summary in logs.summaries
            for log in summary.mastery_logs
            for attempt in log.attempts
        ]
        return sum(attempts) / len(attempts)

    ranked = sorted(learners, key=lambda pair: pair[0].ability)
    assert share(ranked[12:]) > share(ranked[:12]) + 0.1


def test_it_has_everything(learners: list[tuple[people.GeneratedLearner, Logs]]) -> None:
    """Hints, errors, changed answers, open and finished tries, all kinds of content, school days busier than others."""
    attempts = [
        attempt
        for _, logs in learners
        for summary in logs.summaries
        for log in summary.mastery_logs
        for attempt in log.attempts
    ]
    tries = [log for _, logs in learners for summary in logs.summaries for log in summary.mastery_logs]
    kinds = {summary.kind for _, logs in learners for summary in logs.summaries}
    days = Counter(session.start_timestamp.weekday() for _, logs in learners for session in logs.sessions)

    assert any(attempt.hinted for attempt in attempts)
    assert any(attempt.error for attempt in attempts)
    assert any(len(attempt.interaction_history) > 2 for attempt in attempts)
    assert {log.complete for log in tries} == {True, False}
    assert any(log.mastery_level < 0 for log in tries)
    assert max(log.mastery_level for log in tries) > 1
    assert kinds >= {"exercise", "video", "document", "quiz", "html5"}
    assert min(days[day] for day in range(5)) > max(days[5], days[6])
    assert any(logs.exams for _, logs in learners)
    assert len({logs.user_sessions[0].device_info for _, logs in learners if logs.user_sessions}) > 2


def test_visits_without_a_sign_in() -> None:
    """They have no learner and no summary, and keep their attempts themselves."""
    found = [logs for week in range(3) for logs in school().of_visitors(week)]

    assert found
    for logs in found:
        assert (logs.summaries, logs.user_sessions) == ([], [])
        assert all(session.user_id is None and session.visitor_id for session in logs.sessions)
    assert any(session.attempts for logs in found for session in logs.sessions)


def test_the_directory_is_valid() -> None:
    """An import takes it, every class has its people, and the trees are nested."""
    content: dict[str, list[dict[str, Any]]] = {}
    for part in directory_files(school(Plan(learners=70, weeks=2))):
        for section, records in part.items():
            content.setdefault(section, []).extend(records)

    assert len(directory_records(content)["classrooms"]) == 3
    assert sum("learner" not in str(user["username"]) for user in content["users"]) == 75
    nodes = {node["id"]: node for node in content["content_nodes"]}
    for node in nodes.values():
        assert node["lft"] < node["rght"]
        if node["parent"]:
            parent = nodes[node["parent"]]
            assert parent["lft"] < node["lft"] < node["rght"] < parent["rght"]
            assert node["ancestors"] == [*parent["ancestors"], {"id": parent["id"], "title": parent["title"]}]


def test_holidays() -> None:
    """No weekends, a week off in the middle and at the end of a term."""
    calendar = Calendar.ending(UNTIL, 12)

    free = [week for week in range(12) if not any(calendar.is_school_day(week, day) for day in range(7))]

    assert free == [6, 11]
    assert not any(calendar.is_school_day(week, day) for week in range(12) for day in (5, 6))


@pytest.mark.parametrize(
    "size", [{"learners": 0}, {"weeks": 0}, {"weeks": 521}, {"channels": 0}, {"classes": 0}, {"classes": 101}]
)
def test_a_size_that_cannot_be(size: dict[str, int]) -> None:
    """It is refused with its name."""
    with pytest.raises(ValueError, match=next(iter(size))):
        Plan(**size)


def test_the_demo_has_what_it_shows() -> None:
    """The learner shown is the first after the coach, and the exercise is one of the demo's, with attempts."""
    who, summary = demo.shown()
    users = demo.directory()["users"]

    assert (users[1]["id"], users[1]["full_name"]) == (who.user_id, who.full_name)
    assert summary.mastery_logs[0].attempt_count >= 3
    assert summary.content_id in {content.content_id for content in Library(demo.PLAN).contents}


def test_the_estimate_is_near(learners: list[tuple[people.GeneratedLearner, Logs]]) -> None:
    """The numbers of logs and attempts that are announced are within half and twice those that are made."""
    made = [logs for _, logs in learners]
    count = sum(len(part) for logs in made for part in (logs.summaries, logs.sessions, logs.user_sessions, logs.exams))
    tries = [log for logs in made for summary in logs.summaries for log in summary.mastery_logs]
    attempts = sum(log.attempt_count for log in tries) + sum(len(exam.attempts) for logs in made for exam in logs.exams)

    announced = estimate(PLAN)

    assert announced.logs / 2 < count < announced.logs * 2
    assert announced.attempts / 2 < attempts < announced.attempts * 2


def test_the_estimate_grows_with_the_plan() -> None:
    """Twice the learners or weeks take twice the time; the plan of the defaults less than two minutes."""
    small, large = estimate(Plan(learners=50, weeks=4)), estimate(Plan(learners=100, weeks=8))

    assert large.seconds == 4 * small.seconds
    assert large.logs == 4 * small.logs
    assert large.bytes > 3 * small.bytes
    assert estimate(Plan()).seconds < 120
