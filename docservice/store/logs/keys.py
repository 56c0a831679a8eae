"""The key of a log: partition and id, so that a sharded cluster asks one shard."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, NamedTuple

from docservice.store.database.port import one_of


class LogKey(NamedTuple):
    """A log and its partition, which is the shard key."""

    partition: str
    log_id: str


def filter_of(keys: Collection[LogKey]) -> dict[str, Any]:
    """Return the filter of the logs with these keys, of which the caller looks at the partition again.

    On a sharded cluster the keys of one transaction have one partition, and the filter names it. Several are left out:
    ids are unique without them, and some servers would look for each id in each partition.
    """
    query: dict[str, Any] = {"_id": one_of(key.log_id for key in keys)}
    partitions = {key.partition for key in keys}
    if len(partitions) == 1:
        query["_morango_partition"] = partitions.pop()
    return query
