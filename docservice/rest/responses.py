"""Responses: the result of a handler, written as JSON in one pass where that is exact."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import orjson
from aiohttp import web
from pydantic import BaseModel
from pydantic_core import PydanticSerializationError

from docservice.domain.answers.tracking import Answer

_ONLY_JSON = orjson.OPT_PASSTHROUGH_DATACLASS | orjson.OPT_PASSTHROUGH_DATETIME


def dump_json(value: Any) -> bytes:
    """Return a model, a list of models or a JSON value as a JSON document, with integers of any size."""
    try:
        if isinstance(value, BaseModel):
            return value.model_dump_json(exclude_unset=isinstance(value, Answer)).encode()
        return orjson.dumps(value, default=_shown, option=_ONLY_JSON)
    except (TypeError, PydanticSerializationError):
        # Integers over 64 bits, which orjson refuses, and halves of surrogate pairs, which UTF-8 cannot write.
        text = json.dumps(value, default=_shown, ensure_ascii=False, separators=(",", ":"))
        return text.encode(errors="replace")


def _shown(value: Any) -> Any:
    match value:
        case Answer():
            return value.as_json()
        case BaseModel():
            return value.model_dump()
    raise TypeError(f"{type(value).__name__} is not a part of an answer")


def json_answer(
    value: Any, status: int = 200, content_type: str = "application/json", headers: Mapping[str, str] | None = None
) -> web.Response:
    """Return an answer with a JSON body."""
    return web.Response(body=dump_json(value), status=status, content_type=content_type, headers=headers)
