"""The fields of a shown log are those of the API description, at every level, and no others."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from typing import Any

import pytest

from docservice import DocService
from docservice.store.mapping.log_kinds import KINDS

from .asking import M_OF_N, Client, interaction, put, start

HeadersOf = Callable[[str], dict[str, str]]


@pytest.fixture
async def headers(
    client: Client, headers_of: HeadersOf, database: Any, recorded_directory: dict[str, Any]
) -> dict[str, str]:
    """A superuser, who reads logs of each kind that have what tracking and other programs put beside their fields."""
    learner = headers_of("learner1")
    content = uuid.uuid4().hex
    began = await start(client, {**learner, "Idempotency-Key": "a"}, content, mastery_model=M_OF_N)
    body = {"interactions": [interaction(hinted=True), interaction("q2")], "extra_fields": {"x": 1}}
    assert (await put(client, {**learner, "Idempotency-Key": "b"}, began["session_id"], body))[0] == 200
    loose = await start(client, {}, content, mastery_model=M_OF_N)
    assert (await put(client, {}, loose["session_id"], {"interactions": [interaction()]}))[0] == 200
    async with client.put("/api/auth/session/current/", json={"active": True}, headers=learner) as response:
        assert response.status == 200, await response.text()
    exam, user = recorded_directory["exams"][0]["id"], recorded_directory["actors"]["learner1"]["user"]
    moment = "2024-09-02T08:00:00Z"
    async with client.post("/api/logger/examlog/", json={"exam": exam, "user": user}, headers=learner) as response:
        assert response.status == 201, await response.text()
        examlog = (await response.json())["id"]
    attempt = {"examlog": examlog, "user": user, "item": "q", "content_id": content, "correct": 1}
    attempt |= {"start_timestamp": moment, "end_timestamp": moment}
    async with client.post("/api/logger/examattemptlog/", json=attempt, headers=learner) as response:
        assert response.status == 201, await response.text()
    for kind in KINDS.values():
        await database[kind.collection].update_many({}, {"$set": {"of_a_later_version": 1, "_mark": {"x": 1}}})
    return headers_of("superuser")


def properties(schemas: dict[str, Any], schema: dict[str, Any]) -> dict[str, Any]:
    """Each property of an object of the API description, with those of the objects in its list."""
    schema = schemas[schema["$ref"].rsplit("/", 1)[1]] if "$ref" in schema else schema
    found: dict[str, Any] = {}
    for name, value in schema["properties"].items():
        items = value.get("items", {})
        found[name] = properties(schemas, items) if "$ref" in items else None
    return found


def keys(shown: dict[str, Any], described: dict[str, Any]) -> dict[str, Any]:
    """Each key of a shown log, with the keys of the logs in its list."""
    found: dict[str, Any] = {}
    for name, value in shown.items():
        inner = described.get(name)
        found[name] = None if inner is None else keys(value[0], inner) if value else inner
    return found


@pytest.mark.parametrize("name", KINDS)
async def test_logs_have_the_described_fields_and_no_others(
    client: Client, service: DocService, headers: dict[str, str], database: Any, name: str
) -> None:
    """In lists and alone, with logs of each kind that carry bookkeeping, the keys are those of the schema."""
    async with client.get("/api/openapi.json") as response:
        description = await response.json()
    operation = description["paths"][f"/api/logger/{name}/{{id}}/"]["get"]
    schema = operation["responses"]["200"]["content"]["application/json"]["schema"]
    described = properties(description["components"]["schemas"], schema)

    async with client.get(f"/api/logger/{name}/", headers=headers) as response:
        listed = (await response.json())["results"]

    assert listed
    for document in listed:
        if name == "contentsessionlog" and "attempts" not in document:
            document["attempts"] = []  # a visit has the list only for attempts that belong to no try
        assert keys(document, described) == described
        stored = await database[KINDS[name].collection].find_one({"_id": document["id"]})
        assert set(stored) - {"_id"} - set(document) >= {"has_dirty", "schema_version", "of_a_later_version", "_mark"}
        async with client.get(f"/api/logger/{name}/{document['id']}/", headers=headers) as response:
            alone = await response.json()
        assert {"attempts": [], **alone} == document if name == "contentsessionlog" else alone == document


@pytest.mark.slow
async def test_what_is_not_shown_cannot_be_asked_for(client: Client, headers: dict[str, str]) -> None:
    """`fields` takes every described path, and none of the bookkeeping, which is an error that lists what there is."""
    for name, kind in KINDS.items():
        for path in kind.shown_paths:
            query = {"fields": f"-{path}"}
            async with client.get(f"/api/logger/{name}/", params=query, headers=headers) as response:
                assert response.status == 200, await response.text()
        for hidden in ("recent_actions", "has_dirty", "of_a_later_version", "_recorded"):
            async with client.get(f"/api/logger/{name}/", params={"fields": hidden}, headers=headers) as response:
                assert response.status == 400


async def test_the_store_keeps_what_is_not_shown(service: DocService, headers: dict[str, str], database: Any) -> None:
    """The marks of carried out requests stay in documents and backups: they keep a repeated report from counting."""
    sessions = await database["content_session_logs"].find({}).to_list(10)
    [lines] = [batch async for batch in service.admin.backups.lines("content_session_logs")]

    assert len(sessions) == 2
    assert all(session["recent_actions"] for session in sessions)
    assert all("recent_actions" in line for _, line in lines)
