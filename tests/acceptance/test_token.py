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

from docservice import demo
from docservice.identity import issue_token

from .running import Service, Services, run

pytestmark = pytest.mark.engine

LEARNER = demo.directory()["users"][1]["id"]
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
    """One line on standard output, nothing on standard error; it names the user, ends as asked, and is taken."""
    began = datetime.now(UTC)

    ended = await run("token", LEARNER, "--ttl-seconds", "120", "--data-dir", str(demo_service.data_dir))
    response = await start_video(http, demo_service.base, ended.out.strip())

    assert (ended.code, ended.err) == (0, "")
    assert ended.out == ended.out.strip() + "\n"
    claims = jwt.decode(ended.out.strip(), options={"verify_signature": False})
    assert claims["sub"] == LEARNER
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
        "no signature": jwt.encode(claims, None, algorithm="none"),
        "nonsense": "nonsense",
    }[spoilt]

    response = await start_video(http, demo_service.base, token)

    assert response.status == 401


@pytest.mark.parametrize("arguments", [["learner"], ["a" * 31], [LEARNER, "--ttl-seconds", "0"]])
async def test_what_makes_no_token_is_one_line(tmp_path: Path, arguments: list[str]) -> None:
    """A user id or a time that is none: exit code 2, one line, nothing on standard output, no key made."""
    ended = await run("token", *arguments, "--data-dir", str(tmp_path / "data"))

    assert (ended.code, ended.out) == (2, "")
    assert len(ended.err.splitlines()) == 1
    assert ("--ttl-seconds" if len(arguments) > 1 else "32 hex characters") in ended.err
    assert not (tmp_path / "data").exists()


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has other rights")
async def test_the_key_is_made_once_and_for_its_owner_only(tmp_path: Path) -> None:
    """The first command makes the key, readable by its owner whatever the umask; the second one keeps it."""
    path = tmp_path / "data" / "secret_key"
    before = os.umask(0)
    try:
        first = await run("token", LEARNER, "--data-dir", str(tmp_path / "data"))
        kept = path.read_text()
        second = await run("token", LEARNER, "--data-dir", str(tmp_path / "data"))
    finally:
        os.umask(before)

    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert path.read_text() == kept
    assert len(kept) >= 32
    for ended in (first, second):
        assert jwt.decode(ended.out.strip(), kept, algorithms=["HS256"])["sub"] == LEARNER


async def test_a_key_of_the_environment_is_shared(
    services: Services, mongodb_uri: str, database: Any, http: aiohttp.ClientSession
) -> None:
    """With DOCSERVICE_SECRET_KEY token and service need no common folder; a token of another key is refused."""
    env = {"DOCSERVICE_SECRET_KEY": KEY}
    service = await services.start("--demo", "--mongodb-uri", mongodb_uri, "--database", database.name, env=env)
    elsewhere = str(services.folder / "elsewhere")

    taken = await run("token", LEARNER, "--data-dir", elsewhere, env=env)
    refused = await run("token", LEARNER, "--data-dir", elsewhere, env={"DOCSERVICE_SECRET_KEY": KEY[::-1]})

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

    assert (ended.code, ended.err, ended.out) == (0, "", ended.out.strip() + "\n")
    claims = jwt.decode(ended.out.strip(), options={"verify_signature": False})
    assert (claims["scope"], claims.get("sub")) == ("service", None)
    assert claims["exp"] - claims["iat"] == 60
    assert written == (200, {"created": 0, "changed": 0, "unchanged": 1})
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
    assert ended.err.splitlines() == ["docservice: Give either USER_ID, or --service."]
    assert not (tmp_path / "data").exists()
