"""Databases that tests use one after the other: making the indexes of a new one takes longer than most tests."""

from __future__ import annotations

import uuid
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from tests.support.documents import collections_of

Shape = dict[str, Any]
"""What a database has besides documents: views with their definitions, and collections with their indexes."""


def new_name() -> str:
    """A name that no database has."""
    return f"test_{uuid.uuid4().hex[:12]}"


async def drop(database: Any) -> None:
    """Remove a database; the embedded engine takes minutes to drop a collection of thousands that is not emptied."""
    for collection in await collections_of(database):
        await database[collection].delete_many({})
    await database.client.drop_database(database.name)


async def shape_of(database: Any) -> Shape:
    """What a database has besides documents."""
    shape: Shape = {}
    for entry in await (await database.list_collections()).to_list():
        name = entry["name"]
        if entry["type"] == "view":
            shape[name] = entry["options"]
        elif not name.startswith("system."):
            shape[name] = await database[name].index_information()
    return shape


@dataclass
class Pool:
    """Databases that are alike: each is lent to one test at a time and is as it was when the next one gets it.

    Args:
        client: a client of the driver.
        prepare: fills a new database, which it gets by its name.
    """

    client: Any
    prepare: Callable[[str], Awaitable[None]]
    _free: list[str] = field(default_factory=list)
    _shape: Shape = field(default_factory=dict)
    _documents: dict[str, list[Any]] = field(default_factory=dict)

    async def take(self) -> Any:
        """A prepared database, as the plain driver sees it; give it back afterwards."""
        if self._free:
            return self.client[self._free.pop()]
        database = self.client[new_name()]
        await self.prepare(database.name)
        if not self._shape:
            self._shape = await shape_of(database)
            for name in await collections_of(database):
                self._documents[name] = await database[name].find().to_list()
        return database

    async def give_back(self, database: Any) -> None:
        """Restore the documents of a database; one with other collections or indexes than before is removed."""
        if await shape_of(database) != self._shape:
            await drop(database)
            return
        for name, documents in self._documents.items():
            if await database[name].find().to_list(len(documents) + 1) != documents:
                await database[name].delete_many({})
                if documents:
                    await database[name].insert_many(documents)
        self._free.append(database.name)

    async def drop(self) -> None:
        """Remove all databases that were given back."""
        for name in self._free:
            await drop(self.client[name])
