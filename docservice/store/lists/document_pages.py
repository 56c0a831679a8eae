"""Lists of documents, page by page, that stay right while writers run.

A list is split into parts: a part is what one equality condition selects (one person, one content, one facility). In
each part the order is `_id`, which never changes. So a log that exists when the first page is read comes exactly once,
and no page reads what earlier pages returned.

`reads.EngineReads` decides how an engine is queried for a part: whether conditions without an index are in a stage of
their own, and whether a part that may be long (a facility, everything) is read in ranges of its ids.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Collection, Iterator, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Any

from docservice.domain.logs.content_logs import AttemptLog
from docservice.domain.requests.document_pages import Cursor, DocumentFilters, FieldChoice, Split
from docservice.store.database.engines import reads_of
from docservice.store.database.port import Database, Document
from docservice.store.database.reads import Conditions, EngineReads
from docservice.store.lists.scope import Selection
from docservice.store.logs.attempts import AttemptReader, attempt_logs, in_order
from docservice.store.mapping.log_kinds import LogKind

MAX_PARTS = 1000
"""The most parts that one page reads; a list over more contents is not split by content."""

_PAGE_BYTES = 16 * 1024 * 1024
_PAGE_SECONDS = 3.0


@dataclass(frozen=True)
class ListPart:
    """What one equality condition selects.

    Attributes:
        key: its place in the order of parts.
        match: the condition; an index starts with its fields and goes on with `_id`.
        is_long: whether it may be.
    """

    key: str
    match: Document
    is_long: bool = False


@dataclass(frozen=True)
class ListPlan:
    """A list and the parts that it is split into.

    Attributes:
        split: how it is split into parts.
        parts: in order.
        residual: conditions besides the part's.
    """

    split: Split
    parts: Sequence[ListPart]
    residual: Document = field(default_factory=dict)


@dataclass(frozen=True)
class ReadPage:
    """The documents of a page.

    Attributes:
        documents: as they were read.
        part: where the next page starts; None after the last page.
        last: see `Cursor.last`.
    """

    documents: list[Document]
    part: str | None = None
    last: str | None = None


def plan(
    selection: Selection, filters: DocumentFilters, content_ids: Collection[str] | None, split: Split | None = None
) -> ListPlan:
    """Split a list into parts.

    Args:
        selection: whose logs.
        filters: what else they must fit; content aside.
        content_ids: ids of contents; None allows any.
        split: from the cursor; None for the first page.
    """
    residual = _residual(filters)
    if selection.user_ids is not None:
        parts = [ListPart(user_id, {"user_id": user_id}) for user_id in sorted(selection.user_ids)]
        if selection.dataset_id is not None:
            residual["dataset_id"] = selection.dataset_id
        return ListPlan("user", parts, residual | _among(content_ids))
    base = {} if selection.dataset_id is None else {"dataset_id": selection.dataset_id}
    if selection.signed_in:
        residual["user_id"] = {"$gt": ""}
    if split is None:
        split = "content" if content_ids is not None and len(content_ids) <= MAX_PARTS else "whole"
    if split == "content" and content_ids is not None:
        parts = [ListPart(content_id, {**base, "content_id": content_id}) for content_id in sorted(content_ids)]
        return ListPlan("content", parts, residual)
    if filters.exam is not None:
        del residual["exam_id"]
        return ListPlan("whole", [ListPart("", {**base, "exam_id": filters.exam})], residual)
    return ListPlan("whole", [ListPart("", base, is_long=True)], residual | _among(content_ids))


def _among(content_ids: Collection[str] | None) -> Document:
    return {} if content_ids is None else {"content_id": {"$in": sorted(content_ids)}}


def _residual(filters: DocumentFilters) -> Document:
    residual: Document = {}
    for name, value in (("channel_id", filters.channel), ("kind", filters.kind), ("exam_id", filters.exam)):
        if value is not None:
            residual[name] = value
    starts = {"$gte": filters.start_after, "$lt": filters.start_before}
    bounds = {bound: moment for bound, moment in starts.items() if moment is not None}
    if bounds:
        residual["start_timestamp"] = bounds
    return residual


class DocumentPageStore:
    """Reads pages of documents, and single ones with their moved attempts."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._reader = AttemptReader(database)

    async def page(
        self, kind: LogKind[Any], list_plan: ListPlan, fields: FieldChoice, size: int, cursor: Cursor | None = None
    ) -> ReadPage:
        """Return the next documents of a list, with the attempts that are embedded in them.

        Args:
            kind: of log.
            list_plan: the list.
            fields: the parts to read.
            size: how many documents at most.
            cursor: where the page starts; None for the first page.
        """
        began, reads = _now(), reads_of(self._database)
        heavy = fields.shows("mastery_logs.attempts") or fields.shows("attempts")
        page: list[Document] = []
        place, page_bytes = "", 0
        previous: ListPart | None = None
        for number, (part, last) in enumerate(remaining_parts(list_plan.parts, cursor)):
            if previous is not None and (number >= MAX_PARTS or _now() - began > _PAGE_SECONDS):
                return ReadPage(page, previous.key)
            previous = part
            ids = reads.ranges(last, is_long=part.is_long, is_filtered=bool(list_plan.residual))
            while True:
                conditions = Conditions({**part.match, "_id": ids.condition}, list_plan.residual)
                started = _now()
                reading = self._read(reads, kind, conditions, fields, size + 1 - len(page))
                async with aclosing(reading) as documents:
                    async for document in documents:
                        if len(page) == size or page_bytes > _PAGE_BYTES:
                            return ReadPage(page, place, page[-1]["_id"])
                        page.append(in_order(document) if kind.overflows and heavy else document)
                        place = part.key
                        page_bytes += document.get("attempt_bytes", 0) if heavy else 0
                if ids.is_last:
                    break
                ids.advance(_now() - started, 0)
                if _now() - began > _PAGE_SECONDS:
                    return ReadPage(page, part.key, ids.last)
        return ReadPage(page)

    def _read(
        self, reads: EngineReads, kind: LogKind[Any], conditions: Conditions, fields: FieldChoice, limit: int
    ) -> AsyncGenerator[Document, None]:
        pipeline = [*reads.matching(conditions), {"$sort": {"_id": 1}}, {"$limit": limit}]
        projection = _projection(kind, fields)
        if projection is not None:
            pipeline.append({"$project": projection})
        return self._database.aggregate(kind.collection, pipeline)

    async def one(self, kind: LogKind[Any], selection: Selection, log_id: str, fields: FieldChoice) -> Document | None:
        """A document with all its attempts, see `store.logs.attempts`; None if none of the selected has the id."""
        heavy = kind.overflows and (fields.shows("mastery_logs.attempts") or fields.shows("attempts"))
        projection = None if heavy else _projection(kind, fields)
        with self._database.guarded():
            document = await self._database[kind.collection].find_one({"_id": log_id}, projection)
        if document is None or not selection.admits(document):
            return None
        return await self._reader.whole(document) if heavy else document

    async def attempts(self, kind: LogKind[Any], log_id: str) -> AsyncGenerator[AttemptLog, None]:
        """Yield all attempts of a log, mastery log by mastery log, in each in the order of `store.logs.attempts`."""
        with self._database.guarded():
            document = await self._database[kind.collection].find_one({"_id": log_id})
        if document is None:
            return
        lists = [(log["id"], log["attempts"]) for log in document.get("mastery_logs", ())]
        for masterylog_id, embedded in lists or [(None, document.get("attempts", []))]:
            async with aclosing(self._reader.of_list(document, masterylog_id, embedded)) as parts:
                async for part in parts:
                    for log in attempt_logs(document, masterylog_id, part):
                        yield log


