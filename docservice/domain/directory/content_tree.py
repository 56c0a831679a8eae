"""The topics above a content node, from the records of the nodes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from docservice.domain.directory.records import MAX_LEVEL

Node = Mapping[str, Any]
"""With `parent_id`, and perhaps `title` and `ancestors`."""


def told_ancestors(value: Any) -> list[dict[str, Any]]:
    """Return the `ancestors` of a Kolibri's node; an empty list if they are not readable."""
    is_readable = (
        isinstance(value, list)
        and len(value) <= MAX_LEVEL
        and all(isinstance(topic, dict) and isinstance(topic.get("title"), str) for topic in value)
    )
    return value if is_readable else []


def ancestors_of(node: Node, topics: Mapping[str, Node]) -> list[dict[str, Any]]:
    """Return the topics above a node, `[{"id", "title"}]` from the root down.

    They are what the node says itself; if it says nothing, they follow from its parents. Kolibri writes `ancestors`
    since 0.15, and a directory from elsewhere often names parents alone.

    Args:
        node: of the directory.
        topics: nodes above it by id. A parent that is not among them comes first, with an empty title: it is
            most likely the root, whose title is the channel's name and is not a folder.
    """
    ancestors: list[dict[str, Any]] = []
    seen: set[str] = set()
    while not node.get("ancestors"):
        parent_id = node.get("parent_id")
        if not parent_id or parent_id in seen or len(ancestors) >= MAX_LEVEL:
            return ancestors[::-1]
        seen.add(parent_id)
        node = topics.get(parent_id, {})
        ancestors.append({"id": parent_id, "title": node.get("title") or ""})
    return [*node["ancestors"], *ancestors[::-1]][:MAX_LEVEL]


def parents_to_read(nodes: Iterable[Node], topics: Mapping[str, Node]) -> set[str]:
    """Return the ids of the nodes that `ancestors_of` needs next, which are not among `topics` yet."""
    return {
        node["parent_id"]
        for node in nodes
        if not node.get("ancestors") and node.get("parent_id") and node["parent_id"] not in topics
    }
