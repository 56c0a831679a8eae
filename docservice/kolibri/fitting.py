"""Records that are shorter than their rows, where a row holds more than a document can.

MongoDB stores no document over 16 MiB. A row that is longer is no reason to break off an import, or to lose the log.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from docservice.kolibri.values import RowRefused
from docservice.store.database.port import Document
from docservice.store.mapping.counters import attempt_size
from docservice.store.mapping.json_codec import to_bson

_MIB = 2**20
LONGEST_RECORD = 14 * _MIB
"""Bytes of a record that stands alone, or with all that stays in its document: a summary with its tries, an exam log
with its attempts. Attempts that may move out take 1 MiB more at most."""

_USUAL = 2 * _MIB
"""Characters of a row whose record has room for sure: BSON needs at most 7 bytes for one, as in `[1,1,1]`."""

_BEGINNING = 1000
"""Characters that are left of a text that is too long."""

_SHORT = 2000
"""Bytes of a value that is not worth shortening."""

_LOG_VALUES = (
    *("answer", "interaction_history", "simple_answer", "item"),
    *("extra_fields", "mastery_criterion", "channels", "pages"),
)


def is_long(values: Iterable[Any]) -> bool:
    """Return whether the columns of a row are so long that its record has to be measured."""
    return sum(len(value) for value in values if isinstance(value, (str, bytes))) > _USUAL


def fit(document: Document, room: int) -> tuple[int, list[str]]:
    """Shorten the values of a log, the longest first, until it has room.

    Args:
        document: a log without what it embeds; changed in place. A text keeps its beginning, of other values the empty
            one is left.
        room: bytes.

    Returns:
        How many bytes it takes, and the fields that were shortened.

    Raises:
        RowRefused: it has no room even so.
    """
    size = attempt_size(document)
    if size <= room:
        return size, []
    shortened = _shorten(document, [name for name in _LOG_VALUES if name in document], size - room)
    size = attempt_size(document)
    if size > room:
        raise RowRefused("its document has no room for it")
    return size, shortened


def fitting_fields(fields: Mapping[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """Return the fields of a directory record without what no document has room for, and which ones are shorter now."""
    fitting = dict(fields)
    texts = (json.dumps(value) if isinstance(value, (dict, list)) else value for value in fields.values())
    if not is_long(texts):
        return fitting, []
    size = attempt_size({"fields": to_bson(fitting)})
    shortened = _shorten(fitting, list(fitting), size - LONGEST_RECORD) if size > LONGEST_RECORD else []
    return fitting, shortened


def _shorten(document: dict[str, Any], names: Iterable[str], excess: int) -> list[str]:
    """Shorten fields, the longest first, until a document is shorter by so many bytes."""
    sizes = {name: attempt_size({name: to_bson(document[name])}) for name in names}
    shortened: list[str] = []
    for name in sorted(sizes, key=lambda each: (-sizes[each], each)):
        if excess <= 0 or sizes[name] <= _SHORT:
            break
        document[name] = _shorter(document[name])
        excess -= sizes[name] - attempt_size({name: document[name]})
        shortened.append(name)
    return shortened


def _shorter(value: Any) -> Any:
    if isinstance(value, str):
        return value[:_BEGINNING]
    return type(value)() if isinstance(value, (dict, list)) else value
