"""Who may do what: every operation, asked by everybody, about everybody's records.

Each operation declares whom it serves (`Operation.access`), and so has its row here. What a rule means for a role and
an owner comes from the small tables below and from nothing else; a rule or a body that they lack fails.
"""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, get_args

import pytest
from aiohttp.test_utils import TestClient

from docservice import DocService
from docservice.domain.directory.readable_records import CONTENT as CONTENT_LISTS
from docservice.domain.directory.records import SECTIONS
from docservice.identity import issue_service_token, issue_token
from docservice.rest import Metrics
from docservice.rest.app import OPERATIONS
from docservice.rest.operations import Operation, Rule
from tests.support.sign_in import LIKE_KOLIBRI, PASSWORD, keep_recorded_passwords, signing_in
from tests.support.signing import SECRET

START = datetime(2024, 1, 1, tzinfo=UTC)
CONTENT = "c" * 32
REPORTS = "/api/reports/"
CLASSES = {"learner1": "class_a", "learner2": "class_a", "learner3": "class_b"}
"""The classes, with a lesson, of people of the recorded directory."""
EXPORTS = "/api/logger/generatecsvlogrequest/"

ACTORS = {
    "anonymous": None,
    "learner": "learner1",
    "classmate": "learner2",
    "coach of the class": "coach1",
    "coach of another class": "coach2",
    "facility coach": "facilitycoach",
    "facility admin": "admin",
    "superuser": "superuser",
    "other facility's admin": "other_admin",
    "service token": None,
}
"""Each role, with the person of the recorded directory who has it."""

AT_ONCE = {"learner", "coach of another class", "facility admin", "other facility's admin"}
"""The roles that every run asks: those next to a border. The others are asked with the slow tests."""

OWNERS = {
    "own": None,
    "class": "learner1",
    "other class": "learner3",
    "other facility": "other_learner",
    "anonymous": None,
}
"""Whose record it is: of the caller, of a learner of the class (and of a group in it) ..., of a visitor."""

READS = {
    "anonymous": set(),
    "learner": {"own", "class"},  # the learner of the class
    "classmate": {"own"},
    "coach of the class": {"own", "class"},
    "coach of another class": {"own", "other class"},
    "facility coach": {"own", "class", "other class", "anonymous"},
    "facility admin": {"own", "class", "other class", "anonymous"},
    "superuser": {"own", "class", "other class", "other facility", "anonymous"},
    "other facility's admin": {"own", "other facility"},
    "service token": set(),
}
"""Whose logs a role reads."""

IN_THE_FACILITY = {"class", "other class", "anonymous"}
ADMINISTERS = {
    "facility admin": IN_THE_FACILITY | {"own"},
    "superuser": IN_THE_FACILITY | {"own", "other facility"},
    "other facility's admin": {"own", "other facility"},
}
"""Of whose facility a role is an admin."""


