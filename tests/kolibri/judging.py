"""What a Kolibri's own database, answers and tables say, beside what this service makes of them."""

from __future__ import annotations

import csv
import gzip
import json
import shutil
import sqlite3
from collections import defaultdict
from collections.abc import Iterable, Mapping
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from aiohttp.test_utils import TestClient, TestServer

from docservice import DocService
from docservice.export import CsvWriter, write_export
from docservice.identity import TokenVerifier, issue_token
from docservice.rest import create_app
from docservice.rest.auth import bearer_identity
from tests.support.documents import collections_of

_SECRET = "a key for tests that is long enough for HS256"
_SUMMED = ("time_spent", "progress", "correct", "complete", "hinted", "closed")
_JSON = {"answer", "interaction_history", "mastery_criterion"}
Sums = dict[tuple[str, str | None], dict[str, float]]
"""Of each log table and learner: how many rows, and the sums of their numbers."""


@dataclass(frozen=True)
class Answer:
    """What Kolibri answered: who asked for what, and the body."""

    who: str
    path: str
    body: Any


@dataclass(frozen=True)
class Recorded:
    """What a real Kolibri said of a database.

    Attributes:
        answers: of its REST API.
        facilities: ids of those whose tables were exported.
        tables: by name, the header and the rows of all facilities, sorted.
    """

    answers: list[Answer]
    facilities: list[str]
    tables: dict[str, list[tuple[str, ...]]]


def unpacked_to(packed: Path, target: Path) -> Path:
    """A packed database as a plain file."""
    with gzip.open(packed) as source, target.open("wb") as sink:
        shutil.copyfileobj(source, sink)
    return target


def recorded(path: Path) -> Recorded:
    """A file of recorded answers and tables."""
    content = json.loads(gzip.decompress(path.read_bytes()))
    tables: dict[str, list[tuple[str, ...]]] = {}
    for name, rows in content["csv"].items():
        table = tables.setdefault(name.split()[1], [])
        table += [tuple(row) for row in rows]
    answers = [Answer(who, path, body) for who, path, status, body in content["answers"] if status == 200]
    facilities = sorted({name.split()[0] for name in content["csv"]})
    return Recorded(answers, facilities, {name: sorted(rows) for name, rows in tables.items()})


async def exported(service: DocService, table: Any, facilities: Iterable[str], folder: Path) -> list[tuple[str, ...]]:
    """The header and the rows of a table of several facilities, sorted."""
    found: list[tuple[str, ...]] = []
    for facility in facilities:
        path = folder / "rows.csv"
        await write_export(service, table, facility, path, CsvWriter)
        with path.open(encoding="utf-8-sig", newline="") as file:
            found += [tuple(row) for row in csv.reader(file)]
    return sorted(found)


async def replayed(service: DocService, judge: Recorded) -> dict[tuple[str, str], Any]:
    """Our answers to all that was asked of the Kolibri, by person and path."""
    app = create_app(service, identify=bearer_identity(TokenVerifier(secret=_SECRET)))
    found: dict[tuple[str, str], Any] = {}
    async with TestClient(TestServer(app)) as client:
        for answer in judge.answers:
            token = issue_token(_SECRET, answer.who, now=datetime.now(UTC), ttl_seconds=3600)
            async with client.get(answer.path, headers={"Authorization": f"Bearer {token}"}) as response:
                found[answer.who, answer.path] = await response.json()
                assert response.status == 200, (answer.path, found[answer.who, answer.path])
    return found


def differences(ours: Mapping[tuple[str, str], Any], judge: Recorded) -> dict[tuple[str, str], list[Any]]:
    """Our and the recorded answers that are not equal; rows of a list that have ids may come in any order."""
    pairs = {(answer.who, answer.path): [ours[answer.who, answer.path], answer.body] for answer in judge.answers}
    return {asked: _apart(*pair) for asked, pair in pairs.items() if _ordered(pair[0]) != _ordered(pair[1])}


