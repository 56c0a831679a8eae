"""The tree of errors is part of the API."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from docservice import errors
from docservice.errors import DocServiceError, FieldError, UnstorableValue, ValidationFailed


def tree(kind: type[DocServiceError] = DocServiceError) -> Iterator[type[DocServiceError]]:
    """An error class and all below it that this project defines."""
    yield kind
    for child in kind.__subclasses__():
        yield from tree(child)


KINDS = list(tree())


def test_codes_are_unique() -> None:
    """No two errors share a code, and all codes are kebab-case."""
    codes = [kind.code for kind in KINDS]

    assert len(set(codes)) == len(codes)
    assert all(code == code.lower() and code.replace("-", "").isalpha() for code in codes)


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind.__init__ is DocServiceError.__init__])
def test_blank_message(kind: type[DocServiceError]) -> None:
    """An error without a message says the first line of its docstring."""
    assert str(kind()) == (kind.__doc__ or "").split("\n")[0]
    assert str(kind()).endswith(".")
    assert str(kind("other")) == "other"


@pytest.mark.parametrize("kind", KINDS)
def test_each_error_is_in_the_drawing(kind: type[DocServiceError]) -> None:
    """The tree drawn in the module's docstring names each error, and says which are worth a retry."""
    line = next((line for line in (errors.__doc__ or "").splitlines() if kind.__name__ in line.split()), None)

    assert line is not None
    assert kind.retryable == ("(retryable)" in line) or kind.__name__ == "EngineNotRunning"


def test_pointer() -> None:
    """A field's path is a JSON Pointer with its two escapes."""
    assert FieldError(("a/b", 0, "m~n"), "x", "y").pointer == "/a~1b/0/m~0n"
    assert FieldError((), "x", "y").pointer == ""


def test_validation_failed_lists_all() -> None:
    """All that is wrong is in the message, in order."""
    found = [FieldError(("a",), "required", "One."), FieldError((), "null", "Two.")]

    error = ValidationFailed(found)

    assert error.errors == tuple(found)
    assert str(error) == "/a: One.; body: Two."


def test_unstorable_value_says_where() -> None:
    """A value's place is a pointer in the message."""
    assert str(UnstorableValue(("a", 0), "too deep")) == "/a/0: too deep"
    assert str(UnstorableValue((), "too deep")) == "body: too deep"
