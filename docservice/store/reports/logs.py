"""What reports read of the logs: those of some people and contents, from an index, and no more fields than needed."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Collection, Mapping, Sequence
from contextlib import aclosing

from docservice.store.database.port import Database, Document, Filter, one_of
from docservice.store.database.reads import chunks
from docservice.store.lists.scope import Selection
from docservice.store.logs.attempts import AttemptReader
from docservice.store.mapping.schema import SESSIONS, SUMMARIES

_BATCH = 500
_HEAVY_BATCH = 50

SUMMARY_FIELDS = (
    *("dataset_id", "user_id", "content_id", "channel_id", "kind", "start_timestamp", "end_timestamp"),
    *("completion_timestamp", "time_spent", "progress", "_recorded"),
)
"""The fields of a summary itself."""

TRY_FIELDS = (
    *("id", "mastery_level", "mastery_criterion.type", "start_timestamp", "end_timestamp", "completion_timestamp"),
    *("time_spent", "complete", "attempt_count", "correct_sum", "_recorded"),
)
"""The fields of a mastery log without its attempts."""

_NEEDED_OF_ATTEMPTS = ("id", "start_timestamp", "_recorded")
_OWNER_FIELDS = ("_morango_partition", "overflow_buckets")


class ReportLogs:
    """The logs, for one report."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._attempts = AttemptReader(database)

    async def summaries(
        self,
        selection: Selection,
        content_ids: Collection[str] | None = None,
        *,
        attempts: Sequence[str] = (),
    ) -> AsyncGenerator[Document, None]:
        """Yield the summaries of selected people, each with its mastery logs.

        Args:
            selection: whose.
            content_ids: of these contents; None: of all.
            attempts: fields of attempts. If empty, mastery logs come without attempts; else with all of theirs, in
                order, wherever they are stored.
        """
        fields = dict.fromkeys((*SUMMARY_FIELDS, *_OWNER_FIELDS), 1)
        fields |= {f"mastery_logs.{name}": 1 for name in TRY_FIELDS}
        wanted = tuple(dict.fromkeys((*_NEEDED_OF_ATTEMPTS, *attempts))) if attempts else ()
        fields |= {f"mastery_logs.attempts.{name}": 1 for name in wanted}
        for query in self._queries(selection, content_ids):
            found = self._database.batches(SUMMARIES, query, fields, size=_HEAVY_BATCH if attempts else _BATCH)
            async with aclosing(found) as batches:
                async for batch in batches:
                    for summary in batch:
                        if selection.admits(summary):
                            yield await self._with_attempts(summary, wanted) if attempts else summary

    async def _with_attempts(self, summary: Document, fields: Sequence[str]) -> Document:
        logs = []
        for log in summary.get("mastery_logs", ()):
            parts = self._attempts.of_list(summary, log["id"], log.get("attempts", []), fields=fields)
            async with aclosing(parts) as found:
                logs.append({**log, "attempts": [attempt async for part in found for attempt in part]})
        return {**summary, "mastery_logs": logs}

    async def sessions(
        self,
        selection: Selection,
        content_ids: Collection[str] | None = None,
        *,
        fields: Mapping[str, int],
    ) -> AsyncGenerator[Document, None]:
        """Yield the content sessions of selected people.

        Args:
            selection: whose.
            content_ids: to these contents; None: to all.
            fields: to read, each with 1.
        """
        fields = {"dataset_id": 1, "user_id": 1, **fields}
        for query in self._queries(selection, content_ids):
            async with aclosing(self._database.batches(SESSIONS, query, fields, size=_BATCH)) as batches:
                async for batch in batches:
                    for session in batch:
                        if selection.admits(session):
                            yield session

    def _queries(self, selection: Selection, content_ids: Collection[str] | None) -> list[Filter]:
        """Return the queries that find the documents; each has the first fields of an index and no others."""
        if selection.empty:
            return []
        at_once = self._database.traits.ids_in_a_query
        of_contents: list[Document] = [{}]
        if content_ids is not None:
            of_contents = [{"content_id": one_of(some)} for some in chunks(sorted(content_ids), at_once)]
        if selection.user_ids is not None:
            some_people = chunks(sorted(selection.user_ids), at_once)
            return [{"user_id": one_of(some), **contents} for some in some_people for contents in of_contents]
        of_facility = {} if selection.dataset_id is None else {"dataset_id": selection.dataset_id}
        return [{**of_facility, **contents} for contents in of_contents]
