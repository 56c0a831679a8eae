"""Exams as front ends of Kolibri up to 0.14 write them: `examlog/` and `examattemptlog/`."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from docservice import ChangeExamLog, DocService, Principal, SaveExamLog
from docservice.domain.values.ids import record_id
from docservice.errors import NotSignedIn
from docservice.store.logs import exam_logs
from docservice.store.mapping.counters import attempt_size
from docservice.store.mapping.json_codec import from_bson

from .asking import Client, everything

EXAM_LOGS = "/api/logger/examlog/"
ATTEMPTS = "/api/logger/examattemptlog/"
UNKNOWN = "0123456789abcdef0123456789abcdef"

HeadersOf = Callable[[str], dict[str, str]]
Ids = dict[str, str]


@pytest.fixture
def ids(recorded_directory: dict[str, Any]) -> Ids:
    """The ids of the recorded directory by name."""
    found: Ids = recorded_directory["ids"]
    return found


async def send(client: Client, method: str, path: str, headers: dict[str, str], body: Any) -> tuple[int, Any]:
    """Send a request; status and answer."""
    async with client.request(method, path, json=body, headers=headers) as response:
        return response.status, await response.json()


async def begin(client: Client, headers: dict[str, str], ids: Ids, learner: str = "learner1") -> str:
    """The id of a new exam log."""
    body = {"exam": ids["quiz01"], "user": ids[learner]}
    status, log = await send(client, "POST", EXAM_LOGS, headers, body)
    assert status == 201, log
    return str(log["id"])


def attempt_body(examlog: str, user: str, item: str = "q1", **fields: Any) -> dict[str, Any]:
    """A right answer to a question of an exam."""
    return {
        "examlog": examlog,
        "user": user,
        "item": item,
        "content_id": "f" * 32,
        "start_timestamp": "2024-09-02T05:00:00.123Z",
        "end_timestamp": "2024-09-02 05:01:00.456789(Africa/Nairobi)",
        "time_spent": 59.9,
        "correct": 1,
        "answer": {"a.b": {"$c": 2**70}},
        "simple_answer": "7",
        "interaction_history": [{"type": "answer", "correct": 1}],
        **fields,
    }


async def test_begin(client: Client, database: Any, headers_of: HeadersOf, ids: Ids) -> None:
    """A new exam log has the computed id, the facility's partition and Morango's fields, and is answered as a row."""
    body = {"exam": ids["quiz01"], "user": ids["learner1"], "unknown": 1}

    status, row = await send(client, "POST", EXAM_LOGS, headers_of("learner1"), body)

    source_id = f"{ids['quiz01']}:{ids['learner1']}"
    document = await database["exam_logs"].find_one({})
    assert status == 201
    assert row == {
        "id": record_id(ids["dataset"], source_id, "examlog"),
        "exam": ids["quiz01"],
        "user": ids["learner1"],
        "closed": False,
        "progress": 0,
        "score": None,
        "completion_timestamp": None,
    }
    assert document == {
        "_id": row["id"],
        "dataset_id": ids["dataset"],
        "user_id": ids["learner1"],
        "exam_id": ids["quiz01"],
        "closed": False,
        "completion_timestamp": None,
        "_morango_source_id": source_id,
        "_morango_partition": ids["dataset"],
        "_morango_dirty_bit": True,
        "attempts": [],
        "attempt_count": 0,
        "attempt_bytes": 0,
        "has_dirty": True,
        "schema_version": 1,
    }


async def test_begin_again(client: Client, database: Any, headers_of: HeadersOf, ids: Ids) -> None:
    """An exam that was begun before keeps its one log as it is, also when requests race."""
    headers = headers_of("learner1")
    body = {"exam": ids["quiz01"], "user": ids["learner1"]}

    answers = await asyncio.gather(*(send(client, "POST", EXAM_LOGS, headers, body) for _ in range(8)))
    log_id = answers[0][1]["id"]
    await send(client, "PATCH", f"{EXAM_LOGS}{log_id}/", headers, {"closed": True})
    status, row = await send(client, "POST", EXAM_LOGS, headers, body)

    assert sorted(status for status, _ in answers) == [*[200] * 7, 201]
    assert {row["id"] for _, row in answers} == {log_id}
    assert (status, row["id"], row["closed"]) == (200, log_id, True)
    assert await database["exam_logs"].count_documents({}) == 1


async def test_hand_in(client: Client, database: Any, headers_of: HeadersOf, ids: Ids) -> None:
    """Closing sets the time of completion, which the answer shows and the document holds."""
    log_id = await begin(client, headers_of("learner1"), ids)
    before = datetime.now(UTC)

    status, row = await send(client, "PATCH", f"{EXAM_LOGS}{log_id}/", headers_of("learner1"), {"closed": "true"})

    document = await database["exam_logs"].find_one({})
    assert (status, row["closed"]) == (200, True)
    assert datetime.fromisoformat(row["completion_timestamp"]) == document["completion_timestamp"]
    assert abs((document["completion_timestamp"] - before).total_seconds()) < 60


async def test_attempts(client: Client, database: Any, headers_of: HeadersOf, ids: Ids) -> None:
    """Attempts are embedded with their own Morango fields, come back equal, and count in the log's row."""
    headers = headers_of("learner1")
    log_id = await begin(client, headers, ids)
    first = attempt_body(log_id, ids["learner1"])
    second = attempt_body(log_id, ids["learner1"], "q2", correct=0.5, answer=None)

    answers = [await send(client, "POST", ATTEMPTS, headers, body) for body in (first, second)]
    _, row = await send(client, "PATCH", f"{EXAM_LOGS}{log_id}/", headers, {})

    document = await database["exam_logs"].find_one({})
    stored = document["attempts"][0]
    assert [status for status, _ in answers] == [201, 201]
    assert answers[0][1] == {
        **first,
        "id": record_id(ids["dataset"], stored["_morango_source_id"], "examattemptlog"),
        "end_timestamp": "2024-09-02T05:01:00.456000Z",
        "start_timestamp": "2024-09-02T05:00:00.123000Z",
        "completion_timestamp": None,
        "complete": False,
        "hinted": False,
        "error": False,
    }
    assert answers[1][1]["answer"] is None
    assert from_bson(stored["answer"]) == first["answer"]
    assert stored["_morango_dirty_bit"] is True
    assert "examlog_id" not in stored
    assert "user_id" not in stored
    assert (document["attempt_count"], len(document["attempts"])) == (2, 2)
    assert (row["progress"], row["score"]) == (2, 1.5)


