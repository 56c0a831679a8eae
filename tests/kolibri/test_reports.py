"""Reports of the imported sample equal what the coach routes of a real Kolibri answer for the same database."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from docservice import DocService, Report, ReportFilters
from docservice.kolibri import import_kolibri

pytestmark = pytest.mark.slow  # for the import of the whole sample

ANSWERS: dict[str, Any] = json.loads(
    (Path(__file__).parents[1] / "data" / "kolibri-coach" / "sample.json").read_text(encoding="utf-8")
)
SUMMARIES, LESSONS = ANSWERS["class_summary"], ANSWERS["lesson_report"]
PRACTICE_QUIZZES = {each["id"] for each in ANSWERS["difficult_questions"] if each["kind"] == "practicequizdifficulties"}


@pytest.fixture(scope="module")
async def school(
    mongodb_uri: str, mongo: Any, dropping: Any, sample: Path, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[DocService]:
    """A service that holds the whole sample."""
    name = "test_reports_of_the_sample"
    async with DocService(mongodb_uri, database=name, data_dir=tmp_path_factory.mktemp("data")) as service:
        await import_kolibri(service, sample)
        yield service
    await dropping(mongo[name])


def utc(text: str | None) -> datetime | None:
    """A time as Kolibri answers it."""
    return None if text is None else datetime.fromisoformat(text).astimezone(UTC)


def rows_of(report: Report, *names: str, **fixed: Any) -> list[tuple[Any, ...]]:
    """The values of some columns of the rows that have the fixed values, sorted."""
    rows = [row for row in report.rows if all(row[name] == value for name, value in fixed.items())]
    return sorted((tuple(row[name] for name in names) for row in rows), key=str)


@pytest.mark.parametrize("classroom", SUMMARIES)
async def test_class_progress(school: DocService, classroom: str) -> None:
    """Status, last activity, time and tries of each learner and resource or quiz are those of the class summary."""
    answer = SUMMARIES[classroom]
    content = {(row[0], row[1]): (row[2], utc(row[3]), pytest.approx(row[4]), row[5]) for row in answer["content"]}
    exams = {(row[0], row[1]): (row[2], utc(row[3]), *row[4:]) for row in answer["exams"]}

    report = await school.admin.report("class-progress", ReportFilters(classroom=classroom))

    columns = ("learner_id", "content_id", "status", "last_activity")
    resources = {
        (row[0], row[1]): row[2:]
        for row in rows_of(report, *columns, "time_spent", "tries", unit="resource")
        if row[3] is not None
    }
    counts = ("num_correct", "num_answered", "previous_num_correct")
    quizzes = {
        (row[0], row[1]): row[2:] for row in rows_of(report, *columns, *counts, unit="quiz") if row[2] != "NotStarted"
    }
    assert resources == content
    assert quizzes == exams
    assert {row["learner_id"]: row["learner"] for row in report.rows} == dict(answer["learners"])
    # What Kolibri has no row of is not started.
    without = [row for row in report.rows if row["unit"] == "resource" and row["last_activity"] is None]
    assert without
    assert {row["status"] for row in without} == {"NotStarted"}


@pytest.mark.parametrize("classroom", SUMMARIES)
async def test_lesson_progress(school: DocService, sample: Path, classroom: str) -> None:
    """The learners of each lesson, and how many of them completed each resource, are those of the lesson report."""
    report = await school.admin.report("lesson-progress", ReportFilters(classroom=classroom))

    found: dict[str, list[Any]] = {}
    for row in report.rows:
        assert row["learners"] == row["completed"] + row["started"] + row["help_needed"] + row["not_started"]
        found.setdefault(row["lesson_id"], []).append((row["learners"], row["completed"]))
    assert len(found) == 2
    assert found == {
        lesson: [(LESSONS[lesson]["total_learners"], completed) for _, completed in LESSONS[lesson]["progress"]]
        for lesson in found
    }


async def test_learners_needing_help(school: DocService) -> None:
    """Who needs help is listed, latest work first."""
    for classroom, answer in SUMMARIES.items():
        report = await school.admin.report("learners-needing-help", ReportFilters(classroom=classroom))

        times = [row["last_activity"] for row in report.rows]
        assert times == sorted(times, reverse=True)
        assert {(row["learner_id"], row["content_id"]) for row in report.rows} == {
            (row[0], row[1]) for row in answer["content"] if row[2] == "HelpNeeded"
        }


def filters_of(asked: dict[str, Any]) -> ReportFilters:
    """What a question to a route of Kolibri asks: of exercises the class only says who may ask."""
    names = {"lesson_id": "lesson", "group_id": "learner_group"}
    given = {names[name]: value for name, value in asked["filters"].items() if name in names}
    subject = "quiz" if asked["kind"] == "quizdifficulties" else "content"
    return ReportFilters(**{**given, subject: asked["id"]})


async def test_difficult_questions(school: DocService) -> None:
    """Totals and right answers of each question of exercises, quizzes and practice quizzes are those of Kolibri."""
    compared = 0
    for asked in ANSWERS["difficult_questions"]:
        if asked["kind"] == "exercisedifficulties" and asked["id"] in PRACTICE_QUIZZES:
            continue  # Kolibri's front end asks the other route.

        report = await school.admin.report("difficult-questions", filters_of(asked))

        found = {row["item"]: (row["total"], row["correct"]) for row in report.rows}
        expected = {item: (total, pytest.approx(correct)) for item, total, correct in asked["rows"]}
        assert {item: found.pop(item, None) for item in expected} == expected, asked
        # The coach's page adds the questions of quizzes that nobody answered.
        assert all(right == 0 for _, right in found.values()), asked
        assert not found or asked["kind"] != "exercisedifficulties", asked
        assert all(row["title"] and row["question"] and row["number"] for row in report.rows), asked
        compared += len(expected)
    assert compared > 500
