"""The manual: which pages it has, in which order, and their Markdown text.

The pages are the `*.md` files of `docservice/docs/`, which the wheel ships. They link to each other as files
(`settings.md#limits`), so that the links work where the repository is shown; `markdown` rewrites them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from importlib.resources import files

EVERYTHING = "all"
"""The name of the page that holds all others, to search with the browser."""

SECTIONS: Mapping[str, Sequence[str]] = {
    "Start": ("index", "install", "tutorial"),
    "How to": (
        "rest",
        "sign-in",
        "embedding",
        "shell",
        "reports",
        "import",
        "exports",
        "backup",
        "privacy",
        "operating",
        "engines",
        "kolibri-compatibility",
    ),
    "Reference": ("settings", "commands", "documents", "indexes", "errors"),
}
"""The pages by section, in reading order. A test compares them with the files."""


def page_names() -> tuple[str, ...]:
    """Return the names of all pages in reading order."""
    return tuple(name for names in SECTIONS.values() for name in names)


def is_page(name: str) -> bool:
    """Return whether the manual has a page of this name; `all` is one."""
    return name == EVERYTHING or name in page_names()


@cache
def page_text(name: str) -> str:
    """Return the Markdown text of a page.

    Args:
        name: one of `page_names()`.
    """
    return (files("docservice") / "docs" / f"{name}.md").read_text(encoding="utf-8")
