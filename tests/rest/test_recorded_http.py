"""Methods, spellings of ids, headers: HTTP as a real Kolibri speaks it."""

from __future__ import annotations

import base64
import json
import uuid
from collections.abc import Callable, Mapping
from fnmatch import fnmatchcase
from typing import Any

import pytest
from yarl import URL

from .asking import M_OF_N, Client, put, start
from .replaying import DATA, Comparison, filled_text

pytestmark = pytest.mark.shared_service

DIFFERENT = (
    ("*noslash/PUT/*", "a PUT without the last slash is served; the real server redirects"),
    ("*noslash/*", "paths without the last slash are not there; the real server redirects"),
    ("*/FOO/*", "the HTTP parser refuses methods that nobody knows with 400, before they reach a route"),
    ("*/OPTIONS/*", "there is no description of a path by OPTIONS; the API page describes all"),
)
"""Where this service differs on purpose; cookies, log-in and CSRF tokens are the real server's own and left out."""


def cases() -> list[dict[str, Any]]:
    """The recorded cases."""
    found: list[dict[str, Any]] = json.loads((DATA / "vectors" / "http-behaviour.json").read_text())["cases"]
    return found


def reason(case: Mapping[str, Any]) -> str | None:
    """Why a case differs here; None for one that does not."""
    return next((why for pattern, why in DIFFERENT if fnmatchcase(case["name"], pattern)), None)


async def ask(
    client: Client, headers_of: Callable[[str], dict[str, str]], case: Mapping[str, Any]
) -> tuple[int, Mapping[str, str], Any]:
    """Send a case to a new visit; status, headers and body of the answer."""
    headers = {**headers_of(case.get("actor", "learner1")), **case.get("headers", {})}
    session = (await start(client, headers_of(case.get("actor", "learner1")), mastery_model=M_OF_N))["session_id"]
    names = {"session": session, "session_dashed": str(uuid.UUID(session)), "session_upper": session.upper()}
    path = filled_text(case["path"], names)
    body = base64.b64decode(case["raw_b64"]) if "raw_b64" in case else None
    if "body" in case:
        body = json.dumps(case["body"]).encode()
    url = URL(str(client.make_url("/")).rstrip("/") + path, encoded=True)
    async with client.session.request(
        case["method"], url, data=body, headers=headers, skip_auto_headers=["Content-Type"], allow_redirects=False
    ) as response:
        text = await response.text()
        return response.status, response.headers, text


@pytest.mark.parametrize("group", sorted({case["name"].split("/")[0] for case in cases()}))
async def test_http(client: Client, headers_of: Callable[[str], dict[str, str]], group: str) -> None:
    """Status, `Allow` and body are as recorded, but for what `DIFFERENT` says."""
    problems = []

    for case in cases():
        if case["name"].split("/")[0] != group or reason(case):
            continue
        status, headers, text = await ask(client, headers_of, case)
        if status != case["status"]:
            problems.append(f"{case['name']}: expected {case['status']}, got {status}: {text[:300]}")
        elif "response" in case:
            found = Comparison().differences(case["response"], json.loads(text))
            problems += [f"{case['name']}: {problem}" for problem in found]
            if status == 405 and not set(headers["Allow"].split(", ")) <= set(case["allow"].split(", ")):
                problems.append(f"{case['name']}: Allow is {headers['Allow']}, expected {case['allow']}")

    assert not problems, "\n".join(problems)


async def test_differences(client: Client, headers_of: Callable[[str], dict[str, str]]) -> None:
    """What differs on purpose is never a crash nor a redirect, and a PUT without the slash is carried out."""
    statuses = {}

    for case in cases():
        if reason(case):
            statuses[case["name"]] = (await ask(client, headers_of, case))[0]

    refused = {"instance-noslash": 405, "list-noslash": 404, "instance": 405, "list": 405}
    special = {("instance-noslash", "PUT"): 200, ("instance", "FOO"): 400, ("list", "FOO"): 400}
    wanted = {}
    for name in statuses:
        place, method, _ = name.split("/")
        wanted[name] = special.get((place, method), refused[place])
    assert statuses == wanted
    assert len(statuses) == 36


async def test_put_without_slash_is_the_same(
    client: Client, database: Any, headers_of: Callable[[str], dict[str, str]]
) -> None:
    """A report is added once whether its path ends with a slash or not."""
    headers = headers_of("learner1")
    session_id = (await start(client, headers))["session_id"]

    await put(client, headers, session_id, {"time_spent_delta": 1})
    async with client.put(
        f"/api/logger/trackprogress/{session_id}", json={"time_spent_delta": 1}, headers=headers
    ) as response:
        pass

    assert response.status == 200
    assert (await database["content_session_logs"].find_one({"_id": session_id}))["time_spent"] == 2
