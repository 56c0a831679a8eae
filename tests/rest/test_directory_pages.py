"""`GET /api/directory/<collection>/`: who sees which records, page by page, and what never leaves."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from docservice import DirectoryFilters, DocService, Principal
from docservice.errors import FilterInvalid, NotSignedIn, RecordNotFound, ValidationFailed
from docservice.identity import ANONYMOUS

from .asking import Client

pytestmark = pytest.mark.shared_service

HeadersOf = Callable[[str], dict[str, str]]
PROGRAM = Principal(is_service=True)


@pytest.fixture
def ids(recorded_directory: dict[str, Any]) -> dict[str, str]:
    """Ids of the recorded directory by name."""
    found: dict[str, str] = recorded_directory["ids"]
    return found


async def names(service: DocService, who: str | None, section: str, **filters: Any) -> set[str]:
    """The ids of all records of a list that somebody sees."""
    logs = service.acting_as(Principal(who) if who else PROGRAM)
    found = logs.directory_records(section, DirectoryFilters(**filters), page_size=3)  # type: ignore[arg-type]
    listed = [record["id"] async for record in found]
    assert len(listed) == len(set(listed))
    return set(listed)


async def get(client: Client, headers: dict[str, str], path: str) -> tuple[int, Any]:
    """Status and body of a request."""
    async with client.get(f"/api/directory/{path}", headers=headers) as response:
        return response.status, await response.json(content_type=None)


async def test_pages_hold_each_record_once(client: Client, headers_of: HeadersOf, ids: dict[str, str]) -> None:
    """Pages of any size hold the same records, each once; a page leads to the next one until it is null."""
    admin = headers_of("admin")
    _, whole = await get(client, admin, "memberships/?page_size=500")
    listed: list[Any] = []
    path = "memberships/?page_size=2"
    while True:
        status, page = await get(client, admin, path)
        assert status == 200, page
        listed += page["results"]
        if page["next"] is None:
            break
        path = f"memberships/?page_size=2&cursor={page['next']}"

    assert listed == whole["results"]
    assert whole["next"] is None
    assert len({each["id"] for each in listed}) == 7
    assert ids["other_learner"] not in {each["user_id"] for each in listed}


async def test_filters(service: DocService, ids: dict[str, str]) -> None:
    """Each filter leaves the records that it says, alone and with others."""
    admin = ids["admin"]
    learners = {ids[f"learner{number}"] for number in range(1, 5)}

    assert await names(service, admin, "users", search="LEARNER ") == learners
    assert await names(service, admin, "users", username="Learner1") == {ids["learner1"]}
    assert await names(service, admin, "users", search="(") == set()
    with pytest.raises(FilterInvalid, match="at most 200"):
        DirectoryFilters(search="a" * 201)
    assert await names(service, admin, "users", classroom=ids["class_a"]) == {ids["learner1"], ids["learner2"]}
    assert await names(service, admin, "users", learner_group=ids["group_1"]) == {ids["learner1"]}
    assert await names(service, admin, "users", role="coach") == {ids[n] for n in ("coach1", "coach2", "facilitycoach")}
    assert await names(service, admin, "users", role="coach", classroom=ids["class_a"]) == {ids["coach1"]}
    assert learners <= await names(service, admin, "users", role="learner")
    assert ids["coach1"] not in await names(service, admin, "users", role="learner")
    assert await names(service, None, "users", facility=ids["other_facility"], search="learner") == {
        ids["other_learner"]
    }
    assert await names(service, admin, "classrooms", parent=ids["facility"]) == {ids["class_a"], ids["class_b"]}
    assert await names(service, admin, "learnergroups", classroom=ids["class_b"]) == {ids["group_b"]}
    assert await names(service, admin, "lessons", classroom=ids["class_b"]) == {ids["lesson_b"]}
    assert await names(service, admin, "exams", search="class_b") == {ids["quiz_class_b"]}
    assert len(await names(service, admin, "roles", user="COACH1")) == 2
    assert len(await names(service, admin, "roles", user=ids["coach1"], kind="coach")) == 1
    assert len(await names(service, admin, "memberships", classroom=ids["class_a"], user="learner1")) == 2
    assert len(await names(service, admin, "memberships", learner_group=ids["group_1"])) == 1


async def test_a_name_that_two_facilities_have(service: DocService, ids: dict[str, str]) -> None:
    """A user name is looked for among those whom the caller sees; where two have it, the facility tells which."""
    program, twin = service.acting_as(PROGRAM), {"id": uuid.uuid4().hex, "username": "LEARNER1"}
    await program.upsert_directory(
        "users", [{**twin, "dataset": ids["other_dataset"], "facility": ids["other_facility"]}]
    )
    name = (await program.directory_record("facilities", ids["facility"]))["name"]

    with pytest.raises(ValidationFailed, match=r"Several people are called 'learner1'.*FACILITY/USERNAME"):
        await names(service, None, "memberships", user="learner1")
    assert len(await names(service, None, "memberships", user=f"{name}/learner1")) == 2
    assert len(await names(service, ids["admin"], "memberships", user="learner1")) == 2
    with pytest.raises(ValidationFailed, match="no person 'other_learner'"):
        await names(service, ids["admin"], "memberships", user="other_learner")


async def test_what_a_learner_sees(service: DocService, ids: dict[str, str]) -> None:
    """The own record, classes and groups, memberships, and what is assigned and active; of others to whom it is
    assigned, nothing."""
    learner = ids["learner2"]
    logs = service.acting_as(Principal(learner))

    assert await names(service, learner, "users") == {learner}
    assert await names(service, learner, "classrooms") == {ids["class_a"]}
    assert await names(service, learner, "facilities") == {ids["facility"]}
    assert await names(service, learner, "datasets") == {ids["dataset"]}
    assert await names(service, learner, "lessons") == {ids["lesson_a"], ids["lesson_adhoc_learner2"]}
    quizzes = await names(service, learner, "exams")
    assert {ids["quiz01"], ids["quiz_adhoc_learner2"]} <= quizzes
    assert quizzes.isdisjoint({ids["quiz_inactive"], ids["quiz_class_b"], ids["quiz_group_1"], ids["quiz_unassigned"]})
    assert await names(service, learner, "roles") == set()
    assert len(await names(service, learner, "memberships")) == 3
    quiz = await logs.directory_record("exams", ids["quiz_adhoc_learner2"])
    assert (quiz["learner_ids"], quiz["title"]) == ([learner], "quiz_adhoc_learner2")
    with pytest.raises(RecordNotFound):
        await logs.directory_record("exams", ids["quiz_class_b"])


async def test_a_quiz_that_ended_is_shown_to_who_began_it(service: DocService, ids: dict[str, str]) -> None:
    """A quiz that is switched off stays in the list of a learner who has begun it, and of no other."""
    await service.content_summary_logs.save(
        {
            "user_id": ids["learner1"],
            "content_id": ids["quiz_inactive"],
            "kind": "quiz",
            "start_timestamp": datetime(2024, 9, 2, tzinfo=UTC),
        }
    )

    assert ids["quiz_inactive"] in await names(service, ids["learner1"], "exams")
    assert ids["quiz_inactive"] not in await names(service, ids["learner2"], "exams")


async def test_no_secret_leaves(service: DocService, database: Any, ids: dict[str, str]) -> None:
    """Passwords, fields of Morango, PINs and marks of the store are shown to nobody, whatever the record holds; what
    else was sent with a person is shown to who may write the record."""
    secrets = dict.fromkeys(("password", "picture_password", "_morango_partition", "oldPassword"), "s3cret")
    personal = {"birth_year": "2012", "note": "allergic to nuts"}
    await database.facility_users.update_one({"_id": ids["learner1"]}, {"$set": {**secrets, **personal}})
    await database.facility_datasets.update_one(
        {"_id": ids["dataset"]}, {"$set": {"extra_fields": {"pin_code": "s3cret"}, "location": "Kisumu"}}
    )

    for who in ("learner1", "coach1", "admin", "superuser", None):
        logs = service.acting_as(Principal(ids[who]) if who else PROGRAM)
        person = await logs.directory_record("users", ids["learner1"])
        listed = [each async for each in logs.directory_records("users")]

        assert "s3cret" not in str([person, listed])
        assert person["birth_year"] == "2012"
        assert ("note" in person) == (who in ("admin", "superuser", None))
        assert person in listed
    dataset = await service.acting_as(Principal(ids["admin"])).directory_record("datasets", ids["dataset"])
    assert dataset == {"id": ids["dataset"], "location": "Kisumu"} | dataset
    assert "s3cret" not in str(dataset)


async def test_deleted_accounts_are_not_shown(service: DocService, database: Any, ids: dict[str, str]) -> None:
    """An account that a Kolibri marked as deleted is in no list, and cannot be read."""
    await database.facility_users.update_one(
        {"_id": ids["progress6"]}, {"$set": {"date_deleted": "2024-09-02 05:12:24.158293(Africa/Nairobi)"}}
    )

    assert ids["progress6"] not in await names(service, ids["admin"], "users")
    with pytest.raises(RecordNotFound):
        await service.acting_as(PROGRAM).directory_record("users", ids["progress6"])


async def test_content_is_for_who_is_signed_in(service: DocService, ids: dict[str, str]) -> None:
    """Everybody who is signed in reads channels and nodes, by channel, parent and content; a visitor reads nothing."""
    channel, root, node = (uuid.uuid4().hex for _ in range(3))
    program = service.acting_as(PROGRAM)
    await program.upsert_directory("channels", [{"id": channel, "name": "Maths", "root": root}])
    common = {"channel": channel, "content_id": node}
    await program.upsert_directory(
        "content_nodes",
        [
            {**common, "id": root, "parent": None, "kind": "topic", "title": "Maths"},
            {**common, "id": node, "parent": root, "kind": "exercise", "title": "Fractions"},
        ],
    )

    assert channel in await names(service, ids["learner1"], "channels", search="math")
    assert await names(service, ids["learner1"], "content_nodes", channel=channel, kind="exercise") == {node}
    assert await names(service, ids["learner1"], "content_nodes", parent=root) == {node}
    assert await names(service, ids["learner1"], "content_nodes", content=node) == {node, root}
    with pytest.raises(NotSignedIn):
        await service.acting_as(ANONYMOUS).directory_page("channels")


async def test_wrong_requests(client: Client, service: DocService, headers_of: HeadersOf, ids: dict[str, str]) -> None:
    """A filter that the list does not have, an unknown parameter, a cursor of another list, an unknown collection and
    an id that is none are refused, and each refusal says what there is."""
    admin = headers_of("admin")
    page = await service.acting_as(Principal(ids["admin"])).directory_page("users", page_size=1)

    answers = [
        await get(client, admin, path)
        for path in (
            "lessons/?username=x",
            "users/?name=x",
            "users/?role=janitor",
            f"exams/?cursor={page.next}",
            "nothing/",
            "users/x/",
            f"users/{ids['other_learner']}/",
        )
    ]

    assert [status for status, _ in answers] == [422, 422, 422, 422, 404, 404, 404]
    assert "classroom, facility, search" in answers[0][1]["detail"]
    assert "Known are" in answers[1][1]["detail"]
    assert "content_nodes" in answers[4][1]["detail"]
    assert answers[5][1]["code"] == answers[6][1]["code"] == "record-not-found"
    with pytest.raises(FilterInvalid):
        DirectoryFilters(classroom="Class A")


async def test_documents_of_a_learner_by_name(
    client: Client, service: DocService, headers_of: HeadersOf, ids: dict[str, str]
) -> None:
    """A list of documents takes the username of a learner whom the caller may read; of no other person."""
    await service.user_session_logs.save(
        {"user_id": ids["learner3"], "start_timestamp": datetime(2024, 9, 2, tzinfo=UTC)}
    )
    answers = []
    for actor, name in (("coach2", "LEARNER3"), ("coach2", ids["learner3"]), ("coach1", "learner3")):
        path = f"/api/logger/usersessionlog/?user={name}"
        async with client.get(path, headers=headers_of(actor)) as response:
            answers.append((response.status, await response.json()))

    assert [status for status, _ in answers] == [200, 200, 400]
    assert [each["user_id"] for each in answers[0][1]["results"]] == [ids["learner3"]]
    assert answers[0] == answers[1]
    assert "no person 'learner3'" in str(answers[2][1])
