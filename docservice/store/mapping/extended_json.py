"""Documents as lines of MongoDB Extended JSON v2, in the canonical form, which keeps every type.

A line reads `{"collection": "exams", "document": {...}}`. Extended JSON cannot tell an object with a key like `$date`,
which an answer of a learner may hold, from a date: a document with such keys is written to its line as BSON,
`{"collection": "exams", "bson": {"$binary": ...}}`.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC
from typing import Any

import bson
from bson import json_util
from bson.codec_options import CodecOptions
from bson.errors import BSONError
from bson.json_util import JSONMode, JSONOptions

from docservice.store.database.port import Document

_OPTIONS = JSONOptions(json_mode=JSONMode.CANONICAL, tz_aware=True, tzinfo=UTC)
_CODEC: CodecOptions[Document] = CodecOptions(tz_aware=True, tzinfo=UTC)
_UNREADABLE = (
    *(ArithmeticError, AttributeError, BSONError, LookupError, RecursionError, TypeError),
    ValueError,
)
"""What the parser raises, depending on what is wrong."""


_LARGEST_DOCUMENT = 16 * 1024 * 1024


def encoded(document: Mapping[str, Any]) -> bytes:
    """Return a document as BSON: two that have the same bytes are the same, in types and order, too.

    Raises:
        ValueError: no document can hold it, or it is too large; the message holds nothing of it.
    """
    try:
        data: bytes = bson.encode(document)
    except _UNREADABLE:
        raise ValueError("it holds a value that a document cannot hold") from None
    if len(data) > _LARGEST_DOCUMENT:
        raise ValueError("it is larger than 16 MiB, the largest that MongoDB stores")
    return data


def to_line(collection: str, document: Document) -> str:
    """Return a document as a line, with the line feed."""
    if _has_dollar_key(document):
        content: Document = {"collection": collection, "bson": bson.encode(document)}
    else:
        content = {"collection": collection, "document": document}
    text: str = json_util.dumps(content, json_options=_OPTIONS, ensure_ascii=False, separators=(",", ":"))
    return text + "\n"


def from_line(line: str) -> tuple[str, Document]:
    """Return the collection and the document of a line.

    Raises:
        ValueError: it is none; the message says why and holds nothing of the line.
    """
    try:
        content = json_util.loads(line, json_options=_OPTIONS)
    except _UNREADABLE:
        raise ValueError("it is not Extended JSON") from None
    if not isinstance(content, Mapping) or not isinstance(content.get("collection"), str):
        raise ValueError('it is not an object with a "collection" and a "document"')
    document: Any = content.get("document")
    if "bson" in content:
        try:
            document = bson.decode(content["bson"], _CODEC)
        except _UNREADABLE:
            raise ValueError('its "bson" is not a document') from None
    if not isinstance(document, dict) or "_id" not in document:
        raise ValueError('its "document" is not an object with an "_id"')
    return content["collection"], document


def _has_dollar_key(value: Any) -> bool:
    if isinstance(value, dict):
        return any(key.startswith("$") or _has_dollar_key(child) for key, child in value.items())
    return isinstance(value, list) and any(map(_has_dollar_key, value))
