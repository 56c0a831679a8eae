"""Who is calling: only a good token of a known user writes, and only into that user's logs."""

from __future__ import annotations

import asyncio
import base64
import json
import uuid
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import jwt
import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from docservice import DocService
from docservice.errors import Unauthenticated
from docservice.identity import TokenVerifier, issue_token
from docservice.rest import create_app
from docservice.rest.auth import bearer_identity
from docservice.rest.person_names import PersonNames

from .asking import M_OF_N, TRACK, Client, everything, put, start, start_body

pytestmark = pytest.mark.shared_service

HS_KEY = "a key for tests that is long enough for HS256"
RSA_KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)
EC_KEY = ec.generate_private_key(ec.SECP256R1())
CURRENT = "/api/auth/session/current/"
UNKNOWN_USER = "0123456789abcdef0123456789abcdef"


def pem(key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey) -> str:
    """The public half of a key."""
    return key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


def claims(user_id: str, **more: Any) -> dict[str, Any]:
    """What a good token says."""
    return {"sub": user_id, "exp": datetime.now(UTC) + timedelta(hours=1), **more}


@asynccontextmanager
async def trusting(service: DocService, **keys: Any) -> AsyncIterator[Client]:
    """A client of an application that trusts these keys."""
    app = create_app(service, identify=bearer_identity(TokenVerifier(**keys)))
    async with TestClient(TestServer(app)) as client:
        yield client


async def status_of_start(client: Client, token: str) -> int:
    """The status that a start with a token is answered with."""
    async with client.post(TRACK, json=start_body(), headers={"Authorization": f"Bearer {token}"}) as response:
        return response.status


