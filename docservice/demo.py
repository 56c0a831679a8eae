"""A small class with a few days of logs, to look at and to try things on."""

from __future__ import annotations

import random
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from docservice.domain.ids import record_id
from docservice.domain.requests import StartSession, UpdateSession
from docservice.identity import Principal
from docservice.service import DocService

SEED = 7
DAYS = 4
NAMES = ("Amina Odhiambo", "Brian Kiptoo", "Chloé Nyong'o", "Daudi Mwangi", "Esther Wanjiru")
EXERCISES = ("adding-fractions", "comparing-decimals", "area-of-rectangles")
READINGS = {"video": "what-is-a-fraction", "document": "measuring-the-garden"}


def _id(text: str) -> str:
    """A fixed id, so that loading the demo again finds what is there."""
    return record_id("docservice-demo", text, "demo")


DATASET, FACILITY, CLASSROOM, CHANNEL, QUIZ, LESSON = (
    _id(name) for name in ("dataset", "facility", "classroom", "channel", "quiz", "lesson")
)


@dataclass(frozen=True)
class Demo:
    """What the demo holds, for showing it.

    Attributes:
        learner_id: one of the learners.
        learner_name: the same one's name.
        content_id: an exercise that the learner worked on.
        loaded: False if the demo was there already.
    """

    learner_id: str
    learner_name: str
    content_id: str
    loaded: bool


def directory() -> dict[str, Any]:
    """The demo's directory, in the format of `docservice directory import`."""
    learners = [(_id(name), name) for name in NAMES]
    people = [(_id("coach"), "Grace Achieng"), *learners]
    resources = [
        {"contentnode_id": _id(f"node {name}"), "content_id": _id(name), "channel_id": CHANNEL} for name in EXERCISES
    ]
    return {
        "datasets": [{"id": DATASET, "description": "Demo"}],
        "facilities": [{"id": FACILITY, "dataset": DATASET, "kind": "facility", "name": "Lakeside School"}],
        "default_facility": FACILITY,
        "classrooms": [
            {"id": CLASSROOM, "dataset": DATASET, "kind": "classroom", "name": "Class 6", "parent": FACILITY}
        ],
        "users": [
            {
                "id": user_id,
                "dataset": DATASET,
                "facility": FACILITY,
                "username": name.split()[0].lower(),
                "full_name": name,
            }
            for user_id, name in people
        ],
        "roles": [{"id": _id("role"), "user": _id("coach"), "collection": CLASSROOM, "kind": "coach"}],
        "memberships": [
            {"id": _id(f"membership {name}"), "user": user_id, "collection": CLASSROOM} for user_id, name in learners
        ],
        "exams": [
            {
                "id": QUIZ,
                "title": "Fractions, end of week",
                "collection": CLASSROOM,
                "active": True,
                "assignments": [CLASSROOM],
            }
        ],
        "lessons": [
            {
                "id": LESSON,
                "title": "Fractions",
                "collection": CLASSROOM,
                "assignments": [CLASSROOM],
                "resources": resources,
            }
        ],
    }


class ShiftedClock:
    """A clock that its owner sets, so that the past is written by the rules of the present."""

    def __init__(self, moment: datetime) -> None:
        self.moment = moment

    def __call__(self) -> datetime:
        """The moment it was set to."""
        return self.moment

    def pass_seconds(self, seconds: float) -> None:
        """Let time pass."""
        self.moment += timedelta(seconds=seconds)


async def load(service: DocService, now: datetime) -> Demo:
    """Load the class and its logs of the days before `now`, unless they are there."""
    counts = await service.import_directory(directory())
    demo = Demo(_id(NAMES[0]), NAMES[0], _id(EXERCISES[0]), loaded=counts["datasets"].created == 1)
    if demo.loaded:
        await _write_days(service, now)
    return demo


async def _write_days(service: DocService, now: datetime) -> None:
    chance = random.Random(SEED)
    morning = now.astimezone(UTC).replace(hour=7, minute=0, second=0, microsecond=0)
    for day in range(DAYS, 0, -1):
        for number, name in enumerate(NAMES):
            clock = ShiftedClock(morning - timedelta(days=day) + timedelta(minutes=chance.randrange(90)))
            logs = service.with_clock(clock)
            learner = Principal(user_id=_id(name))
            ability = 0.45 + 0.1 * number + 0.08 * (DAYS - day)
            await _read(logs, clock, learner, chance)
            await _practise(logs, clock, learner, EXERCISES[(day + number) % len(EXERCISES)], ability, chance)
            if day == 1:
                await _take_quiz(logs, clock, learner, ability, chance)


async def _read(logs: DocService, clock: ShiftedClock, learner: Principal, chance: random.Random) -> None:
    kind, name = chance.choice(sorted(READINGS.items()))
    started = await logs.start_session(
        learner,
        StartSession(node_id=_id(f"node {name}"), content_id=_id(name), channel_id=CHANNEL, kind=kind),
    )
    for _ in range(chance.randint(1, 3)):
        seconds = chance.randint(40, 160)
        clock.pass_seconds(seconds)
        await logs.update_session(
            learner, started.session_id, UpdateSession(progress_delta=0.34, time_spent_delta=seconds)
        )


async def _practise(
    logs: DocService, clock: ShiftedClock, learner: Principal, name: str, ability: float, chance: random.Random
) -> None:
    started = await logs.start_session(
        learner,
        StartSession(
            node_id=_id(f"node {name}"),
            content_id=_id(name),
            channel_id=CHANNEL,
            kind="exercise",
            lesson_id=LESSON,
            mastery_model={"type": "m_of_n", "m": 3, "n": 5},
            repeat=True,
        ),
    )
    results: list[bool] = []
    for question in range(1, 8):
        seconds = chance.randint(8, 70)
        clock.pass_seconds(seconds)
        right = chance.random() < ability
        results.append(right)
        given = chance.randint(2, 9)
        interactions = [{"item": f"q{question}", "correct": 0, "time_spent": seconds, "hinted": True, "answer": {}}]
        answered = {
            "item": f"q{question}",
            "correct": int(right),
            "time_spent": seconds,
            "complete": True,
            "answer": {"choices": [f"{given}/12"], "attempted": 1},
            "simple_answer": f"{given}/12",
        }
        needs_hint = not right and chance.random() < 0.4
        await logs.update_session(
            learner,
            started.session_id,
            UpdateSession(
                progress=min(1.0, sum(results[-5:]) / 3),
                time_spent_delta=seconds,
                interactions=[*(interactions if needs_hint else ()), answered],
            ),
        )
        if sum(results[-5:]) >= 3:
            break


async def _take_quiz(
    logs: DocService, clock: ShiftedClock, learner: Principal, ability: float, chance: random.Random
) -> None:
    started = await logs.start_session(learner, StartSession(quiz_id=QUIZ))
    for question in range(1, 6):
        seconds = chance.randint(15, 90)
        clock.pass_seconds(seconds)
        answered = {
            "item": f"question-{question}",
            "correct": int(chance.random() < ability),
            "time_spent": seconds,
            "complete": True,
            "answer": {"choice": chance.randrange(4)},
            "simple_answer": "ABCD"[chance.randrange(4)],
        }
        await logs.update_session(
            learner,
            started.session_id,
            UpdateSession(progress=question / 5, time_spent_delta=seconds, interactions=[answered]),
        )
