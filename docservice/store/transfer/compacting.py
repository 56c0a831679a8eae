"""Asks a MongoDB server to compact the collections of this service."""

from __future__ import annotations

from docservice.errors import StoreError
from docservice.store.database.port import Database
from docservice.store.mapping.schema import OURS


async def compact(database: Database) -> dict[str, str]:
    """Compact each collection that is there; return the others, each with the reason why it was not done."""
    answer = await database.command({"listCollections": 1, "nameOnly": True, "filter": {"type": "collection"}})
    names = {found["name"] for found in answer["cursor"]["firstBatch"]}
    refused: dict[str, str] = {}
    for name in sorted(OURS & names):
        try:
            # Without force, the primary of a replica set refuses it.
            await database.command({"compact": name, "force": True})
        except StoreError as error:
            refused[name] = str(error)
    return refused
