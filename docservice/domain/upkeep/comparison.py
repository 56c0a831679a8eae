"""Compares two documents.

Equal are documents with the same fields in any order and numbers of the same value in any type; true is not a number.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any, Literal

_MOST_PATHS = 5


DifferenceKind = Literal["missing", "extra", "different"]
"""How a document of two databases differs: `missing` in the other one, `extra` there, or `different`."""


@dataclass(frozen=True)
class Difference:
    """A document that two databases do not have alike.

    Attributes:
        collection: where.
        document_id: which one.
        kind: `missing` in the other database, `extra` there, or `different`.
        paths: where the two differ, the first few; no values.
    """

    collection: str
    document_id: str
    kind: DifferenceKind
    paths: tuple[str, ...] = ()


def difference(collection: str, one: dict[str, Any] | None, other: dict[str, Any] | None) -> Difference | None:
    """How two documents with the same `_id` differ, None if they are equal.

    Args:
        collection: where they are.
        one: the document here; None if it is not there.
        other: the document in the other database; None if it is not there.
    """
    if one is None or other is None:
        present = one or other
        return Difference(collection, str(present["_id"]), "missing" if one else "extra") if present else None
    paths = tuple(islice(_paths(one, other, ""), _MOST_PATHS))
    return Difference(collection, str(one["_id"]), "different", paths) if paths else None


def _paths(one: Any, other: Any, path: str) -> Iterator[str]:
    if isinstance(one, dict) and isinstance(other, dict):
        for name in dict.fromkeys((*one, *other)):
            where = f"{path}.{name}" if path else str(name)
            if name in one and name in other:
                yield from _paths(one[name], other[name], where)
            else:
                yield where
    elif isinstance(one, list) and isinstance(other, list):
        for position, (each, its) in enumerate(zip(one, other, strict=False)):
            yield from _paths(each, its, f"{path}.{position}")
        for position in range(*sorted((len(one), len(other)))):
            yield f"{path}.{position}"
    elif isinstance(one, bool) is not isinstance(other, bool) or one != other:
        yield path
