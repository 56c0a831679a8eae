"""Reads what `learner-timeline` needs: all logs of one learner."""

from __future__ import annotations

from docservice.domain.logs.migrated_quizzes import QUIZ
from docservice.domain.reports.class_progress import ReportRow
from docservice.domain.reports.learner_timeline import timeline_rows
from docservice.service.reports.questions import QuestionReads
from docservice.service.reports.scope import ReportScope, content_filter, name_of
from docservice.store.database.port import Database, Document
from docservice.store.reports.directory import ReportDirectory
from docservice.store.reports.logs import ReportLogs

_VISIT = dict.fromkeys(
    (
        *("content_id", "channel_id", "kind", "start_timestamp", "end_timestamp", "time_spent", "progress"),
        *("extra_fields.context.lesson_id", "_recorded"),
    ),
    1,
)
_ATTEMPT = (
    *("item", "end_timestamp", "time_spent", "correct", "complete", "hinted", "error", "simple_answer", "answer"),
    "_recorded",
)
_USER_SESSION = dict.fromkeys(("start_timestamp", "last_interaction_timestamp", "device_info", "_recorded"), 1)


class TimelineReads:
    """Reads one learner's logs."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._directory = ReportDirectory(database)
        self._logs = ReportLogs(database)
        self._questions = QuestionReads(database)

    async def learner_timeline(self, scope: ReportScope) -> list[ReportRow]:
        """Return the rows of `learner-timeline`."""
        selection, filters = scope.selection, scope.filters
        content_ids = await content_filter(self._database, filters)

        def wanted(log: Document) -> bool:
            in_channel = filters.channel in (None, log["channel_id"])
            return in_channel and (content_ids is None or log["content_id"] in content_ids)

        found = self._logs.sessions_with_attempts(selection, fields=_VISIT, attempts=_ATTEMPT)
        visits = [visit async for visit in found if wanted(visit)]
        summaries = [
            summary
            async for summary in self._logs.summaries(selection, content_ids, attempts=_ATTEMPT)
            if wanted(summary)
        ]
        user_sessions: list[Document] = []
        if content_ids is None and filters.channel is None:  # which have no content
            user_sessions = [each async for each in self._logs.user_sessions(selection, _USER_SESSION)]
        logs = [*visits, *summaries]
        quiz_ids = {log["content_id"] for log in logs if log["kind"] == QUIZ}
        contents = await self._questions.contents({log["content_id"] for log in logs}, quiz_ids)
        rows = timeline_rows(visits, summaries, user_sessions, filters, contents)
        lesson_ids = {row["lesson_id"] for row in rows if row.get("lesson_id")}
        lessons = await self._directory.by_id("lessons", lesson_ids, ("title",))
        user_id = filters.user or ""
        name = name_of((await self._directory.people({user_id})).get(user_id))
        return [
            {
                **row,
                "learner_id": user_id,
                "learner": name,
                "lesson": lessons.get(row.get("lesson_id") or "", {}).get("title"),
            }
            for row in rows
        ]
