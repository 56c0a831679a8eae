"""`docservice token`: what it prints lets its user in, and nobody else."""

from __future__ import annotations

import os
import stat
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import aiohttp
import jwt
import pytest

from docservice import DocService, demo
from docservice.identity import issue_token

from .running import Service, Services, run

pytestmark = [pytest.mark.engine, pytest.mark.slow]

PERSON = demo.directory()["users"][1]
LEARNER = PERSON["id"]
FACILITY = demo.directory()["facilities"][0]
VIDEO = {"node_id": "a" * 32, "content_id": "b" * 32, "channel_id": "c" * 32, "kind": "video"}
KEY = "a key for these tests that is long enough"


async def start_video(http: aiohttp.ClientSession, base: str, token: str) -> aiohttp.ClientResponse:
    """Send a start of a visit with a token; the answer has been read."""
    headers = {"Authorization": f"Bearer {token}"}
    async with http.post(f"{base}/api/logger/trackprogress/", json=VIDEO, headers=headers) as response:
        await response.read()
        return response


async def test_it_prints_a_token_that_the_running_service_takes(
    demo_service: Service, http: aiohttp.ClientSession
) -> None:
    """One line on standard output; it names the user, ends as asked, and is taken; standard error says for whom."""
    began = datetime.now(UTC)

    ended = await run("token", LEARNER, "--ttl-seconds", "120", "--data-dir", str(demo_service.data_dir))
    response = await start_video(http, demo_service.base, ended.out.strip())

    assert ended.code == 0
    assert ended.out == ended.out.strip() + "\n"
    claims = jwt.decode(ended.out.strip(), options={"verify_signature": False})
    assert claims["sub"] == LEARNER
    assert ended.err == (
        f"docservice: for {PERSON['full_name']} ({PERSON['username']}) of {FACILITY['name']}, valid until "
        f"{datetime.fromtimestamp(claims['exp'], UTC):%Y-%m-%d %H:%M:%S} UTC\n"
    )
    assert claims["exp"] - claims["iat"] == 120
    assert abs(claims["iat"] - began.timestamp()) < 30
    assert response.status == 200


async def test_any_spelling_of_the_id_is_taken(demo_service: Service, http: aiohttp.ClientSession) -> None:
    """An id with dashes and capitals, as a UUID is often written, names the same user."""
    spelled = "-".join((LEARNER[:8], LEARNER[8:12], LEARNER[12:16], LEARNER[16:20], LEARNER[20:])).upper()

    ended = await run("token", spelled, "--data-dir", str(demo_service.data_dir))

    assert jwt.decode(ended.out.strip(), options={"verify_signature": False})["sub"] == LEARNER
    assert (await start_video(http, demo_service.base, ended.out.strip())).status == 200


async def test_an_expired_token_is_refused(demo_service: Service, http: aiohttp.ClientSession) -> None:
    """A token of the right key whose time is over is a 401 that says so and how to sign in."""
    secret = (demo_service.data_dir / "secret_key").read_text()
    token = issue_token(secret, LEARNER, now=datetime.now(UTC) - timedelta(minutes=1), ttl_seconds=1)

    headers = {"Authorization": f"Bearer {token}"}
    async with http.post(f"{demo_service.base}/api/logger/trackprogress/", json=VIDEO, headers=headers) as response:
        answer = await response.json()

    assert response.status == 401
    assert response.headers["WWW-Authenticate"].startswith("Bearer")
    assert [error["id"] for error in answer] == ["AUTHENTICATION_FAILED"]
    assert "expired" in answer[0]["metadata"]["message"]