def unsigned(user_id: str) -> str:
    """A token that claims to need no signature."""
    parts = [{"alg": "none", "typ": "JWT"}, {"sub": user_id, "exp": 4_000_000_000}]
    return ".".join(base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=") for part in parts) + "."


def bad_tokens(user_id: str) -> dict[str, str]:
    """Authorization headers that prove nothing."""
    good = jwt.encode(claims(user_id), HS_KEY, algorithm="HS256")
    long_ago = datetime.now(UTC) - timedelta(hours=2)
    return {
        "signature": f"Bearer {good[:-6]}AAAAAA",
        "other key": f"Bearer {jwt.encode(claims(user_id), 'another key that is long enough too', algorithm='HS256')}",
        "expired": f"Bearer {issue_token(HS_KEY, user_id, now=long_ago, ttl_seconds=60)}",
        "no expiry": f"Bearer {jwt.encode({'sub': user_id}, HS_KEY, algorithm='HS256')}",
        "no subject": f"Bearer {jwt.encode({'exp': 4_000_000_000}, HS_KEY, algorithm='HS256')}",
        "garbage": "Bearer garbage",
        "three dots": "Bearer a.b.c",
        "deep header": f"Bearer {base64.urlsafe_b64encode(b'[' * 5000).decode().rstrip('=')}.e30.e30",
        "not ascii": "Bearer \xe9\xe9",
        "empty": "Bearer ",
        "basic": "Basic Zm9vOmJhcg==",
        "alg none": f"Bearer {unsigned(user_id)}",
        "unknown user": f"Bearer {jwt.encode(claims(UNKNOWN_USER), HS_KEY, algorithm='HS256')}",
        "number as sub": f"Bearer {jwt.encode(claims('1' * 31), HS_KEY, algorithm='HS256')}",
        "empty sub": f"Bearer {jwt.encode(claims(''), HS_KEY, algorithm='HS256')}",
        "name as sub": f"Bearer {jwt.encode(claims('learner1'), HS_KEY, algorithm='HS256')}",
        "wrong algorithm": f"Bearer {jwt.encode(claims(user_id), RSA_KEY, algorithm='RS256')}",
    }


async def test_bad_tokens(client: Client, database: Any, recorded_directory: dict[str, Any]) -> None:
    """A token that proves nothing gets 401 and a challenge, is never taken for an anonymous visitor, writes nothing."""
    before = await everything(database)
    answers = {}

    for case, header in bad_tokens(recorded_directory["ids"]["learner1"]).items():
        async with client.post(TRACK, json=start_body(), headers={"Authorization": header}) as response:
            answers[case] = (response.status, response.headers.get("WWW-Authenticate", ""), await response.json())

    for case, (status, challenge, body) in answers.items():
        assert status == 401, case
        assert challenge.startswith("Bearer"), case
        assert body[0]["id"] == "AUTHENTICATION_FAILED", case
    assert await everything(database) == before


async def test_a_token_that_was_taken_before_expires() -> None:
    """It is checked once and remembered, but not beyond its time; one with a changed signature was not taken before."""
    verifier = TokenVerifier(secret=HS_KEY, leeway_seconds=0)
    token = issue_token(HS_KEY, UNKNOWN_USER, now=datetime.now(UTC), ttl_seconds=1)
    taken = await verifier.principal(token)

    with pytest.raises(Unauthenticated):
        await verifier.principal(f"{token[:-6]}AAAAAA")
    await asyncio.sleep(1.1)
    with pytest.raises(Unauthenticated, match="expired"):
        await verifier.principal(token)
    assert taken.user_id == UNKNOWN_USER


async def test_public_key(service: DocService, recorded_directory: dict[str, Any]) -> None:
    """RS256 and ES256 tokens are taken with the public key of the host's sign-in, and only with that one."""
    learner = claims(recorded_directory["ids"]["learner1"])
    rs256, es256 = jwt.encode(learner, RSA_KEY, algorithm="RS256"), jwt.encode(learner, EC_KEY, algorithm="ES256")
    other = jwt.encode(learner, rsa.generate_private_key(public_exponent=65537, key_size=2048), algorithm="RS256")

    async with trusting(service, public_key=pem(RSA_KEY)) as client:
        by_rsa = [await status_of_start(client, token) for token in (rs256, es256, other)]
    async with trusting(service, public_key=pem(EC_KEY)) as client:
        by_ec = [await status_of_start(client, token) for token in (es256, rs256)]

    assert by_rsa == [200, 401, 401]
    assert by_ec == [200, 401]


async def test_public_key_is_no_shared_secret(service: DocService, recorded_directory: dict[str, Any]) -> None:
    """A token signed with the text of the public key, as if it were an HS256 key, is refused."""
    header, payload = (
        base64.urlsafe_b64encode(json.dumps(part, default=str).encode()).decode().rstrip("=")
        for part in (
            {"alg": "HS256", "typ": "JWT"},
            {"sub": recorded_directory["ids"]["learner1"], "exp": 4_000_000_000},
        )
    )
    signature = jwt.get_algorithm_by_name("HS256").sign(f"{header}.{payload}".encode(), pem(RSA_KEY).encode())
    token = f"{header}.{payload}.{base64.urlsafe_b64encode(signature).decode().rstrip('=')}"

    async with trusting(service, public_key=pem(RSA_KEY)) as client:
        status = await status_of_start(client, token)

    assert status == 401


async def test_published_keys(service: DocService, recorded_directory: dict[str, Any]) -> None:
    """With the address of a key set, tokens name their key by `kid`; an unknown one is refused."""
    keys = [
        {**json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(RSA_KEY.public_key())), "kid": "r", "use": "sig"},
        {**json.loads(jwt.algorithms.ECAlgorithm.to_jwk(EC_KEY.public_key())), "kid": "e", "use": "sig"},
    ]
    asked = []

    async def key_set(request: web.Request) -> web.Response:
        asked.append(request.path)
        return web.json_response({"keys": keys})

    publisher = web.Application()
    publisher.router.add_get("/keys", key_set)
    learner = claims(recorded_directory["ids"]["learner1"])
    tokens = [
        jwt.encode(learner, RSA_KEY, algorithm="RS256", headers={"kid": "r"}),
        jwt.encode(learner, EC_KEY, algorithm="ES256", headers={"kid": "e"}),
        jwt.encode(learner, RSA_KEY, algorithm="RS256", headers={"kid": "r"}),
        jwt.encode(learner, RSA_KEY, algorithm="RS256", headers={"kid": "unknown"}),
        jwt.encode(learner, RSA_KEY, algorithm="RS256", headers={"kid": "e"}),
        jwt.encode(learner, HS_KEY, algorithm="HS256", headers={"kid": "r"}),
    ]

    async with TestServer(publisher) as server, trusting(service, jwks_url=str(server.make_url("/keys"))) as client:
        statuses = [await status_of_start(client, token) for token in tokens]

    assert statuses == [200, 200, 200, 401, 401, 401]
    assert 1 <= len(asked) <= 3


