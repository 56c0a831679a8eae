"""Reports of the imported sample equal what the coach routes of a real Kolibri answer for the same database."""

from __future__ import annotations

import json
import statistics
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from docservice import DocService, Report, ReportFilters, ReportName, ReportPeriod
from docservice.kolibri import import_kolibri

from .samples import LEARNER, rows

pytestmark = pytest.mark.slow  # for the import of the whole sample

ANSWERS: dict[str, Any] = json.loads(
    (Path(__file__).parents[1] / "data" / "kolibri-coach" / "sample.json").read_text(encoding="utf-8")
)
SUMMARIES, LESSONS = ANSWERS["class_summary"], ANSWERS["lesson_report"]
ZONE = ZoneInfo("Africa/Nairobi")
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


ATTEMPTS = """SELECT a.item, a.correct, a.time_spent, a.hinted, a.error, a.simple_answer, a.user_id, a.masterylog_id
    FROM logger_attemptlog a JOIN logger_masterylog m ON m.id = a.masterylog_id
    JOIN logger_contentsummarylog s ON s.id = m.summarylog_id WHERE s.content_id = ? AND m.mastery_level {levels} 0
    ORDER BY m.start_timestamp, a.start_timestamp, a.rowid"""
"""The attempts at a content, the earliest first."""


def spread(values: Sequence[float]) -> bool:
    """Whether there are different values."""
    return len({round(value, 9) for value in values}) > 1


def item_statistics(scores: Sequence[float], rests: Sequence[float | None]) -> dict[str, Any]:
    """The statistics of a question, from the scores of all tries and what else these tries scored."""
    pairs = [(score, rest) for score, rest in zip(scores, rests, strict=True) if rest is not None]
    x, y = [score for score, _ in pairs], [rest for _, rest in pairs]
    index = efficiency = None
    if len(pairs) > 1 and spread(x) and spread(y):
        index = 100 * statistics.correlation(x, y)
        efficiency = 100 * statistics.covariance(x, y) / statistics.covariance(sorted(x), sorted(y))
    return {
        "responses": len(scores),
        "facility_index": 100 * statistics.fmean(scores),
        "facility_sd": 100 * statistics.stdev(scores) if len(scores) > 1 else None,
        "discrimination_index": index,
        "discriminative_efficiency": efficiency,
    }


async def analysis(school: DocService, name: ReportName, **filters: Any) -> list[dict[str, Any]]:
    """The rows of a statistic, however few learners there are."""
    return (await school.admin.report(name, ReportFilters(least_learners=1, **filters))).rows


async def test_item_analysis_of_quizzes(school: DocService, sample: Path) -> None:
    """The statistics of each question and quiz follow from the tables of the sample, to nine digits."""
    compared = 0
    for exam in rows(sample, "SELECT id, question_sources FROM exams_exam"):
        sources = json.loads(exam["question_sources"])
        items = [f"{q['exercise_id']}:{q['question_id']}" for source in sources for q in source["questions"]]
        complete = rows(
            sample,
            "SELECT m.id, m.user_id FROM logger_masterylog m JOIN logger_contentsummarylog s ON s.id = m.summarylog_id "
            "WHERE s.content_id = ? AND m.complete ORDER BY m.start_timestamp",
            [exam["id"]],
        )
        tries = list({log["user_id"]: log["id"] for log in reversed(complete)}.values())
        attempts = rows(sample, ATTEMPTS.format(levels="<"), [exam["id"]])
        answered = {(each["masterylog_id"], each["item"]): each for each in attempts}
        keys = [[(log, item) for item in items] for log in tries]
        marks = [[answered[key]["correct"] if key in answered else 0.0 for key in row] for row in keys]
        totals = [sum(row) for row in marks]

        found = await analysis(school, "item-analysis", quiz=exam["id"])
        quizzes = await analysis(school, "quiz-statistics", quiz=exam["id"])

        assert [row["item"] for row in found] == (items if tries else [])
        for position, row in enumerate(found):
            scores = [row_of_try[position] for row_of_try in marks]
            expected = item_statistics(scores, [total - score for total, score in zip(totals, scores, strict=True)])
            assert {name: row[name] for name in expected} == pytest.approx(expected, abs=1e-9), row
            times = [answered[key[position]]["time_spent"] for key in keys if key[position] in answered]
            assert row["median_time"] == (pytest.approx(statistics.median(times)) if times else None)
            compared += 1
        if len(tries) > 1 and spread(totals):
            variances = [statistics.variance([row[position] for row in marks]) for position in range(len(items))]
            alpha = len(items) / (len(items) - 1) * (1 - sum(variances) / statistics.variance(totals))
            [quiz] = quizzes
            assert quiz["cronbach_alpha"] == pytest.approx(100 * alpha, abs=1e-9)
            assert quiz["sd"] == pytest.approx(100 * statistics.stdev(totals) / len(items), abs=1e-9)
            assert quiz["standard_error"] == pytest.approx((1 - alpha) ** 0.5 * quiz["sd"], abs=1e-9)
            assert quiz["median"] == pytest.approx(100 * statistics.median(totals) / len(items), abs=1e-9)
    assert compared > 40


