"""Records of the directory that no Kolibri could hold are refused with their place, or found by `verify`."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from docservice import DirectorySection, DocService, Principal
from docservice.errors import ValidationFailed
from docservice.testing import made_id
from tests.support.documents import collections_of

PROGRAM = Principal(user_id=None, is_service=True)


def of(name: str) -> str:
    """The id of a record of the school."""
    return made_id(name)


def two_schools() -> dict[str, list[dict[str, Any]]]:
    """Two facilities, each with a class, a group in it, an ad hoc group, two learners and a coach."""
    content: dict[str, list[dict[str, Any]]] = {}

    def add(section: DirectorySection, name: str, /, **fields: Any) -> None:
        content.setdefault(section, []).append({"id": of(name), **fields})

    add("datasets", "free dataset")
    for n in "12":
        dataset = {"dataset": of(f"dataset {n}")}
        add("datasets", f"dataset {n}")
        add("facilities", f"facility {n}", name=f"School {n}", **dataset)
        add("classrooms", f"class {n}", parent=of(f"facility {n}"), **dataset)
        add("learnergroups", f"group {n}", parent=of(f"class {n}"), **dataset)
        add("adhoclearnersgroups", f"ad hoc {n}", parent=of(f"class {n}"), **dataset)
        for person in ("amina", "brian", "coach"):
            add("users", f"{person} {n}", username=person, facility=of(f"facility {n}"), **dataset)
        add("roles", f"role {n}", user=of(f"coach {n}"), collection=of(f"class {n}"), kind="coach")
        add("memberships", f"member {n}", user=of(f"amina {n}"), collection=of(f"class {n}"))
        add("lessons", f"lesson {n}", collection=of(f"class {n}"), assignments=[of(f"group {n}")])
    add("content_nodes", "root", content_id=of("root"), channel_id=of("channel"), kind="topic", parent=None)
    add("content_nodes", "topic", content_id=of("topic"), channel_id=of("channel"), kind="topic", parent=of("root"))
    return content


@pytest.fixture(scope="module")
async def school(mongodb_uri: str, mongo: Any, dropping: Any) -> AsyncIterator[DocService]:
    """A service with the two schools; the tests that use it leave it as it is."""
    async with DocService(mongodb_uri, database="test_directory_rules") as entered:
        await entered.import_directory(two_schools())
        yield entered
    await dropping(mongo["test_directory_rules"])


@pytest.fixture
async def own(mongodb_uri: str, database: Any) -> AsyncIterator[DocService]:
    """A service with the two schools of the test's own."""
    async with DocService(mongodb_uri, database=database.name) as entered:
        await entered.import_directory(two_schools())
        yield entered


def user(name: str, **fields: Any) -> dict[str, Any]:
    """A person of the first school."""
    known = {"id": of(f"new {name}"), "username": name, "dataset": of("dataset 1"), "facility": of("facility 1")}
    return known | fields


def collection(name: str, parent: str | None, **fields: Any) -> dict[str, Any]:
    """A class or group of the first school."""
    known = {"id": of(f"new {name}"), "name": name, "dataset": of("dataset 1")}
    return known | {"parent": of(parent) if parent else None} | fields


def moved(name: str, parent: str) -> dict[str, Any]:
    """A class or group of the first school that goes to the second one."""
    return {"id": of(name), "name": name, "dataset": of("dataset 2"), "parent": of(parent)}


def held(user: str, collection: str, **fields: Any) -> dict[str, Any]:
    """A membership or role."""
    return {"id": of("new"), "user": of(user), "collection": of(collection), **fields}


def node(name: str, parent: str | None) -> dict[str, Any]:
    """A topic."""
    above = of(parent) if parent else None
    return {"id": of(name), "content_id": of(name), "channel_id": of("channel"), "kind": "topic", "parent": above}


def lesson(collection: str, **fields: Any) -> dict[str, Any]:
    """A lesson, or a quiz."""
    return {"id": of("new"), "collection": of(collection), "assignments": [], **fields}


