"""Generated people: learners in classes and groups, coaches, and the abilities of each."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from docservice.generate.plan import Plan

_FIRST_NAMES = (
    "Amina Brian Chloé Daudi Esther Farid Grace Hassan Imani José Kavya Liam Maryam Noor Otieno Priya Quyên Rosa "
    "Samuel Tariq Uma Violet Wanjiru Ximena Yusuf Zawadi Aylin Benedict Camila Dinesh Eman Fatou Gabriel Hina Issa "
    "Joyce Kofi Lucía Mwangi Nadia Omar Paulo Rahel Sita Thabo Valentina Winnie Yara"
)
_LAST_NAMES = (
    "Odhiambo Kiptoo Nyong'o Mwangi Wanjiru Achieng Hernández Sharma Diallo Nguyễn Okafor Rahman Silva Tadesse Abdi "
    "Chebet García Hussein Kamau Lopes Mensah Njoroge Ouma Patel Quispe Salim Torres Usman Wekesa Zulu Bekele Cruz"
)
_SCHOOL_DEVICES = (
    "Android,11/Chrome Mobile,119",
    "Windows,10/Chrome,120",
    "Ubuntu,/Firefox,121",
    "Windows,7/Firefox,115",
)
_HOME_DEVICES = (
    "Android,13/Chrome Mobile,121",
    "Android,9/Chrome Mobile,98",
    "iOS,16/Mobile Safari,16",
    "Mac OS X,10/Safari,17",
)


@dataclass(frozen=True)
class GeneratedLearner:
    """A learner and what decides about what comes of the questions.

    Attributes:
        classroom: number of the class.
        ability: mean 0, deviation 1.
        diligence: how likely a school day is one of work, 0..1.
        at_home: how likely there is work on a day without school, or after it.
        pace: how long things take, 1 on average.
        asks: how likely a wrong answer is followed by a look at a hint.
        drills: whether the same exercise is done over and over.
        leaves: the week from which on nothing more comes; None for most.
    """

    number: int
    user_id: str
    full_name: str
    classroom: int
    ability: float
    diligence: float
    at_home: float
    pace: float
    asks: float
    drills: bool
    leaves: int | None
    school_device: str
    home_device: str

    @property
    def username(self) -> str:
        """What to sign in with."""
        return f"{self.full_name.split()[0].lower()}{self.number + 1}"


def learner(plan: Plan, number: int) -> GeneratedLearner:
    """Return the learner with a number, 0 and up; no other learner is looked at."""
    chance = plan.chance(f"learner {number}")
    leaves = chance.randrange(1, plan.weeks) if plan.weeks > 1 and chance.random() < 0.06 else None
    return GeneratedLearner(
        number=number,
        user_id=plan.id(f"learner {number}"),
        full_name=f"{chance.choice(_FIRST_NAMES.split())} {chance.choice(_LAST_NAMES.split())}",
        classroom=number * plan.class_count // plan.learners,
        ability=chance.gauss(0, 1),
        diligence=min(max(chance.gauss(0.82, 0.12), 0.2), 0.98),
        at_home=chance.random() ** 3 * 0.6,
        pace=math.exp(chance.gauss(0, 0.3)),
        asks=chance.random() * 0.7,
        drills=chance.random() < 0.08,
        leaves=leaves,
        school_device=chance.choice(_SCHOOL_DEVICES),
        home_device=chance.choice(_HOME_DEVICES),
    )


def learners_of(plan: Plan, classroom: int) -> Iterator[GeneratedLearner]:
    """Yield the learners of a class: neighbours by number."""
    first, last = (-(-edge * plan.learners // plan.class_count) for edge in (classroom, classroom + 1))
    for number in range(first, last):
        yield learner(plan, number)


def class_records(plan: Plan, classroom: int) -> dict[str, list[dict[str, Any]]]:
    """Return a class in the format of a directory file: itself, two groups, its coach, its learners."""
    class_id = plan.id(f"class {classroom}")
    groups = [plan.id(f"group {classroom}.{letter}") for letter in "AB"]
    learners = list(learners_of(plan, classroom))
    chance = plan.chance(f"coach {classroom}")
    coach = f"{chance.choice(_FIRST_NAMES.split())} {chance.choice(_LAST_NAMES.split())}"
    memberships = [(one, class_id) for one in learners] + [(one, groups[one.number % 2]) for one in learners]
    return {
        "classrooms": [_collection(plan, class_id, f"Class {classroom + 1}", plan.facility_id)],
        "learnergroups": [
            _collection(plan, group_id, f"Group {letter}", class_id)
            for letter, group_id in zip("AB", groups, strict=True)
        ],
        "users": [
            _user(plan, plan.id(f"coach {classroom}"), f"coach{classroom + 1}", coach),
            *(_user(plan, one.user_id, one.username, one.full_name) for one in learners),
        ],
        "roles": [_role(plan, f"coach {classroom}", class_id, "coach")],
        "memberships": [
            {
                "id": plan.id(f"membership {one.number} {collection_id}"),
                "user": one.user_id,
                "collection": collection_id,
            }
            for one, collection_id in memberships
        ],
    }


def facility_records(plan: Plan) -> dict[str, list[dict[str, Any]]]:
    """Return the facility in the format of a directory file."""
    return {
        "datasets": [{"id": plan.dataset_id, "description": f"Generated, seed {plan.seed}"}],
        "facilities": [{**_collection(plan, plan.facility_id, "Lakeside School", None), "kind": "facility"}],
    }


def staff_records(plan: Plan) -> dict[str, list[dict[str, Any]]]:
    """Who works for the whole facility, in the format of a directory file."""
    return {
        "users": [
            _user(plan, plan.id("facility coach"), "facilitycoach", "Halima Noor"),
            _user(plan, plan.id("facility admin"), "admin", "Peter Ekwueme"),
        ],
        "roles": [
            _role(plan, "facility coach", plan.facility_id, "coach"),
            _role(plan, "facility admin", plan.facility_id, "admin"),
        ],
    }


def _collection(plan: Plan, collection_id: str, name: str, parent: str | None) -> dict[str, Any]:
    return {"id": collection_id, "dataset": plan.dataset_id, "name": name, "parent": parent}


def _user(plan: Plan, user_id: str, username: str, full_name: str) -> dict[str, Any]:
    return {
        "id": user_id,
        "dataset": plan.dataset_id,
        "facility": plan.facility_id,
        "username": username,
        "full_name": full_name,
    }


def _role(plan: Plan, who: str, collection_id: str, kind: str) -> dict[str, Any]:
    return {"id": plan.id(f"role {who}"), "user": plan.id(who), "collection": collection_id, "kind": kind}