@pytest.mark.parametrize("tries", ["first", "all"])
async def test_item_analysis_of_exercises(school: DocService, sample: Path, tries: str) -> None:
    """Each learner's first attempt at a question counts, or all; the rest is the mean of the learner's others."""
    contents = {row["content_id"] for row in rows(sample, "SELECT content_id FROM content_contentnode")}
    compared = 0
    for content in sorted(contents - PRACTICE_QUIZZES):
        by_learner: dict[str, dict[str, list[dict[str, Any]]]] = {}
        for attempt in rows(sample, ATTEMPTS.format(levels=">"), [content]):
            by_learner.setdefault(attempt["user_id"], {}).setdefault(attempt["item"], []).append(attempt)
        answers: dict[str, list[tuple[dict[str, Any], float | None]]] = {}
        for items in by_learner.values():
            counted = {item: listed if tries == "all" else listed[:1] for item, listed in items.items()}
            for item, listed in counted.items():
                others = [each["correct"] for other, more in counted.items() if other != item for each in more]
                rest = statistics.fmean(others) if others else None
                answers.setdefault(item, []).extend((each, rest) for each in listed)

        found = {row["item"]: row for row in await analysis(school, "item-analysis", content=content, tries=tries)}
        wrong = await analysis(school, "wrong-answers", content=content, tries=tries)

        assert found.keys() == answers.keys()
        for item, pairs in answers.items():
            scores, row = [each["correct"] for each, _ in pairs], found[item]
            expected = item_statistics(scores, [rest for _, rest in pairs])
            expected["share_hinted"] = statistics.fmean(bool(each["hinted"]) for each, _ in pairs)
            expected["share_error"] = statistics.fmean(bool(each["error"]) for each, _ in pairs)
            expected["learners"] = len({each["user_id"] for each, _ in pairs})
            assert {name: row[name] for name in expected} == pytest.approx(expected, abs=1e-9), row
            assert row["facility_low"] <= row["facility_index"] <= row["facility_high"]
            texts = [each["simple_answer"] for each, _ in pairs if each["correct"] < 1]
            given = Counter(text for text in texts if text)
            counts = {each["answer"]: each["count"] for each in wrong if each["item"] == item}
            assert {text: counts[text] for text in given} == given
            compared += 1
    assert compared > 100


async def test_few_learners_are_not_shown(school: DocService) -> None:
    """By default nothing is shown of fewer than five learners, and a note says how much is missing."""
    quiz = next(each["id"] for each in ANSWERS["difficult_questions"] if each["kind"] == "quizdifficulties")

    shown = await school.admin.report("item-analysis", ReportFilters(quiz=quiz))

    assert shown.rows == []
    assert shown.notes == ["Not shown, for fewer than 5 learners: 9 questions."]


