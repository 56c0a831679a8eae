"""Field types of requests: what Kolibri's API takes for a number, a boolean, a text, a UUID, and how it refuses others.

Each type is an annotated type for pydantic models. A refused value raises `PydanticCustomError` whose type is
Kolibri's error code in lower case and whose message is Kolibri's own, so that one table of types serves validation,
the error answers and the API description.
Rule: rest_framework, fields.py (BooleanField, CharField, ChoiceField, DictField, FloatField, IntegerField, UUIDField).
Stricter than the real server on purpose: numbers must be finite, which no JSON document can say otherwise.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from datetime import datetime
from typing import Annotated, Any

from pydantic import BeforeValidator, PlainSerializer, PlainValidator, WithJsonSchema
from pydantic_core import PydanticCustomError

from docservice.domain.values.ids import parse_uuid
from docservice.domain.values.times import KolibriTime

_MAX_NUMBER_TEXT = 1000
_WHOLE_NUMBER_ENDING = re.compile(r"\.0*\s*$")
_TRUE_WORDS = {"t", "T", "y", "Y", "yes", "Yes", "YES", "true", "True", "TRUE", "on", "On", "ON", "1"}
_FALSE_WORDS = {"f", "F", "n", "N", "no", "No", "NO", "false", "False", "FALSE", "off", "Off", "OFF", "0"}


def _uuid(value: object) -> str:
    if isinstance(value, (str, int)):
        try:
            return parse_uuid(value)
        except ValueError:
            pass
    raise PydanticCustomError("invalid", "Must be a valid UUID.")


def _boolean(value: object) -> bool:
    if isinstance(value, (bool, int, float)) and value in (0, 1):
        return bool(value)
    if isinstance(value, str) and value in _TRUE_WORDS:
        return True
    if isinstance(value, str) and value in _FALSE_WORDS:
        return False
    raise PydanticCustomError("invalid", "Must be a valid boolean.")


def _refuse_long_number(value: object) -> None:
    if isinstance(value, str) and len(value) > _MAX_NUMBER_TEXT:
        raise PydanticCustomError("max_string_length", "String value too large.")


def _bounded(minimum: float, maximum: float | None) -> Callable[[object], float]:
    def check(value: object) -> float:
        _refuse_long_number(value)
        try:
            number = float(value)  # type: ignore[arg-type]  # whatever float() refuses is refused here, too
        except (TypeError, ValueError, OverflowError):
            number = math.nan
        if maximum is not None and number > maximum:
            raise PydanticCustomError(
                "max_value", "Ensure this value is less than or equal to {bound}.", {"bound": str(maximum)}
            )
        if number < minimum:
            raise PydanticCustomError(
                "min_value", "Ensure this value is greater than or equal to {bound}.", {"bound": str(minimum)}
            )
        if not math.isfinite(number):
            raise PydanticCustomError("invalid", "A valid number is required.")
        return number

    return check


def _integer(value: object) -> int:
    _refuse_long_number(value)
    try:
        return int(_WHOLE_NUMBER_ENDING.sub("", str(value)))
    except ValueError:
        raise PydanticCustomError("invalid", "A valid integer is required.") from None


def _text(*, allow_blank: bool) -> Callable[[object], str]:
    def check(value: object) -> str:
        if str(value).strip() == "":
            if not allow_blank:
                raise PydanticCustomError("blank", "This field may not be blank.")
            return ""
        if isinstance(value, bool) or not isinstance(value, (str, int, float)):
            raise PydanticCustomError("invalid", "Not a valid string.")
        text = str(value).strip()
        if "\x00" in text:
            raise PydanticCustomError("null_characters_not_allowed", "Null characters are not allowed.")
        for character in text:
            if "\ud800" <= character <= "\udfff":
                raise PydanticCustomError(
                    "surrogate_characters_not_allowed",
                    "Surrogate characters are not allowed: U+{code}.",
                    {"code": f"{ord(character):X}"},
                )
        return text

    return check


def choice(choices: tuple[str, ...]) -> Callable[[object], str]:
    """Return a check that a value is, as text, one of the choices."""

    def check(value: object) -> str:
        if str(value) not in choices:
            # A message is sent as UTF-8, which cannot write half of a surrogate pair.
            shown = str(value).encode(errors="replace").decode()
            raise PydanticCustomError("invalid_choice", '"{given}" is not a valid choice.', {"given": shown})
        return str(value)

    return check


def _json_object(value: object) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise PydanticCustomError(
            "not_a_dict",
            'Expected a dictionary of items but got type "{given}".',
            {"given": type(value).__name__},
        )
    return value


def _json_list(value: object) -> list[Any]:
    if not isinstance(value, list):
        raise PydanticCustomError(
            "not_a_list", 'Expected a list of items but got type "{given}".', {"given": type(value).__name__}
        )
    return value


def _time(value: object) -> KolibriTime:
    """Return a time in the form that Kolibri stores, or in ISO 8601; without a zone it is UTC."""
    if isinstance(value, KolibriTime):
        return value
    if isinstance(value, str):
        try:
            return KolibriTime.parse(value)
        except (ValueError, OverflowError):
            pass
        try:
            return KolibriTime.parse(datetime.fromisoformat(value).isoformat(" "))
        except (ValueError, OverflowError):
            pass
    raise PydanticCustomError(
        "invalid", "A time is expected: YYYY-MM-DD HH:MM:SS, with an optional fraction and (Zone) or offset."
    )


UUID_SCHEMA: dict[str, Any] = {
    "type": "string",
    "pattern": "^[0-9a-fA-F]{8}-?[0-9a-fA-F]{4}-?[0-9a-fA-F]{4}-?[0-9a-fA-F]{4}-?[0-9a-fA-F]{12}$",
}
"""A UUID with or without dashes. (`format: uuid` asks for the dashes, which Kolibri's ids do not have.)"""

Uuid = Annotated[str, BeforeValidator(_uuid), WithJsonSchema(UUID_SCHEMA)]
"""A UUID in any spelling, read as 32 lower-case hex characters."""

Boolean = Annotated[bool, BeforeValidator(_boolean), WithJsonSchema({"type": "boolean"})]
"""A boolean, 0, 1, or a word for one (`yes`, `off`, `T` ...)."""

Integer = Annotated[int, BeforeValidator(_integer), WithJsonSchema({"type": "integer"})]
"""An integer, also as text or with a fraction of zeros."""

Text = Annotated[str, BeforeValidator(_text(allow_blank=False)), WithJsonSchema({"type": "string", "minLength": 1})]
"""A text that is not blank, stripped of white space around it; a number is read as its text."""

BlankText = Annotated[str, BeforeValidator(_text(allow_blank=True)), WithJsonSchema({"type": "string"})]
"""Like `Text`, but may be blank."""

JsonObject = Annotated[dict[str, Any], BeforeValidator(_json_object), WithJsonSchema({"type": "object"})]
"""Any JSON object."""

JsonList = Annotated[list[Any], BeforeValidator(_json_list), WithJsonSchema({"type": "array", "items": {}})]
"""Any JSON list."""


def _time_text(value: KolibriTime) -> str:
    return str(value) if value.offset is None else value.local().isoformat(" ")


Time = Annotated[
    KolibriTime,
    PlainValidator(_time),
    PlainSerializer(_time_text, return_type=str),
    WithJsonSchema({"type": "string", "format": "date-time"}),
]
"""A time as Kolibri stores it (`2024-09-02 05:12:24.158293(Africa/Nairobi)`, digits in UTC), or in ISO 8601."""

Seconds = Annotated[float, BeforeValidator(_bounded(0, None)), WithJsonSchema({"type": "number", "minimum": 0})]
"""A duration in seconds, at least 0."""

Progress = Annotated[
    float, BeforeValidator(_bounded(0, 1.0)), WithJsonSchema({"type": "number", "minimum": 0, "maximum": 1})
]
"""A share of 1, as `progress` has it."""

Correctness = Annotated[
    float, BeforeValidator(_bounded(0, 1)), WithJsonSchema({"type": "number", "minimum": 0, "maximum": 1})
]
"""How right an answer is, 0..1. (Differs from `Progress` in the bound that the message prints.)"""

CONTENT_KINDS = ("topic", "video", "audio", "exercise", "document", "html5", "slideshow", "h5p", "zim", "quiz")
MASTERY_MODELS = (
    "do_all",
    "num_correct_in_a_row_2",
    "num_correct_in_a_row_10",
    "num_correct_in_a_row_3",
    "num_correct_in_a_row_5",
    "skill_check",
    "m_of_n",
    "quiz",
    "pre_post_test",
)

ContentKind = Annotated[
    str, BeforeValidator(choice(CONTENT_KINDS)), WithJsonSchema({"type": "string", "enum": list(CONTENT_KINDS)})
]
MasteryModelType = Annotated[
    str, BeforeValidator(choice(MASTERY_MODELS)), WithJsonSchema({"type": "string", "enum": list(MASTERY_MODELS)})
]
UnitTestType = Annotated[
    str, BeforeValidator(choice(("pre", "post"))), WithJsonSchema({"type": "string", "enum": ["pre", "post"]})
]
