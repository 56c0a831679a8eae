"""What reports read of the logs: those of some people and contents, from an index, and no more fields than needed."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Collection, Iterable, Mapping, Sequence
from contextlib import aclosing

from docservice.domain.reports.filters import TimeSpan
from docservice.store.database.engines import reads_of
from docservice.store.database.port import Database, Document, Filter, one_of
from docservice.store.database.reads import chunks
from docservice.store.lists.scope import Selection
from docservice.store.logs.attempts import AttemptReader, in_order
from docservice.store.mapping.schema import SESSIONS, SET_ASIDE, SUMMARIES, USER_SESSIONS

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

_NEEDED_OF_ATTEMPTS = ("id", "start_timestamp")
_OWNER_FIELDS = ("_morango_partition", "overflow_buckets")


class ReportLogs:
    """The logs, for one report."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._attempts = AttemptReader(database)
        self._reads = reads_of(database)

    async def summaries(
        self,
        selection: Selection,
        content_ids: Collection[str] | None = None,
        *,
        fields: Sequence[str] = SUMMARY_FIELDS,
        tries: Sequence[str] = TRY_FIELDS,
        attempts: Sequence[str] = (),
    ) -> AsyncGenerator[Document, None]:
        """Yield the summaries of selected people, each with its mastery logs.

        Args:
            selection: whose.
            content_ids: of these contents; None: of all.
            fields: of summaries, `dataset_id` and `user_id` among them.
            tries: fields of mastery logs, `id` among them.
            attempts: fields of attempts. If empty, mastery logs come without attempts; else with all of theirs, in
                order, wherever they are stored.
        """
        projection = dict.fromkeys((*fields, *_OWNER_FIELDS), 1)
        projection |= {f"mastery_logs.{name}": 1 for name in tries}
        wanted = tuple(dict.fromkeys((*_NEEDED_OF_ATTEMPTS, *attempts))) if attempts else ()
        projection |= {f"mastery_logs.attempts.{name}": 1 for name in wanted}
        for query in self._queries(selection, content_ids):
            found = self._database.batches(SUMMARIES, query, projection, size=_HEAVY_BATCH if attempts else _BATCH)
            async with aclosing(found) as batches:
                async for batch in batches:
                    for summary in batch:
                        if selection.admits(summary):
                            yield await self._with_attempts(summary, wanted) if attempts else summary

    async def summaries_with_ids(
        self, ids: Iterable[str], *, attempts: Sequence[str], moved: bool
    ) -> AsyncGenerator[Document, None]:
        """Yield summaries by their ids: owner and attempts of each mastery log.

        Args:
            ids: any number.
            attempts: fields of attempts.
            moved: whether those that moved to buckets are among them, or only those that are embedded.
        """
        wanted = tuple(dict.fromkeys((*_NEEDED_OF_ATTEMPTS, *attempts)))
        fields = dict.fromkeys((*_OWNER_FIELDS, "mastery_logs.id"), 1)
        fields |= {f"mastery_logs.attempts.{name}": 1 for name in wanted}
        async with aclosing(self._reads.with_values(SUMMARIES, "_id", set(ids), {"_id": 1, **fields})) as found:
            async for summary in found:
                yield await self._with_attempts(summary, wanted) if moved else in_order(summary)

    async def sessions_in_lessons(self, ids: Iterable[str]) -> set[str]:
        """Return those of some content sessions that were part of a lesson."""
        fields = {"_id": 1, "extra_fields.context.lesson_id": 1}
        return {
            session["_id"]
            async for session in self._reads.with_values(SESSIONS, "_id", set(ids), fields)
            if session.get("extra_fields", {}).get("context", {}).get("lesson_id")
        }

    async def contents_with_tries(self, dataset_id: str) -> list[str]:
        """Return the contents that learners of a facility have tries at, by id."""
        # Grouped: what `distinct` answers has to fit into one document.
        pipeline: list[Document] = [
            {"$match": {"dataset_id": dataset_id}},
            {"$match": {"mastery_logs.attempt_count": {"$gt": 0}}},
            {"$group": {"_id": "$content_id"}},
        ]
        async with aclosing(self._database.aggregate(SUMMARIES, pipeline)) as contents:
            return sorted([content["_id"] async for content in contents])

    async def _with_attempts(self, summary: Document, fields: Sequence[str]) -> Document:
        logs = []
        for log in summary.get("mastery_logs", ()):
            parts = self._attempts.of_list(summary, log["id"], log.get("attempts", []))
            async with aclosing(parts) as found:
                attempts = [_only(fields, attempt) async for part in found for attempt in part]
            logs.append({**log, "attempts": attempts})
        return {**summary, "mastery_logs": logs}

    async def sessions(
        self,
        selection: Selection,
        content_ids: Collection[str] | None = None,
        *,
        fields: Mapping[str, int],
        span: TimeSpan | None = None,
    ) -> AsyncGenerator[Document, None]:
        """Yield the content sessions of selected people.

        Args:
            selection: whose.
            content_ids: to these contents; None: to all.
            fields: to read, each with 1.
            span: those of named people that began in it; of a whole facility all come, in it or not.
        """
        started = (
            span.condition() if span is not None and content_ids is None and selection.user_ids is not None else {}
        )
        for query in self._queries(selection, content_ids):
            timed = {**query, "start_timestamp": started} if started else query
            async with aclosing(self._selected(SESSIONS, timed, selection, fields)) as found:
                async for session in found:
                    yield session

    async def sessions_with_attempts(
        self, selection: Selection, *, fields: Mapping[str, int], attempts: Sequence[str]
    ) -> AsyncGenerator[Document, None]:
        """Yield the content sessions of selected people, each with its attempts that belong to no try, in order."""
        wanted = tuple(dict.fromkeys((*_NEEDED_OF_ATTEMPTS, *attempts)))
        fields = {**fields, **dict.fromkeys(_OWNER_FIELDS, 1), **{f"attempts.{name}": 1 for name in wanted}}
        async with aclosing(self.sessions(selection, fields=fields)) as found:
            async for session in found:
                parts = self._attempts.of_list(session, None, session.get("attempts", []))
                async with aclosing(parts) as chunked:
                    loose = [_only(wanted, attempt) async for part in chunked for attempt in part]
                yield {**session, "attempts": loose}

    async def user_sessions(self, selection: Selection, fields: Mapping[str, int]) -> AsyncGenerator[Document, None]:
        """Yield the user sessions of selected people."""
        for query in self._queries(selection, None):
            async with aclosing(self._selected(USER_SESSIONS, query, selection, fields)) as found:
                async for session in found:
                    yield session

    async def plain_summaries(
        self, selection: Selection, content_ids: Collection[str] | None, fields: Mapping[str, int]
    ) -> AsyncGenerator[Document, None]:
        """Yield fields of the summaries of selected people, without mastery logs."""
        for query in self._queries(selection, content_ids):
            async with aclosing(self._selected(SUMMARIES, query, selection, fields)) as found:
                async for summary in found:
                    yield summary

    async def set_aside(self, partitions: Sequence[Filter]) -> AsyncGenerator[Document, None]:
        """Yield the rows that imports have set aside: model, reason and partition.

        Args:
            partitions: the conditions on the partition of a row, one query each; an empty one: all rows.
        """
        fields = {"model_name": 1, "reason": 1, "_morango_partition": 1}
        for condition in partitions:
            query = {"_morango_partition": condition} if condition else {}
            async with aclosing(self._database.batches(SET_ASIDE, query, fields, size=_BATCH)) as batches:
                async for batch in batches:
                    for row in batch:
                        yield row

    async def _selected(
        self, collection: str, query: Filter, selection: Selection, fields: Mapping[str, int]
    ) -> AsyncGenerator[Document, None]:
        fields = {"dataset_id": 1, "user_id": 1, **fields}
        async with aclosing(self._database.batches(collection, query, fields, size=_BATCH)) as batches:
            async for batch in batches:
                for document in batch:
                    if selection.admits(document):
                        yield document

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


def _only(fields: Sequence[str], attempt: Document) -> Document:
    """Return the wanted parts of an attempt: buckets are read whole, and a report keeps many attempts."""
    names = [name.partition(".")[0] for name in fields]
    return {name: attempt[name] for name in names if name in attempt}