def _apart(ours: Any, theirs: Any) -> list[Any]:
    """Two different bodies, without the rows that are equal in both."""
    one, other = _ordered(ours), _ordered(theirs)
    if isinstance(one, list) and isinstance(other, list):
        return [[row for row in one if row not in other], [row for row in other if row not in one]]
    return [one, other]


def _ordered(body: Any) -> Any:
    if isinstance(body, dict):
        return {name: _plain(name, value) if name in _JSON else _ordered(value) for name, value in body.items()}
    if isinstance(body, list) and all(isinstance(row, dict) and "id" in row for row in body):
        return sorted(map(_ordered, body), key=lambda row: row["id"])
    # A sum of floats differs in its last digits by the order of the additions.
    return round(body, 6) if isinstance(body, float) else body


def _plain(name: str, value: Any) -> Any:
    """The value of a JSON field: Kolibri shows the text of JSON in JSON as that text, and `{}` as a history."""
    inner = _value(value)
    if name == "interaction_history":
        return inner or []
    return inner if inner is None or isinstance(inner, (dict, list)) else value


async def everything(database: Any) -> dict[str, dict[Any, Any]]:
    """All documents by collection and id, without empty collections; views hold none of their own."""
    found = {
        name: {document["_id"]: document async for document in database[name].find()}
        for name in await collections_of(database)
    }
    return {name: documents for name, documents in found.items() if documents}


def sums_of_tables(path: Path) -> Sums:
    """What SQLite finds in the log tables."""
    found: Sums = defaultdict(lambda: defaultdict(float))
    with closing(sqlite3.connect(path)) as connection:
        connection.row_factory = sqlite3.Row
        for table in _LOG_TABLES:
            for row in connection.execute(f"SELECT * FROM logger_{table}"):
                _add(found[table, row["user_id"]], dict(row))
    return _rounded(found)


async def sums_of_documents(database: Any) -> Sums:
    """The same of the stored documents, attempts in buckets included."""
    found: Sums = defaultdict(lambda: defaultdict(float))
    async for summary in database.content_summary_logs.find():
        _add(found["contentsummarylog", summary["user_id"]], summary)
        for log in summary["mastery_logs"]:
            _add(found["masterylog", summary["user_id"]], log)
            for attempt in log["attempts"]:
                _add(found["attemptlog", summary["user_id"]], attempt)
    async for bucket in database.attempt_overflow.find():
        for attempt in bucket["attempts"]:
            _add(found["attemptlog", bucket.get("user_id")], attempt)
    async for session in database.content_session_logs.find():
        _add(found["contentsessionlog", session["user_id"]], session)
        for attempt in session.get("attempts", ()):
            _add(found["attemptlog", session["user_id"]], attempt)
    async for log in database.exam_logs.find():
        _add(found["examlog", log["user_id"]], log)
        for attempt in log["attempts"]:
            _add(found["examattemptlog", log["user_id"]], attempt)
    async for user_session in database.user_session_logs.find():
        _add(found["usersessionlog", user_session["user_id"]], user_session)
    return _rounded(found)


_LOG_TABLES = (
    "contentsummarylog",
    "masterylog",
    "attemptlog",
    "contentsessionlog",
    "examlog",
    "examattemptlog",
    "usersessionlog",
)


def _add(sums: dict[str, float], record: Mapping[str, Any]) -> None:
    sums["rows"] += 1
    for name in _SUMMED:
        if record.get(name) is not None:
            sums[name] += float(record[name])
    if "interaction_history" in record:
        history = _value(record["interaction_history"])
        sums["interactions"] += len(history)
    for name in ("completion_timestamp", "end_timestamp", "last_interaction_timestamp"):
        sums[name] += record.get(name) is not None


def _value(stored: Any) -> Any:
    """A JSON value, from a column too, where old Kolibris wrote the text of JSON as JSON."""
    try:
        while isinstance(stored, str):
            stored = json.loads(stored)
    except ValueError:
        return stored
    return stored


def _rounded(sums: Sums) -> Sums:
    return {key: {name: round(value, 6) for name, value in found.items()} for key, found in sums.items()}