NOWHERE = "nowhere"
REFUSED: list[tuple[str, list[dict[str, Any]], list[str]]] = [
    ("users", [user("new"), user("amina")], ["/1/username"]),
    ("users", [user("AMINA")], ["/0/username"]),
    ("users", [user("new"), user("other"), user("New", id=of("x"))], ["/2/username"]),
    ("users", [user("brian", id=of("amina 1"))], ["/0/username"]),
    ("users", [user("new", facility=of(NOWHERE))], ["/0/facility"]),
    ("users", [user("new", facility=of("class 1"))], ["/0/facility"]),
    ("users", [user("new", dataset=of("dataset 2"))], ["/0/dataset"]),
    ("users", [user("new", dataset=of(NOWHERE))], ["/0/dataset"]),
    ("facilities", [collection("f", None, dataset=of(NOWHERE))], ["/0/dataset"]),
    ("facilities", [collection("f", "facility 1", dataset=of("free dataset"))], ["/0/parent"]),
    ("facilities", [collection("f", None)], ["/0/dataset"]),
    ("facilities", [collection("f", None, id=of("facility 1"), dataset=of("free dataset"))], ["/0/dataset"]),
    ("classrooms", [moved("class 1", "facility 2")], ["/0/dataset"]),
    ("learnergroups", [moved("ad hoc 1", "class 2"), moved("group 1", "class 2")], ["/1/dataset"]),
    ("adhoclearnersgroups", [collection("a", "class 1"), moved("class 1", "class 2")], ["/0/parent", "/1/kind"]),
    ("users", [user("b", id=of("brian 2")), user("a", id=of("amina 2"))], ["/1/dataset"]),
    ("users", [user("c", id=of("coach 2"))], ["/0/dataset"]),
    ("classrooms", [collection("c", None)], ["/0/parent"]),
    ("classrooms", [collection("c", NOWHERE)], ["/0/parent"]),
    ("classrooms", [collection("c", "class 1")], ["/0/parent"]),
    ("classrooms", [collection("c", "facility 2")], ["/0/dataset"]),
    ("classrooms", [collection("c", "new d"), collection("d", "new c")], ["/0/parent", "/1/parent"]),
    ("learnergroups", [collection("g", "facility 1")], ["/0/parent"]),
    ("learnergroups", [collection("g", "group 1")], ["/0/parent"]),
    ("learnergroups", [collection("g", "class 1"), collection("h", NOWHERE)], ["/1/parent"]),
    ("adhoclearnersgroups", [collection("g", "facility 1")], ["/0/parent"]),
    ("memberships", [held(NOWHERE, "class 1")], ["/0/user"]),
    ("memberships", [held("brian 1", NOWHERE)], ["/0/collection"]),
    ("memberships", [held(NOWHERE, NOWHERE)], ["/0/user", "/0/collection"]),
    ("memberships", [held("brian 1", "facility 1")], ["/0/collection"]),
    ("memberships", [held("brian 1", "class 2")], ["/0/collection"]),
    ("memberships", [held("amina 1", "class 1")], ["/0/collection"]),
    ("roles", [held(NOWHERE, "class 1", kind="coach")], ["/0/user"]),
    ("roles", [held("brian 1", NOWHERE, kind="coach")], ["/0/collection"]),
    ("roles", [held("brian 1", "group 1", kind="coach")], ["/0/collection"]),
    ("roles", [held("brian 1", "ad hoc 1", kind="admin")], ["/0/collection"]),
    ("roles", [held("brian 1", "class 1", kind="admin")], ["/0/kind"]),
    ("roles", [held("brian 1", "class 1", kind="classroom assignable coach")], ["/0/kind"]),
    ("roles", [held("brian 1", "facility 2", kind="admin")], ["/0/collection"]),
    ("roles", [held("coach 1", "class 1", kind="coach")], ["/0/kind"]),
    ("lessons", [lesson(NOWHERE)], ["/0/collection"]),
    ("lessons", [lesson("class 1", assignments=[of("group 1"), of(NOWHERE)])], ["/0/assignments/1"]),
    ("lessons", [lesson("class 1", assignments=[of("class 2")])], ["/0/assignments/0"]),
    ("lessons", [lesson("class 1", learner_ids=[of(NOWHERE)])], ["/0/learner_ids/0"]),
    ("exams", [lesson("class 1", active=True, learner_ids=[of("amina 2")])], ["/0/learner_ids/0"]),
    ("exams", [lesson(NOWHERE, active=True)], ["/0/collection"]),
    ("course_sessions", [lesson("class 1", assignments=[of(NOWHERE)])], ["/0/assignments/0"]),
    ("content_nodes", [node("root", "topic")], ["/0/parent"]),
    ("content_nodes", [node("x", "x")], ["/0/parent"]),
    ("content_nodes", [node("x", "y"), node("z", None), node("y", "x")], ["/0/parent", "/2/parent"]),
]


