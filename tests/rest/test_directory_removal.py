"""Removing records of the directory and replacing the lists of a facility: what goes, what stays, what is refused."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from docservice import DirectoryFilters, DocService, Principal, Removed, StartSession, Upserted
from docservice.errors import PermissionDenied, RecordNotFound, Unauthenticated, ValidationFailed, WithdrawalRefused

from .asking import Client, everything, start_body

HeadersOf = Callable[[str], dict[str, str]]
PROGRAM = Principal(is_service=True)
START = datetime(2024, 9, 2, tzinfo=UTC)
LISTS = ("classrooms", "learnergroups", "adhoclearnersgroups", "users", "roles", "memberships", "lessons")


@pytest.fixture
def ids(recorded_directory: dict[str, Any]) -> dict[str, str]:
    """Ids of the recorded directory by name."""
    found: dict[str, str] = recorded_directory["ids"]
    return found


async def verified(service: DocService) -> list[str]:
    """What a check of all documents finds."""
    found: list[Any] = []
    await service.admin.verify(found.append)
    return [f"{each.collection} {each.rule} {each.path}" for each in found]


async def listed(service: DocService, section: str, facility: str) -> list[dict[str, Any]]:
    """The records of a list of a facility."""
    found = service.acting_as(PROGRAM).directory_records(section, DirectoryFilters(facility=facility))  # type: ignore[arg-type]
    return [record async for record in found]


async def whole(service: DocService, facility: str) -> dict[str, Any]:
    """A file with all lists of a facility, as they are read from the service."""
    return {section: await listed(service, section, facility) for section in LISTS}


async def test_a_person_goes_with_memberships_and_roles(
    service: DocService, database: Any, ids: dict[str, str]
) -> None:
    """What names a person goes, quizzes and lessons that only the person had stay without the person, and so do all
    logs; the token counts no more."""
    learner = service.acting_as(Principal(ids["learner2"]))
    visit = await learner.start_session(StartSession.parse(start_body()))
    before = await everything(database)

    counts = await service.acting_as(Principal(ids["admin"])).remove_directory_record("users", ids["learner2"])

    after = await everything(database)
    assert counts == Removed({"memberships": 3, "users": 1}, {"exams": 1, "lessons": 1})
    assert (await database.exams.find_one({"_id": ids["quiz_adhoc_learner2"]}))["learner_ids"] == []
    assert await database.memberships.find_one({"user_id": ids["learner2"]}) is None
    for name in ("content_session_logs", "content_summary_logs"):
        assert after[name] == before[name]
    assert await service.content_session_logs.get(id=visit.session_id)
    with pytest.raises(Unauthenticated):
        await learner.start_session(StartSession.parse(start_body()))
    assert await verified(service) == []


async def test_a_list_under_way_is_cut_when_the_right_is_withdrawn(service: DocService, ids: dict[str, str]) -> None:
    """A coach who reads a long list and loses the class gets at most 500 more rows, and an error in
    place of the rest; a learner who joins the class meanwhile does not end the list."""
    for learner in ("learner1", "learner2"):
        attempt: dict[str, Any] = {
            "item": "q",
            "correct": 1.0,
            "start_timestamp": START,
            "end_timestamp": START,
            "sessionlog_id": "0" * 32,
        }
        tried = {"mastery_level": 1, "start_timestamp": START, "mastery_criterion": {"type": "do_all"}}
        await service.content_summary_logs.save(
            {"user_id": ids[learner], "content_id": uuid.uuid4().hex, "kind": "exercise", "start_timestamp": START}
            | {"mastery_logs": [{**tried, "attempts": [attempt] * 600}]}
        )
    admin, coach = service.acting_as(Principal(ids["admin"])), service.acting_as(Principal(ids["coach1"]))
    roles = [each async for each in admin.directory_records("roles", DirectoryFilters(user="coach1", kind="coach"))]
    joining = {"id": uuid.uuid4().hex, "user": ids["learner3"], "collection": ids["class_a"]}

    async def read(change: Callable[[], Any]) -> int:
        count = 0
        async for _ in coach.attempt_logs():
            count += 1
            if count == 1:
                await change()
        return count

    assert await read(lambda: admin.upsert_directory("memberships", [joining])) == 1200
    with pytest.raises(PermissionDenied, match="has changed"):
        await read(lambda: admin.remove_directory_record("roles", roles[0]["id"]))
    assert await read(lambda: admin.directory_page("users")) == 0


async def test_a_class_goes_with_all_that_is_in_it(service: DocService, database: Any, ids: dict[str, str]) -> None:
    """Groups, memberships, roles, quizzes, lessons and courses of a class go with it; people and logs stay, and a quiz
    of another class that was also for it is not any longer. The coach reads nothing of it from the next call on."""
    await database.exams.update_one({"_id": ids["quiz_class_b"]}, {"$push": {"assignments": ids["group_1"]}})
    coach = service.acting_as(Principal(ids["coach1"]))
    people = await database.facility_users.count_documents({})
    assert len([each async for each in coach.directory_records("users")]) == 3

    counts = await service.acting_as(PROGRAM).remove_directory_record("classrooms", ids["class_a"])

    assert counts.removed == {
        "adhoclearnersgroups": 2,
        "classrooms": 1,
        "course_sessions": 2,
        "exams": 24,
        "learnergroups": 2,
        "lessons": 4,
        "memberships": 5,
        "roles": 1,
    }
    assert counts.changed == {"exams": 1}
    assert await database.facility_users.count_documents({}) == people
    assert [each["id"] async for each in coach.directory_records("users")] == [ids["coach1"]]
    assert await verified(service) == []


async def test_memberships_and_roles_take_others_with_them(
    service: DocService, database: Any, ids: dict[str, str]
) -> None:
    """Who leaves a class leaves its groups; who may not be made a coach any more coaches no class, as in Kolibri."""
    admin = service.acting_as(Principal(ids["admin"]))
    membership = await database.memberships.find_one({"user_id": ids["learner1"], "collection_id": ids["class_a"]})
    role = await database.roles.find_one({"user_id": ids["coach1"], "collection_id": ids["facility"]})

    left = await admin.remove_directory_record("memberships", membership["_id"])
    dismissed = await admin.remove_directory_record("roles", role["_id"])

    assert (left.removed, dismissed.removed) == ({"memberships": 2}, {"roles": 2})
    assert await database.memberships.find_one({"user_id": ids["learner1"]}) is None
    assert await database.roles.find_one({"user_id": ids["coach1"]}) is None


async def test_a_facility_is_for_superusers(service: DocService, database: Any, ids: dict[str, str]) -> None:
    """A facility goes with its dataset, people and classes, and is not the default any longer; an admin may not remove
    it, nor a superuser, nor anybody the own account."""
    admin, superuser = service.acting_as(Principal(ids["admin"])), service.acting_as(Principal(ids["superuser"]))
    await service.import_directory({"default_facility": ids["other_facility"]})
    boss = {"id": uuid.uuid4().hex, "username": "boss", "is_superuser": True}
    await superuser.upsert_directory("users", [{**boss, "dataset": ids["dataset"], "facility": ids["facility"]}])

    counts = await superuser.remove_directory_record("facilities", ids["other_facility"])

    assert counts.removed == {
        "classrooms": 1,
        "datasets": 1,
        "facilities": 1,
        "memberships": 1,
        "roles": 1,
        "users": 2,
    }
    assert "default_facility_id" not in await database.device_settings.find_one({})
    for section, name in (("facilities", "facility"), ("datasets", "dataset"), ("users", "admin")):
        with pytest.raises(PermissionDenied):
            await admin.remove_directory_record(section, ids[name])  # type: ignore[arg-type]
    with pytest.raises(PermissionDenied, match="superuser"):
        await admin.remove_directory_record("users", str(boss["id"]))
    with pytest.raises(PermissionDenied, match="own account"):
        await superuser.remove_directory_record("facilities", ids["default_facility"])


async def test_content_goes_with_what_is_below(service: DocService, database: Any) -> None:
    """A node goes with all nodes below it, a channel with its nodes."""
    program, names = service.acting_as(PROGRAM), [uuid.uuid4().hex for _ in range(4)]
    channel, root, topic, leaf = names
    nodes = [(root, None, "topic"), (topic, root, "topic"), (leaf, topic, "video")]
    await program.upsert_directory("channels", [{"id": channel, "name": "Maths", "root": root}])
    await program.upsert_directory(
        "content_nodes",
        [{"id": n, "content_id": n, "channel": channel, "parent": p, "kind": kind} for n, p, kind in nodes],
    )

    below = await program.remove_directory_record("content_nodes", topic)
    rest = await program.remove_directory_record("channels", channel)

    assert below.removed == {"content_nodes": 2}
    assert rest.removed == {"channels": 1, "content_nodes": 1}
    assert await database.content_nodes.find_one({"_id": {"$in": names}}) is None


async def test_over_http(client: Client, headers_of: HeadersOf, database: Any, ids: dict[str, str]) -> None:
    """The answer counts what went; repeated, it is a 404 or, for an admin, the refusal that others' records get."""
    path = f"/api/directory/learnergroups/{ids['group_b']}/"
    answers = []
    for headers in (headers_of("admin"), headers_of("admin"), headers_of("superuser"), headers_of("coach1"), {}):
        async with client.delete(path, headers=headers) as response:
            answers.append((response.status, await response.json()))

    assert answers[0] == (200, {"removed": {"learnergroups": 1, "memberships": 1}, "changed": {}})
    assert [(status, body["code"]) for status, body in answers[1:]] == [
        (403, "permission-denied"),
        (404, "record-not-found"),
        (403, "permission-denied"),
        (401, "not-signed-in"),
    ]


