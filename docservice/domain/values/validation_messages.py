"""Pydantic's messages about a value, as they are shown to people."""

from __future__ import annotations

from pydantic_core import ErrorDetails


def validation_message(details: ErrorDetails) -> str:
    """Return what is wrong with a value: the sentence alone, without pydantic's name for the class of the error."""
    return details["msg"].removeprefix("Value error, ")
