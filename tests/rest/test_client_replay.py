"""The client says what a front end says: recorded visits, replayed through `LogClient`."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

import pytest
from aiohttp.test_utils import TestClient

from docservice import StartSession, UpdateSession
from docservice.client import LogClient

from .replaying import Replayer, filled, filled_text, scenarios

GROUPS = ("content", "exercise", "interactions", "lesson", "quiz", "mixed")
_TRACKING = re.compile(r"/api/logger/trackprogress/(?:([^/]+)/)?")


def is_tracking(step: Mapping[str, Any]) -> bool:
    """Whether a step is a start or report that Kolibri took."""
    return bool(_TRACKING.fullmatch(step["path"]) and step.get("status") == 200 and isinstance(step.get("json"), dict))


VISITS = [
    recorded
    for recorded in scenarios(*(f"transcripts/logger-{group}.json" for group in GROUPS))
    if any(map(is_tracking, recorded.values[0]["steps"]))
]


class ClientReplayer(Replayer):
    """Sends starts and reports of people who are signed in through the client, and the rest as it was recorded."""

    sent = 0

    async def _send(self, step: Mapping[str, Any], names: Mapping[str, Any]) -> tuple[int, Any]:
        authorization = self._headers_of(step["actor"]).get("Authorization")
        path = _TRACKING.fullmatch(filled_text(step["path"], names))
        if path is None or authorization is None or not is_tracking(step):
            return await super()._send(step, names)
        body = filled(step["json"], names)
        token = authorization.removeprefix("Bearer ")
        self.sent += 1
        async with LogClient(str(self._client.make_url("/")), token=token) as logs:
            if path[1] is None:
                return 200, (await logs.start_session(StartSession.parse(body))).as_json()
            return 200, (await logs.update_session(path[1], UpdateSession.parse(body))).as_json()


@pytest.mark.parametrize("scenario", VISITS)
async def test_the_client_gets_the_recorded_answers(
    shared_client: TestClient[Any, Any],
    headers_of: Callable[[str], dict[str, str]],
    recorded_directory: dict[str, Any],
    scenario: dict[str, Any],
) -> None:
    """What goes through the client arrives as it was recorded, and its typed answer holds all that was answered."""
    replayer = ClientReplayer(shared_client, headers_of, recorded_directory["ids"])

    await replayer.play(scenario)

    assert replayer.sent
