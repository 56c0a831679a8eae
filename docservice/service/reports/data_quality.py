"""Reads what `data-quality` needs: times and owners of logs, names of people, and what imports have set aside."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from docservice.domain.reports.class_progress import ReportRow
from docservice.domain.reports.data_quality import QualityCounts
from docservice.domain.values.partitions import log_partition
from docservice.service.reports.scope import ReportScope
from docservice.store.database.port import Database, Filter
from docservice.store.database.reads import chunks
from docservice.store.reports.directory import ReportDirectory
from docservice.store.reports.logs import ReportLogs

_SESSION = dict.fromkeys(("content_id", "start_timestamp", "end_timestamp"), 1)
_SUMMARY = dict.fromkeys(("start_timestamp", "end_timestamp"), 1)
_USER_SESSION = dict.fromkeys(("start_timestamp", "last_interaction_timestamp", "device_info"), 1)
_BEHIND_A_COLON = ";"
"""The next character: what begins with `<dataset>:` is before `<dataset>;`."""


class QualityReads:
    """Reads all logs that may be read, one after another."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._directory = ReportDirectory(database)
        self._logs = ReportLogs(database)

    async def data_quality(self, scope: ReportScope, now: datetime) -> list[ReportRow]:
        """Return the rows of `data-quality`.

        Args:
            scope: whose logs.
            now: the current time.
        """
        counts, selection = QualityCounts(now), scope.selection
        async for session in self._logs.sessions(selection, fields=_SESSION):
            counts.add_session(session)
        async for summary in self._logs.plain_summaries(selection, None, _SUMMARY):
            counts.add_summary(summary)
        async for user_session in self._logs.user_sessions(selection, _USER_SESSION):
            counts.add_user_session(user_session)
        people = [person async for person in self._directory.people_of(selection)]
        counts.add_people(people)
        owners = [(person["dataset_id"], person["_id"]) for person in people]
        async for row in self._logs.set_aside(self._partitions(scope, owners)):
            counts.add_set_aside(row)
        facilities = await self._directory.facilities()

        def facility_of(dataset_id: str | None) -> tuple[str | None, str]:
            facility = facilities.get(dataset_id or "")
            return (None, "") if facility is None else (facility["_id"], str(facility.get("name") or ""))

        return list(counts.rows(facility_of))

    def _partitions(self, scope: ReportScope, owners: Sequence[tuple[str, str]]) -> list[Filter]:
        """Return the conditions on the partitions of rows that were set aside."""
        selection = scope.selection
        if selection.user_ids is None:
            if selection.dataset_id is None:
                return [{}]
            return [{"$gte": f"{selection.dataset_id}:", "$lt": f"{selection.dataset_id}{_BEHIND_A_COLON}"}]
        partitions = sorted(log_partition(dataset_id, user_id) for dataset_id, user_id in owners)
        return [{"$in": some} for some in chunks(partitions, self._database.traits.ids_in_a_query)]
