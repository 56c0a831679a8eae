"""Documents as JSON: `_id` as `id`, times as text, no BSON types, and only the fields that the schema calls public."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from docservice.domain.answers.lists import time_text
from docservice.domain.answers.shown_fields import shown_fields
from docservice.domain.logs.content_logs import SyncableLog
from docservice.domain.requests.document_pages import FieldChoice
from docservice.domain.values.rounding import rounded_sum
from docservice.store.mapping.json_codec import from_bson


def shown(model: type[SyncableLog], document: Mapping[str, Any], fields: FieldChoice, path: str = "") -> dict[str, Any]:
    """Return the JSON form of a document or of a log embedded in it.

    Args:
        model: of the log.
        document: as it was read.
        fields: which parts to show.
        path: where an embedded log is, with a dot at the end.
    """
    recorded = document.get("_recorded", {})
    public: dict[str, Any] = {}
    for field in shown_fields(model):
        where = path + field.name
        if field.stored not in document or not (where == "id" or fields.shows(where)):
            continue
        value = document[field.stored]
        if field.embeds is not None:
            public[field.name] = [shown(field.embeds, embedded, fields, f"{where}.") for embedded in value]
        elif isinstance(value, datetime):
            public[field.name] = time_text(value, recorded.get(field.name))
        elif field.kind == "sum" and isinstance(value, float):
            public[field.name] = rounded_sum(value)
        else:
            public[field.name] = from_bson(value)
    return public
