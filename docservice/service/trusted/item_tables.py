"""The rows of the table `item`: the statistics of all questions of a facility, one content at a time."""

from __future__ import annotations

from collections.abc import AsyncGenerator

from docservice.domain.exports.table_rows import Row, Span
from docservice.domain.exports.tables import ITEM
from docservice.domain.logs.migrated_quizzes import QUIZ
from docservice.domain.reports.item_analysis import item_analysis_rows, responses
from docservice.service.reports.questions import STATISTIC_ATTEMPTS, QuestionReads
from docservice.store.database.port import Database
from docservice.store.lists.scope import Selection
from docservice.store.reports.directory import ReportDirectory
from docservice.store.reports.logs import ReportLogs

_NAMES = {"content_title": "title", "question_title": "question"}
"""Columns that the report calls otherwise."""


async def item_rows(
    database: Database, dataset_id: str, span: Span, people: frozenset[str] | None
) -> AsyncGenerator[tuple[list[Row], float], None]:
    """Yield the rows of `ITEM`, content by content, each time with the part that is done (0..1).

    Args:
        database: connected.
        dataset_id: of the facility.
        span: attempts that began in it count.
        people: only their answers; None: all.
    """
    logs, questions = ReportLogs(database), QuestionReads(database)
    facility = (await ReportDirectory(database).facilities()).get(dataset_id, {})
    selection = Selection(people, dataset_id)
    content_ids = await logs.contents_with_tries(dataset_id)
    for number, content_id in enumerate(content_ids):
        found = logs.summaries(selection, {content_id}, attempts=STATISTIC_ATTEMPTS)
        summaries = [
            {
                **summary,
                "mastery_logs": [
                    {**log, "attempts": [attempt for attempt in log["attempts"] if span.holds(attempt)]}
                    for log in summary["mastery_logs"]
                ],
            }
            async for summary in found
        ]
        quizzes = {content_id} if any(summary["kind"] == QUIZ for summary in summaries) else set()
        content = (await questions.contents({content_id}, quizzes))[content_id]
        rows = item_analysis_rows(content, responses(content, summaries, "first"), 1)
        yield (
            [
                tuple(
                    facility.get("name")
                    if column.name == "facility_name"
                    else row[_NAMES.get(column.name, column.name)]
                    for column in ITEM.columns
                )
                for row in rows
            ],
            number / len(content_ids),
        )
