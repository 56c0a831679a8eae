"""Request bodies: JSON, or the forms that Kolibri's API takes as well.

Rule: rest_framework, parsers.py (JSONParser, FormParser, MultiPartParser) and request.py.
"""

from __future__ import annotations

import codecs
import json
from email.message import Message
from functools import lru_cache
from io import BytesIO
from typing import Any, NoReturn
from urllib.parse import parse_qsl

from aiohttp import web
from aiohttp.http_exceptions import ContentEncodingError, HttpProcessingError

from docservice.errors import BodyTooLarge, MalformedRequest, UnsupportedEncoding, UnsupportedMediaType
from docservice.rest.forms import form_object

_MAX_FORM_FIELDS = 1000
_TEXT_ENCODINGS = {"ascii", "iso8859-1", "iso8859-15", "cp1252"}
ENCODINGS = ("gzip", "deflate", "br", "zstd")
"""What aiohttp unpacks before a body is read; several at once it does not."""

_JSON_RANGES = {"application/*", "*/*"}
"""Content types that name no type but fit JSON; the real server reads such bodies as JSON."""


async def read_body(request: web.Request) -> Any:
    """Return the body as a JSON value; an empty body is `{}`.

    Raises:
        BodyTooLarge: it is over the limit; nothing more than the limit was read.
        MalformedRequest: it is not JSON.
        UnsupportedEncoding: it is packed in a way that is not known.
        UnsupportedMediaType: it is neither JSON nor a form.
    """
    packed = request.headers.get("Content-Encoding", "").strip().lower()
    if packed not in {"", "identity", *ENCODINGS}:
        raise UnsupportedEncoding(
            f"The Content-Encoding of the body is not known. Send it plain, or packed as one of {', '.join(ENCODINGS)}."
        )
    content_type = request.headers.get("Content-Type", "")
    kind, charset = _kind_and_charset(content_type)
    try:
        if kind == "multipart/form-data":
            return await _multipart(request)
        raw = await request.read()
        if not raw:
            return {}
        if kind == "application/x-www-form-urlencoded":
            return _form(raw, charset)
    except (web.RequestPayloadError, ContentEncodingError) as error:
        raise MalformedRequest(f"The body cannot be read: {error}") from None
    except web.HTTPRequestEntityTooLarge:
        raise BodyTooLarge(
            f"The body is larger than {request.client_max_size} bytes. Send less in one request."
        ) from None
    if kind == "application/json" or content_type.split(";")[0].strip() in _JSON_RANGES:
        return parse_json(raw, charset)
    raise UnsupportedMediaType(f'Unsupported media type "{content_type}" in request.')


@lru_cache(maxsize=100)
def _kind_and_charset(content_type: str) -> tuple[str, str]:
    """Return what a header names: a media type, empty for none or several, and the charset, `utf-8` for none.

    Nearly all requests have the same header; to read it takes a tenth of the time of a report.
    """
    header = Message()
    header["Content-Type"] = content_type
    kind = header.get_content_type() if content_type and "," not in content_type else ""
    return kind, header.get_content_charset() or "utf-8"


def _form(raw: bytes, charset: str) -> Any:
    try:
        text = raw.decode(_text_encoding(charset) or "utf-8")
        return form_object(dict(parse_qsl(text, keep_blank_values=True, max_num_fields=_MAX_FORM_FIELDS)))
    except ValueError as error:
        raise MalformedRequest(f"Form parse error - {error}") from None


def _text_encoding(charset: str) -> str | None:
    """Return the name of a plain text encoding; None for others, some of which unpack or take quadratic time."""
    try:
        name = codecs.lookup(charset).name
    except LookupError:
        return None
    return name if name.startswith("utf-") or name in _TEXT_ENCODINGS else None


async def _multipart(request: web.Request) -> Any:
    try:
        posted = await request.post()
        for value in posted.values():
            if isinstance(value, web.FileField):
                value.file.close()
        return form_object(posted)
    except (ValueError, LookupError, RuntimeError, HttpProcessingError) as error:
        raise MalformedRequest(f"Multipart form parse error - {error}") from None


def parse_json(raw: bytes, charset: str = "utf-8") -> Any:
    """Return a strict JSON document, with integers of any size.

    Raises:
        MalformedRequest: with the parser's own words, as Kolibri has them.
    """
    try:
        text = _text(raw, charset)
        if text.startswith("\ufeff"):
            json.loads(text)  # refuses the mark with the parser's own words
        return _DECODER.decode(text)
    except RecursionError:
        raise MalformedRequest("JSON parse error - nested too deeply") from None
    except (ValueError, UnicodeError) as error:
        raise MalformedRequest(f"JSON parse error - {error}") from None


def _text(raw: bytes, charset: str) -> str:
    if charset == "utf-8" and raw.isascii():
        return raw.decode("ascii")
    reader = codecs.getreader(_text_encoding(charset) or "utf-8")
    return reader(BytesIO(raw)).read()


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"Out of range float values are not JSON compliant: {name!r}")


_DECODER = json.JSONDecoder(parse_constant=_refuse_constant)
