"""A small class with two weeks of logs, to look at and to try things on."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from functools import cache
from typing import Any

from docservice.domain.logs.content_logs import ContentSummaryLog
from docservice.generate import Plan, generate
from docservice.generate.behaviour import SchoolSimulation
from docservice.generate.people import GeneratedLearner, learner
from docservice.generate.plan import Calendar
from docservice.generate.writer import directory_files
from docservice.service import DocService

PLAN = Plan(seed=13, learners=6, weeks=2, channels=1)
_ANY_DAY = date(2024, 9, 1)
"""Who and what there is does not depend on when."""
_MASTERY_MODEL = {"type": "m_of_n", "m": 3, "n": 5}


@dataclass(frozen=True)
class Demo:
    """What the demo holds, for showing it.

    Attributes:
        learner_id: one of the learners.
        learner_name: the same one's name.
        node_id: node of an exercise that the learner worked on; 3 right answers of 5 complete it.
        content_id: the exercise itself.
        channel_id: its channel.
        loaded: False if the demo was there already.
    """

    learner_id: str
    learner_name: str
    node_id: str
    content_id: str
    channel_id: str
    loaded: bool


def directory() -> dict[str, Any]:
    """Return the demo's directory, in the format of `docservice directory import`."""
    content: dict[str, Any] = {"default_facility": PLAN.facility_id}
    for part in directory_files(_school(_ANY_DAY)):
        for section, records in part.items():
            content.setdefault(section, []).extend(records)
    return content


async def load(service: DocService, now: datetime) -> Demo:
    """Load the class and its logs of the weeks before `now`, unless they are there; complete them if they are not."""
    done = await generate(service, PLAN, until=now.date(), fixed=False)
    if not done.complete_before:
        await service.import_directory({"default_facility": PLAN.facility_id})
    someone, summary = shown()
    exercise = next(each for each in _school(now.date()).library.contents if each.content_id == summary.content_id)
    return Demo(
        someone.user_id,
        someone.full_name,
        exercise.node_id,
        exercise.content_id,
        exercise.channel_id,
        loaded=not done.complete_before,
    )


@cache
def shown() -> tuple[GeneratedLearner, ContentSummaryLog]:
    """Return the first learner, and a short summary of an exercise to show."""
    school, someone = _school(_ANY_DAY), learner(PLAN, 0)
    exercises = [
        summary
        for summary in school.of_learner(someone).summaries
        if [log.mastery_criterion for log in summary.mastery_logs] == [_MASTERY_MODEL]
        and summary.mastery_logs[0].attempt_count >= 3
    ]
    return someone, min(exercises, key=lambda summary: (summary.mastery_logs[0].attempt_count, summary.id))


def _school(until: date) -> SchoolSimulation:
    return SchoolSimulation(PLAN, Calendar.ending(until, PLAN.weeks))
