"""Cursors, the choice of fields, and what a list of documents is narrowed to."""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from docservice.domain.requests.document_pages import Cursor, DocumentFilters, FieldChoice
from docservice.domain.requests.lists import LogFilters
from docservice.errors import FilterInvalid, ValidationFailed

ID = "0123456789abcdef" * 2
DIGEST = "d" * 16
KNOWN = (
    "kind",
    "progress",
    "mastery_logs",
    "mastery_logs.complete",
    "mastery_logs.attempts",
    "mastery_logs.attempts.item",
    "mastery_logs.attempts.answer",
)
hex_ids = st.text("0123456789abcdef", min_size=32, max_size=32)


def encoded(*parts: Any) -> str:
    """A text made as cursors are, of any parts."""
    return base64.urlsafe_b64encode(json.dumps(parts, separators=(",", ":")).encode()).decode().rstrip("=")


@given(split=st.sampled_from(["user", "content"]), lane=hex_ids, last=st.none() | hex_ids)
def test_a_cursor_is_read_as_it_was_written(split: Any, lane: str, last: str | None) -> None:
    """What `parse` reads is what `str` wrote."""
    cursor = Cursor(DIGEST, split, lane, last)

    assert Cursor.parse(str(cursor), DIGEST) == cursor


def test_a_cursor_of_a_list_that_is_not_cut() -> None:
    """Its part of the list has no name."""
    cursor = Cursor(DIGEST, "whole", last=ID)

    assert Cursor.parse(str(cursor), DIGEST) == cursor


@pytest.mark.parametrize(
    "text",
    [
        "",
        "nonsense",
        "%%%",
        "=" * 4,
        "a" * 500,
        encoded(2, DIGEST, "whole", "", ID),
        encoded(1, DIGEST, "halves", "", ID),
        encoded(1, DIGEST, "whole", ID, ID),
        encoded(1, DIGEST, "user", "", ID),
        encoded(1, DIGEST, "user", ID, "not an id"),
        encoded(1, DIGEST, "user", ID, {"$gt": ""}),
        encoded(1, DIGEST, "user", ID),
        encoded(1, DIGEST, "whole", "", ID, 1),
        str(Cursor(DIGEST, "whole", last=ID)) + "=",
        " " + str(Cursor(DIGEST, "whole", last=ID)),
    ],
)
def test_what_is_not_a_cursor(text: str) -> None:
    """Every other text is refused, with the name of the parameter."""
    with pytest.raises(ValidationFailed) as refused:
        Cursor.parse(text, DIGEST)

    assert [(error.path, error.code) for error in refused.value.errors] == [(("cursor",), "invalid")]


def test_a_cursor_belongs_to_its_list() -> None:
    """A list with other filters refuses it."""
    with pytest.raises(ValidationFailed):
        Cursor.parse(str(Cursor(DIGEST, "whole", last=ID)), "e" * 16)


@pytest.mark.parametrize(
    ("text", "choice"),
    [
        ("", FieldChoice()),
        (" , ", FieldChoice()),
        ("kind", FieldChoice(only=frozenset({"kind"}))),
        ("id", FieldChoice(only=frozenset({"id"}))),
        (" kind , progress", FieldChoice(only=frozenset({"kind", "progress"}))),
        ("-mastery_logs.attempts", FieldChoice(without=frozenset({"mastery_logs.attempts"}))),
        ("mastery_logs,-kind", FieldChoice(frozenset({"mastery_logs"}), frozenset({"kind"}))),
    ],
)
def test_a_choice_of_fields(text: str, choice: FieldChoice) -> None:
    """Names are what is shown, names with a minus what is left out."""
    assert FieldChoice.parse(text, KNOWN) == choice


@pytest.mark.parametrize(("text", "count"), [("nope", 1), ("-nope", 1), ("nope,-nor", 2), ("mastery_logs.attempts", 1)])
def test_unknown_fields(text: str, count: int) -> None:
    """Each is refused: one that the document does not have, and a part that is asked for alone."""
    with pytest.raises(ValidationFailed) as refused:
        FieldChoice.parse(text, KNOWN)

    assert [error.path for error in refused.value.errors] == [("fields",)] * count


@pytest.mark.parametrize(
    ("text", "leaves"),
    [
        ("", None),
        ("kind", ["kind"]),
        ("id", []),
        ("mastery_logs", ["mastery_logs"]),
        ("-kind", ["mastery_logs", "progress"]),
        ("-mastery_logs.attempts", ["kind", "mastery_logs.complete", "progress"]),
        (
            "-mastery_logs.attempts.answer",
            ["kind", "mastery_logs.attempts.item", "mastery_logs.complete", "progress"],
        ),
        ("mastery_logs,-mastery_logs.attempts.answer", ["mastery_logs.attempts.item", "mastery_logs.complete"]),
    ],
)
def test_no_more_is_read_than_is_shown(text: str, leaves: list[str] | None) -> None:
    """The paths to read hold all that is shown and nothing else; None reads everything."""
    choice = FieldChoice.parse(text, KNOWN)

    assert choice.leaves(KNOWN) == leaves
    if leaves is not None:
        for path in KNOWN:
            is_read = any(path == leaf or path.startswith(leaf + ".") for leaf in leaves)
            assert not is_read or choice.shows(path), path


def test_filters_are_read_as_logs_hold_them() -> None:
    """Ids in any spelling, several contents once each, dates as times."""
    dashed = "01234567-89AB-CDEF-0123-456789ABCDEF"
    filters = DocumentFilters(content=dashed, content_ids=(ID, dashed), start_after="2024-09-02")  # type: ignore[arg-type]

    assert (filters.content, filters.content_ids) == (ID, (ID,))
    assert filters.start_after == datetime(2024, 9, 2, tzinfo=UTC)


def test_a_digest_tells_filters_apart() -> None:
    """It is the same for the same filters in another spelling, and another one for other filters or kinds."""
    digests = [
        DocumentFilters(content=ID).digest("a"),
        DocumentFilters(content=ID.upper()).digest("a"),
        DocumentFilters(content=ID).digest("b"),
        DocumentFilters(channel=ID).digest("a"),
        DocumentFilters(people=LogFilters(user=ID)).digest("a"),
        DocumentFilters().digest("a"),
    ]

    assert digests[0] == digests[1]
    assert len(set(digests)) == 5


def test_filters_that_a_list_does_not_have() -> None:
    """All of them are named; those that say whose logs they are every list has."""
    filters = DocumentFilters(people=LogFilters(user=ID), content=ID, kind="video", exam=ID)

    filters.refuse_unused(["content", "kind", "exam"])
    with pytest.raises(FilterInvalid) as refused:
        filters.refuse_unused(["channel"])
    assert {error.path for error in refused.value.errors} == {("content",), ("kind",), ("exam",)}
