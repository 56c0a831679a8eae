"""Who may do what: every operation, asked by everybody, about everybody's records.

What is expected comes from the small tables below and from nothing else; a new operation needs a row in `CHECKS`.
"""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import pytest
from aiohttp.test_utils import TestClient, TestServer

from docservice import DocService
from docservice.identity import TokenVerifier, issue_service_token, issue_token
from docservice.rest import create_app
from docservice.rest.app import OPERATIONS
from docservice.rest.auth import bearer_identity

SECRET = "a key for tests that is long enough for HS256"
LOGGER = "/api/logger"
START = datetime(2024, 1, 1, tzinfo=UTC)
CONTENT = "c" * 32

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

OWNERS = {
    "own": None,
    "class": "learner1",
    "other class": "learner3",
    "other facility": "other_learner",
    "anonymous": None,
}
"""Whose record it is: of whoever asks, of a learner of the class (and of a group in it) ..., of a visitor."""

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
    records: dict[str, dict[str, str]] = field(default_factory=dict)
    """For each person ("anonymous" too) the id of the record of each kind."""

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
        async with self.client.request(method, path, json=body, headers=self.headers(role)) as response:
            is_json = response.content_type.endswith("json")
            return response.status, await response.json(content_type=None) if is_json else await response.text()

    async def ask_raw(self, role: str, path: str) -> tuple[int, bytes]:
        """Status and answer, which may be a file."""
        async with self.client.get(path, headers=self.headers(role)) as response:
            return response.status, await response.read()


@dataclass
class Case:
    """One role and one owner."""

    world: World
    role: str
    owner: str

    @property
    def person(self) -> str | None:
        """The owner's name; None: nobody, since the role is no person."""
        if self.owner == "anonymous":
            return "anonymous"
        return ACTORS[self.role] if self.owner == "own" else OWNERS[self.owner]

    @property
    def is_service(self) -> bool:
        """Whether a program asks."""
        return self.role == "service token"

    @property
    def may_read(self) -> bool:
        """Whether the role reads the owner's logs."""
        return self.owner in READS[self.role]

    @property
    def is_own(self) -> bool:
        """Whether the record is the asker's own, by whichever name."""
        return self.person is not None and self.person == ACTORS[self.role]

    @property
    def administers(self) -> bool:
        """Whether the role is an admin of the owner's facility."""
        return self.owner in ADMINISTERS.get(self.role, set())

    @property
    def facility(self) -> str:
        """Id of the owner's facility."""
        name = {"superuser": "default_facility"}.get(str(self.person), "facility")
        return self.world.ids["other_facility" if str(self.person).startswith("other") else name]

    def record(self, kind: str) -> str:
        """Id of the owner's record."""
        return self.world.records[str(self.person)].get(kind, "f" * 32)

    def user(self) -> str:
        """Id of the owner."""
        return self.world.ids.get(str(self.person), "f" * 32)

    async def expect(self, wanted: int, method: str, path: str, body: Any = None) -> Any:
        """Send the request; the answer, which has the wanted status."""
        status, answer = await self.world.ask(self.role, method, f"{path}", body)
        assert status == wanted, (self.role, self.owner, method, path, answer)
        return answer


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
    sitting = await service.user_session_logs.save({"user_id": user, "start_timestamp": START})
    exam = await service.exam_logs.save(
        {"user_id": user, "exam_id": world.ids["quiz01"], "attempts": [{**attempt, "content_id": CONTENT}]}
    )
    found |= {
        "summary": summary.id,
        "try": summary.mastery_logs[0].id,
        "attempt": summary.mastery_logs[0].attempts[0].id,
        "sitting": sitting.id,
        "exam": exam.id,
        "exam attempt": exam.attempts[0].id,
    }


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
        app = create_app(service, identify=bearer_identity(TokenVerifier(secret=SECRET)))
        async with TestClient(TestServer(app)) as client:
            made = World(client, ids)
            people = {*ACTORS.values(), *OWNERS.values()} - {None}
            for person in sorted(str(person) for person in people):
                await make_records(service, made, person)
            await make_records(service, made, "anonymous")
            yield made
    await dropping(mongo[name])


