"""Outlines: summaries and visits without their attempts, for the lists that go through many of them."""

from __future__ import annotations

from collections.abc import AsyncGenerator

from docservice.domain.requests.lists import LogFilters
from docservice.store.database.port import Database, Document
from docservice.store.lists.id_ranges import in_windows
from docservice.store.lists.scope import Selection
from docservice.store.mapping.schema import SESSIONS, SUMMARIES


def summaries(
    database: Database, selection: Selection, filters: LogFilters, fields: Document
) -> AsyncGenerator[Document, None]:
    """The selected summaries in order of `_id`; of the filters, `content` and `masterylog` count.

    Args:
        database: where.
        selection: whose.
        filters: what else they must fit.
        fields: to read, each with 1: the embedded engine does not leave out parts of what stands in a list.
    """
    project: Document = {"$project": fields}
    more = {} if filters.content is None else {"content_id": filters.content}
    if selection.user_ids is None and filters.masterylog is None:
        # Everybody's, of a facility or of all: too many to be sorted at once.
        match = more if selection.dataset_id is None else {"dataset_id": selection.dataset_id, **more}
        signed_in = [{"$match": {"user_id": {"$gt": ""}}}] if selection.signed_in else []
        return in_windows(database, SUMMARIES, match, [*signed_in, project])
    if filters.masterylog is not None:
        more["mastery_logs.id"] = filters.masterylog
    return database.aggregate(SUMMARIES, [*selection.stages(**more), project, {"$sort": {"_id": 1}}])


def visits_with_attempts(database: Database, selection: Selection, fields: Document) -> AsyncGenerator[Document, None]:
    """The selected visits that hold attempts themselves, in order of `_id`."""
    stages = selection.stages(loose_attempt_count={"$gt": 0})
    return database.aggregate(SESSIONS, [*stages, {"$project": fields}, {"$sort": {"_id": 1}}])