@pytest.mark.parametrize(("section", "records", "places"), REFUSED, ids=range(len(REFUSED)))
async def test_impossible_records_are_refused_with_their_place(
    school: DocService, mongo: Any, section: DirectorySection, records: list[dict[str, Any]], places: list[str]
) -> None:
    """A request and a file are refused with a pointer to each impossible record, and nothing is written of them."""
    database = mongo["test_directory_rules"]
    before = {name: await database[name].find({}).to_list(None) for name in await collections_of(database)}

    with pytest.raises(ValidationFailed) as request:
        await school.acting_as(PROGRAM).upsert_directory(section, records)
    with pytest.raises(ValidationFailed) as wrapped:
        await school.acting_as(PROGRAM).upsert_directory(section, {"records": records})
    with pytest.raises(ValidationFailed) as file:
        await school.import_directory({"channels": [{"id": of("fine")}], section: records})

    assert [error.pointer for error in request.value.errors] == places
    assert [error.pointer for error in wrapped.value.errors] == [f"/records{place}" for place in places]
    assert [error.pointer for error in file.value.errors] == [f"/{section}{place}" for place in places]
    assert all(error.message.endswith(".") for error in request.value.errors)
    after = {name: await database[name].find({}).to_list(None) for name in await collections_of(database)}
    assert after == before


TAKEN: list[tuple[str, list[dict[str, Any]]]] = [
    ("users", [user("new"), user("other")]),
    ("users", [user("coach", full_name="C", dataset=of("dataset 2"), facility=of("facility 2"), id=of("coach 2"))]),
    ("users", [user("Änne"), user("änne", id=of("x"))]),
    ("users", [user("brian", id=of("amina 1")), user("amina", id=of("brian 1"))]),
    ("users", [user("amina", date_deleted="2024-09-02 05:12:24.158293(Africa/Nairobi)")]),
    ("users", [user("amina 2", id=of("amina 1")), user("amina")]),
    ("users", [user("$username"), user("(.*)", id=of("x"))]),
    ("classrooms", [collection("c", "facility 1")]),
    ("learnergroups", [collection("g", "class 1")]),
    ("memberships", [held("brian 1", "group 1")]),
    ("memberships", [held("amina 1", "ad hoc 1")]),
    ("roles", [held("brian 1", "facility 1", kind="admin")]),
    ("roles", [held("coach 1", "facility 1", kind="classroom assignable coach")]),
    ("roles", [held("brian 1", "class 1", kind="coach")]),
    ("lessons", [lesson("facility 1", assignments=[of("class 1"), of("ad hoc 1")], learner_ids=[of("amina 1")])]),
    ("course_sessions", [lesson("class 1", assignments=[of("class 1")])]),
    ("content_nodes", [node("below", "not there yet"), node("other", "topic")]),
    ("content_nodes", [node("a", "b"), node("b", "c"), node("c", None)]),
]


@pytest.mark.slow
@pytest.mark.parametrize(("section", "records"), TAKEN, ids=range(len(TAKEN)))
async def test_what_kolibri_could_hold_is_taken(
    own: DocService, section: DirectorySection, records: list[dict[str, Any]]
) -> None:
    """The same name in another facility or of a deleted account, names that change places, groups without their class,
    nodes before their topics: all are taken, taken again, and clean."""
    first = await own.acting_as(PROGRAM).upsert_directory(section, records)
    second = await own.import_directory({section: records})

    found: list[Any] = []
    await own.admin.verify(found.append)
    assert first.created + first.changed == len(records)
    assert second[section].unchanged == len(records)
    assert found == []


