"""`docservice serve` as a process: where it listens, how it ends."""

from __future__ import annotations

import asyncio
import json
import re
import signal
import socket
import time
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from aiohttp import ClientSession
from pymongo import AsyncMongoClient

from docservice import demo
from docservice.identity import issue_token
from docservice.settings import Settings

from .running import (
    START_SECONDS,
    Service,
    Services,
    connection,
    engine_state,
    eventually,
    ignoring_ctrl_c,
    linux_only,
    processes_of,
    run,
)
from .signing import NOW, headers_with_own_key

pytestmark = [pytest.mark.engine, pytest.mark.slow]

LEARNER = demo.directory()["users"][1]["id"]


async def test_it_says_where_it_listens_and_is_ready(demo_service: Service, http: ClientSession) -> None:
    """With `--port 0` it takes a free port, prints the URL, and both health addresses answer there."""
    answers = {}
    for path in ("/healthz", "/readyz"):
        async with http.get(demo_service.base + path) as response:
            answers[path] = (response.status, await response.json())

    assert urlsplit(demo_service.base).hostname == "127.0.0.1"
    assert urlsplit(demo_service.base).port not in (0, 8000)
    assert answers == {"/healthz": (200, {"status": "ok"}), "/readyz": (200, {"status": "ready"})}


async def test_it_says_where_the_manual_and_the_api_page_are(demo_service: Service, http: ClientSession) -> None:
    """A line for each names an address that is a page at once, without another address in between."""
    for about, path in (("the manual", "/docs/"), ("the API, to read and to try", "/api/docs/")):
        assert f"{about}: {demo_service.base}{path}\n" in demo_service.err
        async with http.get(demo_service.base + path, allow_redirects=False) as response:
            assert (response.status, response.content_type) == (200, "text/html")


async def test_it_names_the_engine_as_beta_and_the_way_to_production(demo_service: Service) -> None:
    """One line says what keeps the logs, that it is beta, and what to set instead."""
    lines = [line for line in demo_service.err.splitlines() if "SecantusDB" in line]

    assert len(lines) == 1
    assert "beta" in lines[0]
    assert "DOCSERVICE_MONGODB_URI" in lines[0]


@linux_only
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_signal_ends_it_and_its_engine(services: Services, number: int) -> None:
    """SIGTERM and Ctrl-C: exit code 0 within seconds, nothing of the engine is left, one line says so."""
    service = await services.start()
    running = processes_of(service.data_dir)

    code = await service.stop(number)

    assert code == 0
    assert len(running) == 3  # the service, the supervisor, the engine
    assert processes_of(service.data_dir) == {}
    assert not (service.data_dir / "engine" / "state.json").exists()
    assert service.err.splitlines()[-1] == "docservice: stopping"


@linux_only
async def test_a_signal_during_the_start_ends_it_too(services: Services) -> None:
    """A service that is stopped while its engine starts ends with 0 and leaves nothing running."""
    service = await services.spawn()
    log = service.data_dir / "engine" / "supervisor.log"
    await eventually(log.exists, "the engine is being started", START_SECONDS)

    code = await service.stop()

    assert code == 0
    assert processes_of(service.data_dir) == {}


