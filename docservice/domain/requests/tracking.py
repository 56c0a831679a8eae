"""Requests of tracking: start a content session, report on it.

Unknown keys are ignored, an explicit null is an error, and field errors are reported all together before the checks
over several fields. Rule: kolibri/core/logger/api.py (StartSessionSerializer, UpdateSessionSerializer).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    GetJsonSchemaHandler,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)
from pydantic_core import CoreSchema, InitErrorDetails, PydanticCustomError

from docservice.domain.requests.field_types import (
    BlankText,
    Boolean,
    ContentKind,
    Correctness,
    Integer,
    JsonObject,
    MasteryModelType,
    Progress,
    Seconds,
    Text,
    UnitTestType,
    Uuid,
)
from docservice.errors import FieldError, ValidationFailed

WHOLE_BODY = "non_field_errors"
"""The field name of errors that concern several fields at once."""

CROSS_FIELD = "cross_field"
"""The code of errors that a check over several fields raises for one of them."""


class Request(BaseModel):
    """A request body that says, field by field, what is wrong with it."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    nullable: ClassVar[frozenset[str]] = frozenset()
    """Fields that may be null; for all others an explicit null is an error."""

    @field_validator("*", mode="before")
    @classmethod
    def _refuse_null(cls, value: object, info: ValidationInfo) -> object:
        if value is None and info.field_name not in cls.nullable:
            raise PydanticCustomError("null", "This field may not be null.")
        return value

    @classmethod
    def __get_pydantic_json_schema__(cls, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        # What may be left out has no default that could be sent: only fields in `nullable` take a null.
        described = handler.resolve_ref_schema(handler(schema))
        for name, field in described.get("properties", {}).items():
            if field.get("default", ...) is None:
                del field["default"]
            kinds = [kind for kind in field.get("anyOf", ()) if kind != {"type": "null"}]
            if len(kinds) == 1 and name not in cls.nullable:
                del field["anyOf"]
                field.update(kinds[0])
        return described

    @classmethod
    def parse(cls, body: object) -> Self:
        """Validate a JSON value.

        Raises:
            ValidationFailed: with every field error, in the order of the fields.
        """
        if body is None:
            raise ValidationFailed([FieldError((WHOLE_BODY,), "null", "No data provided")])
        if not isinstance(body, Mapping):
            raise ValidationFailed([FieldError((WHOLE_BODY,), "invalid", _not_an_object(body))])
        try:
            return cls.model_validate(body)
        except ValidationError as error:
            raise ValidationFailed([_field_error(details) for details in error.errors(include_url=False)]) from None

    def has(self, name: str) -> bool:
        """Whether the field was in the body."""
        return name in self.model_fields_set


def _not_an_object(value: object) -> str:
    return f"Invalid data. Expected a dictionary, but got {type(value).__name__}."


def _field_error(details: Any) -> FieldError:
    path, code, message = tuple(details["loc"]), details["type"], details["msg"]
    match code:
        case "missing":
            return FieldError(path, "required", "This field is required.")
        case "list_type":
            message = f'Expected a list of items but got type "{type(details["input"]).__name__}".'
            return FieldError((*path, WHOLE_BODY), "not_a_list", message)
        case "model_type" if details["input"] is None:
            return FieldError(path, "null", "This field may not be null.")
        case "model_type":
            return FieldError((*path, WHOLE_BODY), "invalid", _not_an_object(details["input"]))
        case "whole_body":
            return FieldError((*path, WHOLE_BODY), "invalid", message)
    return FieldError(path, code, message)


class MasteryModel(Request):
    """When an assessment counts as mastered; `m` and `n` belong to `m_of_n`."""

    type: MasteryModelType
    m: Integer = 0
    n: Integer = 0


class StartSession(Request):
    """Start a content session: a resource (`node_id`), a coach's quiz (`quiz_id`) or a unit's test (`unit_id`)."""

    model_config = ConfigDict(
        json_schema_extra={
            "anyOf": [
                {"required": ["node_id", "kind", "content_id", "channel_id"]},
                {"required": ["quiz_id"]},
                {"required": ["unit_id", "test_type", "course_session_id"]},
            ]
        }
    )

    lesson_id: Uuid | None = None
    node_id: Uuid | None = None
    content_id: Uuid | None = None
    channel_id: Uuid | None = None
    kind: ContentKind | None = None
    mastery_model: MasteryModel | None = None
    course_session_id: Uuid | None = None
    quiz_id: Uuid | None = None
    unit_id: Uuid | None = None
    test_type: UnitTestType | None = None
    repeat: Boolean = False

    @model_validator(mode="after")
    def _check_context(self) -> Self:
        if not (self.has("node_id") or self.has("quiz_id") or self.has("unit_id")):
            raise PydanticCustomError("whole_body", "One of node_id, quiz_id, or unit_id is required")
        if self.has("quiz_id") and (self.has("lesson_id") or self.has("node_id")):
            raise PydanticCustomError("whole_body", "quiz_id must not be mixed with other context")
        if self.has("course_session_id") and self.has("lesson_id"):
            raise PydanticCustomError(
                "whole_body", "The course_session_id and lesson_id are mutually exclusive identifiers"
            )
        if self.has("unit_id") and (self.has("node_id") or self.has("quiz_id")):
            raise PydanticCustomError("whole_body", "unit_id must not be combined with node_id or quiz_id")
        if self.has("node_id"):
            _raise_for_fields(type(self).__name__, self._node_errors())
        if self.has("unit_id"):
            _raise_for_fields(
                type(self).__name__,
                {
                    name: f"{name} is required when unit_id is provided"
                    for name in ("test_type", "course_session_id")
                    if not self.has(name)
                },
            )
        return self

    def _node_errors(self) -> dict[str, str]:
        errors = {}
        if not self.has("kind"):
            errors["kind"] = "kind is required for any node_id"
        elif self.kind == "exercise" and not self.has("mastery_model"):
            errors["mastery_model"] = "mastery model must be specified for exercise kinds"
        elif self.kind != "exercise" and self.has("mastery_model"):
            errors["mastery_model"] = "mastery model must not be specified for non-exercise kinds"
        for name in ("content_id", "channel_id"):
            if not self.has(name):
                errors[name] = f"{name} is required for any node_id"
        return errors


def _raise_for_fields(title: str, errors: dict[str, str]) -> None:
    if errors:
        raise ValidationError.from_exception_data(
            title,
            [
                InitErrorDetails(type=PydanticCustomError(CROSS_FIELD, message), loc=(name,), input=None)
                for name, message in errors.items()
            ],
        )


class Interaction(Request):
    """One thing the learner did with a question: an answer, a hint taken, an error of the question itself."""

    model_config = ConfigDict(
        json_schema_extra={
            "anyOf": [{"required": ["answer"]}, {"required": ["error"], "properties": {"error": {"const": True}}}]
        }
    )

    id: Uuid | None = None
    item: Text
    correct: Correctness
    complete: Boolean = False
    time_spent: Seconds
    answer: JsonObject | None = None
    simple_answer: BlankText | None = None
    error: Boolean = False
    hinted: Boolean = False
    replace: Boolean = False

    @model_validator(mode="after")
    def _check_answer(self) -> Self:
        if not self.error and not self.has("answer"):
            raise PydanticCustomError("whole_body", "Must provide an answer if not an error")
        return self


class UpdateSession(Request):
    """Report progress, time and interactions of a session; everything is optional."""

    model_config = ConfigDict(json_schema_extra={"not": {"required": ["progress_delta", "progress"]}})

    progress_delta: Progress | None = None
    progress: Progress | None = None
    time_spent_delta: Seconds | None = None
    extra_fields: JsonObject | None = None
    interactions: list[Interaction] | None = Field(default=None)

    @model_validator(mode="after")
    def _check_progress(self) -> Self:
        if self.has("progress_delta") and self.has("progress"):
            raise PydanticCustomError("whole_body", "must not pass progress_delta and progress in the same request")
        return self
