"""Answers and extra fields come back equal, whatever JSON they hold, and are in the database as they are."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from bson.decimal128 import Decimal128
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from docservice import DocService, Principal, StartSession, UpdateSession
from docservice.errors import DocumentTooLarge

from .asking import M_OF_N, TRACK, Client, everything, interaction, put, start, start_body

pytestmark = pytest.mark.shared_service

ODD_KEYS = [
    "",
    ".",
    "a.b",
    "$",
    "$set",
    "$ref",
    "$id",
    "$db",
    "＄ref",
    "＄＄id",
    "_id",
    "__proto__",
    "0",
    "é😀",
    "\n",
    " ",
]
keys = st.one_of(st.sampled_from(ODD_KEYS), st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"])))
integers = st.one_of(st.integers(), st.integers(1, 4000).map(lambda digits: -(10**digits) + 7))
scalars = st.one_of(
    st.none(),
    st.booleans(),
    integers,
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(st.characters(exclude_categories=["Cs"])),
)
values = st.recursive(
    scalars,
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(keys, inner, max_size=4)),
    max_leaves=12,
)
objects = st.dictionaries(keys, values, max_size=5)


def nested(levels: int) -> dict[str, Any]:
    """An object of so many levels, alternately objects and lists."""
    value: Any = {}
    for level in range(levels - 1):
        value = [value] if level % 2 else {"a": value}
    return value if isinstance(value, dict) else {"a": value[0]}


def same(one: Any, other: Any) -> bool:
    """Whether two JSON values are equal to the last digit, types, order of keys and zeros' signs included."""
    return json.dumps(one) == json.dumps(other)


