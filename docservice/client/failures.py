"""Converts error responses to the errors that the service raised."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from docservice.client.retries import RETRIED_STATUSES
from docservice.errors import (
    DocServiceError,
    FieldError,
    MissingParameters,
    ServiceUnavailable,
    UnexpectedAnswer,
    UnstorableValue,
    ValidationFailed,
)


def _tree(kind: type[DocServiceError]) -> Iterator[type[DocServiceError]]:
    yield kind
    for child in kind.__subclasses__():
        yield from _tree(child)


def answered_error(status: int, code: str | None, body: Any, request_id: str | None) -> DocServiceError:
    """Return the error that a response describes.

    Args:
        status: HTTP status, 400 or higher.
        code: the header `X-Error-Code`; without it the `code` of a problem document counts.
        body: JSON value in Kolibri's shape or a problem document; None if the body is not JSON.
        request_id: the header `X-Request-Id`.

    Returns:
        An error of the class with that code; without a code that this version knows `ServiceUnavailable` for a status
        that says "not now" and `UnexpectedAnswer` for all others.
    """
    if code is None and isinstance(body, dict):
        code = body.get("code")
    kind = next((kind for kind in _tree(DocServiceError) if kind.code == code), None)
    message = _message(body)
    if kind is None and status in RETRIED_STATUSES:
        return ServiceUnavailable(f"The service answered {status}. {message}".strip())
    if kind is None:
        return UnexpectedAnswer(status, request_id, message)
    if issubclass(kind, ValidationFailed):
        return kind(_field_errors(body))
    if issubclass(kind, UnstorableValue):
        errors = _field_errors(body) or [FieldError((), "invalid", message)]
        return kind(errors[0].path, errors[0].message)
    if issubclass(kind, MissingParameters):
        return kind(message.rpartition(": ")[2].split(", "))
    if issubclass(kind, UnexpectedAnswer):
        return UnexpectedAnswer(status, request_id, message)
    return kind(message)


def _message(body: Any) -> str:
    """Return the sentence in a body; empty if it has none."""
    match body:
        case {"detail": str(detail)}:
            return detail
        case [str(first), *_] | str(first) | [{"metadata": {"message": str(first)}}, *_]:
            return first
    return ""


def _field_errors(body: Any) -> list[FieldError]:
    match body:
        case {"errors": list(errors)}:
            return [_pointed(entry) for entry in errors if isinstance(entry, dict)]
        case list():
            return [_listed(entry) for entry in body if isinstance(entry, dict)]
        case dict():
            return list(_nested(body, ()))
    return []


def _pointed(entry: dict[str, Any]) -> FieldError:
    return FieldError(_path(str(entry.get("pointer", ""))), "invalid", str(entry.get("message", "")))


def _listed(entry: dict[str, Any]) -> FieldError:
    found = entry.get("metadata")
    metadata = found if isinstance(found, dict) else {}
    path = tuple(str(metadata.get("field", "")).split("."))
    return FieldError(path, str(entry.get("id", "invalid")).lower(), str(metadata.get("message", "")))


def _nested(tree: Any, path: tuple[str | int, ...]) -> Iterator[FieldError]:
    if isinstance(tree, dict):
        for name, below in tree.items():
            yield from _nested(below, (*path, name))
    elif isinstance(tree, list):
        for below in tree:
            yield from _nested(below, path)
    else:
        yield FieldError(path, "invalid", str(tree))


def _path(pointer: str) -> tuple[str | int, ...]:
    """Return the path of a JSON Pointer; positions in lists are numbers."""
    parts = [part.replace("~1", "/").replace("~0", "~") for part in pointer.split("/")[1:]]
    return tuple(int(part) if part.isdecimal() else part for part in parts)
