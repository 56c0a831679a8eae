"""Query strings, by Kolibri's lenient rules and by our own strict ones. (Pure: no service.)"""

from __future__ import annotations

from typing import Any

import pytest
from multidict import MultiDict

from docservice.domain.requests.lists import Page
from docservice.errors import MissingParameters, PageNotFound, ValidationFailed
from docservice.rest.list_parameters import document_list, log_list, one_document

CONTENT, OTHER = "c" * 32, "d" * 32
ROWS = log_list(("masterylog", "content", "user", "complete"), required=("content",))
DOCUMENTS = document_list(("user", "content", "content_ids"), ("kind", "progress"))


def refused(query: Any, *pairs: tuple[str, str]) -> list[tuple[Any, ...]]:
    """Path, code and message of each error of a query string."""
    with pytest.raises(ValidationFailed) as raised:
        query.read(MultiDict(pairs))
    return [(*error.path, error.code, error.message) for error in raised.value.errors]


def test_kolibri_takes_the_last_value_and_ignores_unknown_names() -> None:
    """A list of rows reads the last of several values, and neither unknown names nor words that are not booleans."""
    asked = ROWS.read(MultiDict([("content", "not an id"), ("content", CONTENT), ("x", "1"), ("complete", "perhaps")]))

    assert (asked.filters.content, asked.filters.complete, asked.page) == (CONTENT, None, None)


def test_ours_refuse_what_is_repeated_or_unknown() -> None:
    """A list of documents names every unknown and every repeated parameter, and what does not fit, all at once."""
    errors = refused(
        DOCUMENTS, ("content", CONTENT), ("content", OTHER), ("x", "1"), ("content_ids", "y"), ("fields", "z")
    )

    assert [error[0] for error in errors] == ["x", "content", "content_ids", "fields"]
    assert "Known are: content, content_ids, cursor, fields, page_size, user." in errors[0][2]
    assert errors[1][2] == "Give this parameter once."


@pytest.mark.parametrize("query", [ROWS, DOCUMENTS])
def test_an_empty_value_does_not_filter(query: Any) -> None:
    """An empty parameter counts as absent by both rules."""
    assert query.read(MultiDict([("content", " "), ("user", "")])) == query.read(MultiDict())


def test_required_parameters_may_be_empty() -> None:
    """A required parameter must be sent, if only empty."""
    ROWS.require(MultiDict([("content", "")]))
    with pytest.raises(MissingParameters):
        ROWS.require(MultiDict([("user", CONTENT)]))


def test_errors_come_in_the_order_of_the_list() -> None:
    """Kolibri lists errors in the order of its filters, whatever the order of the request."""
    errors = refused(ROWS, ("user", "x"), ("content", "x"), ("masterylog", "x"))

    assert [error[:2] for error in errors] == [
        ("masterylog", "invalid_choice"),
        ("content", "invalid"),
        ("user", "invalid_choice"),
    ]


@pytest.mark.parametrize(
    ("pairs", "page"),
    [
        ([], None),
        ([("page", "2")], None),
        ([("page_size", "0")], None),
        ([("page_size", "ten")], None),
        ([("page_size", "10")], Page(10, 1)),
        ([("page_size", "10"), ("page", "3")], Page(10, 3)),
    ],
)
def test_numbered_pages(pairs: list[tuple[str, str]], page: Page | None) -> None:
    """Without a positive `page_size` the whole list is asked for."""
    assert ROWS.read(MultiDict(pairs)).page == page


@pytest.mark.parametrize("number", ["", "x"])
def test_a_page_that_is_not_a_number(number: str) -> None:
    """It is not found, empty or not; a filter that does not fit is told first."""
    with pytest.raises(PageNotFound):
        ROWS.read(MultiDict([("page_size", "10"), ("page", number)]))
    assert refused(ROWS, ("page_size", "10"), ("page", number), ("content", "x"))


@pytest.mark.parametrize("size", ["0", "501", "ten", "-1"])
def test_page_size_of_documents(size: str) -> None:
    """A page of documents has 1 to 500 of them."""
    assert refused(DOCUMENTS, ("page_size", size)) == [("page_size", "invalid", "Enter a number from 1 to 500.")]


def test_one_document_takes_fields_only() -> None:
    """A single document has one parameter; a filter of the list is refused."""
    fields = one_document(("kind", "progress"))

    assert fields.read(MultiDict([("fields", "kind")])).only == frozenset({"kind"})
    assert [error[0] for error in refused(fields, ("user", CONTENT))] == ["user"]