@pytest.mark.parametrize("spelling", ["{0}", "{1}", "{2}", "{{{1}}}", "urn:uuid:{1}"])
async def test_spellings_of_an_id(client: Client, recorded_directory: dict[str, Any], spelling: str) -> None:
    """An id in a token may have dashes, capitals or braces: it is the same person."""
    user_id = recorded_directory["ids"]["learner1"]
    dashed = str(uuid.UUID(user_id))
    token = jwt.encode(claims(spelling.format(user_id, dashed, dashed.upper())), HS_KEY, algorithm="HS256")

    async with client.put(CURRENT, json={}, headers={"Authorization": f"Bearer {token}"}) as response:
        answer = await response.json()

    assert (response.status, answer["user_id"]) == (200, user_id)


async def test_the_claim_that_names_the_user(service: DocService, recorded_directory: dict[str, Any]) -> None:
    """A setting names the claim; it may hold an id or a username, and `facility/username` where several have it.

    The claim `sub`, which then means something else, is not looked at.
    """
    ids = recorded_directory["ids"]
    facility = next(each["name"] for each in recorded_directory["facilities"] if each["id"] == ids["facility"])
    verifier = TokenVerifier(secret=HS_KEY, user_claim="login")
    sign_ins = service.sign_ins(HS_KEY)
    app = create_app(service, identify=bearer_identity(verifier, person_called=sign_ins.person_called))
    cases = {
        ids["learner1"]: ids["learner1"],
        "learner2": ids["learner2"],
        "LEARNER2": ids["learner2"],
        f"{facility}/admin": ids["admin"],
        f"{ids['default_facility']}/admin": ids["superuser"],
        "admin": None,  # of two facilities
        "nobody": None,
        "*": None,
        "": None,
        "x" * 5000: None,
    }
    answers = {}
    async with TestClient(TestServer(app)) as client:
        for name in cases:
            more = {"login": name, "sub": ids["learner3"]}
            token = jwt.encode(claims("", **more), HS_KEY, algorithm="HS256")
            async with client.put(CURRENT, json={}, headers={"Authorization": f"Bearer {token}"}) as response:
                answer = await response.json()
                answers[name] = answer["user_id"] if response.status == 200 else None
        without = jwt.encode(claims(ids["learner3"]), HS_KEY, algorithm="HS256")
        status = await status_of_start(client, without)

    assert answers == cases
    assert status == 401


async def test_names_are_remembered_for_a_while() -> None:
    """A username is looked up once in a while and not with every request."""
    asked = []

    async def look_up(text: str) -> str | None:
        asked.append(text)
        return {"anna": "a" * 32}.get(text)

    kept, forgetful = PersonNames(look_up, kept_seconds=60), PersonNames(look_up, kept_seconds=0)
    found = [await kept("anna"), await kept("anna"), await kept("nobody"), await kept("nobody")]
    again = [await forgetful("anna"), await forgetful("anna")]

    assert found == ["a" * 32, "a" * 32, None, None]
    assert again == ["a" * 32] * 2
    assert asked == ["anna", "nobody", "anna", "anna"]


async def test_clocks_may_differ(service: DocService, recorded_directory: dict[str, Any]) -> None:
    """The times of a token may be out by the leeway, and by no more."""
    learner, now = recorded_directory["ids"]["learner1"], datetime.now(UTC)
    tokens = [
        jwt.encode({"sub": learner, "exp": now + timedelta(seconds=exp), "nbf": now + timedelta(seconds=nbf)}, HS_KEY)
        for exp, nbf in ((-30, -60), (-90, -120), (60, 30), (60, 90))
    ]

    async with trusting(service, secret=HS_KEY, leeway_seconds=60) as client:
        lenient = [await status_of_start(client, token) for token in tokens]
    async with trusting(service, secret=HS_KEY, leeway_seconds=0) as client:
        strict = [await status_of_start(client, token) for token in tokens]

    assert lenient == [200, 401, 200, 401]
    assert strict == [401] * 4


