"""`docservice report`: the command as a person runs it."""

from __future__ import annotations

import csv
import io
import json
from typing import Any

import pytest

from docservice import DocService, UpdateSession
from docservice.testing import School, interaction

from .running import Finished, run

pytestmark = [pytest.mark.engine, pytest.mark.slow]

SCHOOL = School()


async def report(uri: str, database: Any, *arguments: str, **env: str) -> Finished:
    """Run `docservice report` on a database."""
    return await run("report", *arguments, "--mongodb-uri", uri, "--database", database.name, env=env)


async def test_a_report_in_each_format(mongodb_uri: str, database: Any) -> None:
    """A class is found by its name; a table has no ids, CSV and JSON have them; notes go to standard error."""
    async with DocService(mongodb_uri, database=database.name) as service:
        await service.import_directory(SCHOOL.directory())
        learner = service.acting_as(SCHOOL.learner())
        visit = await learner.start_session(SCHOOL.exercise)
        await learner.update_session(visit.session_id, UpdateSession(interactions=[interaction("q1", correct=0)]))
    asked = ("difficult-questions", "--class", "class")

    shown = await report(mongodb_uri, database, *asked, "--format", "table", COLUMNS="150")
    piped = await report(mongodb_uri, database, *asked)
    as_json = await report(mongodb_uri, database, *asked, "--format", "json")
    few = await report(mongodb_uri, database, "item-analysis", "--learner", "learner0")

    assert [ended.code for ended in (shown, piped, as_json, few)] == [0] * 4, shown.err
    assert "Exercise" in shown.out
    assert SCHOOL.exercise_id not in shown.out
    [row] = csv.DictReader(io.StringIO(piped.out.removeprefix("\ufeff")))
    assert (row["Content id"], row["Title"], row["Counted"]) == (SCHOOL.exercise_id, "Exercise", "1")
    assert [each["content_id"] for each in json.loads(as_json.out)["rows"]] == [SCHOOL.exercise_id]
    assert few.err == "Not shown, for fewer than 5 learners: 1 questions.\n"


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("class-progress", "--class", "none"), "There is no class 'none'."),
        (("class-progress",), "classroom"),
        (("activity", "--from", "yesterday"), "since"),
        (("activity", "--class", "class", "--quiz", "quiz"), "quiz"),
    ],
    ids=str,
)
async def test_what_is_refused(mongodb_uri: str, database: Any, arguments: tuple[str, ...], told: str) -> None:
    """A name that nothing has, and filters that do not fit, end with code 2 and a sentence."""
    async with DocService(mongodb_uri, database=database.name) as service:
        await service.import_directory(SCHOOL.directory())

    ended = await report(mongodb_uri, database, *arguments)

    assert (ended.code, ended.out) == (2, "")
    assert told in ended.err