@pytest.mark.parametrize("spoilt", ["other key", "other user", "no signature", "nonsense"])
async def test_a_token_that_was_not_signed_here_is_refused(
    demo_service: Service, http: aiohttp.ClientSession, spoilt: str
) -> None:
    """Another key, a changed user, a token without signature and no token at all are each a 401."""
    now = datetime.now(UTC)
    own = issue_token((demo_service.data_dir / "secret_key").read_text(), LEARNER, now=now, ttl_seconds=60)
    other = issue_token(KEY, demo.directory()["users"][2]["id"], now=now, ttl_seconds=60)
    header, _, signature = own.split(".")
    claims = {"sub": LEARNER, "exp": now + timedelta(minutes=1)}
    token = {
        "other key": other,
        "other user": ".".join((header, other.split(".")[1], signature)),
        "no signature": jwt.encode(claims, "", algorithm="none"),
        "nonsense": "nonsense",
    }[spoilt]

    response = await start_video(http, demo_service.base, token)

    assert response.status == 401


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([LEARNER], "There are no logs in"),
        ([LEARNER, "--ttl-seconds", "0"], "--ttl-seconds takes at least 1"),
        (["--service", "--ttl-seconds", "999999999999"], "--ttl-seconds is too large"),
    ],
)
async def test_what_makes_no_token_is_one_line(tmp_path: Path, arguments: list[str], said: str) -> None:
    """No directory to look into, a time that is none: exit code 2, one line, no token, no key made."""
    ended = await run("token", *arguments, "--data-dir", str(tmp_path / "data"))

    assert (ended.code, ended.out) == (2, "")
    assert len(ended.err.splitlines()) == 1
    assert said in ended.err
    assert not (tmp_path / "data").exists()


@pytest.mark.parametrize(
    "name",
    [PERSON["username"], PERSON["username"].upper(), f"{FACILITY['name']}/{PERSON['username']}"],
    ids=["username", "upper case", "facility and username"],
)
async def test_a_name_is_taken_for_an_id(demo_service: Service, name: str) -> None:
    """A username, in any case, and facility and username mean the person."""
    ended = await run("token", name, "--data-dir", str(demo_service.data_dir))

    assert jwt.decode(ended.out.strip(), options={"verify_signature": False})["sub"] == LEARNER


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("f" * 32, "Name a person by id, by username, or as FACILITY/USERNAME."),
        (PERSON["username"] + "x", f"Did you mean {PERSON['username']}"),
        (f"Elsewhere/{PERSON['username']}", f"Did you mean {FACILITY['name']}/{PERSON['username']}?"),
    ],
    ids=["id", "near", "other facility"],
)
async def test_nobody_unknown_gets_a_token(demo_service: Service, name: str, hint: str) -> None:
    """Exit code 2, no token, and one line that says who may be meant."""
    ended = await run("token", name, "--data-dir", str(demo_service.data_dir))

    assert (ended.code, ended.out, len(ended.err.splitlines())) == (2, "", 1)
    assert f"no person '{name}'" in ended.err
    assert hint in ended.err


async def test_a_name_in_two_facilities(mongodb_uri: str, database: Any, tmp_path: Path) -> None:
    """A username that two facilities have is answered with both; with the facility it means one."""
    facilities = [
        {"id": f"{n}" * 32, "name": name, "dataset_id": f"{n}d" * 16} for n, name in enumerate(("Hill", "Lake"), 1)
    ]
    content = {
        "datasets": [{"id": facility["dataset_id"]} for facility in facilities],
        "facilities": facilities,
        "users": [
            {
                "id": f"{n}a" * 16,
                "username": "anna",
                "full_name": "",
                "facility_id": facility["id"],
                "dataset_id": facility["dataset_id"],
            }
            for n, facility in enumerate(facilities, 1)
        ],
    }
    async with DocService(mongodb_uri, database=database.name) as service:
        await service.import_directory(content)
    options = ("--mongodb-uri", mongodb_uri, "--database", database.name, "--data-dir", str(tmp_path))

    ended = await run("token", "anna", *options)
    one = await run("token", "lake/anna", *options)

    assert (ended.code, ended.out, len(ended.err.splitlines())) == (2, "", 1)
    assert f"Hill/anna ({'1a' * 16}), Lake/anna ({'2a' * 16})" in ended.err
    assert jwt.decode(one.out.strip(), options={"verify_signature": False})["sub"] == "2a" * 16


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has other rights")
async def test_the_key_is_made_once_and_for_its_owner_only(tmp_path: Path) -> None:
    """The first command makes the key, readable by its owner whatever the umask; the second one keeps it."""
    path = tmp_path / "data" / "secret_key"
    before = os.umask(0)
    try:
        first = await run("token", "--service", "--data-dir", str(tmp_path / "data"))
        kept = path.read_text()
        second = await run("token", "--service", "--data-dir", str(tmp_path / "data"))
    finally:
        os.umask(before)

    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert path.read_text() == kept
    assert len(kept) >= 32
    for ended in (first, second):
        assert jwt.decode(ended.out.strip(), kept, algorithms=["HS256"])["scope"] == "service"


