"""Reads what `activity` needs: visits, completions and user sessions, and the topics of contents."""

from __future__ import annotations

from collections.abc import Iterable

from docservice.domain.reports.activity import TopicPlace, activity_rows, device_rows
from docservice.domain.reports.class_progress import ReportRow
from docservice.errors import FieldError, FilterInvalid
from docservice.service.reports.scope import ReportScope, content_filter
from docservice.store.database.port import Database, Document
from docservice.store.reports.directory import ReportDirectory
from docservice.store.reports.logs import ReportLogs

_VISIT = dict.fromkeys(("content_id", "channel_id", "start_timestamp", "time_spent"), 1)
_COMPLETION = dict.fromkeys(("content_id", "channel_id", "completion_timestamp"), 1)
_USER_SESSION = dict.fromkeys(("start_timestamp", "last_interaction_timestamp", "device_info"), 1)
_OF_CONTENT = ("channel", "topic", "content")


class ActivityReads:
    """Reads activity. Of named people only their logs are read; of a facility all of its."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._directory = ReportDirectory(database)
        self._logs = ReportLogs(database)

    async def activity(self, scope: ReportScope) -> list[ReportRow]:
        """Return the rows of `activity`.

        Raises:
            FilterInvalid: devices are asked for, and content, which user sessions do not know.
        """
        filters = scope.filters
        if filters.by == "device":
            given = [name for name in _OF_CONTENT if getattr(filters, name) is not None]
            if given:
                message = "Devices are counted by user sessions, which know no content: leave this filter out."
                raise FilterInvalid([FieldError((name,), "invalid", message) for name in given])
            sessions = [each async for each in self._logs.user_sessions(scope.selection, _USER_SESSION)]
            return device_rows(sessions, filters)
        content_ids = await content_filter(self._database, filters)
        found = self._logs.sessions(scope.selection, content_ids, fields=_VISIT, span=filters.span)
        visits = [visit async for visit in found if filters.channel in (None, visit["channel_id"])]
        completed = [
            summary
            async for summary in self._logs.plain_summaries(scope.selection, content_ids, _COMPLETION)
            if summary["completion_timestamp"] is not None and filters.channel in (None, summary["channel_id"])
        ]
        topics = await self._topics((*visits, *completed)) if filters.by == "topic" else {}
        return activity_rows(visits, completed, filters, topics)

    async def _topics(self, logs: Iterable[Document]) -> dict[str, TopicPlace]:
        nodes = await self._directory.nodes_of({log["content_id"] for log in logs}, ("ancestors",))
        return {content_id: _topic_of(node) for content_id, node in nodes.items()}


def _topic_of(node: Document) -> TopicPlace:
    ancestors = node.get("ancestors") or []
    # The first one is the channel itself; content right below it has no other topic.
    path = tuple(str(topic.get("title") or "") for topic in ancestors[1:] or ancestors)
    return TopicPlace(ancestors[-1].get("id") if ancestors else node.get("parent_id"), path)
