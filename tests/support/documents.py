"""Look at a whole database with the plain driver."""

from __future__ import annotations

from typing import Any


async def collections_of(database: Any) -> list[str]:
    """The names of all collections, sorted; without views, and without those of the server's own."""
    names = await database.list_collection_names(filter={"type": "collection"})
    return sorted(name for name in names if not name.startswith("system."))
