"""When the client sends a request again, and what it makes of answers that are errors."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import pytest

from docservice import errors
from docservice.client import Retries
from docservice.client.failures import answered_error
from docservice.errors import FieldError
from docservice.rest.kolibri_errors import kolibri_error
from docservice.rest.problems import problem, status_of


def test_delays_grow_to_the_longest_and_end() -> None:
    """Each delay is between half and all of a doubling one, none is over the longest, and attempts are bounded."""
    retries = Retries(attempts=7, first_delay_seconds=1, longest_delay_seconds=10)

    delays = [retries.delay_seconds(attempt) for attempt in range(1, 8)]

    assert delays[-1] is None
    for delay, whole in zip(delays[:-1], [1, 2, 4, 8, 10, 10], strict=True):
        assert delay is not None
        assert whole / 2 <= delay <= whole


def test_delays_differ() -> None:
    """Two clients that fail together do not come back together."""
    assert len({Retries().delay_seconds(1) for _ in range(20)}) > 1


def test_many_attempts() -> None:
    """A number of attempts for days of waiting is not an overflow."""
    assert (Retries(attempts=10**6).delay_seconds(10**5) or 0) <= 10


@pytest.mark.parametrize(
    ("asked", "least", "most"),
    [
        ("3", 3, 3),
        ("0", 0, 0.2),
        ("10", 10, 10),
        ("Sun, 06 Nov 1994 08:49:37 GMT", 0, 0.2),
        ("soon", 0, 0.2),
        ("-1", 0, 0.2),
        ("", 0, 0.2),
        ("²", 0, 0.2),
    ],
)
def test_retry_after(asked: str, least: float, most: float) -> None:
    """What the service asks for is waited for, in both of its forms; what says nothing is ignored."""
    delay = Retries(attempts=2, first_delay_seconds=0.2, longest_delay_seconds=10).delay_seconds(1, asked)

    assert delay is not None
    assert least <= delay <= most


def test_retry_after_a_date() -> None:
    """A date that is to come is waited for."""
    asked = format_datetime(datetime.now(UTC) + timedelta(seconds=300), usegmt=True)

    delay = Retries(longest_delay_seconds=1000).delay_seconds(1, asked)

    assert delay is not None
    assert 200 < delay <= 300


@pytest.mark.parametrize("asked", ["11", "9" * 400, "Fri, 01 Jan 2100 00:00:00 GMT"])
def test_retry_after_a_long_time(asked: str) -> None:
    """A service that asks for more time than one has is given up at once."""
    assert Retries(longest_delay_seconds=10).delay_seconds(1, asked) is None


RAISED: tuple[errors.DocServiceError, ...] = (
    errors.MalformedRequest("JSON parse error - x"),
    errors.ValidationFailed(
        [FieldError(("kind",), "invalid_choice", "No."), FieldError(("node_id",), "required", "Missing.")]
    ),
    errors.InvalidReference("Invalid lesson_id"),
    errors.BodyTooLarge("The body is larger than 1 bytes."),
    errors.DocumentTooLarge("An exam log takes 1000 attempts."),
    errors.UnsupportedMediaType('Unsupported media type "a/b" in request.'),
    errors.Unauthenticated("The token has expired."),
    errors.MissingParameters(["content", "user"]),
    errors.IdempotencyMismatch(),
    errors.DirectoryIncomplete("There is no default facility."),
    errors.StoreUnavailable("The database does not answer."),
    errors.StoreTimeout("Too late."),
)


@pytest.mark.parametrize("raised", RAISED, ids=lambda error: error.code)
@pytest.mark.parametrize("shape", ["kolibri", "problem"])
def test_errors_come_back_as_they_were(raised: errors.DocServiceError, shape: str) -> None:
    """Class, message and fields of an error survive the way through either shape."""
    status: int
    body: Any
    if shape == "kolibri":
        status, body = kolibri_error(raised, "View List") or (500, None)
    else:
        status = status_of(type(raised))
        body = problem(status, instance="/", request_id="r", error=raised)

    found = answered_error(status, raised.code, body, "r")

    assert type(found) is type(raised)
    if isinstance(raised, errors.ValidationFailed):
        assert isinstance(found, errors.ValidationFailed)
        assert [(e.path, e.message) for e in found.errors] == [(e.path, e.message) for e in raised.errors]
    else:
        assert str(found) == str(raised)


@pytest.mark.parametrize("kind", [errors.PermissionDenied, errors.NotSignedIn, errors.LogNotFound, errors.PageNotFound])
def test_errors_without_a_message(kind: type[errors.DocServiceError]) -> None:
    """Where Kolibri's shape tells no reason, the class still comes back."""
    status, body = kolibri_error(kind("secret reason"), "View List") or (0, None)

    found = answered_error(status, kind.code, body, None)

    assert type(found) is kind
    assert str(found) == str(kind())


def test_errors_inside_of_a_field() -> None:
    """Kolibri's tree of messages gives each message its path."""
    body = {"mastery_model": {"type": ["Not a choice.", "Second."]}}

    found = answered_error(400, "validation-failed", body, None)

    assert isinstance(found, errors.ValidationFailed)
    assert [(e.path, e.message) for e in found.errors] == [
        (("mastery_model", "type"), "Not a choice."),
        (("mastery_model", "type"), "Second."),
    ]


def test_positions_in_lists() -> None:
    """A JSON Pointer of a problem document gives back names and positions."""
    raised = errors.ValidationFailed([FieldError(("records", 3, "a/b"), "invalid", "No.")])
    body = problem(422, instance="/", request_id="r", error=raised)

    found = answered_error(422, raised.code, body, None)

    assert isinstance(found, errors.ValidationFailed)
    assert found.errors == raised.errors


def test_unstorable_value() -> None:
    """Field and reason come back."""
    raised = errors.UnstorableValue(("answer",), "a key holds a NUL character")
    status, body = kolibri_error(raised, "View List") or (0, None)

    found = answered_error(status, raised.code, body, None)

    assert isinstance(found, errors.UnstorableValue)
    assert found.path == ("answer",)
    assert "NUL" in found.reason


@pytest.mark.parametrize("body", [None, "text", [], {}, [1], {"detail": 1}, {"code": "never-heard-of"}, [[]], 3])
@pytest.mark.parametrize("status", [400, 404, 418, 500])
def test_answers_of_somebody_else(status: int, body: Any) -> None:
    """An error of a proxy, or of a later version, is an unexpected answer that keeps the status."""
    found = answered_error(status, None, body, "r1")

    assert isinstance(found, errors.UnexpectedAnswer)
    assert (found.status, found.request_id, found.retryable) == (status, "r1", False)
    assert str(status) in str(found)
    assert "r1" in str(found)


@pytest.mark.parametrize("code", [None, "never-heard-of"])
@pytest.mark.parametrize("status", [429, 502, 503, 504])
def test_not_now(status: int, code: str | None) -> None:
    """A proxy that says "not now" is a service that is not available."""
    found = answered_error(status, code, None, None)

    assert isinstance(found, errors.ServiceUnavailable)
    assert found.retryable


@pytest.mark.parametrize(
    "body", [None, [], {}, {"errors": [{}]}, {"errors": ["x"]}, {"errors": [{"pointer": 1}]}, [{"metadata": 1}], [[]]]
)
def test_a_code_with_a_broken_body(body: Any) -> None:
    """A body that is not what the code promises never makes reading it fail."""
    for code in ("validation-failed", "unstorable-value", "missing-parameters", "unexpected-answer"):
        assert answered_error(422, code, body, None).code == code
