"""The rules that put right what old Kolibris recorded wrongly, against what the real upgrades made of the same rows."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from docservice import DocService
from docservice.domain.upkeep.consolidation import RULES, ConsolidationRule
from docservice.kolibri import import_kolibri
from docservice.kolibri.assembling import summaries
from tests.support.documents import collections_of

from .samples import changing, insert, rows, tables_of

VECTORS = json.loads((Path(__file__).parents[1] / "data" / "vectors" / "consolidation.json").read_text())
SUMMARY = "logger_contentsummarylog"


def documents(content: dict[str, Any]) -> dict[str, Any]:
    """The summaries of rows by id."""
    with tables_of(content) as tables:
        found = [document for batch in summaries(tables) for document in batch.documents]
    return {document["_id"]: document for document in found}


def without_marks(document: dict[str, Any]) -> dict[str, Any]:
    """A summary without the note of merged attempts, and with attempts in one order."""
    tries = []
    for log in document["mastery_logs"]:
        kept = {name: value for name, value in log.items() if name != "merged_attempt_ids"}
        tries.append({**kept, "attempts": sorted(log["attempts"], key=lambda attempt: attempt["id"])})
    return {**document, "mastery_logs": sorted(tries, key=lambda log: log["id"])}


@pytest.mark.parametrize("rule", RULES)
def test_a_rule_does_what_the_real_upgrade_did(rule: ConsolidationRule) -> None:
    """Each summary comes out as Kolibri 0.19.5's own upgrade task left it, dirty bits and texts of times included."""
    before, after = documents(VECTORS[rule]["before"]), documents(VECTORS[rule]["after"])

    mended = {log_id: RULES[rule](document) for log_id, document in before.items()}

    assert mended.keys() == after.keys()
    assert sum(found.records for found in mended.values()) >= 3
    for log_id, found in mended.items():
        assert without_marks(dict(found.summary)) == without_marks(after[log_id])
        assert bool(found.records) == (without_marks(before[log_id]) != without_marks(after[log_id]))


@pytest.mark.parametrize("rule", RULES)
def test_a_rule_changes_nothing_twice_and_never_its_argument(rule: ConsolidationRule) -> None:
    """What a rule has put right it finds in order; the summary that it was given is as before."""
    before = documents(VECTORS[rule]["before"])

    for log_id, untouched in documents(VECTORS[rule]["before"]).items():
        once = RULES[rule](before[log_id])
        again = RULES[rule](once.summary)

        assert again == (once.summary, 0)
        assert before[log_id] == untouched


def test_merged_attempts_are_noted() -> None:
    """The try names the attempts that became part of another; no other try names any."""
    before, after = documents(VECTORS["quiz-attempts"]["before"]), documents(VECTORS["quiz-attempts"]["after"])

    for log_id, document in before.items():
        mended = RULES["quiz-attempts"](document).summary
        for log, old, new in zip(
            mended["mastery_logs"], document["mastery_logs"], after[log_id]["mastery_logs"], strict=True
        ):
            gone = {a["id"] for a in old["attempts"]} - {a["id"] for a in new["attempts"]}
            assert set(log.get("merged_attempt_ids", ())) == gone


@pytest.fixture
def mistaken(part: Path) -> Path:
    """A Kolibri with the summaries of all vectors as they were before the upgrades."""
    with changing(part) as database:
        for vector in VECTORS.values():
            for table, listed in vector["before"].items():
                for row in listed:
                    database.execute(f"DELETE FROM {table} WHERE id = ?", (row["id"],))
                    insert(database, table, row)
    return part


async def stored(database: Any) -> dict[str, Any]:
    """All stored summaries."""
    return {document["_id"]: document async for document in database.content_summary_logs.find()}


@pytest.mark.slow
async def test_stored_summaries_are_put_right(empty: DocService, database: Any, mistaken: Path) -> None:
    """A dry run counts and writes nothing; the run writes what it counted; the next finds nothing. A second import
    brings none of it back."""
    await import_kolibri(empty, mistaken)
    before = await stored(database)

    dry = await empty.admin.consolidate(list(RULES), dry_run=True)
    untouched = await stored(database)
    run = await empty.admin.consolidate(list(RULES))
    after = await stored(database)
    again = await empty.admin.consolidate(list(RULES))
    brought_again = await import_kolibri(empty, mistaken)

    assert untouched == before
    assert run == dry
    assert all(run.mended_records[rule] >= 3 for rule in RULES)
    assert again.mended_records.total() == 0
    changed = [log_id for log_id in after if after[log_id] != before[log_id]]
    assert changed
    assert all(after[log_id]["has_dirty"] for log_id in changed)
    assert brought_again.changes == 0
    assert await stored(database) == after


@pytest.mark.slow
async def test_an_import_puts_right_what_it_brings(empty: DocService, database: Any, mistaken: Path) -> None:
    """With `consolidate` nothing is left to put right, whether the data were imported without it before or not; and
    no attempt's time is lost."""
    seconds = rows(mistaken, "SELECT sum(time_spent) AS n FROM logger_attemptlog WHERE masterylog_id IS NOT NULL")

    await import_kolibri(empty, mistaken)
    await import_kolibri(empty, mistaken, consolidate=True)
    over_old = await stored(database)
    again = await import_kolibri(empty, mistaken, consolidate=True)
    left = await empty.admin.consolidate(list(RULES), dry_run=True)

    for collection in await collections_of(database):
        await database[collection].delete_many({})
    fresh = await import_kolibri(empty, mistaken, consolidate=True)

    assert again.changes == 0
    assert left.mended_records.total() == 0
    assert all(fresh.mended.mended_records[rule] >= 3 for rule in RULES)
    assert await stored(database) == over_old
    total = sum(a["time_spent"] for d in over_old.values() for log in d["mastery_logs"] for a in log["attempts"])
    assert total == pytest.approx(seconds[0]["n"])