async def test_change_attempt(client: Client, database: Any, headers_of: HeadersOf, ids: Ids) -> None:
    """A change writes the fields that were sent, keeps the others, and marks the attempt for sync."""
    headers = headers_of("learner1")
    log_id = await begin(client, headers, ids)
    bodies = [attempt_body(log_id, ids["learner1"], item) for item in ("q1", "q2")]
    rows = [(await send(client, "POST", ATTEMPTS, headers, body))[1] for body in bodies]
    await database["exam_logs"].update_one({}, {"$set": {"attempts.1._morango_dirty_bit": False, "has_dirty": False}})
    change = {"complete": True, "completion_timestamp": "2024-09-02T05:02:00Z", "answer": {"x": "y" * 1000}}

    status, row = await send(client, "PATCH", f"{ATTEMPTS}{rows[1]['id']}/", headers, change)

    document = await database["exam_logs"].find_one({})
    assert status == 200
    assert row == {**rows[1], **change}
    assert document["attempts"][1]["_morango_dirty_bit"] is True
    assert document["has_dirty"] is True
    assert document["attempts"][0]["id"] == rows[0]["id"]
    assert document["attempt_bytes"] == sum(attempt_size(attempt) for attempt in document["attempts"])


async def test_attempts_at_once(client: Client, database: Any, headers_of: HeadersOf, ids: Ids) -> None:
    """Attempts that come at once are all kept and counted."""
    headers = headers_of("learner1")
    log_id = await begin(client, headers, ids)
    bodies = [attempt_body(log_id, ids["learner1"], f"q{number}") for number in range(20)]

    answers = await asyncio.gather(*(send(client, "POST", ATTEMPTS, headers, body) for body in bodies))

    document = await database["exam_logs"].find_one({})
    assert {status for status, _ in answers} == {201}
    assert (len(document["attempts"]), document["attempt_count"]) == (20, 20)


async def test_attempt_twice_under_a_key(client: Client, database: Any, headers_of: HeadersOf, ids: Ids) -> None:
    """The same attempt under the same key is answered as before and added once; another one is refused."""
    headers = headers_of("learner1")
    log_id = await begin(client, headers, ids)
    keyed = {**headers, "Idempotency-Key": "a key"}
    body = attempt_body(log_id, ids["learner1"])

    first = await send(client, "POST", ATTEMPTS, keyed, body)
    second = await send(client, "POST", ATTEMPTS, keyed, body)
    other, _ = await send(client, "POST", ATTEMPTS, keyed, {**body, "end_timestamp": "2024-09-02T05:03:00Z"})

    assert first == second
    assert (first[0], other) == (201, 422)
    assert (await database["exam_logs"].find_one({}))["attempt_count"] == 1