def log_list(kind: str, path: str, query: str = "") -> Callable[[Case], Awaitable[None]]:
    """A list that holds the owner's record if the role reads the owner's logs, and is never refused to a person."""

    async def check(case: Case) -> None:
        answer = await case.expect(403 if case.is_service else 200, "GET", f"{LOGGER}/{path}/?{query}")
        if not case.is_service:
            rows = answer if isinstance(answer, list) else answer["results"]
            there = case.record(kind) in {row["id"] for row in rows}
            assert there == (case.may_read and kind in case.world.records[str(case.person)]), (case.role, case.owner)

    return check


def log_instance(kind: str, path: str, query: str = "") -> Callable[[Case], Awaitable[None]]:
    """A single record: as if it were not there for whoever may not read it."""

    async def check(case: Case) -> None:
        readable = case.may_read and kind in case.world.records[str(case.person)]
        wanted = 403 if case.is_service else 200 if readable else 404
        await case.expect(wanted, "GET", f"{LOGGER}/{path}/{case.record(kind)}/?{query}")

    return check


async def diff(case: Case) -> None:
    """The newest try of a person, in the list that the role may read."""
    if case.owner != "anonymous":
        wanted = 403 if case.is_service else 200 if case.may_read else 404
        await case.expect(wanted, "GET", f"{LOGGER}/masterylog/0/diff/?content={CONTENT}&user={case.user()}")


async def progress(case: Case) -> None:
    """Points are for oneself alone."""
    await case.expect(200 if case.is_own else 403, "GET", f"{LOGGER}/userprogress/{case.user()}/")


async def start(case: Case) -> None:
    """Everybody tracks own visits; a program has none."""
    body = {"node_id": "a" * 32, "content_id": uuid.uuid4().hex, "channel_id": "b" * 32, "kind": "video"}
    await case.expect(403 if case.is_service else 200, "POST", f"{LOGGER}/trackprogress/", body)


async def report(case: Case) -> None:
    """A visit is reported on by whose it is; a visitor's by any visitor."""
    own = case.is_own or (case.role, case.owner) == ("anonymous", "anonymous")
    wanted = 403 if case.is_service else 200 if own else 404
    await case.expect(wanted, "PUT", f"{LOGGER}/trackprogress/{case.record('session')}/", {"time_spent_delta": 1})


async def no_attempts(case: Case) -> None:
    """Nobody writes attempts directly."""
    await case.expect(403, "POST", f"{LOGGER}/attemptlog/", {"item": "q"})


def as_writer(case: Case) -> bool:
    """Whether the role writes the owner's exam logs: the learner, and admins of the facility."""
    return case.person != "anonymous" and not case.is_service and (case.is_own or case.administers)


async def begin_exam(case: Case) -> None:
    """Begin an exam that is there already."""
    if case.person != "anonymous":
        body = {"exam": case.world.ids["quiz01"], "user": case.user()}
        await case.expect(200 if as_writer(case) else 403, "POST", f"{LOGGER}/examlog/", body)


async def change_exam(case: Case) -> None:
    """Hand in an exam."""
    if case.person != "anonymous":
        wanted = 200 if as_writer(case) else 403
        await case.expect(wanted, "PATCH", f"{LOGGER}/examlog/{case.record('exam')}/", {"closed": True})


async def answer_exam(case: Case) -> None:
    """Answer a question of an exam."""
    if case.person != "anonymous":
        times = {"start_timestamp": "2024-01-01T00:00:00Z", "end_timestamp": "2024-01-01T00:00:00Z"}
        body = {"examlog": case.record("exam"), "user": case.user(), "item": "q2", "content_id": CONTENT, "correct": 1}
        await case.expect(201 if as_writer(case) else 403, "POST", f"{LOGGER}/examattemptlog/", {**body, **times})


async def change_answer(case: Case) -> None:
    """Change an answer of an exam."""
    if case.person != "anonymous":
        wanted = 200 if as_writer(case) else 403
        path = f"{LOGGER}/examattemptlog/{case.record('exam attempt')}/"
        await case.expect(wanted, "PATCH", path, {"hinted": True})


def export_request(method: str) -> Callable[[Case], Awaitable[None]]:
    """Requests for exports belong to the admins of the facility."""
    path = f"{LOGGER}/generatecsvlogrequest/"

    async def check(case: Case) -> None:
        body = {"facility": case.facility, "log_type": "session"}
        if method == "POST":
            await case.expect(201 if case.administers else 403, "POST", path, body)
            return
        await case.world.ask("superuser", "POST", path, body)
        if method == "LIST":
            answer = await case.expect(403 if case.is_service else 200, "GET", path)
            if not case.is_service:
                listed = {row["facility"] for row in answer}
                assert (case.facility in listed) == case.administers
            return
        number = await number_of(case)
        wanted = 403 if case.is_service else {"DELETE": 204}.get(method, 200) if case.administers else 404
        await case.expect(wanted, method, f"{path}{number}/", body)

    return check