async def test_what_moves_with_all_that_names_it_is_taken(own: DocService) -> None:
    """A file may change the facility of a class, its people and what is assigned to it together; all of it is clean."""
    second = {"dataset": of("dataset 2"), "facility": of("facility 2")}
    content = {
        "classrooms": [moved("class 1", "facility 2")],
        "learnergroups": [moved("group 1", "class 1")],
        "adhoclearnersgroups": [moved("ad hoc 1", "class 1")],
        "users": [user("amina 1", id=of("amina 1"), **second), user("coach 1", id=of("coach 1"), **second)],
    }
    for left_out in content:
        with pytest.raises(ValidationFailed):
            await own.import_directory({name: records for name, records in content.items() if name != left_out})

    await own.import_directory(content)

    found: list[Any] = []
    await own.admin.verify(found.append)
    assert found == []


@pytest.mark.parametrize("facility", [of(NOWHERE), of("class 1")])
async def test_the_default_facility_is_a_facility(own: DocService, database: Any, facility: str) -> None:
    """One that is not there, or is a class, is refused with all of the file; one that the file makes is taken."""
    new = {"datasets": [{"id": of("new d")}], "facilities": [collection("f", None, dataset=of("new d"))]}

    with pytest.raises(ValidationFailed) as refused:
        await own.import_directory({**new, "default_facility": facility})
    assert [error.pointer for error in refused.value.errors] == ["/default_facility"]
    assert await database.facility_datasets.find_one({"_id": of("new d")}) is None

    await own.import_directory({**new, "default_facility": of("new f")})
    assert (await database.device_settings.find_one({}))["default_facility_id"] == of("new f")


async def test_two_names_of_one_field_say_the_same(school: DocService) -> None:
    """A record whose `user` and `user_id` differ is refused at the short name."""
    with pytest.raises(ValidationFailed) as refused:
        await school.import_directory({"memberships": [{**held("brian 1", "class 1"), "user_id": of("coach 1")}]})

    assert [(error.pointer, error.message) for error in refused.value.errors] == [
        ("/memberships/0/user", "user_id and user are the same field and say different things. Keep one.")
    ]


@pytest.mark.slow
async def test_records_of_a_file_count_as_there(own: DocService) -> None:
    """A file may name what is elsewhere in it, in any order, also if it is longer than a transaction."""
    crowd = [user(f"learner{number}", id=f"{number:032x}", facility=of("new f")) for number in range(1100)]
    members = [{"id": f"{n:032x}", "user": f"{n:032x}", "collection": of("new c")} for n in range(1100)]
    dataset = {"dataset": of("new dataset")}
    content = {
        "memberships": members,
        "users": [{**person, **dataset} for person in crowd],
        "classrooms": [collection("c", "new f", **dataset)],
        "facilities": [collection("f", None, **dataset)],
        "datasets": [{"id": of("new dataset")}],
    }

    twice = {**content["users"][-1], "username": "LEARNER7"}

    with pytest.raises(ValidationFailed) as refused:
        await own.import_directory({**content, "users": [*content["users"][:-1], twice]})
    counts = await own.import_directory(content)

    assert [error.pointer for error in refused.value.errors] == ["/users/1099/username"]
    created = {name: count.created for name, count in counts.items()}
    assert created == {name: len(listed) for name, listed in content.items()}
    more = [{**user(f"Learner{n}", facility=of("new f")), **dataset, "id": of(f"{n}")} for n in range(300)]
    with pytest.raises(ValidationFailed) as taken:
        await own.import_directory({"users": more})
    assert len(taken.value.errors) == 300