@dataclass
class World:
    """A service with one record of each kind for everybody."""

    client: TestClient[Any, Any]
    ids: Mapping[str, str]
    service: DocService
    records: dict[str, dict[str, str]] = field(default_factory=dict)
    """For each person ("anonymous" too) the id of the record of each kind."""
    lessons: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """For each class its lesson."""
    exports: dict[str, str] = field(default_factory=dict)
    """For each facility the path of its latest request for an export."""

    def headers(self, role: str) -> dict[str, str]:
        """The headers of a request of a role."""
        now, actor = datetime.now(UTC), ACTORS[role]
        if role == "service token":
            token = issue_service_token(SECRET, now=now, ttl_seconds=600)
        elif actor is None:
            return {}
        else:
            token = issue_token(SECRET, self.ids[actor], now=now, ttl_seconds=600)
        return {"Authorization": f"Bearer {token}"}

    async def ask(self, role: str, method: str, path: str, body: Any = None) -> tuple[int, Any]:
        """Status and answer."""
        headers = self.headers(role)
        async with self.client.request(method, path, json=body, headers=headers, allow_redirects=False) as response:
            is_json = response.content_type.endswith("json")
            return response.status, await response.json(content_type=None) if is_json else await response.text()

    async def finished_export(self, facility: str) -> str:
        """The number of a request for an export of a facility, whose file is there."""
        async with asyncio.timeout(60):
            while True:
                path = self.exports.get(facility, EXPORTS + "0/")
                _, status = await self.ask("superuser", "GET", f"{path}status/")
                match status:
                    case {"state": "completed", "id": number}:
                        return str(number)
                    case {"state": "waiting" | "running"}:
                        await asyncio.sleep(0.02)
                    case _:
                        await self._request_export(facility)

    async def new_person(self, case: Case) -> str:
        """The id of a new account in the owner's facility."""
        person = BODIES["directory_upsert"](case)
        status, answer = await self.ask("service token", "POST", "/api/directory/users/", person)
        assert status == 200, answer
        return str(person[0]["id"])

    async def copied(self, section: str, record_id: str) -> str:
        """The id of a new record like another one, of a new person if it is a person's."""
        _, record = await self.ask("service token", "GET", f"/api/directory/{section}/{record_id}/")
        copy = {**record, "id": uuid.uuid4().hex}
        if section == "users":
            copy["username"] = copy["id"]
        if "user_id" in copy:
            _, person = await self.ask("service token", "GET", f"/api/directory/users/{copy['user_id']}/")
            copy["user_id"] = await self.copied("users", person["id"])
        status, answer = await self.ask("service token", "POST", f"/api/directory/{section}/", [copy])
        assert status == 200, answer
        return str(copy["id"])

    async def _request_export(self, facility: str) -> None:
        body, headers = {"facility": facility, "log_type": "session"}, self.headers("superuser")
        async with self.client.post(EXPORTS, json=body, headers=headers) as response:
            self.exports[facility] = response.headers["Location"]


@dataclass
class Case:
    """One role and one owner."""

    world: World
    role: str
    owner: str

    @property
    def person(self) -> str | None:
        """The owner's name; None for a role that is not a person."""
        if self.owner == "anonymous":
            return "anonymous"
        return ACTORS[self.role] if self.owner == "own" else OWNERS[self.owner]

    @property
    def is_service(self) -> bool:
        """Whether a program asks."""
        return self.role == "service token"

    @property
    def is_own(self) -> bool:
        """Whether the record is the asker's own, by whichever name; a visitor's belongs to every visitor."""
        own = self.person is not None and self.person == ACTORS[self.role]
        return own or self.role == self.owner == "anonymous"

    @property
    def administers(self) -> bool:
        """Whether the role is an admin of the owner's facility."""
        return self.owner in ADMINISTERS.get(self.role, set())

    @property
    def facility(self) -> str:
        """Id of the owner's facility."""
        name = {"superuser": "default_facility"}.get(str(self.person), "facility")
        return self.world.ids["other_facility" if str(self.person).startswith("other") else name]

    @property
    def dataset(self) -> str:
        """Id of the dataset of the owner's facility."""
        names = {"facility": "dataset", "other_facility": "other_dataset", "default_facility": "default_dataset"}
        return self.world.ids[next(names[name] for name in names if self.world.ids[name] == self.facility)]

    def has(self, kind: str) -> bool:
        """Whether the owner has a record of this kind; everybody's facility has an export, and gets a new person."""
        return kind in {"", "facility", "export", "directory record"} or kind in self.world.records[str(self.person)]

    def record(self, kind: str) -> str:
        """Id of the owner's record; one that nobody has if there is none."""
        return self.world.records[str(self.person)].get(kind, "f" * 32)


RULES: dict[Rule, Callable[[Case], bool]] = {
    "all": lambda case: True,
    "visitors and users": lambda case: not case.is_service,
    "owner": lambda case: case.is_own,
    "readers": lambda case: case.owner in READS[case.role],
    "writers": lambda case: case.is_own or case.administers,
    "facility admins": lambda case: case.administers,
    "directory": lambda case: case.administers or case.is_service,
    "directory readers": lambda case: case.owner in READS[case.role] or case.is_service,
    "nobody": lambda case: False,
}
"""Whether a role is served about an owner's record."""