def export_part(method: str, part: str, wanted: int) -> Callable[[Case], Awaitable[None]]:
    """What belongs to a request for an export is for those who see the request."""

    async def check(case: Case) -> None:
        await case.world.ask("superuser", "POST", f"{LOGGER}/generatecsvlogrequest/", asked_for(case))
        path = f"{LOGGER}/generatecsvlogrequest/{await number_of(case)}/{part}/"
        await case.expect(403 if case.is_service else wanted if case.administers else 404, method, path)

    return check


async def export_download(case: Case) -> None:
    """The file of an export is for the admins of the facility; here there is one or none yet, which is 200 or 404."""
    await case.world.ask("superuser", "POST", f"{LOGGER}/generatecsvlogrequest/", asked_for(case))
    path = f"{LOGGER}/generatecsvlogrequest/{await number_of(case)}/download/"
    status, _ = await case.world.ask_raw(case.role, path)
    assert status in ({403} if case.is_service else {200, 404} if case.administers else {404}), (case.role, status)


def latest_export(path: str, allowed: set[int]) -> Callable[[Case], Awaitable[None]]:
    """The latest file of a facility is for its admins."""

    async def check(case: Case) -> None:
        status, _ = await case.world.ask_raw(case.role, path.replace("FACILITY", case.facility))
        wanted = allowed if case.administers else {401} if case.role == "anonymous" else {403}
        assert status in wanted, (case.role, case.owner, status)

    return check


def asked_for(case: Case) -> dict[str, str]:
    """A request for an export of the owner's facility."""
    return {"facility": case.facility, "log_type": "session"}


async def number_of(case: Case) -> int:
    """The number of a request of the owner's facility."""
    for number in range(1, 1000):
        status, row = await case.world.ask("superuser", "GET", f"{LOGGER}/generatecsvlogrequest/{number}/")
        if status == 200 and row["facility"] == case.facility:
            return number
    raise AssertionError("there is no request of the facility")


async def directory(case: Case) -> None:
    """Admins write the directory of their facility, superusers and programs every directory."""
    dataset = {"facility": "dataset", "other_facility": "other_dataset", "default_facility": "default_dataset"}
    name = next(name for name in dataset if case.world.ids[name] == case.facility)
    record = {"id": (new := uuid.uuid4().hex), "username": new, "dataset": case.world.ids[dataset[name]]}
    allowed = case.administers or case.is_service
    wanted = 200 if allowed else 401 if case.role == "anonymous" else 403
    await case.expect(wanted, "POST", "/api/directory/users/", [{**record, "facility": case.facility}])


async def sitting(case: Case) -> None:
    """Everybody may say to be there; a program is nobody."""
    await case.expect(403 if case.is_service else 200, "PUT", "/api/auth/session/current/", {"active": True})


def open_to_all(path: str, status: int = 200) -> Callable[[Case], Awaitable[None]]:
    """Probes ask for no sign-in."""

    async def check(case: Case) -> None:
        await case.expect(status, "GET", path)

    return check