async def test_the_whole_of_a_facility_is_replaced(service: DocService, database: Any, ids: dict[str, str]) -> None:
    """What a file has is written, what it lacks is withdrawn with what names it, what it does not list stays; sent
    again, it is all unchanged. A name may change hands, and a group its class, in the same file."""
    admin, facility = service.acting_as(Principal(ids["admin"])), ids["facility"]
    file = await whole(service, facility)
    gone = {ids["learner2"], ids["learner4"]}
    file["users"] = [person for person in file["users"] if person["id"] not in gone]
    file["memberships"] = [each for each in file["memberships"] if each["user_id"] not in gone]
    file["lessons"] = [{**each, "learner_ids": []} for each in file["lessons"]]
    heir = {"id": uuid.uuid4().hex, "username": "Learner2", "dataset": ids["dataset"], "facility": facility}
    file["users"].append(heir)
    for group in file["learnergroups"]:
        if group["id"] == ids["group_2"]:
            group["parent_id"] = ids["class_b"]
    others = [await database[name].find({"dataset_id": ids["other_dataset"]}).to_list() for name in ("facility_users",)]
    exams = await database.exams.count_documents({})

    first = await admin.replace_directory(file)
    second = await admin.replace_directory(file)

    assert first.removed == {"memberships": 3, "users": 2}
    assert first.changed == {"exams": 1}
    assert first.written["users"] == Upserted(created=1, unchanged=len(file["users"]) - 1)
    assert first.written["learnergroups"].changed == 1
    assert (second.removed, second.changed) == ({}, {})
    assert all(counts.created == counts.changed == 0 for counts in second.written.values())
    assert await database.exams.count_documents({}) == exams
    assert others == [await database.facility_users.find({"dataset_id": ids["other_dataset"]}).to_list()]
    assert await verified(service) == []