async def test_one_of_two_requests_at_once_gets_the_name(own: DocService, mongodb_uri: str, database: Any) -> None:
    """However requests of two services meet, a username is given once; the others are told that it is taken."""
    async with DocService(mongodb_uri, database=database.name) as other:
        asked = [
            service.acting_as(PROGRAM).upsert_directory("users", [user(name, id=of(f"{name} {number}"))])
            for number, (service, name) in enumerate(
                [(own, "zawadi"), (other, "Zawadi"), (own, "ZAWADI"), (other, "zawadi")]
            )
        ]
        answers = await asyncio.gather(*asked, return_exceptions=True)

    refused = [answer for answer in answers if isinstance(answer, ValidationFailed)]
    assert len(refused) == 3, answers
    assert [error.pointer for error in refused[0].errors] == ["/0/username"]
    stored = [person["username"].lower() async for person in database.facility_users.find({})]
    assert stored.count("zawadi") == 1


STORED: dict[str, tuple[str, str, dict[str, Any], tuple[str, str]]] = {
    "username": ("facility_users", "brian 1", {"username": "Amina"}, ("duplicate", "username")),
    "facility of a person": ("facility_users", "brian 1", {"facility_id": of(NOWHERE)}, ("orphan", "facility_id")),
    "dataset of a person": ("facility_users", "brian 1", {"dataset_id": of("dataset 2")}, ("impossible", "dataset_id")),
    "parent of a group": (
        "facility_collections",
        "group 1",
        {"parent_id": of("facility 1")},
        ("impossible", "parent_id"),
    ),
    "class without parent": ("facility_collections", "class 1", {"parent_id": None}, ("orphan", "parent_id")),
    "person of a membership": ("memberships", "member 1", {"user_id": of(NOWHERE)}, ("orphan", "user_id")),
    "class of a membership": (
        "memberships",
        "member 1",
        {"collection_id": of("class 2")},
        ("impossible", "collection_id"),
    ),
    "kind of a role": ("roles", "role 1", {"kind": "admin"}, ("impossible", "kind")),
    "collection of a lesson": ("lessons", "lesson 1", {"collection_id": of(NOWHERE)}, ("orphan", "collection_id")),
    "assignment": ("lessons", "lesson 1", {"assignments": [of(NOWHERE)]}, ("orphan", "assignments.0")),
    "circle of nodes": ("content_nodes", "root", {"parent_id": of("topic")}, ("impossible", "parent_id")),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", STORED)
async def test_verify_finds_what_is_stored(own: DocService, database: Any, name: str) -> None:
    """A stored record that is impossible is found by rule and field, is not repairable, and stays as it is; it may be
    sent again, as long as that makes nothing new of it."""
    collection_name, record, setting, wanted = STORED[name]
    await database[collection_name].update_one({"_id": of(record)}, {"$set": setting})
    before = await database[collection_name].find_one({"_id": of(record)})
    found: list[Any] = []

    await own.admin.verify(found.append, repair=True)

    assert (collection_name, *wanted, False) in {
        (each.collection, each.rule, each.path, each.mendable) for each in found
    }
    assert not any(each.mended for each in found)
    assert await database[collection_name].find_one({"_id": of(record)}) == before
    sections: dict[str, DirectorySection] = {
        "facility_collections": "classrooms" if record.startswith("class") else "learnergroups",
        "facility_users": "users",
        "exams": "exams",
        "lessons": "lessons",
        "content_nodes": "content_nodes",
        "memberships": "memberships",
        "roles": "roles",
    }
    sent = {"id": before.pop("_id"), **before, "note": "x"}
    counts = await own.acting_as(PROGRAM).upsert_directory(sections[collection_name], [sent])
    assert counts.changed == 1


async def test_every_pair_of_names_is_found_once(own: DocService, database: Any) -> None:
    """Of several accounts with a name, all but the first are reported; deleted accounts are not."""
    people = [
        {"_id": f"f{n}" * 16, "username": "aMina", "dataset_id": of("dataset 1"), "facility_id": of("facility 1")}
        for n in range(3)
    ]
    people[2]["date_deleted"] = "2024-09-02 05:12:24.158293(Africa/Nairobi)"
    await database.facility_users.insert_many([{"full_name": "", "is_superuser": False, **person} for person in people])
    found: list[Any] = []

    await own.admin.verify(found.append)

    alive = {of("amina 1"), "f0" * 16, "f1" * 16}
    assert {each.rule for each in found} == {"duplicate"}
    assert {each.document_id for each in found} == alive - {min(alive)}