async def test_exam_log_twice_under_a_key(client: Client, headers_of: HeadersOf, ids: Ids) -> None:
    """A retry under the key is answered 201 like the first request, though the log is there by then."""
    keyed = {**headers_of("learner1"), "Idempotency-Key": "a key"}
    body = {"exam": ids["quiz01"], "user": ids["learner1"]}

    answers = [await send(client, "POST", EXAM_LOGS, keyed, body) for _ in range(2)]

    assert answers[0][0] == 201
    assert answers[0] == answers[1]


@pytest.mark.parametrize(
    ("actor", "status"),
    [
        ("learner1", 201),
        ("admin", 201),
        ("superuser", 201),
        ("learner2", 403),
        ("coach1", 403),
        ("facilitycoach", 403),
        ("other_admin", 403),
        ("anon", 403),
    ],
)
async def test_who_may_write(
    client: Client, database: Any, headers_of: HeadersOf, ids: Ids, actor: str, status: int
) -> None:
    """Exam logs and attempts are written by their learner, an admin of the facility or a superuser only."""
    body = {"exam": ids["quiz02"], "user": ids["learner1"]}
    own = headers_of("learner1")
    log_id = await begin(client, own, ids)
    attempt = attempt_body(log_id, ids["learner1"])
    _, kept = await send(client, "POST", ATTEMPTS, own, attempt)
    before = await everything(database)
    headers = headers_of(actor)

    answers = [
        await send(client, "POST", EXAM_LOGS, headers, body),
        await send(client, "PATCH", f"{EXAM_LOGS}{log_id}/", headers, {"closed": True}),
        await send(client, "POST", ATTEMPTS, headers, attempt),
        await send(client, "PATCH", f"{ATTEMPTS}{kept['id']}/", headers, {"complete": True}),
    ]

    changing = 200 if status == 201 else status
    assert [answer[0] for answer in answers] == [status, changing, status, changing]
    if status == 403:
        error = "NOT_AUTHENTICATED" if actor == "anon" else "PERMISSION_DENIED"
        assert [answer[1][0]["id"] for answer in answers] == [error] * 4
        assert await everything(database) == before


async def test_unknown_references(client: Client, headers_of: HeadersOf, ids: Ids) -> None:
    """An exam, learner or exam log that is not there is a field error; an unknown id in the path is a 404."""
    headers = headers_of("admin")
    log_id = await begin(client, headers, ids)

    status, errors = await send(client, "POST", EXAM_LOGS, headers, {"exam": UNKNOWN, "user": UNKNOWN})
    attempt = await send(client, "POST", ATTEMPTS, headers, attempt_body(UNKNOWN, UNKNOWN))
    mixed = await send(client, "POST", ATTEMPTS, headers, attempt_body(log_id, ids["learner2"]))
    changes = [await send(client, "PATCH", f"{path}{UNKNOWN}/", headers, {}) for path in (EXAM_LOGS, ATTEMPTS)]
    nonsense = await send(client, "PATCH", f"{EXAM_LOGS}nonsense/", headers, {})

    assert status == 400
    assert [(error["id"], error["metadata"]["field"]) for error in errors] == [
        ("DOES_NOT_EXIST", "exam"),
        ("DOES_NOT_EXIST", "user"),
    ]
    assert attempt[0] == 400
    assert [error["metadata"]["field"] for error in attempt[1]] == ["examlog", "user"]
    assert mixed == (
        400,
        [
            {
                "id": "INVALID",
                "metadata": {
                    "field": "non_field_errors",
                    "message": "User field and user for related exam log are not the same",
                },
            }
        ],
    )
    assert [status for status, _ in (*changes, nonsense)] == [404] * 3
    assert changes[0][1] == [{"id": "NOT_FOUND", "metadata": {"view": "Exam Log Instance"}}]


async def test_missing_fields(client: Client, headers_of: HeadersOf) -> None:
    """A body without the required fields names each of them."""
    headers = headers_of("learner1")

    log = await send(client, "POST", EXAM_LOGS, headers, {})
    attempt = await send(client, "POST", ATTEMPTS, headers, {})

    assert [error["metadata"]["field"] for error in log[1]] == ["exam", "user"]
    assert {error["id"] for error in (*log[1], *attempt[1])} == {"REQUIRED"}
    assert [error["metadata"]["field"] for error in attempt[1]] == [
        "examlog",
        "user",
        "item",
        "content_id",
        "start_timestamp",
        "end_timestamp",
        "correct",
    ]