@pytest.mark.slow
async def test_any_json_comes_back(client: Client, headers_of: Callable[[str], dict[str, str]]) -> None:
    """What a report sends, the next start answers: extra fields, the answer and its integers, equal in every digit."""
    headers = headers_of("learner1")

    @settings(max_examples=60, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(objects, objects)
    def gather(extra_fields: dict[str, Any], answer: dict[str, Any]) -> None:
        collected.append((extra_fields, answer))

    collected: list[tuple[dict[str, Any], dict[str, Any]]] = []
    gather()
    collected.append((nested(90), nested(90)))
    content = start_body()["content_id"]
    for extra_fields, answer in collected:
        started = await start(client, headers, content, mastery_model=M_OF_N, repeat=True)
        status, updated = await put(
            client,
            headers,
            started["session_id"],
            {"extra_fields": extra_fields, "interactions": [interaction(answer=answer)], "progress": 1},
        )
        assert status == 200, (extra_fields, answer, updated)
        again = await start(client, headers, content, mastery_model=M_OF_N)

        assert same(updated["attempts"][0]["answer"], answer)
        assert same(again["extra_fields"], extra_fields)
        assert same(again["pastattempts"][0]["answer"], answer)


async def test_json_is_native_in_the_database(
    client: Client, database: Any, headers_of: Callable[[str], dict[str, str]]
) -> None:
    """A person at the Mongo shell finds an answer as the object that was sent, and can ask for what is inside it."""
    answer = {"choices": ["7/12"], "a.b": {"$set": 1}, "": None, "deep": {"n": 2**53 + 1}, "big": 10**20, "f": 0.1}
    headers = headers_of("learner1")
    session_id = (await start(client, headers, mastery_model=M_OF_N))["session_id"]

    await put(client, headers, session_id, {"interactions": [interaction(answer=answer)], "extra_fields": answer})

    found = await database["content_summary_logs"].find_one({"mastery_logs.attempts.answer.choices": "7/12"})
    attempt = found["mastery_logs"][0]["attempts"][0]
    expected = {**answer, "big": Decimal128("100000000000000000000")}
    assert attempt["answer"] == expected
    assert attempt["interaction_history"] == [{"type": "answer", "answer": expected, "correct": 1.0}]
    assert found["extra_fields"] == expected
    assert await database["content_summary_logs"].count_documents({"extra_fields.deep.n": 2**53 + 1}) == 1
    assert await database["content_summary_logs"].count_documents({"extra_fields.big": {"$gt": 10**18}}) == 1


@pytest.mark.parametrize("levels", [1, 2, 92, 93])
async def test_deepest_that_fits(client: Client, headers_of: Callable[[str], dict[str, str]], levels: int) -> None:
    """Objects of up to 93 levels are stored in every place that holds JSON, and read again."""
    headers = headers_of("learner1")
    content = start_body()["content_id"]
    session_id = (await start(client, headers, content, mastery_model=M_OF_N))["session_id"]
    value = nested(levels)

    status, _ = await put(
        client, headers, session_id, {"interactions": [interaction(answer=value)], "extra_fields": value}
    )
    again = await start(client, headers, content, mastery_model=M_OF_N)

    assert status == 200
    assert again["extra_fields"] == again["pastattempts"][0]["answer"] == value


UNSTORABLE = {
    "nul key": (b'{"a\\u0000b": 1}', "NUL"),
    "nul key inside": (b'{"a": [{"\\u0000": 1}]}', "NUL"),
    "surrogate": (b'{"a": "\\ud800"}', "surrogate"),
    "surrogate key": (b'{"\\udfff": 1}', "surrogate"),
    "infinite": (b'{"a": 1e999}', "finite"),
    "minus infinite": (b'{"a": [[-1e999]]}', "finite"),
    "94 levels": (json.dumps(nested(94)).encode(), "93 levels"),
    "94 lists": (b'{"a": ' + b"[" * 93 + b"]" * 93 + b"}", "93 levels"),
}


@pytest.mark.parametrize("actor", ["learner1", "anon"])
@pytest.mark.parametrize(
    ("template", "field"),
    [
        (b'{"progress": 0.5, "time_spent_delta": 3, "extra_fields": %s}', "extra_fields"),
        (
            b'{"progress": 0.5, "interactions": [{"item": "a", "correct": 1, "time_spent": 1, "answer": {}},'
            b' {"item": "b", "correct": 1, "time_spent": 1, "answer": %s}]}',
            "interactions.answer",
        ),
    ],
    ids=["extra_fields", "answer"],
)
async def test_unstorable_value(
    client: Client,
    database: Any,
    headers_of: Callable[[str], dict[str, str]],
    actor: str,
    template: bytes,
    field: str,
) -> None:
    """A value that no document can hold is refused with the field and the limit, and nothing at all is written."""
    headers = {**headers_of(actor), "Content-Type": "application/json"}
    session_id = (await start(client, headers_of(actor), mastery_model=M_OF_N))["session_id"]
    before = await everything(database)
    answers = {}

    for case, (value, _) in UNSTORABLE.items():
        async with client.put(f"{TRACK}{session_id}/", data=template % value, headers=headers) as response:
            answers[case] = (response.status, await response.json())

    for case, (status, body) in answers.items():
        assert status == 400, case
        assert [(error["id"], error["metadata"]["field"]) for error in body] == [("INVALID", field)], case
        assert UNSTORABLE[case][1] in body[0]["metadata"]["message"], case
    assert await everything(database) == before


@pytest.mark.parametrize("constant", [b"NaN", b"Infinity", b"-Infinity", b"1" * 4301])
async def test_no_json_number(
    client: Client, database: Any, headers_of: Callable[[str], dict[str, str]], constant: bytes
) -> None:
    """What is not a JSON number, or longer than the parser reads, is malformed JSON; nothing is written."""
    headers = {**headers_of("learner1"), "Content-Type": "application/json"}
    session_id = (await start(client, headers_of("learner1")))["session_id"]
    before = await everything(database)

    async with client.put(
        f"{TRACK}{session_id}/", data=b'{"extra_fields": {"a": %s}}' % constant, headers=headers
    ) as response:
        body = await response.json()

    assert response.status == 400
    assert body["detail"].startswith("JSON parse error - ")
    assert await everything(database) == before


async def test_sums_stay_finite(client: Client, database: Any, headers_of: Callable[[str], dict[str, str]]) -> None:
    """A report whose sum would pass the largest number is refused, and nothing is written."""
    headers = headers_of("learner1")
    session_id = (await start(client, headers, mastery_model=M_OF_N))["session_id"]
    first, _ = await put(client, headers, session_id, {"time_spent_delta": 1.7e308})
    before = await everything(database)

    second, body = await put(client, headers, session_id, {"time_spent_delta": 1.7e308})

    assert (first, second) == (200, 400)
    assert body[0]["metadata"]["field"] == "time_spent_delta"
    assert await everything(database) == before


async def test_too_large_for_a_document(service: DocService, database: Any, recorded_directory: dict[str, Any]) -> None:
    """A program that sends more than a document holds is told so, and nothing is written."""
    learner = Principal(user_id=recorded_directory["ids"]["learner1"])
    started = await service.acting_as(learner).start_session(StartSession.parse(start_body()))
    before = await everything(database)

    with pytest.raises(DocumentTooLarge, match="16 MiB"):
        await service.acting_as(learner).update_session(
            started.session_id, UpdateSession.parse({"extra_fields": {"a": "x" * (17 * 1024 * 1024)}})
        )

    assert await everything(database) == before
