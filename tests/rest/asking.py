"""What a learning front end sends, in short."""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping
from typing import Any

from aiohttp.test_utils import TestClient

from tests.support.documents import collections_of

TRACK = "/api/logger/trackprogress/"
M_OF_N = {"type": "m_of_n", "m": 3, "n": 5}

Client = TestClient[Any, Any]


def start_body(content_id: str | None = None, **fields: Any) -> dict[str, Any]:
    """A request to start a visit to an HTML5 app, or to an exercise if a mastery model is given."""
    content_id = content_id or uuid.uuid4().hex
    kind = "exercise" if "mastery_model" in fields else "html5"
    return {"node_id": content_id, "content_id": content_id, "channel_id": content_id, "kind": kind, **fields}


async def start(client: Client, headers: Mapping[str, str], content_id: str | None = None, **fields: Any) -> Any:
    """Start a visit; the answer."""
    async with client.post(TRACK, json=start_body(content_id, **fields), headers=headers) as response:
        answer = await response.json()
        assert response.status == 200, answer
        return answer


async def put(client: Client, headers: Mapping[str, str], session_id: str, body: Any) -> tuple[int, Any]:
    """Report on a visit; status and answer."""
    data = json.dumps(body).encode()
    sent = {**headers, "Content-Type": "application/json"}
    async with client.put(f"{TRACK}{session_id}/", data=data, headers=sent) as response:
        return response.status, json.loads(await response.read())


def interaction(item: str = "q1", **fields: Any) -> dict[str, Any]:
    """A right answer to a question."""
    return {"item": item, "correct": 1, "time_spent": 1, "answer": {}, **fields}


async def everything(database: Any) -> dict[str, list[Any]]:
    """All documents of a database, to see that nothing was written."""
    found = {}
    for name in await collections_of(database):
        found[name] = await database[name].find({}).sort("_id").to_list(10_000)
    return found