async def test_a_key_of_the_environment_is_shared(
    services: Services, mongodb_uri: str, database: Any, http: aiohttp.ClientSession
) -> None:
    """With DOCSERVICE_SECRET_KEY token and service need no common folder; a token of another key is refused."""
    env = {"DOCSERVICE_SECRET_KEY": KEY}
    service = await services.start("--demo", "--mongodb-uri", mongodb_uri, "--database", database.name, env=env)
    elsewhere = ("--data-dir", str(services.folder / "elsewhere"))
    options = ("--mongodb-uri", mongodb_uri, "--database", database.name, *elsewhere)

    taken = await run("token", LEARNER, *options, env=env)
    refused = await run("token", LEARNER, *options, env={"DOCSERVICE_SECRET_KEY": KEY[::-1]})

    assert (await start_video(http, service.base, taken.out.strip())).status == 200
    assert (await start_video(http, service.base, refused.out.strip())).status == 401
    assert not (services.folder / "elsewhere").exists()
    assert not (service.data_dir / "secret_key").exists()


async def test_a_service_token_writes_the_directory_and_nothing_else(
    demo_service: Service, http: aiohttp.ClientSession
) -> None:
    """One line, which names no user, ends as asked, lets its bearer write the directory, and neither track nor read."""
    ended = await run("token", "--service", "--ttl-seconds", "60", "--data-dir", str(demo_service.data_dir))
    headers = {"Authorization": f"Bearer {ended.out.strip()}"}
    known = [demo.directory()["datasets"][0]]

    async with http.post(f"{demo_service.base}/api/directory/datasets/", json=known, headers=headers) as response:
        written = response.status, await response.json()
    async with http.get(f"{demo_service.base}/api/logger/attemptlog/", headers=headers) as response:
        read = response.status
    tracked = await start_video(http, demo_service.base, ended.out.strip())

    assert (ended.code, ended.out) == (0, ended.out.strip() + "\n")
    assert ended.err.startswith("docservice: for a program that writes the directory, valid until 20")
    claims = jwt.decode(ended.out.strip(), options={"verify_signature": False})
    assert (claims["scope"], claims.get("sub")) == ("service", None)
    assert claims["exp"] - claims["iat"] == 60
    assert written == (200, {"created": 0, "changed": 0, "unchanged": 1, "erased": 0})
    assert (read, tracked.status) == (403, 403)


async def test_a_user_s_token_is_no_service_token(demo_service: Service, http: aiohttp.ClientSession) -> None:
    """A learner's token does not write the directory."""
    ended = await run("token", LEARNER, "--data-dir", str(demo_service.data_dir))
    headers = {"Authorization": f"Bearer {ended.out.strip()}"}

    async with http.post(f"{demo_service.base}/api/directory/datasets/", json=[], headers=headers) as response:
        assert response.status == 403


@pytest.mark.parametrize("arguments", [[], [LEARNER, "--service"]], ids=["neither", "both"])
async def test_a_token_is_for_a_user_or_for_a_program(tmp_path: Path, arguments: list[str]) -> None:
    """Neither and both are a usage error in one line that says what to give; no key is made."""
    ended = await run("token", *arguments, "--data-dir", str(tmp_path / "data"))

    assert (ended.code, ended.out) == (2, "")
    assert ended.err.splitlines() == ["docservice: Give either PERSON, or --service."]
    assert not (tmp_path / "data").exists()
