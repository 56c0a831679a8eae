"""`POST /api/directory/<collection>/`: who may write which records, and all of them or none."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

from docservice.errors import Unauthenticated
from docservice.identity import TokenVerifier, issue_service_token
from tests.support.signing import SECRET

from .asking import Client, everything

HeadersOf = Callable[[str], dict[str, str]]


@pytest.fixture
def service_headers() -> dict[str, str]:
    """The headers of a program with a service token."""
    return {"Authorization": f"Bearer {issue_service_token(SECRET, now=datetime.now(UTC), ttl_seconds=60)}"}


@pytest.fixture
def ids(recorded_directory: dict[str, Any]) -> dict[str, str]:
    """Ids of the recorded directory by name."""
    found: dict[str, str] = recorded_directory["ids"]
    return found


async def post(client: Client, headers: dict[str, str], collection: str, body: Any) -> tuple[int, Any]:
    """Status and body of a request."""
    async with client.post(f"/api/directory/{collection}/", json=body, headers=headers) as response:
        return response.status, await response.json(content_type=None)


def user(ids: dict[str, str], number: int, **fields: Any) -> dict[str, Any]:
    """A new person of the first facility."""
    known = {"id": uuid.UUID(int=number).hex, "username": f"new{number}", "dataset": ids["dataset"]}
    return {**known, "facility": ids["facility"], **fields}


async def test_records_are_created_changed_and_left(
    client: Client, headers_of: HeadersOf, database: Any, ids: dict[str, str]
) -> None:
    """The answer counts what was created, changed and unchanged; extra fields are kept as they are."""
    admin = headers_of("admin")
    first = await post(client, admin, "users", [user(ids, 1, note={"$ref": 2**80}), user(ids, 2)])
    second = await post(client, admin, "users", {"records": [user(ids, 2), user(ids, 1, full_name="A"), user(ids, 3)]})

    assert first == (200, {"created": 2, "changed": 0, "unchanged": 0, "erased": 0})
    assert second == (200, {"created": 1, "changed": 1, "unchanged": 1, "erased": 0})
    assert (await database.facility_users.find_one({"_id": uuid.UUID(int=1).hex}))["full_name"] == "A"
    assert await post(client, admin, "users", []) == (200, {"created": 0, "changed": 0, "unchanged": 0, "erased": 0})


async def test_all_or_none(client: Client, headers_of: HeadersOf, database: Any, ids: dict[str, str]) -> None:
    """Each bad record is named by its place; nothing is written of a request with one."""
    before = await everything(database)
    bad = [
        user(ids, 1),
        {"id": "x", "username": "", "dataset": ids["dataset"]},
        user(ids, 1),
        5,
        user(ids, 2, _id=ids["superuser"]),
        {**user(ids, 3), "$set": 1},
        user(ids, 4, note="\ud800"),
    ]

    status, listed = await post(client, headers_of("admin"), "users", bad)
    _, wrapped = await post(client, headers_of("admin"), "users", {"records": bad})

    assert status == 422
    assert listed["code"] == "validation-failed"
    pointers = [error["pointer"] for error in listed["errors"]]
    assert pointers == ["/1/id", "/1/username", "/1/facility_id", "/2/id", "/3", "/4", "/5", "/6/note"]
    assert [error["pointer"] for error in wrapped["errors"]] == [f"/records{pointer}" for pointer in pointers]
    for body in ({}, "x", {"records": 1}, [user(ids, n) for n in range(5001)]):
        assert (await post(client, headers_of("admin"), "users", body))[0] in (413, 422)
    assert await everything(database) == before


async def test_impossible_records(
    client: Client, service_headers: dict[str, str], headers_of: HeadersOf, database: Any, ids: dict[str, str]
) -> None:
    """A record that no Kolibri could hold is a 422 with its place, for programs and admins; nothing is written."""
    before = await everything(database)
    bad = [user(ids, 1), user(ids, 2, username="Learner1"), user(ids, 3, username="NEW1")]

    status, body = await post(client, service_headers, "users", bad)
    mine, told = await post(client, headers_of("admin"), "users", {"records": bad})
    nowhere = {"id": "f" * 32, "user": "e" * 32, "collection": "e" * 32}
    missing = await post(client, service_headers, "memberships", [nowhere])

    assert (status, mine) == (422, 422)
    assert [error["pointer"] for error in body["errors"]] == ["/1/username", "/2/username"]
    assert [error["pointer"] for error in told["errors"]] == ["/records/1/username", "/records/2/username"]
    assert all("username" in error["message"] for error in body["errors"])
    assert [error["pointer"] for error in missing[1]["errors"]] == ["/0/user", "/0/collection"]
    assert await everything(database) == before


@pytest.mark.parametrize("username", ["a\x00b", "a\u202eb", " ada", "ada\t", "a" * 251])
async def test_usernames_that_nobody_can_type(
    client: Client, headers_of: HeadersOf, recorded_directory: dict[str, Any], username: str
) -> None:
    """Refused with the field: they would be shown as other names, or not at all."""
    body = [user(recorded_directory["ids"], 1, username=username)]

    async with client.post("/api/directory/users/", json=body, headers=headers_of("admin")) as answer:
        status, problem = answer.status, await answer.json()

    assert (status, [error["pointer"] for error in problem["errors"]]) == (422, ["/0/username"])


async def test_the_same_name_at_once(client: Client, service_headers: dict[str, str], ids: dict[str, str]) -> None:
    """Of requests that give the same username at once, one is answered 200, the others 422."""
    asked = [post(client, service_headers, "users", [user(ids, number, username="zawadi")]) for number in range(1, 6)]

    answers = await asyncio.gather(*asked)

    assert sorted(status for status, _ in answers) == [200, 422, 422, 422, 422]


async def test_unknown_collections(client: Client, service_headers: dict[str, str]) -> None:
    """A collection that the directory has not is a 404 that names those it has."""
    status, body = await post(client, service_headers, "nothing", [])

    assert (status, body["code"]) == (404, "collection-not-found")
    assert "content_nodes" in body["detail"]


@pytest.mark.parametrize("actor", ["learner1", "coach1", "facilitycoach"])
async def test_others_may_not(
    client: Client, headers_of: HeadersOf, database: Any, ids: dict[str, str], actor: str
) -> None:
    """Learners and coaches are refused, visitors asked to sign in; nothing is written."""
    before = await everything(database)

    assert (await post(client, headers_of(actor), "users", [user(ids, 1)]))[0] == 403
    assert (await post(client, {}, "users", [user(ids, 1)]))[0] == 401
    assert await everything(database) == before


def foreign(ids: dict[str, str]) -> list[tuple[str, dict[str, Any]]]:
    """Records that an admin of the first facility may not write."""
    new = uuid.UUID(int=7).hex
    other_user = {"username": "x", "dataset": ids["other_dataset"], "facility": ids["other_facility"]}
    return [
        ("users", {**other_user, "id": new}),
        ("users", user(ids, 7, id=ids["other_learner"])),
        ("users", user(ids, 7, facility=ids["other_facility"])),
        ("users", user(ids, 7, is_superuser=True)),
        ("datasets", {"id": ids["other_dataset"]}),
        ("datasets", {"id": new}),
        ("facilities", {"id": new, "kind": "facility", "dataset": ids["dataset"], "parent": None}),
        ("classrooms", {"id": new, "kind": "classroom", "dataset": ids["other_dataset"], "parent": None}),
        ("classrooms", {"id": ids["class_o"], "kind": "classroom", "dataset": ids["dataset"], "parent": None}),
        ("learnergroups", {"id": new, "kind": "learnergroup", "dataset": ids["dataset"], "parent": ids["class_o"]}),
        ("memberships", {"id": new, "user": ids["other_learner"], "collection": ids["class_a"]}),
        ("memberships", {"id": new, "user": ids["learner1"], "collection": ids["class_o"]}),
        ("roles", {"id": new, "user": ids["learner1"], "collection": ids["other_facility"], "kind": "admin"}),
        ("roles", {"id": new, "user": ids["other_admin"], "collection": ids["facility"], "kind": "admin"}),
        ("exams", {"id": new, "collection": ids["class_o"], "active": True, "assignments": []}),
        ("exams", {"id": new, "collection": ids["class_a"], "active": True, "assignments": [ids["class_o"]]}),
        ("lessons", {"id": new, "collection": ids["class_a"], "assignments": [], "learner_ids": [new]}),
        ("content_nodes", {"id": new, "content_id": new, "channel_id": new, "parent": None, "kind": "topic"}),
        ("channels", {"id": new, "name": "x"}),
    ]


IMPOSSIBLE = {1, 2, 6, 7, 8, 9, 10, 11, 12, 13, 15, 16}
"""Which of `foreign` are of two facilities at once, leave a membership behind, or name what is not there."""


@pytest.mark.parametrize("number", range(19))
async def test_an_admin_stays_in_the_own_facility(
    client: Client,
    headers_of: HeadersOf,
    service_headers: dict[str, str],
    database: Any,
    ids: dict[str, str],
    number: int,
) -> None:
    """No record, nor one in its place, may belong to or name anything of another facility; nobody is made superuser.
    A program may write each of them that Kolibri could hold, and is told why the others are impossible."""
    collection, record = foreign(ids)[number]
    before = await everything(database)

    status, body = await post(client, headers_of("admin"), collection, [record])

    assert (status, body["code"]) == (403, "permission-denied"), body
    assert await everything(database) == before
    possible = number not in IMPOSSIBLE
    assert (await post(client, service_headers, collection, [record]))[0] == (200 if possible else 422)
    assert (await everything(database) == before) is not possible


async def test_an_admin_may_not_touch_a_superuser(
    client: Client, headers_of: HeadersOf, database: Any, ids: dict[str, str]
) -> None:
    """A superuser's record in the admin's own facility stays as it is."""
    own = user(ids, 1, is_superuser=True)
    assert (await post(client, headers_of("superuser"), "users", [own]))[0] == 200
    before = await everything(database)

    status, _ = await post(client, headers_of("admin"), "users", [{**own, "is_superuser": False}])

    assert status == 403
    assert await everything(database) == before


async def test_a_revoked_role_stops_at_once(
    client: Client, headers_of: HeadersOf, database: Any, ids: dict[str, str]
) -> None:
    """Without the role the next request is refused."""
    assert (await post(client, headers_of("admin"), "users", [user(ids, 1)]))[0] == 200
    await database.roles.delete_many({"user_id": ids["admin"]})

    assert (await post(client, headers_of("admin"), "users", [user(ids, 2)]))[0] == 403


@pytest.mark.slow
async def test_five_thousand_records(client: Client, service_headers: dict[str, str], ids: dict[str, str]) -> None:
    """The most that a request takes is written in one transaction, within the deadline."""
    records = [user(ids, number) for number in range(5000)]

    assert await post(client, service_headers, "users", records) == (
        200,
        {"created": 5000, "changed": 0, "unchanged": 0, "erased": 0},
    )


@pytest.mark.parametrize(
    "fields", [{"level": 10**9}, {"level": -1}, {"ancestors": [{}] * 1000}], ids=["deep", "above", "long"]
)
async def test_no_tree_is_that_deep(client: Client, service_headers: dict[str, str], fields: dict[str, Any]) -> None:
    """A node far below its channel is refused: an export makes a column for each level above a content."""
    node = {"id": "a" * 32, "content_id": "b" * 32, "channel": "c" * 32, "kind": "video", **fields}

    status, problem = await post(client, service_headers, "content_nodes", [node])

    assert status == 422
    assert next(iter(fields)) in problem["detail"]


async def test_a_service_token_is_nobody_elsewhere(client: Client, service_headers: dict[str, str]) -> None:
    """It neither reads logs nor tracks."""
    body = {"node_id": "a" * 32, "content_id": "b" * 32, "channel_id": "c" * 32, "kind": "video"}
    async with client.post("/api/logger/trackprogress/", json=body, headers=service_headers) as tracked:
        assert tracked.status == 403
    for path in ("contentsummarylog/", "examlog/", "attemptlog/", "userprogress/" + "a" * 32 + "/"):
        async with client.get(f"/api/logger/{path}", headers=service_headers) as read:
            assert read.status == 403, path


async def test_only_the_own_key_makes_service_tokens() -> None:
    """The claim `scope` counts in HS256 tokens of the own key only, and only as the one word."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    public = key.public_key().public_bytes(
        *(_encoding()),
    )
    verifier = TokenVerifier(secret=SECRET, public_key=public.decode())
    claims = {"scope": "service", "exp": datetime.now(UTC) + timedelta(minutes=1)}
    foreign_claims = {**claims, "sub": "a" * 32}

    assert (await verifier.principal(jwt.encode(claims, SECRET, algorithm="HS256"))).is_service
    named = await verifier.principal(jwt.encode(foreign_claims, key, algorithm="RS256"))
    assert (named.user_id, named.is_service) == ("a" * 32, False)
    for bad in (
        jwt.encode(claims, key, algorithm="RS256"),
        jwt.encode(claims, SECRET + "x", algorithm="HS256"),
        jwt.encode({**claims, "scope": "service openid"}, SECRET, algorithm="HS256"),
        jwt.encode({"scope": "service"}, SECRET, algorithm="HS256"),
    ):
        with pytest.raises(Unauthenticated):
            await verifier.principal(bad)


def _encoding() -> tuple[Any, Any]:
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    return Encoding.PEM, PublicFormat.SubjectPublicKeyInfo