TIMES = {"start_timestamp": "2024-01-01T00:00:00Z", "end_timestamp": "2024-01-01T00:00:00Z"}
BODIES: dict[str, Callable[[Case], Any]] = {
    "tracking_start_session": lambda case: {
        "node_id": "a" * 32,
        "content_id": uuid.uuid4().hex,
        "channel_id": "b" * 32,
        "kind": "video",
    },
    "tracking_update_session": lambda case: {"time_spent_delta": 1},
    "lists_write_attempt_log": lambda case: {"item": "q"},
    "exam_logs_save_exam_log": lambda case: {"exam": case.world.ids["quiz01"], "user": case.record("user")},
    "exam_logs_change_exam_log": lambda case: {"closed": True},
    "exam_logs_save_exam_attempt": lambda case: {
        "examlog": case.record("exam"),
        "user": case.record("user"),
        "item": "q2",
        "content_id": CONTENT,
        "correct": 1,
        **TIMES,
    },
    "exam_logs_change_exam_attempt": lambda case: {"hinted": True},
    "csv_exports_create": lambda case: {"facility": case.facility, "log_type": "session"},
    "csv_exports_replace": lambda case: {"facility": case.facility, "log_type": "session"},
    "csv_exports_change": lambda case: {"log_type": "session"},
    "directory_upsert": lambda case: [
        {"id": (new := uuid.uuid4().hex), "username": new, "dataset": case.dataset, "facility": case.facility}
    ],
    "erasure_erase": lambda case: {"dry_run": True},
    "directory_replace": lambda case: {},
    "user_sessions_report_activity": lambda case: {"active": True},
    "sessions_sign_in": lambda case: {
        "username": "learner1",
        "password": PASSWORD,
        "facility": case.world.ids["facility"],
    },
}
"""For each operation with a body one that is right, so that only the caller's rights can be wrong."""


async def make_records(service: DocService, world: World, person: str) -> None:
    """A record of each kind for a person, or a visitor's visit."""
    user = None if person == "anonymous" else world.ids[person]
    session = await service.content_session_logs.save(
        {"user_id": user, "content_id": CONTENT, "kind": "exercise", "start_timestamp": START}
    )
    attempt = {"item": "q", "correct": 1.0, "start_timestamp": START, "end_timestamp": START}
    found = world.records[person] = {"session": session.id}
    if user is None:
        visit = {**session.model_dump(), "attempts": [{**attempt, "sessionlog_id": session.id}]}
        found["attempt"] = (await service.content_session_logs.save(visit)).attempts[0].id
        return
    attempted = {
        "mastery_level": 1,
        "start_timestamp": START,
        "mastery_criterion": {"type": "do_all"},
        "attempts": [{**attempt, "sessionlog_id": session.id}],
    }
    summary = await service.content_summary_logs.save(
        {
            "user_id": user,
            "content_id": CONTENT,
            "kind": "exercise",
            "start_timestamp": START,
            "mastery_logs": [attempted],
        }
    )
    # A practice quiz with a wrong answer, for statistics.
    wrong = {**attempt, "correct": 0.0, "simple_answer": "7", "sessionlog_id": session.id}
    handed_in = {"mastery_level": -1, "start_timestamp": START, "mastery_criterion": {"type": "quiz"}, "complete": True}
    await service.content_summary_logs.save(
        {
            "user_id": user,
            "content_id": "d" * 32,
            "kind": "exercise",
            "start_timestamp": START,
            "mastery_logs": [{**handed_in, "attempts": [wrong]}],
        }
    )
    if person in CLASSES:
        await make_class_work(service, user, world.lessons[CLASSES[person]])
        found["class work"] = user
    user_session = await service.user_session_logs.save({"user_id": user, "start_timestamp": START})
    exam = await service.exam_logs.save(
        {"user_id": user, "exam_id": world.ids["quiz01"], "attempts": [{**attempt, "content_id": CONTENT}]}
    )
    found |= {
        "user": user,
        "report": user,
        "summary": summary.id,
        "mastery log": summary.mastery_logs[0].id,
        "attempt": summary.mastery_logs[0].attempts[0].id,
        "user session": user_session.id,
        "exam": exam.id,
        "exam attempt": exam.attempts[0].id,
    }


