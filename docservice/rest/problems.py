"""Errors as RFC 9457 problem JSON, for the routes that are this project's own."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

from pydantic import BaseModel

from docservice.errors import (
    BodyTooLarge,
    CollectionNotFound,
    CredentialsRefused,
    DirectoryIncomplete,
    DocServiceError,
    DocumentTooLarge,
    EngineNotRunning,
    IdempotencyMismatch,
    InvalidReference,
    LogNotFound,
    MalformedRequest,
    MissingParameters,
    MultipleObjectsReturned,
    NotSignedIn,
    PageNotFound,
    PasswordMissing,
    PasswordNotSet,
    PermissionDenied,
    RecordNotFound,
    RequestTooSlow,
    ServiceBusy,
    SignInDisabled,
    SignInLinkUsed,
    SignInUnavailable,
    StoreTimeout,
    StoreUnavailable,
    TooManyRequests,
    Unauthenticated,
    UnstorableValue,
    UnsupportedMediaType,
    UsernameUnknown,
    ValidationFailed,
    WithdrawalRefused,
)

INTERNAL_ERROR = 500

ERROR_CODE_HEADER = "X-Error-Code"
"""Names the class of an error by its `code`, which bodies in Kolibri's shape have no place for."""

_STATUSES: dict[type[DocServiceError], int] = {
    MalformedRequest: 400,
    ValidationFailed: 422,
    InvalidReference: 422,
    UnstorableValue: 422,
    IdempotencyMismatch: 422,
    Unauthenticated: 401,
    PermissionDenied: 403,
    NotSignedIn: 401,
    UsernameUnknown: 400,
    PasswordMissing: 400,
    PasswordNotSet: 400,
    CredentialsRefused: 401,
    SignInDisabled: 403,
    SignInLinkUsed: 410,
    LogNotFound: 404,
    CollectionNotFound: 404,
    RecordNotFound: 404,
    WithdrawalRefused: 409,
    MultipleObjectsReturned: 409,
    PageNotFound: 404,
    MissingParameters: 412,
    DirectoryIncomplete: 409,
    BodyTooLarge: 413,
    DocumentTooLarge: 413,
    UnsupportedMediaType: 415,
    RequestTooSlow: 408,
    TooManyRequests: 429,
    ServiceBusy: 503,
    SignInUnavailable: 503,
    StoreUnavailable: 503,
    EngineNotRunning: 503,
    StoreTimeout: 504,
}


class ProblemField(BaseModel):
    """What is wrong with one field of the request: a JSON Pointer to it, and a sentence."""

    pointer: str
    message: str


class Problem(BaseModel):
    """A problem document (RFC 9457).

    `code` is stable; `request_id` finds the request in the log of the service; `errors` is there when fields are
    wrong.
    """

    type: str
    title: str
    status: int
    detail: str
    instance: str
    code: str
    request_id: str
    errors: list[ProblemField] = []


def status_of(kind: type[DocServiceError]) -> int:
    """Return the HTTP status of a class of errors; `INTERNAL_ERROR` for one that the caller cannot correct."""
    return next((status for known, status in _STATUSES.items() if issubclass(kind, known)), INTERNAL_ERROR)


def problem(status: int, *, instance: str, request_id: str, error: DocServiceError | None = None) -> dict[str, Any]:
    """Return a problem document.

    Args:
        status: HTTP status.
        instance: path of the request.
        request_id: finds the request in the service's log.
        error: what was raised; None and errors with status 500 have no details.
    """
    told = error if error is not None and (status < 500 or error.retryable) else None
    body: dict[str, Any] = {
        "type": "about:blank",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "detail": str(told) if told else HTTPStatus(status).description or HTTPStatus(status).phrase,
        "instance": instance,
        "code": told.code if told else "internal-error" if status == INTERNAL_ERROR else f"http-{status}",
        "request_id": request_id,
    }
    if isinstance(told, ValidationFailed):
        body["errors"] = [{"pointer": e.pointer, "message": e.message} for e in told.errors]
    return body