def _now() -> float:
    return asyncio.get_running_loop().time()


def remaining_parts(parts: Sequence[ListPart], cursor: Cursor | None) -> Iterator[tuple[ListPart, str]]:
    """Yield the parts that are left, each with the log after which to go on."""
    for part in parts:
        if cursor is None or part.key > cursor.part:
            yield part, ""
        elif part.key == cursor.part and cursor.last is not None:
            yield part, cursor.last


_ALWAYS_READ = ("user_id", "dataset_id", "_morango_partition", "_recorded", "attempt_bytes", "overflow_buckets")


def _projection(kind: LogKind[Any], fields: FieldChoice) -> Document | None:
    leaves = fields.leaves(kind.shown_paths - {"id"})
    if leaves is None:
        return None
    paths = {*leaves, *_ALWAYS_READ}
    for at in ("mastery_logs.attempts", "attempts"):
        if any(path.startswith(f"{at}.") for path in leaves):
            paths |= {f"{at}.id", f"{at}.start_timestamp"}  # attempts are put in order by these
    for path in leaves:
        parts = path.split(".")
        # A time is shown with what its device recorded beside it, at each level.
        paths |= {".".join([*parts[:depth], "_recorded"]) for depth in range(1, len(parts))}
    return dict.fromkeys(sorted(paths), 1)