async def make_class_work(service: DocService, user: str, lesson: Mapping[str, Any]) -> None:
    """An exercise of the lesson of the learner's class that the learner needs help with."""
    content = lesson["resources"][0]["content_id"]
    of_exercise = {"user_id": user, "content_id": content, "kind": "exercise", "start_timestamp": START}
    context = {"lesson_id": lesson["id"]}
    session = await service.content_session_logs.save({**of_exercise, "extra_fields": {"context": context}})
    wrong = {"item": "q", "correct": 0.0, "start_timestamp": START, "end_timestamp": START}
    history = [{"type": "answer", "correct": 0}] * 4
    attempt = {**wrong, "sessionlog_id": session.id, "interaction_history": history}
    mastery_log = {"mastery_level": 1, "start_timestamp": START, "mastery_criterion": {"type": "do_all"}}
    times = {"end_timestamp": START}
    await service.content_summary_logs.save(
        {**of_exercise, **times, "mastery_logs": [{**mastery_log, "attempts": [attempt]}]}
    )


@pytest.fixture(scope="module")
async def world(
    mongodb_uri: str,
    mongo: Any,
    dropping: Any,
    recorded_directory: dict[str, Any],
    tmp_path_factory: pytest.TempPathFactory,
) -> AsyncIterator[World]:
    """One world for all cases: no request changes who may do what."""
    name = f"test_{uuid.uuid4().hex[:12]}"
    async with DocService(mongodb_uri, database=name, data_dir=tmp_path_factory.mktemp("data")) as service:
        ids = recorded_directory["ids"]
        await service.import_directory({**recorded_directory, "default_facility": ids["facility"]})
        await keep_recorded_passwords(service, ids)
        async with signing_in(service, LIKE_KOLIBRI, metrics=Metrics()) as client:
            lessons = {lesson["id"]: lesson for lesson in recorded_directory["lessons"]}
            of_classes = {"class_a": lessons[ids["lesson_a"]], "class_b": lessons[ids["lesson_b"]]}
            made = World(client, ids, service, lessons=of_classes)
            people = {*ACTORS.values(), *OWNERS.values()} - {None}
            for person in sorted(str(person) for person in people):
                await make_records(service, made, person)
            await make_records(service, made, "anonymous")
            yield made
    await dropping(mongo[name])


async def path_of(operation: Operation, case: Case) -> str:
    """The path and query of a request about the owner's record."""
    path = operation.path
    number = await case.world.finished_export(case.facility) if operation.access.record == "export" else ""
    if operation.access.record == "directory record":
        number = await case.world.new_person(case)
    for parameter in operation.path_parameters:
        match parameter.name:
            case "collection":
                value = "users"
            case "back":
                value = "0"
            case "token":
                link = case.world.service.admin.sign_in.make_link
                value = await link(case.world.ids["learner1"], path="/docs/", ttl_seconds=600)
            case "facility_id":
                value = case.facility
            case "id" if number:
                value = number
            case _:
                value = parameter.schema.get("enum", [case.record(operation.access.record)])[0]
        path = path.replace(f"{{{parameter.name}}}", value)
    query = {parameter.name: "" for parameter in operation.query_parameters if parameter.required}
    if operation.name == "directory_replace":
        query = {"mode": "replace", "facility": case.facility}
    if "{back}" in operation.path:
        query = {"content": CONTENT, "user": case.record("user")}
    if any(parameter.name == "cursor" for parameter in operation.query_parameters):
        query["page_size"] = "500"  # all records in one page
    if operation.path.startswith(REPORTS) and operation.query is not None:
        query = {"user": case.record("user"), "least_learners": "1"}
        query["classroom"] = case.world.ids[CLASSES.get(str(case.person), "class_a")]
        declared = {parameter.name for parameter in operation.query_parameters}
        if operation.access.record != "class work":
            declared -= {"classroom"}
        query = {name: value for name, value in query.items() if name in declared}
    return path + ("?" + "&".join(f"{name}={value}" for name, value in query.items()) if query else "")


