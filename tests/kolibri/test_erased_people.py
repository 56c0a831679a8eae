"""A Kolibri that still has an erased person brings nothing back, and its import says so."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import bson
import pytest

from docservice import DocService
from docservice.kolibri import import_kolibri
from tests.support.documents import collections_of

from .samples import LEARNER, changing, rows


@pytest.mark.slow
async def test_an_import_leaves_erased_people_out(empty: DocService, database: Any, part: Path) -> None:
    """Account, memberships, logs and rows set aside stay away, are counted, and all else is imported as before."""
    with changing(part) as file:
        file.execute("UPDATE exams_exam SET creator_id = ?", (LEARNER,))
        file.execute(
            "UPDATE logger_attemptlog SET masterylog_id = ? WHERE id = (SELECT MIN(id) FROM logger_attemptlog "
            "WHERE user_id = ?)",
            ("0" * 32, LEARNER),
        )
    summaries = len(rows(part, "SELECT id FROM logger_contentsummarylog WHERE user_id = ?", (LEARNER,)))
    await import_kolibri(empty, part)
    receipt = await empty.admin.erase(LEARNER)

    report = await import_kolibri(empty, part)

    counts = report.counts
    assert receipt.removed["content_summary_logs"] == counts["content summaries"].erased == summaries
    assert (counts["users"].erased, counts["attempts"].erased > 0) == (1, True)
    assert counts["memberships"].erased == receipt.removed["memberships"]
    assert receipt.removed["import_set_aside"] == 1
    assert counts["exams"].updated == counts["exams"].erased == 0
    for collection in await collections_of(database):
        async for document in database[collection].find():
            assert LEARNER.encode() not in bson.encode(document), collection
