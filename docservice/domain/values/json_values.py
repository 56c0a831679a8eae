"""Checks that a document can hold a JSON value, and names the path of one that it cannot hold."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from docservice.errors import UnstorableValue

MAX_NESTING = 93
"""Levels of objects and lists that an answer may have: a BSON document has 100 at most, and an answer in an
interaction history is seven levels down in its summary."""

MAX_INTEGER_DIGITS = 4300
"""Longest integer that Python's JSON parser reads; longer ones are malformed JSON to the real server, too."""

Path = tuple[str | int, ...]


def require_storable(value: object, path: Path = ()) -> None:
    """Check that a document can hold the JSON value.

    Args:
        value: what the JSON parser made: dict, list (or tuple), str, int, float, bool or None.
        path: path of the value in the request; `UnstorableValue.path` starts with it.

    Raises:
        UnstorableValue: nested too deeply, a NUL in a key, a lone surrogate, a number that is not finite, or
            something that is not JSON.
    """
    pending: list[tuple[object, Path, int]] = [(value, path, 0)]
    while pending:
        current, where, depth = pending.pop()
        if isinstance(current, str):
            _require_text(current, where)
        elif isinstance(current, float) and not math.isfinite(current):
            raise UnstorableValue(where, "a number must be finite")
        elif isinstance(current, (dict, list, tuple)):
            if depth >= MAX_NESTING:
                raise UnstorableValue(path, f"nested deeper than {MAX_NESTING} levels")
            pending.extend((child, (*where, key), depth + 1) for key, child in _children(current, where))
        elif current is not None and not isinstance(current, (int, float)):
            # A document could hold a date, but not give it back as the JSON that it was in a backup.
            raise UnstorableValue(where, f"a value of the type {type(current).__name__} is not JSON")


def json_problem(value: object) -> str | None:
    """Return why a document cannot hold a value as JSON, in a clause; None if it can."""
    try:
        require_storable(value)
    except UnstorableValue as error:
        return error.reason
    return None


def _children(value: dict[str, object] | Sequence[object], where: Path) -> Iterator[tuple[str | int, object]]:
    if not isinstance(value, dict):
        yield from enumerate(value)
        return
    for key, child in value.items():
        _require_text(key, where)
        if "\x00" in key:
            raise UnstorableValue(where, "a key holds a NUL character")
        yield key, child


def _require_text(text: str, where: Path) -> None:
    try:
        text.encode()
    except UnicodeEncodeError:
        raise UnstorableValue(where, "a text holds half of a surrogate pair, which UTF-8 cannot write") from None
