"""Errors in the shape of Kolibri's API.

Rule: kolibri/core/utils/exception_handler.py over rest_framework's own error bodies.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pydantic import BaseModel

from docservice.domain.requests.tracking import CROSS_FIELD, WHOLE_BODY
from docservice.errors import (
    CredentialsRefused,
    DocServiceError,
    FieldError,
    InvalidReference,
    LogNotFound,
    NotSignedIn,
    PageNotFound,
    PasswordMissing,
    PasswordNotSet,
    PermissionDenied,
    Unauthenticated,
    UnstorableValue,
    UsernameUnknown,
    ValidationFailed,
)
from docservice.rest.problems import INTERNAL_ERROR, status_of

_STATUSES: dict[type[DocServiceError], int] = {
    ValidationFailed: 400,
    UnstorableValue: 400,
    InvalidReference: 400,
    Unauthenticated: 401,
    LogNotFound: 404,
    PageNotFound: 404,
    PermissionDenied: 403,
    NotSignedIn: 403,
    UsernameUnknown: 400,
    PasswordMissing: 400,
    PasswordNotSet: 400,
    CredentialsRefused: 401,
}
"""Where Kolibri's statuses are not those of `problems.status_of`, or its bodies more than a sentence."""


class Detail(BaseModel):
    """An error in a sentence."""

    detail: str


class KolibriError(BaseModel):
    """One error, as Kolibri lists them: `REQUIRED` with a field, `NOT_FOUND` with a view, and so on."""

    id: str
    metadata: dict[str, Any]


def kolibri_answer(kind: type[DocServiceError]) -> tuple[int, Any]:
    """Status and type of the body that answer a class of errors."""
    status = _kolibri_status(kind)
    if status is None:
        return status_of(kind), Detail
    return status, {ValidationFailed: list[KolibriError] | dict[str, Any], InvalidReference: list[str]}.get(
        kind, list[KolibriError]
    )


def _kolibri_status(kind: type[DocServiceError]) -> int | None:
    return next((status for known, status in _STATUSES.items() if issubclass(kind, known)), None)


def kolibri_error(error: DocServiceError, view: str) -> tuple[int, Any] | None:
    """Return status and body for an error; None for an internal error.

    Args:
        error: what was raised.
        view: Kolibri's name of the view, with ` List` or ` Instance`.
    """
    status = _kolibri_status(type(error))
    if status is not None:
        return status, _body(error, view)
    status = status_of(type(error))
    return None if status == INTERNAL_ERROR else (status, Detail(detail=str(error)).model_dump())


def _body(error: DocServiceError, view: str) -> Any:
    match error:
        case ValidationFailed():
            return validation_body(error.errors)
        case UnstorableValue():
            return [_error("INVALID", _request_field(error.path), f"This value cannot be stored: {error}.")]
        case InvalidReference():
            return [str(error)]
        case Unauthenticated():
            return [{"id": "AUTHENTICATION_FAILED", "metadata": {"view": view, "message": str(error)}}]
        case PermissionDenied():
            return [{"id": "PERMISSION_DENIED", "metadata": {"view": view}}]
        case NotSignedIn():
            return [{"id": "NOT_AUTHENTICATED", "metadata": {"view": view}}]
        case UsernameUnknown():
            return [_error("NOT_FOUND", "username", str(error))]
        case PasswordMissing():
            return [_error("MISSING_PASSWORD", "password", str(error))]
        case PasswordNotSet():
            return [_error("PASSWORD_NOT_SPECIFIED", "password", str(error))]
        case CredentialsRefused():
            return [{"id": "INVALID_CREDENTIALS", "metadata": {}}]
    return [{"id": "NOT_FOUND", "metadata": {"view": view}}]


def validation_body(errors: Sequence[FieldError]) -> Any:
    """Return the body of a 400 for field errors.

    A list with one entry a message. An error inside a nested object has no place in that list: it is left out beside
    others, and alone the whole answer is a tree of messages, as on the real server.
    """
    listed = [_entry(error) for error in errors if not _is_nested(error)]
    return listed or _tree(errors)


def _is_nested(error: FieldError) -> bool:
    return len(error.path) > 1 and (isinstance(error.path[1], str) or len(error.path) == 2)


def _entry(error: FieldError) -> dict[str, Any]:
    field = ".".join(part for part in error.path if isinstance(part, str))
    if error.code == CROSS_FIELD:
        # The real server prints these messages as the text of its own error list; clients compare the text.
        return _error("INVALID", field, f"[ErrorDetail(string={error.message!r}, code='invalid')]")
    return _error(error.code.upper(), field or WHOLE_BODY, error.message)


def _error(name: str, field: str, message: str) -> dict[str, Any]:
    return {"id": name, "metadata": {"field": field, "message": message}}


def _request_field(path: Sequence[str | int]) -> str:
    """Return the field of the request that a value deep inside it belongs to."""
    if path[:1] == ("interactions",):
        return ".".join(part for part in path[:3] if isinstance(part, str))
    return str(path[0]) if path else WHOLE_BODY


def _tree(errors: Sequence[FieldError]) -> dict[str, Any]:
    tree: dict[str, Any] = {}
    for error in errors:
        if isinstance(error.path[-1], int):  # a null among the items of a list
            tree.setdefault(str(error.path[0]), []).append([error.message])
            continue
        branch = tree
        for part in error.path[:-1]:
            branch = branch.setdefault(str(part), {})
        branch.setdefault(str(error.path[-1]), []).append(error.message)
    return tree
