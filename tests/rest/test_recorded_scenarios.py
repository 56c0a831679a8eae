"""More recorded exchanges with a real Kolibri, compared down to what is stored in the end."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import pytest
from aiohttp.test_utils import TestClient

from docservice.store.mapping.json_codec import from_bson

from .replaying import Comparison, Replayer, scenarios


@dataclass(frozen=True)
class Difference:
    """Where this service does better than the recorded server on purpose.

    Attributes:
        reason: why.
        answers: our status by number of the step.
        tables: tables whose rows differ for it in the end.
        steps: how many steps are comparable; all if None. The stored rows are compared only after all.
    """

    reason: str
    answers: Mapping[int, int] = field(default_factory=dict)
    tables: Collection[str] = ()
    steps: int | None = None


ALL_TABLES = ("contentsessionlog", "contentsummarylog", "masterylog", "attemptlog")
NOT_FINITE = "infinite numbers are refused, no JSON document has them; the real server stores one and then crashes"
DIFFERENT = {
    "criterion_without_n": Difference(
        "m_of_n without n shows the usual ten past attempts; the real server crashes", {0: 200}, steps=1
    ),
    "criterion_negative_n": Difference(
        "a negative n shows the usual ten past attempts; the real server crashes",
        {0: 200, 1: 200},
        ("contentsessionlog", "contentsummarylog", "masterylog"),
    ),
    "replace_on_plain_content_other_session": Difference(
        "a replace that fits several attempts means the latest; the real server crashes",
        {9: 200, 10: 200},
        ("attemptlog",),
    ),
    "anonymous_attempt_ids": Difference(
        "a replace that fits several attempts means the latest; the real server crashes", {10: 200}, ("attemptlog",)
    ),
    "aba_with_replace": Difference(
        "a replace that fits several attempts means the latest; the real server crashes",
        {4: 200, 5: 200},
        steps=6,
    ),
    "surrogate_answer": Difference(
        "half a surrogate pair is refused; the real server stores it and then crashes", {1: 400}, ("attemptlog",)
    ),
    "surrogate_extra_fields": Difference(
        "half a surrogate pair is refused; the real server stores it and then crashes", {1: 400}
    ),
    "infinite_time": Difference(NOT_FINITE, {1: 400}, ("contentsessionlog", "contentsummarylog", "masterylog")),
    "infinite_time_text": Difference(NOT_FINITE, {1: 400}, ("contentsessionlog", "contentsummarylog", "masterylog")),
    "infinite_extra_fields": Difference(NOT_FINITE, {1: 400}, ("contentsummarylog",)),
    "infinite_answer": Difference(NOT_FINITE, {1: 400}, ("attemptlog",)),
    "time_overflow": Difference(NOT_FINITE, {2: 400}, ("contentsessionlog", "contentsummarylog", "masterylog")),
}


async def stored_rows(database: Any) -> dict[str, list[dict[str, Any]]]:
    """Our documents, as the plain driver reads them, as the rows that a Kolibri database would have."""
    rows: dict[str, list[dict[str, Any]]] = {table: [] for table in ALL_TABLES}
    async for session in database["content_session_logs"].find({}):
        rows["contentsessionlog"].append({**session, "id": session["_id"]})
        for attempt in session.get("attempts", ()):
            rows["attemptlog"].append({**attempt, "user_id": session["user_id"], "try_level": None})
    async for summary in database["content_summary_logs"].find({}):
        rows["contentsummarylog"].append({**summary, "id": summary["_id"]})
        for log in summary["mastery_logs"]:
            rows["masterylog"].append({**log, "user_id": summary["user_id"]})
            for attempt in log["attempts"]:
                own = {"user_id": summary["user_id"], "try_level": log["mastery_level"]}
                rows["attemptlog"].append({**attempt, **own})
    return {table: [with_text_times(from_bson(row)) for row in found] for table, found in rows.items()}


def with_text_times(row: dict[str, Any]) -> dict[str, Any]:
    """A row whose times are text, as the recorded ones are."""
    return {name: value.isoformat() if isinstance(value, datetime) else value for name, value in row.items()}


@pytest.mark.parametrize("scenario", scenarios("vectors/logger-extra.json"))
async def test_recorded_scenario(
    shared_client: TestClient[Any, Any],
    shared_database: Any,
    headers_of: Callable[[str], dict[str, str]],
    recorded_directory: dict[str, Any],
    scenario: dict[str, Any],
) -> None:
    """Every answer comes out as recorded, and so do the stored records, but for what `DIFFERENT` says."""
    different = DIFFERENT.get(scenario["name"], Difference("none"))
    for collection in ("content_session_logs", "content_summary_logs", "attempt_overflow"):
        await shared_database[collection].delete_many({})
    replayer = Replayer(shared_client, headers_of, recorded_directory["ids"])

    names = await replayer.play({**scenario, "steps": scenario["steps"][: different.steps]}, different.answers)

    if different.steps is not None:
        return
    stored = await stored_rows(shared_database)
    problems = {}
    for table, rows in scenario["db_after"].items():
        fields = {name for row in rows for name in row}
        real = [{name: value for name, value in row.items() if name in fields} for row in stored[table]]
        problems[table] = Comparison(names, unordered=[""]).differences(rows, real) if rows else real
    assert {table for table, found in problems.items() if found} == set(different.tables), problems


def test_each_difference_belongs_to_a_scenario() -> None:
    """The table of differences names recorded scenarios only."""
    recorded = {parameter.values[0]["name"] for parameter in scenarios("vectors/logger-extra.json")}

    assert set(DIFFERENT) <= recorded
