"""Indexes, as the JSON files of `indexes/` describe them: apply, compare, show. The views go with them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from docservice.store.database.failures import translated
from docservice.store.database.port import Database
from docservice.store.database.traits import EngineTraits
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
        only_where: values that traits of the engine must have for it to be made; see `EngineTraits`.
        formerly: keys and options that earlier versions of the files gave it; it is made again in the place of these.
    """

    collection: str
    name: str
    keys: tuple[tuple[str, int], ...]
    options: dict[str, Any] = field(hash=False)
    serves: str
    only_where: dict[str, bool] = field(default_factory=dict, hash=False)
    formerly: tuple[tuple[tuple[tuple[str, int], ...], dict[str, Any]], ...] = field(default=(), hash=False)

    def is_for(self, traits: EngineTraits) -> bool:
        """Whether an engine with these traits has use for it."""
        return all(getattr(traits, name) == value for name, value in self.only_where.items())


@dataclass(frozen=True)
class IndexReport:
    """How the server's indexes compare with the files.

    Attributes:
        present: as described.
        missing: described, but not on the server.
        outdated: on the server as an earlier version of the files described it.
        superfluous: described and on the server, but of no use to its engine.
        different: on the server under the same name with other keys or options.
        unknown: on the server only, as `collection.name`; they are left alone.
        views: the same of the views.
    """

    present: list[Index]
    missing: list[Index]
    outdated: list[Index]
    superfluous: list[Index]
    different: list[Index]
    unknown: list[str]
    views: ViewReport

    @property
    def wanted(self) -> int:
        """How many indexes the engine has use for."""
        return len(self.present) + len(self.missing) + len(self.outdated) + len(self.different)

    @property
    def complete(self) -> bool:
        """Whether every index that the engine has use for, and every view, is there."""
        return not (self.missing or self.outdated or self.different) and self.views.complete


@cache
def described() -> Sequence[Index]:
    """Return all indexes of the files, by collection."""
    return tuple(
        Index(
            content["collection"],
            index["name"],
            _keys(index["keys"]),
            index["options"],
            index["serves"],
            index.get("only_where", {}),
            tuple((_keys(old["keys"]), old["options"]) for old in index.get("formerly", ())),
        )
        for content in contents()
        for index in content.get("indexes", ())
    )


def _keys(listed: Sequence[Sequence[Any]]) -> tuple[tuple[str, int], ...]:
    return tuple((name, int(direction)) for name, direction in listed)


@cache
def shard_keys() -> Mapping[str, dict[str, int]]:
    """Return the shard key of each collection that is spread over shards; the others stay whole on one."""
    return {content["collection"]: content["shard_key"] for content in contents() if "shard_key" in content}


async def check(database: Database) -> IndexReport:
    """Compare the server's indexes and views with the files; changes nothing."""
    report = IndexReport([], [], [], [], [], [], await check_views(database))
    by_collection: dict[str, list[Index]] = {}
    for index in described():
        by_collection.setdefault(index.collection, []).append(index)
    for collection, wanted in by_collection.items():
        with database.guarded():
            unknown = dict(await database[collection].index_information())
        for index in wanted:
            existing = unknown.pop(index.name, None)
            if not index.is_for(database.traits):
                if existing is not None and _same(index.keys, index.options, existing):
                    report.superfluous.append(index)
            elif existing is None:
                report.missing.append(index)
            elif _same(index.keys, index.options, existing):
                report.present.append(index)
            elif any(_same(keys, options, existing) for keys, options in index.formerly):
                report.outdated.append(index)
            else:
                report.different.append(index)
        report.unknown.extend(f"{collection}.{name}" for name in unknown if name != "_id_")
    return report


def _same(keys: tuple[tuple[str, int], ...], options: Mapping[str, Any], existing: Any) -> bool:
    return _keys(existing["key"]) == keys and all(existing.get(o) == options.get(o) for o in _COMPARED_OPTIONS)


async def apply(database: Database, *, rebuild: bool = False) -> IndexReport:
    """Create the indexes and views that are missing, and make those again that an earlier version described.

    Args:
        database: where.
        rebuild: also drop and make again the indexes that differ; without it they are left and reported.

    Returns:
        The state that was found before.
    """
    report = await check(database)
    again = [*report.outdated, *(report.different if rebuild else ())]
    # No deadline: building an index over many documents takes its time, and so does dropping one on some engines.
    with translated():
        for index in [*report.superfluous, *again]:
            await database[index.collection].drop_index(index.name)
        for index in [*report.missing, *again]:
            await database[index.collection].create_index(list(index.keys), name=index.name, **index.options)
    await apply_views(database)
    return report