def can_be_asked(operation: Operation, case: Case) -> bool:
    """Whether there is a request about the owner: one that has to name a person cannot name a visitor."""
    names_a_person = operation.access.rule == "writers" or "{back}" in operation.path
    names_a_person |= operation.access.record in {"report", "class work"}
    return case.person is not None and not (names_a_person and case.owner == "anonymous")


def wanted(operation: Operation, case: Case) -> int:
    """The status that a role gets."""
    access = operation.access
    if RULES[access.rule](case) and case.has(access.record):
        return operation.statuses[0]
    if operation.auth == "required" and case.role == "anonymous":
        return 403 if operation.kolibri_view else 401
    if case.is_service and access.rule != "directory readers":
        return 403
    return operation.statuses[0] if access.refused is None else access.refused


def test_rules_and_bodies_are_complete() -> None:
    """A new rule needs its meaning here, and a new operation with a body a body; nothing here is left over."""
    assert RULES.keys() == set(get_args(Rule))
    assert BODIES.keys() == {operation.name for operation in OPERATIONS if operation.body is not None}


def test_only_public_operations_do_not_ask_who_calls() -> None:
    """An operation is for all if and only if it does not ask who calls."""
    for operation in OPERATIONS:
        assert (operation.access.rule == "all") == (operation.auth == "none"), operation.name


@pytest.mark.parametrize(
    "role", [role if role in AT_ONCE else pytest.param(role, marks=pytest.mark.slow) for role in ACTORS]
)
@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda operation: operation.name)
async def test_permissions(world: World, operation: Operation, role: str) -> None:
    """The operation answers the role about everybody's records as its access rule says."""
    for owner in OWNERS:
        case = Case(world, role, owner)
        if not can_be_asked(operation, case):
            continue
        path = await path_of(operation, case)
        body = BODIES[operation.name](case) if operation.body is not None else None

        status, answer = await world.ask(role, operation.method, path, body)

        assert status == wanted(operation, case), (role, owner, operation.method, path, answer)
        if operation.access.refused is None and status == 200 and operation.path.startswith(REPORTS):
            # The owner is the only one who is asked for: who may not read the owner's logs gets no row at all.
            read = RULES[operation.access.rule](case) and case.has(operation.access.record)
            assert bool(answer["rows"]) == read, (role, owner, path)
            owners = {row["learner_id"] for row in answer["rows"] if "learner_id" in row}
            assert owners <= {case.record("user")}, (role, owner, path)
        elif operation.access.refused is None and status == 200:
            rows = answer if isinstance(answer, list) else answer["results"]
            kind = operation.access.record
            field_name, value = ("facility", case.facility) if kind == "export" else ("id", case.record(kind))
            listed = value in {row[field_name] for row in rows}
            assert listed == (RULES[operation.access.rule](case) and case.has(kind)), (role, owner, path)


RECORDED = {
    "class": {
        "datasets": "dataset",
        "facilities": "facility",
        "classrooms": "class_a",
        "learnergroups": "group_1",
        "adhoclearnersgroups": "8e2d106b7c88882409a204d2ba63509a",  # of the classmate
        "users": "learner1",
        "roles": "95682f9248f5d2a204b6deb2af9501b3",  # of the coach of the class
        "memberships": "9a7b5e172370e6caeb4ff30485f606da",  # of the learner
        "exams": "quiz01",
        "lessons": "lesson_a",
        "course_sessions": "course_a",
    },
    "other class": {
        "classrooms": "class_b",
        "learnergroups": "group_b",
        "users": "learner3",
        "roles": "e280d85a51a10f37714a645406a6f43a",
        "memberships": "3e8634ff40c36d28876ba8a95e621da6",
        "exams": "quiz_class_b",
        "lessons": "lesson_b",
        "course_sessions": "course_b",
    },
    "other facility": {
        "datasets": "other_dataset",
        "facilities": "other_facility",
        "classrooms": "class_o",
        "users": "other_learner",
        "roles": "b2a8fc7d266baca4644bc63d464013d0",
        "memberships": "911b71659c9c96402dce3ee0b1bbfa33",
    },
}
"""For each owner a record of each list of the recorded directory, by its name there or its id."""