async def test_most_people_are_not_withdrawn_by_mistake(
    client: Client, service: DocService, headers_of: HeadersOf, database: Any, ids: dict[str, str]
) -> None:
    """A list that lacks more than half of the people is a 409 and changes nothing, unless it is forced; nobody
    withdraws the own account. One list may be replaced alone."""
    people = await listed(service, "users", ids["facility"])
    few = [person for person in people if person["id"] in (ids["admin"], ids["coach1"], ids["learner1"])]
    before = await everything(database)
    path, admin = "/api/directory/users/?mode=replace", headers_of("admin")

    async def send(query: str, records: Any) -> tuple[int, Any]:
        async with client.post(path + query, json=records, headers=admin) as response:
            return response.status, await response.json()

    refused = await send("", few)
    without_me = await send("&force=true", [person for person in few if person["id"] != ids["admin"]])
    untouched = await everything(database) == before
    forced = await send("&force=true", {"records": few})

    assert (refused[0], refused[1]["code"]) == (409, "withdrawal-refused")
    assert f"{len(people) - 3} of the {len(people)} people" in refused[1]["detail"]
    assert (without_me[0], without_me[1]["code"]) == (403, "permission-denied")
    assert untouched
    assert forced[0] == 200
    assert forced[1]["removed"]["users"] == len(people) - 3
    assert forced[1]["written"] == {"users": {"created": 0, "changed": 0, "unchanged": 3}}
    assert await verified(service) == []


