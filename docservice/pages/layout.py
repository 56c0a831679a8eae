"""The frame around a text: head, list of contents, links to the pages before and after."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from html import escape
from importlib.resources import files
from importlib.resources.abc import Traversable
from string import Template

from docservice.pages.manual import EVERYTHING, SECTIONS, page_names, page_text
from docservice.pages.markdown import Heading, Rendered, render

STATIC = files("docservice.pages") / "static"
"""Where the templates and the files of the pages are."""
_LOWEST_LISTED_LEVEL = 3
"""Headings below this level are not in the list of contents."""


@dataclass(frozen=True)
class StaticFile:
    """A file that the pages refer to.

    Attributes:
        path: where its content is.
        media_type: the value of `Content-Type`.
    """

    path: Traversable
    media_type: str

    def read(self) -> str:
        """Return its content."""
        return self.path.read_text(encoding="utf-8")


FILES = {
    "manual.css": StaticFile(STATIC / "manual.css", "text/css"),
    "icon.svg": StaticFile(STATIC / "icon.svg", "image/svg+xml"),
}
"""The files that the pages refer to, by name."""


@cache
def manual_page(name: str, *, base: str = "") -> str:
    """Return a page of the manual as HTML.

    Args:
        name: one of `page_names()`, or `all`.
        base: the way from the page's own address to the folder of the manual; `docs/` for the address `/docs`, which
            has no slash at the end.
    """
    if name == EVERYTHING:
        return _everything(base)
    text = render(page_text(name), lambda page, anchor: _address(base, page, anchor))
    return _frame(name, text.title, text.html, text.headings, base)


@cache
def start_page(version: str) -> str:
    """Return the page at the root of the service: where the manual and the API page are.

    Args:
        version: of the service.
    """
    return _template("start.html").substitute(version=escape(version))


def _everything(base: str) -> str:
    parts: list[str] = []
    headings: list[Heading] = []
    for name in page_names():
        text = render(page_text(name), _address_in_everything, anchor_prefix=f"{name}-")
        parts.append(f'<section id="{name}">\n{text.html}</section>\n')
        headings.append(Heading(2, text.title, name))
    return _frame(EVERYTHING, "The whole manual", "".join(parts), headings, base)


def _address(base: str, page: str, anchor: str = "") -> str:
    fragment = f"#{anchor}" if anchor else ""
    return f"{base or './'}{fragment}" if page == "index" else f"{base}{page}{fragment}"


def _address_in_everything(page: str, anchor: str) -> str:
    return f"#{page}-{anchor}" if anchor else f"#{page}"


@cache
def _template(name: str) -> Template:
    return Template((STATIC / name).read_text(encoding="utf-8"))


@cache
def _title(name: str) -> str:
    return render(page_text(name), lambda page, anchor: "").title


def _frame(name: str, title: str, html: str, headings: Sequence[Heading], base: str) -> str:
    return _template("manual.html").substitute(
        title=escape(title),
        here=base,
        root=f"{base}../" if not base else "./",
        contents=_contents(name, headings, base),
        on_this_page=_on_this_page(headings),
        text=html,
        neighbours=_neighbours(name, base),
    )


def _contents(name: str, headings: Sequence[Heading], base: str) -> str:
    """Return the list of all pages; the page itself is marked and shows its headings."""
    lists = []
    for section, names in SECTIONS.items():
        entries = "".join(_entry(each, name, headings, base) for each in names)
        lists.append(f"<h2>{section}</h2>\n<ul>{entries}</ul>")
    whole = f"<ul><li>{_link(base + EVERYTHING, 'Everything on one page', current=name == EVERYTHING)}</li></ul>"
    return "\n".join([*lists, whole])


def _entry(each: str, name: str, headings: Sequence[Heading], base: str) -> str:
    inner = _on_this_page([heading for heading in headings if heading.level == 2]) if each == name else ""
    return f"<li>{_link(_address(base, each), _title(each), current=each == name)}{inner}</li>"


def _link(address: str, text: str, *, current: bool = False) -> str:
    mark = ' aria-current="page"' if current else ""
    return f'<a href="{escape(address)}"{mark}>{escape(text)}</a>'


def _on_this_page(headings: Sequence[Heading]) -> str:
    """Return a list of links to the headings of a page, but for its title."""
    listed = [heading for heading in headings if 2 <= heading.level <= _LOWEST_LISTED_LEVEL]
    entries = "".join(
        f'<li class="level-{heading.level}">{_link("#" + heading.anchor, heading.text)}</li>' for heading in listed
    )
    return f"<ul>{entries}</ul>" if entries else ""


def _neighbours(name: str, base: str) -> str:
    names = page_names()
    if name not in names:
        return ""
    place = names.index(name)
    links = []
    if place > 0:
        previous = names[place - 1]
        links.append(f'<a class="before" rel="prev" href="{_address(base, previous)}">← {escape(_title(previous))}</a>')
    if place + 1 < len(names):
        after = names[place + 1]
        links.append(f'<a class="after" rel="next" href="{_address(base, after)}">{escape(_title(after))} →</a>')
    return "".join(links)


def rendered(name: str) -> Rendered:
    """Return a page as it is rendered for its own address; for checks of its headings and links."""
    return render(page_text(name), lambda page, anchor: _address("", page, anchor))
