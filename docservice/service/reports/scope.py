"""Whose logs and names a report may show: the read scope of its reader, narrowed by its filters."""

from __future__ import annotations

from dataclasses import dataclass

from docservice.domain.reports.filters import ReportFilters
from docservice.store.database.port import Database, Document
from docservice.store.directory.content_tree import ContentStore
from docservice.store.directory.people import PeopleStore, Readable
from docservice.store.lists.scope import Selection, select
from docservice.store.reports.directory import ReportDirectory


@dataclass(frozen=True)
class ReportScope:
    """What one report may read.

    Attributes:
        filters: that it was asked with.
        readable: what its reader may read.
        selection: whose logs are left.
    """

    filters: ReportFilters
    readable: Readable
    selection: Selection

    @classmethod
    async def of(cls, database: Database, filters: ReportFilters, readable: Readable) -> ReportScope:
        """Resolve classes, groups and facility of the filters."""
        return cls(filters, readable, await select(PeopleStore(database), readable, filters.people))

    def among(self, user_ids: set[str]) -> Selection:
        """Return the selection narrowed to these people."""
        of_these = user_ids if self.selection.user_ids is None else self.selection.user_ids & user_ids
        return Selection(frozenset(of_these), self.selection.dataset_id, self.selection.signed_in)

    async def known_people(self, directory: ReportDirectory, user_ids: set[str]) -> dict[str, Document]:
        """Return those of some people who may be shown, with their names."""
        selection = self.among(user_ids)
        people = await directory.people(selection.user_ids or ())
        dataset_id = selection.dataset_id
        return {id_: person for id_, person in people.items() if dataset_id in (None, person["dataset_id"])}


def name_of(person: Document | None) -> str:
    """Return what a person is called: the full name, else the username."""
    return "" if person is None else str(person.get("full_name") or person.get("username") or "")


async def content_filter(database: Database, filters: ReportFilters) -> set[str] | None:
    """Return the contents that `content`, `quiz` and `topic` leave; None if they leave all.

    A topic that is not there leaves none.
    """
    id_sets: list[set[str]] = []
    if filters.content is not None:
        id_sets.append({filters.content})
    if filters.quiz is not None:
        id_sets.append({filters.quiz})
    if filters.topic is not None:
        id_sets.append(await ContentStore(database).below(filters.topic) or set())
    return set.intersection(*id_sets) if id_sets else None