async def test_all_of_a_replacement_or_nothing(service: DocService, database: Any, ids: dict[str, str]) -> None:
    """A record that names what the file withdraws, one of another facility, and one that is impossible are named by
    their place, and nothing is changed; nor is anything by who may not write, or without a facility."""
    admin, program = service.acting_as(Principal(ids["admin"])), service.acting_as(PROGRAM)
    file = await whole(service, ids["facility"])
    before = await everything(database)
    class_b = [each for each in file["classrooms"] if each["id"] == ids["class_b"]]
    foreign = {"id": ids["other_learner"], "username": "x", "dataset": ids["dataset"], "facility": ids["facility"]}
    elsewhere = {"id": uuid.uuid4().hex, "user": ids["other_learner"], "collection": ids["class_a"]}

    with pytest.raises(ValidationFailed) as dangling:
        await admin.replace_directory({**file, "classrooms": class_b})
    for content in ({"users": [*file["users"], foreign]}, {"memberships": [*file["memberships"], elsewhere]}):
        with pytest.raises(ValidationFailed, match="not of the facility"):
            await admin.replace_directory(content)
    with pytest.raises(ValidationFailed, match="Name the facility"):
        await program.replace_directory({"users": []})
    with pytest.raises(RecordNotFound):
        await program.replace_directory({"users": []}, facility="f" * 32)
    with pytest.raises(PermissionDenied):
        await admin.replace_directory({"users": []}, facility=ids["other_facility"], force=True)
    with pytest.raises(PermissionDenied):
        await admin.replace_directory({"channels": [{"id": uuid.uuid4().hex}]})
    with pytest.raises(PermissionDenied):
        await service.acting_as(Principal(ids["facilitycoach"])).replace_directory(file)
    with pytest.raises(WithdrawalRefused, match="at most 20,000 records"):
        await program.replace_directory(
            {"users": [{**foreign, "id": f"{n:032x}", "username": f"u{n}"} for n in range(20_001)]},
            facility=ids["facility"],
        )

    pointers = {error.pointer.rpartition("/")[0].rpartition("/")[0] for error in dangling.value.errors}
    assert {"/learnergroups", "/memberships", "/roles", "/lessons"} <= {f"/{p.split('/')[1]}" for p in pointers if p}
    assert await everything(database) == before


async def test_what_a_replacement_does_not_name_is_refused(client: Client, headers_of: HeadersOf) -> None:
    """Parameters of a replacement without it, a list that belongs to no facility, a body that is not an object, and a
    request without the mode are refused and say why."""
    admin, program = headers_of("admin"), headers_of("superuser")
    asked = [
        ("users/?force=true", [], admin, 422),
        ("users/?mode=remove", [], admin, 422),
        ("channels/?mode=replace", [], program, 422),
        ("?mode=replace", [], program, 422),
        ("?mode=replace", {"pupils": []}, program, 422),
        ("", {"users": []}, program, 412),
    ]
    for path, body, headers, status in asked:
        async with client.post(f"/api/directory/{path}", json=body, headers=headers) as response:
            assert response.status == status, (path, await response.text())
