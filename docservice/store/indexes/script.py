"""Indexes, views and shard keys as commands of the Mongo shell, for administrators of a server."""

from __future__ import annotations

import json

from docservice.store.database.traits import MONGODB
from docservice.store.indexes.applying import described, shard_keys
from docservice.store.indexes.views import described_views


def mongosh_script(database: str, *, shard: bool) -> str:
    """Commands that create what is missing; run again they change nothing.

    Args:
        database: its name.
        shard: also spread the collections of logs over the shards of a cluster.
    """
    lines = [f"db = db.getSiblingDB({json.dumps(database)})"]
    for index in (index for index in described() if index.is_for(MONGODB)):
        options = {"name": index.name, **index.options}
        collection = f"db.getCollection({json.dumps(index.collection)})"
        lines.append(f"{collection}.createIndex({json.dumps(dict(index.keys))}, {json.dumps(options)})")
    for view in described_views():
        # createView fails on a view that is there, and run again this script is to change nothing.
        name = json.dumps(view.name)
        create = f"db.createView({name}, {json.dumps(view.on)}, {json.dumps(view.pipeline)})"
        lines.append(f"if (!db.getCollectionNames().includes({name})) {create}")
    if shard:
        lines.append(f"sh.enableSharding({json.dumps(database)})")
        for collection, key in shard_keys().items():
            # An empty collection needs the index first and gets it; one with documents has it: see `partition_id`.
            lines.append(f"sh.shardCollection({json.dumps(f'{database}.{collection}')}, {json.dumps(key)})")
    return "\n".join(lines)
