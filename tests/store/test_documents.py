"""Logs come back from a real database as they were."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from docservice.domain.logs.content_logs import AttemptLog, ContentSessionLog, ContentSummaryLog, MasteryLog
from docservice.store.mapping.counters import attempt_size
from docservice.store.mapping.log_documents import (
    attempt_document,
    read_session,
    read_summary,
    session_document,
    summary_document,
)

NOW = datetime(2024, 9, 2, 5, 12, 24, 158000, tzinfo=UTC)
OWNER: dict[str, Any] = {"dataset_id": "d" * 32, "user_id": "a" * 32}
ODD_JSON: dict[str, Any] = {"$ref": 1, "a.b": {"": [10**40, None, -0.5]}, "é": "😀"}
RECORDED = {"start_timestamp": "2024-09-02 05:12:24.158293(Africa/Nairobi)"}


def attempt(number: int, **fields: Any) -> AttemptLog:
    """An attempt with every field set."""
    given = {
        **OWNER,
        "sessionlog_id": "5" * 32,
        "masterylog_id": "7" * 32,
        "item": f"q{number}",
        "start_timestamp": NOW,
        "end_timestamp": NOW + timedelta(seconds=12),
        "completion_timestamp": NOW + timedelta(seconds=13),
        "time_spent": 12.1,
        "complete": True,
        "correct": 0.5,
        "hinted": True,
        "error": True,
        "answer": ODD_JSON,
        "simple_answer": "7",
        "interaction_history": [{"type": "answer", "answer": ODD_JSON, "correct": 0.5}, {"type": "error"}],
        "_morango_dirty_bit": False,
        "_recorded": RECORDED,
        **fields,
    }
    return AttemptLog.model_validate(given).identified(f"{number:032x}")


def mastery_log(summary_id: str, level: int, *attempts: AttemptLog) -> MasteryLog:
    """A try with these attempts."""
    log = MasteryLog(
        **OWNER,
        summarylog_id=summary_id,
        mastery_level=level,
        mastery_criterion={"type": "m_of_n", "m": 10**30, "n": 5},
        start_timestamp=NOW,
        end_timestamp=NOW,
        completion_timestamp=NOW,
        complete=True,
        time_spent=None,
        attempt_count=len(attempts),
        correct_sum=sum(made.correct for made in attempts),
    ).identified()
    return log.model_copy(update={"attempts": [a.model_copy(update={"masterylog_id": log.id}) for a in attempts]})


def summary(**fields: Any) -> ContentSummaryLog:
    """A summary with every field set."""
    made = ContentSummaryLog(
        **OWNER,
        content_id="c" * 32,
        channel_id="b" * 32,
        start_timestamp=NOW,
        end_timestamp=NOW + timedelta(days=1),
        completion_timestamp=NOW,
        time_spent=312.4,
        progress=1.01,
        kind="exercise",
        extra_fields=ODD_JSON,
        recorded=RECORDED,
        **fields,
    ).identified()
    tries = [
        mastery_log(made.id, 1, attempt(1), attempt(2)),
        mastery_log(made.id, -5),
        mastery_log(made.id, 2, attempt(3)),
    ]
    return made.model_copy(update={"mastery_logs": tries})


def session(*attempts: AttemptLog, **fields: Any) -> ContentSessionLog:
    """A visit with every field set."""
    given = {
        **OWNER,
        "content_id": "c" * 32,
        "channel_id": "b" * 32,
        "start_timestamp": NOW,
        "end_timestamp": NOW,
        "time_spent": 1.5,
        "progress": 7.0,
        "kind": "video",
        "extra_fields": {"context": {"node_id": "e" * 32}, **ODD_JSON},
        **fields,
    }
    made = ContentSessionLog.model_validate(given).identified("9" * 32)
    return made.model_copy(update={"attempts": list(attempts)})


async def test_summary(database: Any) -> None:
    """A summary with its tries and attempts is read equal."""
    log = summary()
    await database["content_summary_logs"].insert_one(summary_document(log))

    document = await database["content_summary_logs"].find_one({"_id": log.id})

    assert read_summary(document) == log


@pytest.mark.parametrize(
    "log",
    [
        session(),
        session(attempt(1, masterylog_id=None), attempt(2, masterylog_id=None, answer=None)),
        session(user_id=None, visitor_id="f" * 32),
        session(attempt(1, masterylog_id=None, user_id=None), user_id=None),
    ],
    ids=["plain", "loose attempts", "anonymous", "anonymous with attempts"],
)
async def test_session(database: Any, log: ContentSessionLog) -> None:
    """A visit is read equal, with its loose attempts if it has any."""
    await database["content_session_logs"].insert_one(session_document(log))

    document = await database["content_session_logs"].find_one({"_id": log.id})

    assert read_session(document) == log
    assert ("attempts" in document) == bool(log.attempts)


async def test_document_is_what_the_design_shows(database: Any) -> None:
    """A person at the shell finds Kolibri's names, native dates, and nothing that a parent says already."""
    log = summary()
    await database["content_summary_logs"].insert_one(summary_document(log))

    found = await database["content_summary_logs"].find_one({"user_id": "a" * 32, "mastery_logs.attempts.item": "q3"})

    assert found["_id"] == log.id
    assert found["_morango_partition"] == f"{'d' * 32}:user-rw:{'a' * 32}"
    assert found["_morango_source_id"] == "c" * 32
    assert found["start_timestamp"] == NOW
    assert found["_recorded"] == RECORDED
    assert {"id", "_morango_source_id", "_morango_dirty_bit", "attempts"} <= found["mastery_logs"][0].keys()
    assert not {"user_id", "dataset_id", "_morango_partition", "summarylog_id"} & found["mastery_logs"][0].keys()
    first = found["mastery_logs"][0]["attempts"][0]
    assert not {"user_id", "dataset_id", "_morango_partition", "masterylog_id"} & first.keys()
    assert "_recorded" not in found["mastery_logs"][0]


@pytest.mark.parametrize(
    ("own", "of_try", "of_attempt"), [(True, False, False), (False, True, False), (False, False, True), (False,) * 3]
)
def test_dirty(own: bool, of_try: bool, of_attempt: bool) -> None:
    """A document is dirty while any record in it is."""
    clean = attempt(1)
    log = mastery_log("5" * 32, 1, clean.model_copy(update={"morango_dirty_bit": of_attempt}))
    log = log.model_copy(update={"morango_dirty_bit": of_try})
    made = summary(morango_dirty_bit=own).model_copy(update={"mastery_logs": [log]})

    document = summary_document(made)

    assert document["has_dirty"] is (own or of_try or of_attempt)


def test_attempt_bytes() -> None:
    """The size kept in the document is that of all embedded attempts."""
    log = summary()
    embedded = [made for each in log.mastery_logs for made in each.attempts]

    document = summary_document(log)

    assert document["attempt_bytes"] == sum(attempt_size(attempt_document(made)) for made in embedded)
