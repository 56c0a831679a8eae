"""Indexes, as the JSON files of `indexes/` describe them: apply, compare, show. The views go with them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from docservice.store.database.failures import translated
from docservice.store.database.port import Database
from docservice.store.indexes.files import contents
from docservice.store.indexes.views import ViewReport, apply_views, check_views

_COMPARED_OPTIONS = ("unique", "sparse", "partialFilterExpression", "expireAfterSeconds")


@dataclass(frozen=True)
class Index:
    """One index.

    Attributes:
        keys: fields with their direction (1 or -1), in order.
        options: MongoDB's index options.
        serves: the query it is there for.
    """

    collection: str
    name: str
    keys: tuple[tuple[str, int], ...]
    options: dict[str, Any] = field(hash=False)
    serves: str


@dataclass(frozen=True)
class IndexReport:
    """How the server's indexes compare with the files.

    Attributes:
        present: as described.
        missing: described, but not on the server.
        different: on the server under the same name with other keys or options.
        unknown: on the server only, as `collection.name`; they are left alone.
        views: the same of the views.
    """

    present: list[Index]
    missing: list[Index]
    different: list[Index]
    unknown: list[str]
    views: ViewReport

    @property
    def complete(self) -> bool:
        """Whether every described index and view is there."""
        return not self.missing and not self.different and self.views.complete


@cache
def described() -> Sequence[Index]:
    """All indexes of the files, by collection."""
    found = []
    for content in contents():
        for index in content.get("indexes", ()):
            keys = tuple((name, direction) for name, direction in index["keys"])
            found.append(Index(content["collection"], index["name"], keys, index["options"], index["serves"]))
    return tuple(found)


@cache
def shard_keys() -> Mapping[str, dict[str, int]]:
    """The shard key of each collection that is spread over shards; the others stay whole on one."""
    return {content["collection"]: content["shard_key"] for content in contents() if "shard_key" in content}


async def check(database: Database) -> IndexReport:
    """Compare the server's indexes and views with the files; changes nothing."""
    report = IndexReport([], [], [], [], await check_views(database))
    by_collection: dict[str, list[Index]] = {}
    for index in described():
        by_collection.setdefault(index.collection, []).append(index)
    for collection, wanted in by_collection.items():
        with database.guarded():
            there = dict(await database[collection].index_information())
        for index in wanted:
            found = there.pop(index.name, None)
            if found is None:
                report.missing.append(index)
            elif _same(index, found):
                report.present.append(index)
            else:
                report.different.append(index)
        report.unknown.extend(f"{collection}.{name}" for name in there if name != "_id_")
    return report


def _same(index: Index, found: Any) -> bool:
    keys = tuple((name, int(direction)) for name, direction in found["key"])
    return keys == index.keys and all(found.get(o) == index.options.get(o) for o in _COMPARED_OPTIONS)


async def apply(database: Database, *, rebuild: bool = False) -> IndexReport:
    """Create the indexes and views that are missing, and make views anew that differ.

    Args:
        database: where.
        rebuild: also drop and make anew the indexes that differ; without it they are left and reported.

    Returns:
        The state that was found before.
    """
    report = await check(database)
    if rebuild:
        for index in report.different:
            with database.guarded():
                await database[index.collection].drop_index(index.name)
    for index in [*report.missing, *(report.different if rebuild else ())]:
        # No deadline: building an index over many documents takes its time.
        with translated():
            await database[index.collection].create_index(list(index.keys), name=index.name, **index.options)
    await apply_views(database)
    return report
