"""Documents as JSON: `_id` as `id`, times as text, no BSON types, no bookkeeping."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from docservice.domain.document_query import FieldChoice
from docservice.domain.rows import time_text
from docservice.domain.shown_numbers import without_dust
from docservice.store.json_codec import from_bson

_LISTS = ("mastery_logs", "attempts")
_SUMS = {"time_spent", "correct_sum"}
_BOOKKEEPING = {
    "_recorded",
    "attempt_bytes",
    "has_dirty",
    "loose_attempt_count",
    "merged_attempt_ids",
    "overflow_buckets",
    "schema_version",
}


def shown(document: Mapping[str, Any], fields: FieldChoice, path: str = "") -> dict[str, Any]:
    """The JSON form of a document or of a log embedded in it.

    Args:
        document: as it was read.
        fields: which parts to show.
        path: where an embedded log stands, with a dot at the end.
    """
    recorded = document.get("_recorded", {})
    found: dict[str, Any] = {}
    for stored, value in document.items():
        name = "id" if stored == "_id" else stored
        if name in _BOOKKEEPING or not (path + name == "id" or fields.shows(path + name)):
            continue
        if isinstance(value, datetime):
            found[name] = time_text(value, recorded.get(name))
        elif name in _LISTS:
            found[name] = [shown(embedded, fields, f"{path}{name}.") for embedded in value]
        elif name in _SUMS and isinstance(value, float):
            found[name] = without_dust(value)
        else:
            found[name] = from_bson(value)
    return found
