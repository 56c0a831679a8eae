"""Markdown to HTML: headings that can be linked to, links between pages, highlighted code. No inline style or script.

Raw HTML in a page is shown as text. The Content-Security-Policy of the pages forbids inline styles, so the alignment of
table columns becomes a class.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from html import escape
from itertools import pairwise

from markdown_it import MarkdownIt
from markdown_it.token import Token
from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexers import get_lexer_by_name
from pygments.util import ClassNotFound

_PAGE_LINK = re.compile(r"(?P<page>[a-z][a-z-]*)\.md(?:#(?P<anchor>.+))?")
_NOT_IN_ANCHOR = re.compile(r"[^\w\- ]")
_FORMATTER = HtmlFormatter(nowrap=True)

PageLink = Callable[[str, str], str]
"""Gives the address of a page (first) and an anchor in it (second, empty for the page itself)."""


@dataclass(frozen=True)
class Heading:
    """A heading of a page.

    Attributes:
        level: 1 for the title of the page.
        text: the heading without markup.
        anchor: the `id` of the heading in the HTML.
    """

    level: int
    text: str
    anchor: str


@dataclass(frozen=True)
class Rendered:
    """A page as HTML, without the frame around it.

    Attributes:
        html: the text.
        headings: all headings in order.
    """

    html: str
    headings: Sequence[Heading]

    @property
    def title(self) -> str:
        """Return the text of the first heading."""
        return self.headings[0].text


def render(text: str, link: PageLink, *, anchor_prefix: str = "") -> Rendered:
    """Return a Markdown text as HTML.

    Args:
        text: CommonMark with tables.
        link: gives the address for a link to another page.
        anchor_prefix: put before each anchor; keeps anchors different where several pages are on one.
    """
    parser = MarkdownIt("commonmark", {"html": False, "highlight": _highlighted}).enable("table")
    tokens = parser.parse(text)
    headings = _name_headings(tokens, anchor_prefix)
    for token in _all_tokens(tokens):
        _adapt(token, link, anchor_prefix)
    _label_cells(tokens)
    html = parser.renderer.render(_with_frames(tokens), parser.options, {})
    return Rendered(html, headings)


def slug(text: str) -> str:
    """Return the anchor of a heading, as Git hosts make it: lower case, no punctuation, hyphens for spaces."""
    return _NOT_IN_ANCHOR.sub("", text.strip().lower()).replace(" ", "-")


def _name_headings(tokens: Sequence[Token], prefix: str) -> list[Heading]:
    """Give each heading its anchor; the second heading of the same text gets `-1`, as Git hosts do."""
    headings: list[Heading] = []
    seen: dict[str, int] = {}
    for opening, content in pairwise(tokens):
        if opening.type != "heading_open":
            continue
        text = _plain(content)
        name = slug(text)
        count = seen[name] = seen.get(name, -1) + 1
        heading = Heading(int(opening.tag[1:]), text, prefix + (f"{name}-{count}" if count else name))
        opening.attrSet("id", heading.anchor)
        content.children = [*(content.children or ()), *_link_to_heading(heading)]
        headings.append(heading)
    return headings


def _link_to_heading(heading: Heading) -> list[Token]:
    if heading.level == 1:
        return []
    opening = Token("link_open", "a", 1)
    opening.attrs = {"class": "anchor", "href": f"#{heading.anchor}", "aria-label": f"Link to “{heading.text}”"}
    opening.meta["own"] = True
    return [opening, Token("text", "", 0, content="#"), Token("link_close", "a", -1)]


def _all_tokens(tokens: Sequence[Token]) -> Iterator[Token]:
    for token in tokens:
        yield token
        yield from token.children or ()


def _adapt(token: Token, link: PageLink, prefix: str) -> None:
    if token.type == "link_open" and not token.meta.get("own"):
        address = str(token.attrs["href"])
        page = _PAGE_LINK.fullmatch(address)
        if page:
            token.attrs["href"] = link(page["page"], page["anchor"] or "")
        elif address.startswith("#"):
            token.attrs["href"] = f"#{prefix}{address[1:]}"
        else:
            token.attrs["rel"] = "noreferrer"
    elif token.type in ("th_open", "td_open") and "style" in token.attrs:
        style = str(token.attrs.pop("style"))
        token.attrSet("class", style.replace("text-align:", "align-"))


def _label_cells(tokens: Sequence[Token]) -> None:
    """Give each cell of a table the heading of its column, which a narrow screen shows before the cell."""
    labels: list[str] = []
    column = 0
    for opening, content in pairwise(tokens):
        if opening.type == "thead_open":
            labels = []
        elif opening.type == "tr_open":
            column = 0
        elif opening.type == "th_open":
            labels.append(_plain(content))
        elif opening.type == "td_open":
            opening.attrSet("data-label", labels[column])
            column += 1


def _plain(inline: Token) -> str:
    return "".join(child.content for child in inline.children or ())


def _with_frames(tokens: Sequence[Token]) -> list[Token]:
    """Put each table into a frame that scrolls by itself on a narrow screen, reachable with the keyboard."""
    framed: list[Token] = []
    for token in tokens:
        if token.type == "table_open":
            frame = Token("table_frame_open", "div", 1, block=True)
            frame.attrs = {"class": "table", "tabindex": "0"}
            framed.append(frame)
        framed.append(token)
        if token.type == "table_close":
            framed.append(Token("table_frame_close", "div", -1, block=True))
    return framed


def _highlighted(code: str, language: str, _attributes: str) -> str:
    """Return a code block whose parts have classes; the colours are in `manual.css`."""
    try:
        inside = highlight(code, get_lexer_by_name(language, stripnl=False), _FORMATTER) if language else escape(code)
    except ClassNotFound:
        inside = escape(code)
    return f'<pre tabindex="0"><code class="language-{escape(language)}">{inside}</code></pre>\n'
