"""Markdown becomes HTML that a strict Content-Security-Policy shows as it is meant."""

from __future__ import annotations

import pytest

from docservice.pages.markdown import Heading, render, slug


def link(page: str, anchor: str) -> str:
    """Give an address that shows what was asked for."""
    return f"PAGE:{page}:{anchor}"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("People, classes, lessons: the directory", "people-classes-lessons-the-directory"),
        ("In `mastery_logs`", "in-mastery_logs"),
        ("1. Start", "1-start"),
        ("Zeiten für Änderungen", "zeiten-für-änderungen"),
    ],
)
def test_an_anchor_is_what_git_hosts_make(text: str, expected: str) -> None:
    """The same link works in the repository and on the served page."""
    assert slug(text) == expected


def test_headings_are_named_once() -> None:
    """Headings of the same text get different anchors, with the prefix in front."""
    page = render("# A\n\n## B `c`\n\n## B `c`\n", link, anchor_prefix="p-")

    assert page.headings == [Heading(1, "A", "p-a"), Heading(2, "B c", "p-b-c"), Heading(2, "B c", "p-b-c-1")]
    assert page.title == "A"
    assert 'id="p-b-c-1"' in page.html
    assert 'href="#p-b-c-1"' in page.html


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("rest.md", "PAGE:rest:"),
        ("rest.md#errors", "PAGE:rest:errors"),
        ("#errors", "#p-errors"),
        ("https://example.org/a.md", "https://example.org/a.md"),
        ("../LICENSE.md", "../LICENSE.md"),
    ],
)
def test_links_between_pages_are_rewritten(address: str, expected: str) -> None:
    """A link to a page of the manual becomes its address; others stay."""
    assert f'href="{expected}"' in render(f"# A\n\n[x]({address})\n", link, anchor_prefix="p-").html


def test_html_in_a_text_is_shown_not_run() -> None:
    """Raw HTML and addresses that run scripts do not become markup."""
    html = render("# A\n\n<script>alert(1)</script> [x](javascript:alert(1))\n", link).html

    assert "<script" not in html
    assert "&lt;script&gt;" in html
    assert 'href="javascript' not in html


@pytest.mark.parametrize("language", ["python", "sh", "console", "js", "json", "toml", "nonsense", ""])
def test_code_keeps_its_characters(language: str) -> None:
    """A code block of any language is escaped, has no inline style and loses nothing."""
    html = render(f"# A\n\n```{language}\n\nif a < b: 'x'\n```\n", link).html

    assert "style=" not in html
    assert "&lt;" in html
    assert "a < b" not in html
    assert "<pre" in html


def test_table_cells_say_their_column() -> None:
    """A narrow screen shows the heading of a column before each cell; alignment is a class, not a style."""
    html = render("# A\n\n| one | two |\n| --- | ---: |\n| 1 | 2 |\n", link).html

    assert '<td data-label="one">1</td>' in html
    assert 'class="align-right"' in html
    assert "style=" not in html
