"""Views for the Mongo shell, as the JSON files of `indexes/` describe them: apply, compare.

They flatten the documents: one row a mastery log, one row an attempt wherever it is stored. Each unions collections
with pipelines of their own: the embedded engine reads a view inside `$unionWith` or `$lookup` as if it were empty.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache

from docservice.errors import StoreError
from docservice.store.database.port import Database, Document
from docservice.store.indexes.files import contents


@dataclass(frozen=True)
class View:
    """One view.

    Attributes:
        name: what it is called at the shell.
        on: the collection it begins with.
        pipeline: what makes its rows.
        about: what one row is.
    """

    name: str
    on: str
    pipeline: list[Document] = field(hash=False)
    about: str


@dataclass(frozen=True)
class ViewReport:
    """How the server's views compare with the files.

    Attributes:
        present: as described.
        missing: described, but not on the server.
        different: on the server with another pipeline; a view holds no data, so `apply` replaces it.
        taken: on the server there is a collection with the name; it is left alone.
    """

    present: list[View] = field(default_factory=list)
    missing: list[View] = field(default_factory=list)
    different: list[View] = field(default_factory=list)
    taken: list[View] = field(default_factory=list)

    @property
    def complete(self) -> bool:
        """Whether every described view is there."""
        return not (self.missing or self.different or self.taken)


@cache
def described_views() -> Sequence[View]:
    """Return all views of the files, by name."""
    return tuple(
        View(content["view"], content["on"], content["pipeline"], content["about"])
        for content in contents()
        if "view" in content
    )


async def check_views(database: Database) -> ViewReport:
    """Compare the server's views with the files; changes nothing."""
    names = [view.name for view in described_views()]
    answer = await database.command({"listCollections": 1, "filter": {"name": {"$in": names}}})
    existing = {found["name"]: found for found in answer["cursor"]["firstBatch"]}
    report = ViewReport()
    for view in described_views():
        found = existing.get(view.name)
        if found is None:
            report.missing.append(view)
        elif found["type"] != "view":
            report.taken.append(view)
        elif (found["options"]["viewOn"], found["options"]["pipeline"]) == (view.on, view.pipeline):
            report.present.append(view)
        else:
            report.different.append(view)
    return report


async def apply_views(database: Database) -> ViewReport:
    """Create the views that are missing and replace those that differ.

    Returns:
        The state that was found before.
    """
    report = await check_views(database)
    if database.traits.changes_views:
        for view in report.different:
            await database.command({"collMod": view.name, "viewOn": view.on, "pipeline": view.pipeline})
    else:
        for view in report.different:
            await database.command({"drop": view.name})
    made = report.missing if database.traits.changes_views else [*report.missing, *report.different]
    for view in made:
        try:
            await database.command({"create": view.name, "viewOn": view.on, "pipeline": view.pipeline})
        except StoreError as error:
            # Another process may have been faster; if not, the error is raised.
            now = await check_views(database)
            if error.retryable or view not in now.present:
                raise
    return report