async def test_audience_and_issuer(service: DocService, recorded_directory: dict[str, Any]) -> None:
    """If an audience and an issuer are asked for, a token has to name both."""
    learner = recorded_directory["ids"]["learner1"]
    told: list[dict[str, Any]] = [
        {"aud": "logs", "iss": "school"},
        {"aud": ["x", "logs"], "iss": "school"},
        {"aud": "logs"},
        {"iss": "school"},
        {"aud": "x", "iss": "school"},
        {"aud": "logs", "iss": "x"},
        {},
    ]
    tokens = [jwt.encode(claims(learner, **more), HS_KEY, algorithm="HS256") for more in told]

    async with trusting(service, secret=HS_KEY, audience="logs", issuer="school") as client:
        statuses = [await status_of_start(client, token) for token in tokens]

    assert statuses == [200, 200, 401, 401, 401, 401, 401]


@pytest.mark.parametrize(
    ("cookie", "stored"),
    [
        ("1b2c9e9668765cf9b44a5c35d1311fb7", "1b2c9e9668765cf9b44a5c35d1311fb7"),
        ("1B2C9E96-6876-5CF9-B44A-5C35D1311FB7", "1b2c9e9668765cf9b44a5c35d1311fb7"),
        ("not-a-uuid", None),
        ("", None),
        (None, None),
    ],
)
async def test_visitor_cookie(
    client: Client, database: Any, recorded_directory: dict[str, Any], cookie: str | None, stored: str | None
) -> None:
    """An anonymous visit belongs to the default facility and keeps the visitor's id; a bad cookie counts as none."""
    headers = {} if cookie is None else {"Cookie": f"visitor_id={cookie}"}

    started = await start(client, headers)

    session = await database["content_session_logs"].find_one({"_id": started["session_id"]})
    dataset = recorded_directory["ids"]["default_dataset"]
    assert (session["user_id"], session["visitor_id"], session["dataset_id"]) == (None, stored, dataset)
    assert session["_morango_partition"] == f"{dataset}:anonymous"


async def test_learner_has_no_visitor_id(
    client: Client, database: Any, headers_of: Callable[[str], dict[str, str]]
) -> None:
    """The visitor cookie of a learner who signed in is not stored."""
    headers = {**headers_of("learner1"), **headers_of("anon_visitor")}

    started = await start(client, headers)

    session = await database["content_session_logs"].find_one({"_id": started["session_id"]})
    assert session["visitor_id"] is None


async def test_anonymous_without_default_facility(mongodb_uri: str, database: Any) -> None:
    """Without any facility an anonymous start is refused with what to do, and nothing is written."""
    empty_database = database.client[f"{database.name}_empty"]
    async with (
        DocService(mongodb_uri, database=empty_database.name) as empty,
        trusting(empty, secret=HS_KEY) as client,
        client.post(TRACK, json=start_body()) as response,
    ):
        body = await response.json()

    assert response.status == 409
    assert "docservice directory import" in body["detail"]
    assert await empty_database["content_session_logs"].count_documents({}) == 0
    await database.client.drop_database(empty_database.name)


@pytest.mark.parametrize(
    "actor",
    ["learner2", "coach1", "coach2", "facilitycoach", "admin", "superuser", "other_admin", "other_learner", "anon"],
)
async def test_nobody_writes_in_anothers_visit(
    client: Client, database: Any, headers_of: Callable[[str], dict[str, str]], actor: str
) -> None:
    """A learner's visit is not there for anybody else, whatever the role, and nothing is written."""
    session_id = (await start(client, headers_of("learner1"), mastery_model=M_OF_N))["session_id"]
    before = await everything(database)

    status, body = await put(client, headers_of(actor), session_id, {"progress": 1, "time_spent_delta": 5})

    assert status == 404
    assert body == [{"id": "NOT_FOUND", "metadata": {"view": "Progress Tracking Instance"}}]
    assert await everything(database) == before


@pytest.mark.parametrize("actor", ["learner1", "superuser"])
async def test_signed_in_does_not_write_in_anonymous_visit(
    client: Client, headers_of: Callable[[str], dict[str, str]], actor: str
) -> None:
    """An anonymous visit is for anonymous callers only; any of them who knows its id may report on it."""
    session_id = (await start(client, headers_of("anon_visitor")))["session_id"]

    signed_in, _ = await put(client, headers_of(actor), session_id, {"progress": 0.5})
    anonymous, _ = await put(client, headers_of("anon"), session_id, {"progress": 0.5})

    assert (signed_in, anonymous) == (404, 200)
