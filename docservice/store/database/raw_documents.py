"""Documents as the server sent them, decoded when they are needed.

A reader of many large documents knows their size before they take up memory, and is spared the time zones: it takes
the driver longer to give each time its zone than to decode all the rest.
"""

from __future__ import annotations

from typing import Any

import bson
from bson.codec_options import CodecOptions
from bson.raw_bson import RawBSONDocument

RAW: CodecOptions[Any] = CodecOptions(document_class=RawBSONDocument)
_WITHOUT_ZONE: CodecOptions[dict[str, Any]] = CodecOptions(tz_aware=False)


class RawDocument:
    """A document that was not decoded yet.

    Attributes:
        size: in bytes.
    """

    __slots__ = ("_bytes", "size")

    def __init__(self, encoded: bytes) -> None:
        """Take a BSON document."""
        self._bytes = encoded
        self.size = len(encoded)

    def decoded(self) -> dict[str, Any]:
        """Return the document; its times are in UTC and, unlike those of other reads, have no zone."""
        return bson.decode(self._bytes, _WITHOUT_ZONE)
