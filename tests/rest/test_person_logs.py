"""The contract of `PersonLogs`: the same calls, results and errors in process and over HTTP."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from docservice import (
    DirectoryFilters,
    DocService,
    LogFilters,
    Page,
    PersonLogs,
    Principal,
    Removed,
    Replaced,
    ReportActivity,
    ReportFilters,
    StartSession,
    UpdateSession,
    Upserted,
)
from docservice.client import LogClient
from docservice.domain.requests.exam_logs import ChangeExamLog, SaveExamAttempt, SaveExamLog
from docservice.errors import (
    CollectionNotFound,
    FilterInvalid,
    IdempotencyMismatch,
    InvalidReference,
    LogNotFound,
    NotSignedIn,
    PageNotFound,
    PermissionDenied,
    RecordNotFound,
    Unauthenticated,
    ValidationFailed,
    WithdrawalRefused,
)
from docservice.identity import issue_token
from tests.support.signing import SECRET

from .asking import M_OF_N, Client, interaction, start_body

pytestmark = pytest.mark.shared_service

Logs = Callable[[str], PersonLogs]
UNKNOWN = "0" * 32


@pytest.fixture(params=["in process", "over HTTP"])
async def logs_of(
    request: pytest.FixtureRequest, service: DocService, shared_client: Client, recorded_directory: dict[str, Any]
) -> AsyncIterator[Callable[[str], Any]]:
    """The logs as an actor of the recorded directory may use them; `unknown` is somebody who is not in it."""
    async with AsyncExitStack() as stack:
        if request.param == "in process":
            yield lambda actor: service.acting_as(Principal(_user_id(recorded_directory, actor)))
            return
        clients: dict[str, LogClient] = {}
        for actor in ("anon", "admin", "coach1", "coach2", "learner1", "learner2", "unknown"):
            user_id, token = _user_id(recorded_directory, actor), None
            if user_id is not None:
                token = issue_token(SECRET, user_id, now=datetime.now(UTC), ttl_seconds=600)
            client = LogClient(str(shared_client.make_url("")).rstrip("/"), token=token)
            clients[actor] = await stack.enter_async_context(client)
        yield clients.__getitem__


def _user_id(directory: dict[str, Any], actor: str) -> str | None:
    if actor == "unknown":
        return UNKNOWN
    found: str | None = directory["actors"][actor]["user"]
    return found


def exercise(**fields: Any) -> StartSession:
    """A start of an exercise that nobody has opened."""
    return StartSession.parse(start_body(mastery_model=M_OF_N, **fields))


def answers(*items: str) -> UpdateSession:
    """A report of right answers."""
    return UpdateSession.parse({"interactions": [interaction(item) for item in items], "time_spent_delta": 5})


async def test_a_learner_works_and_looks_back(logs_of: Logs) -> None:
    """What a learner reports is in every list, in every log, and in the document."""
    learner, start = logs_of("learner1"), exercise()
    filters = LogFilters(content=start.content_id)

    started = await learner.start_session(start)
    updated = await learner.update_session(started.session_id, answers("q1", "q2", "q3"))
    masteries = [row async for row in learner.mastery_logs(filters)]
    attempts = [row async for row in learner.attempt_logs(filters, page_size=2)]
    page = await learner.attempt_log_page(filters, page=Page(size=2, number=2))
    summaries = [row async for row in learner.documents("contentsummarylog", page_size=1)]
    found = next(each for each in summaries if each["content_id"] == start.content_id)

    assert (started.complete, [each.item for each in updated.attempts]) == (False, ["q1", "q2", "q3"])
    assert [row.correct for row in masteries] == [3]
    assert (page.count, page.total_pages, [row.id for row in page.rows]) == (3, 2, [attempts[2].id])
    assert await learner.mastery_log(masteries[0].id) == masteries[0]
    assert (await learner.mastery_log_page(filters, page=Page(size=1))).rows == masteries
    assert (await learner.mastery_diff(0, filters)).id == masteries[0].id
    assert await learner.attempt_log(attempts[0].id) == attempts[0]
    assert await learner.document("contentsummarylog", found["id"], fields="time_spent") == {
        "id": found["id"],
        "time_spent": 5,
    }


async def test_a_key_makes_a_call_safe_to_repeat(logs_of: Logs) -> None:
    """The same key gets the first answer again; used for another request it is refused."""
    learner, start, key = logs_of("learner1"), exercise(), uuid.uuid4().hex

    first = await learner.start_session(start, idempotency_key=key)
    again = await learner.start_session(start, idempotency_key=key)

    assert again == first
    with pytest.raises(IdempotencyMismatch):
        await learner.start_session(exercise(), idempotency_key=key)


async def test_an_exam(logs_of: Logs, recorded_directory: dict[str, Any]) -> None:
    """An exam of the old kind is begun once, answered and handed in."""
    learner, exam = logs_of("learner2"), recorded_directory["exams"][1]["id"]
    user = recorded_directory["actors"]["learner2"]["user"]

    first = await learner.save_exam_log(SaveExamLog(exam=exam, user=user))
    again = await learner.save_exam_log(SaveExamLog(exam=exam, user=user))
    attempt = await learner.save_exam_attempt(
        SaveExamAttempt.parse(
            {
                "examlog": first.log.id,
                "user": user,
                "content_id": UNKNOWN,
                "item": "q1",
                "correct": 1,
                "start_timestamp": "2024-09-02T08:00:00Z",
                "end_timestamp": "2024-09-02T08:01:00Z",
            }
        )
    )
    closed = await learner.change_exam_log(first.log.id, ChangeExamLog(closed=True))

    assert again.log.id == first.log.id
    assert not again.created
    assert (attempt.item, closed.closed) == ("q1", True)


async def test_who_is_active(logs_of: Logs) -> None:
    """Reporting activity says who the caller is, also to a visitor, who has no user sessions."""
    learner = await logs_of("learner1").update_user_session()
    visitor = await logs_of("anon").update_user_session(ReportActivity(active=False))

    assert learner.kind == ["learner"]
    assert visitor.kind == ["anonymous"]


async def test_what_others_may_see(logs_of: Logs) -> None:
    """A coach sees the logs of the class, another learner and a visitor do not."""
    start = exercise()
    started = await logs_of("learner1").start_session(start)
    await logs_of("learner1").update_session(started.session_id, answers("q1"))
    filters = LogFilters(content=start.content_id)

    seen = {
        actor: [row async for row in logs_of(actor).attempt_logs(filters)] for actor in ("coach1", "learner2", "anon")
    }

    assert {actor: len(rows) for actor, rows in seen.items()} == {"coach1": 1, "learner2": 0, "anon": 0}
    with pytest.raises(LogNotFound):
        await logs_of("learner2").attempt_log(seen["coach1"][0].id)


async def test_reports(logs_of: Logs, recorded_directory: dict[str, Any]) -> None:
    """A coach gets the report of the class, with times as times; another coach gets it without a row."""
    ids = recorded_directory["ids"]
    lesson = next(each for each in recorded_directory["lessons"] if each["id"] == ids["lesson_a"])
    content, filters = lesson["resources"][0]["content_id"], ReportFilters(classroom=ids["class_a"])
    started = await logs_of("learner1").start_session(exercise(content_id=content, lesson_id=lesson["id"]))
    await logs_of("learner1").update_session(started.session_id, answers("q1"))

    definitions = {each.name: each for each in await logs_of("learner1").reports()}
    mine = await logs_of("coach1").report("class-progress", filters)
    own = await logs_of("learner1").report("class-progress", filters)
    elsewhere = await logs_of("coach2").report("class-progress", filters)

    resources = [row for row in mine.rows if row["unit"] == "resource" and row["content_id"] == content]
    assert mine.definition == definitions["class-progress"]
    assert (mine.filters, mine.generated.utcoffset()) == ({"classroom": ids["class_a"]}, timedelta(0))
    assert {row["learner_id"]: row["status"] for row in resources} == {
        ids["learner1"]: "Started",
        ids["learner2"]: "NotStarted",
    }
    assert all(row["last_activity"] is None or row["last_activity"].tzinfo for row in resources)
    assert {row["learner_id"] for row in own.rows} == {ids["learner1"]}
    assert elsewhere.rows == []


async def test_errors_of_reports(logs_of: Logs, recorded_directory: dict[str, Any]) -> None:
    """A report that does not exist, filters that do not fit, and callers without rights are refused."""
    class_a = ReportFilters(classroom=recorded_directory["ids"]["class_a"])
    with pytest.raises(CollectionNotFound, match="class-progress"):
        await logs_of("coach1").report("nothing")  # type: ignore[arg-type]
    with pytest.raises(FilterInvalid, match="classroom"):
        await logs_of("coach1").report("class-progress")
    with pytest.raises(FilterInvalid, match="channel"):
        await logs_of("coach1").report("class-progress", replace(class_a, channel=UNKNOWN))
    with pytest.raises(ValidationFailed):
        await logs_of("coach1").report("class-progress", replace(class_a, user=UNKNOWN))
    with pytest.raises(NotSignedIn):
        await logs_of("anon").report("class-progress", class_a)
    with pytest.raises(Unauthenticated):
        await logs_of("unknown").report("class-progress", class_a)


async def test_the_directory(logs_of: Logs, recorded_directory: dict[str, Any]) -> None:
    """An admin changes a record of the facility; a learner may not, and nobody a collection that does not exist."""
    ids = recorded_directory["ids"]
    group = {"id": uuid.uuid4().hex, "name": "New", "parent": ids["class_a"], "dataset": ids["dataset"]}

    made = await logs_of("admin").upsert_directory("learnergroups", [group])
    again = await logs_of("admin").upsert_directory("learnergroups", [group])

    assert ((made.created, made.changed), (again.created, again.unchanged)) == ((1, 0), (0, 1))
    with pytest.raises(PermissionDenied):
        await logs_of("learner1").upsert_directory("learnergroups", [group])
    with pytest.raises(CollectionNotFound):
        await logs_of("admin").upsert_directory("nothing", [group])  # type: ignore[arg-type]


async def test_reading_the_directory(logs_of: Logs, recorded_directory: dict[str, Any]) -> None:
    """A coach reads the people of the class page by page and one by one; others are not there."""
    ids, coach = recorded_directory["ids"], logs_of("coach1")
    filters = DirectoryFilters(classroom=ids["class_a"], search="learner")

    people = [person async for person in coach.directory_records("users", filters, page_size=1)]
    first = await coach.directory_page("users", filters, page_size=1)
    second = await coach.directory_page("users", filters, page_size=1, cursor=first.next)

    assert {person["username"] for person in people} == {"learner1", "learner2"}
    assert [*first.results, *second.results] == people
    assert await coach.directory_record("users", people[0]["id"]) == people[0]
    with pytest.raises(RecordNotFound):
        await coach.directory_record("users", ids["learner3"])
    with pytest.raises(ValidationFailed):
        await coach.directory_page("roles", DirectoryFilters(user="nobody"))
    with pytest.raises(ValidationFailed):
        await coach.directory_page("roles", filters)
    with pytest.raises(NotSignedIn):
        await logs_of("anon").directory_page("users")


async def test_removing_and_replacing(logs_of: Logs, recorded_directory: dict[str, Any]) -> None:
    """An admin removes a class with what names it, and replaces a list; both count the same, and a learner may not."""
    ids, admin = recorded_directory["ids"], logs_of("admin")
    room = {"id": uuid.uuid4().hex, "name": "New", "parent": ids["facility"], "dataset": ids["dataset"]}
    group = {"id": uuid.uuid4().hex, "name": "New", "parent": room["id"], "dataset": ids["dataset"]}
    await admin.upsert_directory("classrooms", [room])
    await admin.upsert_directory("learnergroups", [group])
    groups = [each async for each in admin.directory_records("learnergroups")]

    kept = [each for each in groups if each["id"] != group["id"]]
    replaced = await admin.replace_directory({"learnergroups": kept}, facility=ids["facility"])
    removed = await admin.remove_directory_record("classrooms", room["id"])

    assert replaced == Replaced({"learnergroups": Upserted(0, 0, len(kept))}, {"learnergroups": 1}, {})
    assert removed == Removed({"classrooms": 1}, {})
    with pytest.raises(PermissionDenied):
        await logs_of("learner1").remove_directory_record("classrooms", ids["class_a"])
    with pytest.raises(PermissionDenied):
        await logs_of("learner1").replace_directory({"users": []}, force=True)
    with pytest.raises(WithdrawalRefused):
        await admin.replace_directory({"users": []})
    with pytest.raises(NotSignedIn):
        await logs_of("anon").remove_directory_record("classrooms", ids["class_a"])


async def test_errors(logs_of: Logs, recorded_directory: dict[str, Any]) -> None:
    """Each refusal is the same class of error."""
    learner, user = logs_of("learner1"), recorded_directory["actors"]["learner2"]["user"]
    with pytest.raises(InvalidReference):
        await learner.start_session(exercise(lesson_id=UNKNOWN))
    with pytest.raises(LogNotFound):
        await learner.update_session(uuid.uuid4().hex, UpdateSession())
    with pytest.raises(LogNotFound):
        await learner.mastery_log(UNKNOWN)
    with pytest.raises(PageNotFound):
        await learner.attempt_log_page(page=Page(size=10, number=10_000))
    with pytest.raises(PermissionDenied):
        await learner.user_progress(user)
    with pytest.raises(ValidationFailed):
        await learner.document_page("examlog", cursor="x")
    with pytest.raises(ValidationFailed):
        await learner.document_page("examlog", fields="nothing")
    with pytest.raises(CollectionNotFound):
        await learner.document_page("nothing")  # type: ignore[arg-type]
    with pytest.raises(LogNotFound):
        await learner.document("examlog", UNKNOWN)
    with pytest.raises(NotSignedIn):
        await logs_of("anon").save_exam_log(SaveExamLog(exam=UNKNOWN, user=user))
    with pytest.raises(Unauthenticated):
        await logs_of("unknown").start_session(exercise())
