"""Repairs stored summaries that old versions of Kolibri wrote wrongly, a document at a time."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Any

from docservice.domain.logs.migrated_quizzes import QUIZ
from docservice.domain.upkeep.consolidation import RULES, ConsolidationRule
from docservice.service.base.progress import Watch
from docservice.store.database.port import Database, Document
from docservice.store.mapping.log_kinds import SUMMARY_LOGS
from docservice.store.transfer.merging import MergingStore

_CANDIDATES: dict[str, dict[str, Any]] = {
    "progress": {"progress": {"$gt": 0.999, "$lt": 1}},
    "quiz-attempts": {"$or": [{"mastery_logs.mastery_level": {"$lt": 0}}, {"kind": QUIZ}]},
    "mastery-times": {"mastery_logs.0": {"$exists": True}},
}


@dataclass
class ConsolidationReport:
    """What was found in summaries.

    Attributes:
        summaries: how many were looked at, by rule.
        mended_summaries: in how many of them something was wrong, by rule.
        mended_records: how many records were changed or merged into another, by rule; in a dry run: would be.
    """

    summaries: Counter[str] = field(default_factory=Counter)
    mended_summaries: Counter[str] = field(default_factory=Counter)
    mended_records: Counter[str] = field(default_factory=Counter)

    def add(self, other: ConsolidationReport) -> None:
        """Take in what was found elsewhere."""
        self.summaries.update(other.summaries)
        self.mended_summaries.update(other.mended_summaries)
        self.mended_records.update(other.mended_records)


def consolidated(
    summary: Mapping[str, Any], rules: Sequence[ConsolidationRule], report: ConsolidationReport
) -> Mapping[str, Any]:
    """Return a summary after some rules; itself if nothing was wrong. What they did is added to the report."""
    for name in rules:
        report.summaries[name] += 1
        summary, records = RULES[name](summary)
        report.mended_summaries[name] += bool(records)
        report.mended_records[name] += records
    return summary


class Consolidation:
    """Applies the rules to what is stored."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._store = MergingStore(database)

    async def run(self, rules: Sequence[ConsolidationRule], watch: Watch, *, dry_run: bool) -> ConsolidationReport:
        """See `DocService.consolidate`."""
        report = ConsolidationReport()
        for rule in rules:
            watch.begin(rule)
            # Every summary is read once; a change does not move it in this order, so none is missed or met twice.
            found = self._database.stream(SUMMARY_LOGS.collection, _CANDIDATES[rule])
            async with aclosing(found) as summaries:
                async for summary in summaries:
                    await self._mend(summary, rule, report, dry_run=dry_run)
                    watch.advance(rule)
        return report

    async def _mend(
        self, summary: Document, rule: ConsolidationRule, report: ConsolidationReport, *, dry_run: bool
    ) -> None:
        whole = await self._store.whole(summary)
        looked_at = ConsolidationReport()
        consolidated(whole, [rule], looked_at)
        if looked_at.mended_records[rule] and not dry_run:

            def combined(stored: Document | None, _: Document) -> Document | None:
                # Another transaction may have changed it since it was read.
                nonlocal looked_at
                looked_at = ConsolidationReport()
                after = {} if stored is None else dict(consolidated(stored, [rule], looked_at))
                return after if looked_at.mended_records[rule] else None

            await self._store.combine(SUMMARY_LOGS.collection, summary, combined)
        report.add(looked_at)