async def test_a_port_in_use_is_one_line_and_starts_nothing(tmp_path: Path) -> None:
    """Exit code 2, a line that names address, port and option, and no engine."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]

        ended = await run("serve", "--port", str(port), "--data-dir", str(tmp_path / "data"))

    assert ended.code == 2
    assert ended.out == ""
    assert len(ended.err.splitlines()) == 1
    for part in ("127.0.0.1", str(port), "--port"):
        assert part in ended.err
    assert not (tmp_path / "data" / "engine").exists()


async def test_a_request_under_way_is_answered_before_it_ends(
    services: Services, mongo: AsyncMongoClient[dict[str, Any]], mongodb_uri: str, database: Any, http: ClientSession
) -> None:
    """A report that waits for another transaction at SIGTERM is answered with 200, and it is in the documents."""
    service = await services.start(
        *("--demo", "--mongodb-uri", mongodb_uri, "--database", database.name),
        env={"DOCSERVICE_SHUTDOWN_TIMEOUT_SECONDS": "90"},  # It ends when the report is answered, long before.
    )
    headers = headers_with_own_key(service.data_dir, LEARNER)
    session_id = await _start_video(http, service.base, headers)
    body = json.dumps({"time_spent_delta": 17}).encode()

    async with connection(service.base) as (reader, writer), mongo.start_session() as other:
        await other.start_transaction()
        before = await _requests_in_flight(http, service.base)
        query = {"_id": session_id}
        await database.content_session_logs.update_one(query, {"$set": {"held": True}}, session=other)
        writer.write(
            f"PUT /api/logger/trackprogress/{session_id}/ HTTP/1.1\r\nHost: docservice\r\n"
            f"Authorization: {headers['Authorization']}\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n".encode()
            + body
        )
        await writer.drain()

        async def arrived() -> bool:
            return await _requests_in_flight(http, service.base) == before + 1

        await eventually(arrived, "the report is under way")
        service.process.send_signal(signal.SIGTERM)
        await eventually(lambda: "docservice: stopping" in service.err, "it stops")
        await other.abort_transaction()
        answer = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 30)
        code = await service.ended()

    assert answer.startswith(b"HTTP/1.1 200 ")
    assert code == 0
    session = await database.content_session_logs.find_one({"_id": session_id})
    assert session["time_spent"] == 17


async def test_a_request_that_never_comes_whole_does_not_keep_it(
    services: Services, mongodb_uri: str, database: Any
) -> None:
    """A client that sends half a request holds the stop up for DOCSERVICE_SHUTDOWN_TIMEOUT_SECONDS and no longer."""
    service = await services.start(
        "--mongodb-uri", mongodb_uri, "--database", database.name, env={"DOCSERVICE_SHUTDOWN_TIMEOUT_SECONDS": "1"}
    )
    async with connection(service.base) as (reader, writer):
        writer.write(
            b"POST /api/logger/trackprogress/ HTTP/1.1\r\nHost: docservice\r\nExpect: 100-continue\r\n"
            b"Content-Type: application/json\r\nContent-Length: 100\r\n\r\n"
        )
        assert b" 100 " in await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 30)

        began = time.monotonic()
        code = await service.stop()

    assert code == 0
    assert 0.9 < time.monotonic() - began < Settings.model_fields["shutdown_timeout_seconds"].default


async def test_two_services_share_the_engine_of_a_folder(services: Services, http: ClientSession) -> None:
    """The second one joins; the engine stays when the first one ends, and the documents are the same."""
    first = await services.start("--demo")
    second = await services.start(data_dir=first.data_dir)
    headers = headers_with_own_key(first.data_dir, LEARNER)
    session_id = await _start_video(http, first.base, headers)
    engine = engine_state(first.data_dir)["engine_pid"]

    code = await first.stop()
    async with http.put(
        f"{second.base}/api/logger/trackprogress/{session_id}/", json={"time_spent_delta": 1}, headers=headers
    ) as response:
        status = response.status

    assert (code, status) == (0, 200)
    assert engine_state(first.data_dir)["engine_pid"] == engine


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("DOCSERVICE_PORT", "eighty"),
        ("DOCSERVICE_MONGODB_TIMEOUT_MS", "0"),
    ],
)
async def test_a_wrong_setting_is_one_line_that_names_it(tmp_path: Path, name: str, value: str) -> None:
    """Exit code 2; the variable is named; nothing is made."""
    ended = await run("serve", "--data-dir", str(tmp_path / "data"), env={name: value})

    assert ended.code == 2
    assert len(ended.err.splitlines()) == 1
    assert name in ended.err
    assert not (tmp_path / "data").exists()


async def test_a_folder_that_cannot_be_used_is_one_line(tmp_path: Path) -> None:
    """A data directory below a file: exit code 2 and one line that names it."""
    (tmp_path / "file").touch()

    ended = await run("serve", "--port", "0", "--data-dir", str(tmp_path / "file" / "data"))

    assert ended.code == 2
    assert len(ended.err.splitlines()) == 1
    assert str(tmp_path / "file" / "data") in ended.err


async def test_a_service_in_the_background_of_a_script_leaves_ctrl_c_alone(
    services: Services, mongodb_uri: str, database: Any, http: ClientSession
) -> None:
    """Started with SIGINT ignored, as with `&` in a script, it serves on after one and ends at SIGTERM."""
    service = await services.spawn(
        *("--mongodb-uri", mongodb_uri, "--database", database.name), started_by=ignoring_ctrl_c
    )
    await service.listening()

    service.process.send_signal(signal.SIGINT)
    async with http.get(f"{service.base}/readyz") as response:
        status = response.status
    code = await service.stop()

    assert (status, code) == (200, 0)
    assert service.err.count("docservice: stopping") == 1


async def test_the_console_shows_no_token_and_no_user(
    services: Services, mongodb_uri: str, database: Any, http: ClientSession
) -> None:
    """Requests, good and bad ones, leave neither tokens nor user ids nor passwords in the log."""
    service = await services.start("--mongodb-uri", mongodb_uri, "--database", database.name)
    token = issue_token((service.data_dir / "secret_key").read_text(), LEARNER, now=NOW, ttl_seconds=3600)

    for value, status in ((token, 400), (token[:-4] + "AAAA", 401)):
        async with http.post(
            f"{service.base}/api/logger/trackprogress/", json={}, headers={"Authorization": f"Bearer {value}"}
        ) as response:
            assert response.status == status
    await service.stop()

    assert token.rpartition(".")[0] not in service.err
    assert LEARNER not in service.err
    assert mongodb_uri not in service.err


async def _requests_in_flight(http: ClientSession, base: str) -> float:
    async with http.get(f"{base}/metrics") as response:
        [found] = re.findall(r"^docservice_http_requests_in_flight (\S+)$", await response.text(), re.MULTILINE)
    return float(found)


async def _start_video(http: ClientSession, base: str, headers: dict[str, str]) -> str:
    content = {"node_id": "a" * 32, "content_id": "b" * 32, "channel_id": "c" * 32, "kind": "video"}
    async with http.post(f"{base}/api/logger/trackprogress/", json=content, headers=headers) as response:
        assert response.status == 200, await response.text()
        return str((await response.json())["session_id"])
