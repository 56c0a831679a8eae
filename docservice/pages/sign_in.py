"""The page of a sign-in link: a button to press, so that a program that looks at links does not use it up."""

from __future__ import annotations

from functools import cache
from html import escape
from string import Template

from docservice.pages.layout import STATIC


def sign_in_page(person: str) -> str:
    """Return the page that asks whether to sign in.

    Args:
        person: whom the link signs in, as people know that person.
    """
    text = f"<p>This link signs you in as <strong>{escape(person)}</strong>. It is good for one use.</p>"
    return _page(f'{text}\n<form method="post"><button type="submit">Sign in</button></form>')


def used_link_page() -> str:
    """Return the page for a link that was used or is too old."""
    return _page("<p>This link was used, or is too old. Ask for a new one.</p>")


def _page(text: str) -> str:
    return _template().substitute(text=text)


@cache
def _template() -> Template:
    return Template((STATIC / "sign-in.html").read_text(encoding="utf-8"))
