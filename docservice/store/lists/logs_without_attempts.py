"""Reads summaries and content sessions without their attempts, for lists that go through many of them."""

from __future__ import annotations

from collections.abc import AsyncGenerator

from docservice.domain.requests.lists import LogFilters
from docservice.store.database.engines import reads_of
from docservice.store.database.port import Database, Document
from docservice.store.lists.scope import Selection
from docservice.store.mapping.schema import SESSIONS, SUMMARIES


def summaries_without_attempts(
    database: Database, selection: Selection, filters: LogFilters, fields: Document
) -> AsyncGenerator[Document, None]:
    """Return the selected summaries in order of `_id`; of the filters, `content` and `masterylog` count.

    Args:
        database: where.
        selection: whose.
        filters: what else they must fit.
        fields: to read, each with 1.
    """
    more = {} if filters.content is None else {"content_id": filters.content}
    if filters.masterylog is not None:
        more["mastery_logs.id"] = filters.masterylog
    # Everybody's, of a facility or of all, may be too many to be sorted at once.
    is_long = selection.user_ids is None and filters.masterylog is None
    return reads_of(database).in_id_order(SUMMARIES, selection.conditions(**more), fields, is_long=is_long)


def sessions_with_attempts(
    database: Database, selection: Selection, fields: Document
) -> AsyncGenerator[Document, None]:
    """Return the selected content sessions that hold attempts of their own, in order of `_id`."""
    conditions = selection.conditions(loose_attempt_count={"$gt": 0})
    return reads_of(database).in_id_order(SESSIONS, conditions, fields, is_long=False)