async def test_unstorable_answer(client: Client, database: Any, headers_of: HeadersOf, ids: Ids) -> None:
    """An answer that no document can hold is refused with its field, and nothing is written."""
    headers = headers_of("learner1")
    log_id = await begin(client, headers, ids)
    before = await everything(database)
    body = attempt_body(log_id, ids["learner1"], answer={"a\x00b": 1})

    status, errors = await send(client, "POST", ATTEMPTS, headers, body)

    assert (status, errors[0]["metadata"]["field"]) == (400, "answer")
    assert await everything(database) == before


@pytest.fixture
async def full_log(client: Client, database: Any, headers_of: HeadersOf, ids: Ids) -> str:
    """An exam log that has all the attempts it takes."""
    log_id = await begin(client, headers_of("learner1"), ids)
    body = attempt_body(log_id, ids["learner1"])
    await send(client, "POST", ATTEMPTS, headers_of("learner1"), body)
    limit = exam_logs.MAX_EXAM_ATTEMPTS
    attempt = (await database["exam_logs"].find_one({}))["attempts"][0]
    attempts = [attempt, *({**attempt, "id": f"{number:032x}"} for number in range(limit - 1))]
    setting = {"attempts": attempts, "attempt_count": limit, "attempt_bytes": limit * attempt_size(attempt)}
    await database["exam_logs"].update_one({}, {"$set": setting})
    return log_id


async def test_too_many_attempts(client: Client, database: Any, headers_of: HeadersOf, ids: Ids, full_log: str) -> None:
    """A full exam log takes no more attempts, but those that are there can be changed."""
    headers = headers_of("learner1")
    body = attempt_body(full_log, ids["learner1"])

    status, error = await send(client, "POST", ATTEMPTS, headers, body)
    changed, _ = await send(client, "PATCH", f"{ATTEMPTS}{1:032x}/", headers, {"complete": True})

    assert (status, error) == (413, {"detail": "An exam log takes 1000 attempts, and this one has them."})
    assert changed == 200
    assert len((await database["exam_logs"].find_one({}))["attempts"]) == exam_logs.MAX_EXAM_ATTEMPTS


async def test_too_many_bytes(client: Client, database: Any, headers_of: HeadersOf, ids: Ids) -> None:
    """Attempts take 8 MiB at most, whether one is added or grows; nothing is half-written."""
    headers = headers_of("learner1")
    log_id = await begin(client, headers, ids)
    large = attempt_body(log_id, ids["learner1"], answer={"text": "x" * 1_000_000})
    rows = [await send(client, "POST", ATTEMPTS, headers, large) for _ in range(8)]
    _, small = await send(client, "POST", ATTEMPTS, headers, attempt_body(log_id, ids["learner1"]))

    added = await send(client, "POST", ATTEMPTS, headers, large)
    grown = await send(client, "PATCH", f"{ATTEMPTS}{small['id']}/", headers, {"answer": large["answer"]})

    assert [status for status, _ in rows] == [201] * 8
    assert (added[0], grown[0]) == (413, 413)
    assert (await database["exam_logs"].find_one({}))["attempt_count"] == 9


async def test_library(service: DocService, database: Any, ids: Ids) -> None:
    """A program writes exam logs without HTTP, and loads the past under another clock."""
    past = datetime(2020, 1, 2, 3, 4, 5, tzinfo=UTC)
    learner = Principal(ids["learner1"])
    asked = SaveExamLog(exam=ids["quiz01"], user=ids["learner1"])

    saved = await service.acting_as(learner).save_exam_log(asked)
    row = (
        await service.with_clock(lambda: past)
        .acting_as(learner)
        .change_exam_log(saved.log.id, ChangeExamLog(closed=True))
    )

    assert saved.created
    assert row.completion_timestamp == "2020-01-02T03:04:05Z"
    assert (await database["exam_logs"].find_one({}))["completion_timestamp"] == past
    with pytest.raises(NotSignedIn):
        await service.acting_as(Principal()).save_exam_log(asked)


@pytest.mark.usefixtures("service")
async def test_queries_use_their_indexes(database: Any) -> None:
    """A log is found by partition and id, an attempt by its id, each by an index."""
    queries: list[dict[str, Any]] = [{"_id": UNKNOWN, "_morango_partition": UNKNOWN}, {"attempts.id": UNKNOWN}]

    plans = [await database["exam_logs"].find(query).explain() for query in queries]

    assert not [plan for plan in plans if "COLLSCAN" in str(plan["queryPlanner"]["winningPlan"])]
