"""The places of content in the trees of its channels."""

from __future__ import annotations

from docservice.store.database.port import Database

_NODES = "content_nodes"
_AT_ONCE = 1000


class ContentStore:
    """The content nodes of the directory."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def below(self, node_id: str) -> set[str] | None:
        """The content ids of all nodes below a topic, and its own if it is not a topic; None if there is no such node.

        Goes down level by level, so that it needs no tree numbers, which a directory may lack.
        """
        with self._database.guarded():
            top = await self._database[_NODES].find_one({"_id": node_id}, {"content_id": 1, "kind": 1, "channel_id": 1})
        if top is None:
            return None
        content_ids = set() if top["kind"] == "topic" else {top["content_id"]}
        seen, level = {node_id}, [node_id]
        while level:
            below: list[str] = []
            for start in range(0, len(level), _AT_ONCE):
                query = {"parent_id": {"$in": level[start : start + _AT_ONCE]}}
                fields = {"content_id": 1, "kind": 1, "channel_id": 1}
                async for node in self._database.stream(_NODES, query, fields):
                    if node["_id"] in seen or node["channel_id"] != top["channel_id"]:
                        continue
                    seen.add(node["_id"])
                    below.append(node["_id"])
                    if node["kind"] != "topic":
                        content_ids.add(node["content_id"])
            level = below
        return content_ids
