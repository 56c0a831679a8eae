"""Which requests are refused, and in which words: cases asked from a real Kolibri, one by one.

A case has a `body` (JSON value with the placeholders of `replaying`), or `raw` text, `raw_b64` bytes or a
`raw_template`; `content_type` if it is not JSON (empty: no header), `actor` if it is not learner1. Every update meets a
session of its own, of learner1 at an exercise with m_of_n 3 of 5; `before` is a report sent first, whose attempt
is `$attempt`.
"""

from __future__ import annotations

import asyncio
import base64
import itertools
import json
from collections.abc import Awaitable, Callable, Collection, Mapping
from fnmatch import fnmatchcase
from io import BytesIO
from typing import Any

import pytest
from aiohttp.test_utils import TestClient

from .replaying import DATA, Comparison, filled

OWN_WORDS = (
    (200, "body/3MB", 413, "a body over the limit is refused with the limit; the real server takes any size"),
    (400, "body/3MB", 413, "a body over the limit is refused with the limit; the real server takes any size"),
    (400, "form-urlenc/3MB", 413, "a body over the limit is refused with the limit"),
    (
        200,
        "type/*/raw1e400",
        400,
        "infinite numbers are refused: no JSON has them, and the real server crashes later",
    ),
    (200, "type/*/strInfinity", 400, "infinite numbers are refused"),
    (200, "extra/1e400", 400, "infinite numbers are refused"),
    (200, "extra/-1e400", 400, "infinite numbers are refused"),
    (
        200,
        "extra/surr",
        400,
        "half a surrogate pair is refused: UTF-8 cannot write it, and the real server crashes later",
    ),
    (200, "extra/surrkey", 400, "half a surrogate pair is refused"),
    (200, "extra/nulkey", 400, "a key with a NUL is refused: BSON ends a key there"),
    (200, "i-answer/nulkey", 400, "a key with a NUL is refused"),
    (
        200,
        "deep/[ae]*/*[1-9][0-9]0",
        400,
        "more than 93 levels are refused: BSON has 100, and an answer lies seven levels down",
    ),
    (400, "content-type/multipart/form-data*", 400, "a form that does not fit its boundary is refused in other words"),
    (200, "content-type/multipart/form-data*", 400, "a form that does not fit its boundary is refused"),
    (400, "content-type-empty-body/multipart/form-data*", 400, "a form without a boundary is refused in other words"),
    (200, "content-type-empty-body/multipart/form-data*", 400, "a form without a boundary is refused"),
    (400, "form-multipart/unterminated", 400, "a form that is cut off is refused; the real server reads what is there"),
    (400, "form-multipart/no-boundary-inside", 400, "a form that does not fit its boundary is refused in other words"),
    (400, "form-multipart/file", 400, "files are ignored; the real server takes a file's name for the value"),
    (200, "form-*/inter-brackets", 400, "a form without answer keys has no answer; the real server makes it {}"),
    (200, "form-*/inter-brackets-dotanswer", 200, "answer keys of a form are taken; the real server drops them"),
    (500, "model*/*m_of_n*", 200, "m_of_n without a usable n shows the usual ten past attempts"),
    (500, "model/no-n", 200, "m_of_n without a usable n shows the usual ten past attempts"),
    (500, "model/only-type", 200, "m_of_n without a usable n shows the usual ten past attempts"),
    (500, "i-replace/two-before", 200, "a replace that fits several attempts means the latest"),
)
"""What differs here on purpose: recorded status, cases, our status, reason. All other crashes (500) are 4xx here."""

NUMBERS = itertools.count(1)


def recorded(file: str) -> list[dict[str, Any]]:
    """The cases of a file."""
    cases: list[dict[str, Any]] = json.loads((DATA / "vectors" / file).read_text(encoding="utf-8"))["cases"]
    return cases


def own_statuses(case: Mapping[str, Any]) -> Collection[int] | None:
    """The statuses that are right here for a case that differs on purpose; None for one that does not."""
    for status, pattern, own, _ in OWN_WORDS:
        if case["status"] == status and fnmatchcase(case["name"], pattern):
            return {own}
    return range(400, 500) if case["status"] == 500 else None


def exercise(number: int) -> dict[str, Any]:
    """A request to start an exercise of its own."""
    return {
        "node_id": f"{number:032x}",
        "content_id": f"{number:032x}",
        "channel_id": f"{1:032x}",
        "kind": "exercise",
        "mastery_model": {"type": "m_of_n", "m": 3, "n": 5},
    }