BOTH = "content=&user="
CHECKS: dict[tuple[str, str], Callable[[Case], Awaitable[None]]] = {
    ("POST", f"{LOGGER}/trackprogress/"): start,
    ("PUT", f"{LOGGER}/trackprogress/{{session_id}}/"): report,
    ("GET", f"{LOGGER}/masterylog/"): log_list("try", "masterylog", BOTH),
    ("GET", f"{LOGGER}/masterylog/{{id}}/"): log_instance("try", "masterylog", BOTH),
    ("GET", f"{LOGGER}/masterylog/{{back}}/diff/"): diff,
    ("GET", f"{LOGGER}/attemptlog/"): log_list("attempt", "attemptlog"),
    ("POST", f"{LOGGER}/attemptlog/"): no_attempts,
    ("GET", f"{LOGGER}/attemptlog/{{id}}/"): log_instance("attempt", "attemptlog"),
    ("GET", f"{LOGGER}/userprogress/{{id}}/"): progress,
    ("GET", f"{LOGGER}/contentsummarylog/"): log_list("summary", "contentsummarylog", "page_size=500"),
    ("GET", f"{LOGGER}/contentsummarylog/{{id}}/"): log_instance("summary", "contentsummarylog"),
    ("GET", f"{LOGGER}/contentsessionlog/"): log_list("session", "contentsessionlog", "page_size=500"),
    ("GET", f"{LOGGER}/contentsessionlog/{{id}}/"): log_instance("session", "contentsessionlog"),
    ("GET", f"{LOGGER}/usersessionlog/"): log_list("sitting", "usersessionlog", "page_size=500"),
    ("GET", f"{LOGGER}/usersessionlog/{{id}}/"): log_instance("sitting", "usersessionlog"),
    ("GET", f"{LOGGER}/examlog/"): log_list("exam", "examlog", "page_size=500"),
    ("GET", f"{LOGGER}/examlog/{{id}}/"): log_instance("exam", "examlog"),
    ("POST", f"{LOGGER}/examlog/"): begin_exam,
    ("PATCH", f"{LOGGER}/examlog/{{id}}/"): change_exam,
    ("POST", f"{LOGGER}/examattemptlog/"): answer_exam,
    ("PATCH", f"{LOGGER}/examattemptlog/{{id}}/"): change_answer,
    ("GET", f"{LOGGER}/generatecsvlogrequest/"): export_request("LIST"),
    ("POST", f"{LOGGER}/generatecsvlogrequest/"): export_request("POST"),
    ("GET", f"{LOGGER}/generatecsvlogrequest/{{id}}/"): export_request("GET"),
    ("PUT", f"{LOGGER}/generatecsvlogrequest/{{id}}/"): export_request("PUT"),
    ("PATCH", f"{LOGGER}/generatecsvlogrequest/{{id}}/"): export_request("PATCH"),
    ("DELETE", f"{LOGGER}/generatecsvlogrequest/{{id}}/"): export_request("DELETE"),
    ("GET", f"{LOGGER}/generatecsvlogrequest/{{id}}/status/"): export_part("GET", "status", 200),
    ("POST", f"{LOGGER}/generatecsvlogrequest/{{id}}/start/"): export_part("POST", "start", 202),
    ("GET", f"{LOGGER}/generatecsvlogrequest/{{id}}/download/"): export_download,
    ("GET", "/facility/api/downloadcsvfile/{log_type}/{facility_id}/"): latest_export(
        "/facility/api/downloadcsvfile/session/FACILITY/", {200, 404}
    ),
    ("GET", "/facility/api/exportedcsvinfo/{facility_id}/"): latest_export(
        "/facility/api/exportedcsvinfo/FACILITY/", {200}
    ),
    ("POST", "/api/directory/{collection}/"): directory,
    ("PUT", "/api/auth/session/current/"): sitting,
    ("GET", "/healthz"): open_to_all("/healthz"),
    ("GET", "/readyz"): open_to_all("/readyz"),
    ("GET", "/api/openapi.json"): open_to_all("/api/openapi.json"),
    ("GET", "/api/docs/"): open_to_all("/api/docs/"),
    ("GET", "/api/docs/{file}"): open_to_all("/api/docs/icon.svg"),
    ("GET", "/"): open_to_all("/"),
    ("GET", "/docs/"): open_to_all("/docs/"),
    ("GET", "/docs/{page}"): open_to_all("/docs/tutorial"),
    ("GET", "/docs/files/{file}"): open_to_all("/docs/files/manual.css"),
    ("GET", "/metrics"): open_to_all("/metrics", 404),  # the application of these tests counts nothing
}
"""For each operation what must hold for a role and an owner."""


def test_every_operation_is_in_the_matrix() -> None:
    """A new operation fails until it has a row, and a row without an operation fails, too."""
    assert {(operation.method, operation.path) for operation in OPERATIONS} == set(CHECKS)


@pytest.mark.parametrize("role", ACTORS)
@pytest.mark.parametrize(("method", "path"), CHECKS)
async def test_permissions(world: World, method: str, path: str, role: str) -> None:
    """The operation answers the role about everybody's records as the tables say."""
    for owner in OWNERS:
        case = Case(world, role, owner)
        if case.person is not None:
            await CHECKS[method, path](case)