HOME = {"datasets", "facilities"}
ASSIGNED = {"exams", "lessons", "course_sessions"}
OF_CLASS = set(RECORDED["class"]) - HOME
EVERYTHING = {owner: set(records) for owner, records in RECORDED.items()}
SEES = {
    "anonymous": {},
    "learner": {"class": HOME | ASSIGNED | {"classrooms", "learnergroups", "users", "memberships"}},
    "classmate": {"class": HOME | ASSIGNED | {"classrooms", "adhoclearnersgroups"}},
    "coach of the class": {"class": HOME | OF_CLASS},
    "coach of another class": {"class": HOME, "other class": set(RECORDED["other class"])},
    "facility coach": {owner: EVERYTHING[owner] for owner in ("class", "other class")},
    "facility admin": {owner: EVERYTHING[owner] for owner in ("class", "other class")},
    "superuser": EVERYTHING,
    "other facility's admin": {"other facility": EVERYTHING["other facility"]},
    "service token": EVERYTHING,
}
"""Which of these records a role reads, by owner."""

REMOVES = {
    "facility admin": {owner: EVERYTHING[owner] - HOME for owner in ("class", "other class")},
    "other facility's admin": {"other facility": EVERYTHING["other facility"] - HOME},
    "superuser": EVERYTHING,
    "service token": EVERYTHING,
}
"""Which of these records a role may remove, by owner."""


def recorded_id(world: World, owner: str, section: str) -> str:
    """Id of the record of a list that belongs to an owner."""
    name = RECORDED[owner][section]
    return world.ids.get(name, name)


@pytest.mark.parametrize("section", SECTIONS)
async def test_who_reads_which_records(world: World, section: str) -> None:
    """Each list has for each role the records of the owners that the role reads, the own ones too, and no others; one
    record by its id is there exactly if it is in the list. Content is there for everybody who is signed in."""
    for role, actor in ACTORS.items():
        status, answer = await world.ask(role, "GET", f"/api/directory/{section}/?page_size=500")
        if role == "anonymous":
            assert status == 401
            continue
        listed = {record["id"] for record in answer["results"]}
        for owner, records in RECORDED.items():
            if section not in records:
                continue
            record = recorded_id(world, owner, section)
            readable = section in SEES[role].get(owner, set())
            assert (record in listed) == readable, (role, owner, section)
            one, _ = await world.ask(role, "GET", f"/api/directory/{section}/{record}/")
            assert one == (200 if readable else 404), (role, owner, section)
        if section == "users" and actor is not None:
            assert world.ids[actor] in listed


@pytest.mark.parametrize("section", SECTIONS)
async def test_who_removes_which_records(world: World, section: str) -> None:
    """Who may not remove a record is refused with 403, whether it is there or not, and it stays; the facility's admins
    may, but for the facility itself; superusers and programs may remove all of them."""
    for role in ACTORS:
        for owner, records in RECORDED.items():
            if section not in records:
                continue
            if section not in REMOVES.get(role, {}).get(owner, set()):
                record = recorded_id(world, owner, section)
                status, _ = await world.ask(role, "DELETE", f"/api/directory/{section}/{record}/")
                assert status == (401 if role == "anonymous" else 403), (role, owner, section)
                there, _ = await world.ask("service token", "GET", f"/api/directory/{section}/{record}/")
                assert there == 200
            elif section not in HOME:
                # A copy, so that the records stay for the other cases; a membership or role for another person.
                copy = await world.copied(section, recorded_id(world, owner, section))
                status, answer = await world.ask(role, "DELETE", f"/api/directory/{section}/{copy}/")
                assert (status, answer["removed"][section]) == (200, 1), (role, owner, section)
    if section in CONTENT_LISTS:
        for role in ACTORS.keys() - {"superuser", "service token", "anonymous"}:
            status, _ = await world.ask(role, "DELETE", f"/api/directory/{section}/{'f' * 32}/")
            assert status == 403