class Asker:
    """Sends cases and says what came out differently."""

    def __init__(
        self, client: TestClient[Any, Any], headers_of: Callable[[str], dict[str, str]], names: dict[str, Any]
    ) -> None:
        self._client = client
        self._headers_of = headers_of
        self._names = names

    async def send(self, method: str, path: str, case: Mapping[str, Any], names: Mapping[str, Any]) -> tuple[int, Any]:
        """Status and body of the answer to a case."""
        headers = self._headers_of(case.get("actor", "learner1"))
        content_type = case.get("content_type", "application/json")
        if content_type:
            headers["Content-Type"] = content_type
        async with self._client.request(
            method, path, data=BytesIO(body_of(case, names)), headers=headers, skip_auto_headers=["Content-Type"]
        ) as response:
            text = await response.text()
            return response.status, json.loads(text) if text else None

    async def starts(self, cases: list[dict[str, Any]]) -> list[str]:
        """What comes out differently when the cases start sessions."""

        async def start(case: dict[str, Any]) -> list[str]:
            names = {**self._names, "node": f"{1:032x}", "channel": f"{2:032x}", "content": f"{next(NUMBERS):032x}"}
            status, answer = await self.send("POST", "/api/logger/trackprogress/", case, names)
            return judged(case, status, answer, names)

        return await self._several_at_once(start, cases)

    async def session(self, actor: str = "learner1") -> str:
        """The path of a new session at an exercise."""
        status, started = await self.send(
            "POST", "/api/logger/trackprogress/", {"body": exercise(next(NUMBERS)), "actor": actor}, {}
        )
        assert status == 200, started
        return f"/api/logger/trackprogress/{started['session_id']}/"

    async def attempt(self, path: str, actor: str = "learner1", body: Any = None) -> str:
        """The id of a first attempt in a session."""
        answered = {"interactions": [{"item": "a", "correct": 1, "time_spent": 1, "answer": {}}]}
        status, updated = await self.send("PUT", path, {"body": body or answered, "actor": actor}, {})
        assert status == 200, updated
        return str(updated["attempts"][0]["id"])

    async def updates(self, cases: list[dict[str, Any]]) -> list[str]:
        """What comes out differently when the cases update sessions."""
        names = dict(self._names)
        names["other_attempt"] = await self.attempt(await self.session("learner2"), "learner2")
        names["other_content_attempt"] = await self.attempt(await self.session())

        async def update(case: dict[str, Any]) -> list[str]:
            path = await self.session()
            known = names
            if "before" in case:
                known = {**names, "attempt": await self.attempt(path, body=case["before"])}
            status, answer = await self.send("PUT", path, case, known)
            return judged(case, status, answer, known)

        return await self._several_at_once(update, cases)

    @staticmethod
    async def _several_at_once(
        ask: Callable[[dict[str, Any]], Awaitable[list[str]]], cases: list[dict[str, Any]]
    ) -> list[str]:
        """The problems of all cases in their order; each has a session of its own, so none waits for another."""
        free = asyncio.Semaphore(16)

        async def one(case: dict[str, Any]) -> list[str]:
            async with free:
                return await ask(case)

        return [problem for problems in await asyncio.gather(*map(one, cases)) for problem in problems]


def body_of(case: Mapping[str, Any], names: Mapping[str, Any]) -> bytes:
    """The bytes that a case sends."""
    if "raw_b64" in case:
        return base64.b64decode(case["raw_b64"])
    if "raw_template" in case:
        return str(case["raw_template"]).replace("${x*3000000}", "x" * 3_000_000).encode()
    if "raw" in case:
        return str(case["raw"]).encode()
    return json.dumps(filled(case["body"], names)).encode()


def judged(case: Mapping[str, Any], status: int, answer: Any, names: Mapping[str, Any]) -> list[str]:
    """What is wrong with the answer to a case."""
    own = own_statuses(case)
    different = Comparison(names).differences(case["response"], answer) if "response" in case else []
    if own is None:
        if status != case["status"]:
            return [f"{case['name']}: expected {case['status']}, got {status}: {answer}"]
        return [f"{case['name']}: {found}" for found in different]
    if status not in own:
        return [f"{case['name']}: expected {own}, got {status}: {answer}"]
    if status == case["status"] and "response" in case and not different:
        return [f"{case['name']}: nothing differs here"]
    return []


async def test_start(
    shared_client: TestClient[Any, Any],
    headers_of: Callable[[str], dict[str, str]],
    recorded_directory: dict[str, Any],
) -> None:
    """A start is taken or refused as recorded, but for what `OWN_WORDS` says."""
    asker = Asker(shared_client, headers_of, recorded_directory["ids"])

    problems = await asker.starts(recorded("start-validation.json"))

    assert not problems, "\n".join(problems)


@pytest.mark.slow
async def test_update(
    shared_client: TestClient[Any, Any],
    headers_of: Callable[[str], dict[str, str]],
    recorded_directory: dict[str, Any],
) -> None:
    """A report is taken or refused as recorded, but for what `OWN_WORDS` says."""
    asker = Asker(shared_client, headers_of, recorded_directory["ids"])

    problems = await asker.updates(recorded("update-validation.json"))

    assert not problems, "\n".join(problems)


@pytest.mark.parametrize("row", OWN_WORDS, ids=lambda row: f"{row[0]}-{row[1]}")
def test_each_difference_has_a_case(row: tuple[int, str, int, str]) -> None:
    """The table of differences speaks of recorded cases only."""
    names = [
        case["name"]
        for file in ("start-validation.json", "update-validation.json")
        for case in recorded(file)
        if case["status"] == row[0]
    ]

    assert any(fnmatchcase(name, row[1]) for name in names)


async def test_form_leaves_extra_fields(
    shared_client: TestClient[Any, Any], shared_database: Any, headers_of: Callable[[str], dict[str, str]]
) -> None:
    """A report sent as a form, which cannot hold all of them, leaves the extra fields; the real server empties them."""
    asker = Asker(shared_client, headers_of, {})
    path = await asker.session()
    await asker.send("PUT", path, {"body": {"extra_fields": {"a": 1}}}, {})

    status, _ = await asker.send(
        "PUT", path, {"raw": "time_spent_delta=2", "content_type": "application/x-www-form-urlencoded"}, {}
    )

    session = await shared_database["content_session_logs"].find_one({"_id": path.split("/")[-2]})
    summary = await shared_database["content_summary_logs"].find_one({"content_id": session["content_id"]})
    assert status == 200
    assert (summary["extra_fields"], summary["time_spent"]) == ({"a": 1}, 2)