async def test_activity(school: DocService, sample: Path) -> None:
    """Visits, time and completions by day, week, month, topic and device add up to the tables of the sample."""
    visits = rows(sample, "SELECT user_id, time_spent, start_timestamp FROM logger_contentsessionlog")
    starts = [datetime.fromisoformat(visit["start_timestamp"][:19] + "+00:00").astimezone(ZONE) for visit in visits]
    [completed] = rows(
        sample, "SELECT count(*) AS n FROM logger_contentsummarylog WHERE completion_timestamp IS NOT NULL"
    )
    sessions = rows(sample, "SELECT device_info, count(*) AS n FROM logger_usersessionlog GROUP BY 1")
    in_september = {
        visit["user_id"] for visit, start in zip(visits, starts, strict=True) if visit["user_id"] and start.month == 9
    }

    periods: tuple[ReportPeriod, ...] = ("day", "week", "month", "topic", "device")
    reports = {by: (await school.admin.report("activity", ReportFilters(by=by, zone=ZONE.key))).rows for by in periods}

    assert {row["day"]: row["visits"] for row in reports["day"] if row["visits"]} == Counter(
        start.date() for start in starts
    )
    for by in periods[:-1]:
        assert sum(row["visits"] for row in reports[by]) == len(visits)
        assert sum(row["completions"] for row in reports[by]) == completed["n"]
        seconds = sum(visit["time_spent"] for visit in visits)
        assert sum(row["time_spent"] for row in reports[by]) == pytest.approx(seconds)
    assert all(row["day"].weekday() == 0 for row in reports["week"])
    assert reports["month"][0]["learners"] == len(in_september)
    assert {row["device"]: row["visits"] for row in reports["device"]} == {
        row["device_info"]: row["n"] for row in sessions
    }
    assert all(row["topic"] for row in reports["topic"] if row["topic_id"])


async def test_a_learner(school: DocService, sample: Path) -> None:
    """The timeline of a learner has each row of the tables once, in the order of time, and days narrow it."""
    tables = {
        "visit": "logger_contentsessionlog",
        "try": "logger_masterylog",
        "answer": "logger_attemptlog",
        "user session": "logger_usersessionlog",
    }
    expected = {
        event: rows(sample, f"SELECT count(*) AS n FROM {table} WHERE user_id = ?", [LEARNER])[0]["n"]
        for event, table in tables.items()
    }

    whole = await school.admin.report("learner-timeline", ReportFilters(user=LEARNER))
    day = whole.rows[len(whole.rows) // 2]["time"].astimezone(ZONE).date()
    one_day = await school.admin.report(
        "learner-timeline", ReportFilters(user=LEARNER, since=day, until=day, zone=ZONE.key)
    )

    counts = Counter(row["event"] for row in whole.rows)
    assert {event: counts[event] for event in expected} == expected
    times = [row["time"] for row in whole.rows]
    assert times == sorted(times)
    assert one_day.rows == [row for row in whole.rows if row["time"].astimezone(ZONE).date() == day]
    assert one_day.rows
    assert all(row["title"] for row in whole.rows if row["content_id"])


async def test_data_quality(school: DocService, sample: Path) -> None:
    """The latest data of the facility and of each device are those of the tables."""
    [latest] = rows(sample, "SELECT max(end_timestamp) AS moment FROM logger_contentsessionlog")
    devices = rows(sample, "SELECT device_info, count(*) AS n FROM logger_usersessionlog GROUP BY 1")

    found = (await school.admin.report("data-quality")).rows

    by_check: dict[str, dict[str, Any]] = {}
    for row in found:
        by_check.setdefault(row["check"], {})[row["subject"]] = row
    assert by_check["latest data"]["content sessions"]["last"].isoformat(" ")[:23] == latest["moment"][:23]
    assert {row["facility"] for row in found} == {"Riverside School"}
    assert {name: row["count"] for name, row in by_check["latest data by device"].items()} == {
        row["device_info"]: row["n"] for row in devices
    }
