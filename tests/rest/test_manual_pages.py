"""The start page and the manual over HTTP: offline, below any prefix, cached, without script."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from html.parser import HTMLParser

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer
from yarl import URL

import docservice
from docservice import ANONYMOUS, DocService
from docservice.pages import EVERYTHING, page_names
from docservice.rest import create_app

from .asking import Client

pytestmark = pytest.mark.shared_service

PAGES = ["/", "/docs", "/docs/", *(f"/docs/{name}" for name in page_names()[1:]), f"/docs/{EVERYTHING}"]


@pytest.fixture
async def mounted(service: DocService) -> AsyncIterator[Client]:
    """Give a client of a program that has the service below a prefix."""
    host = web.Application()
    host.add_subapp("/logs", create_app(service, identify=lambda request: ANONYMOUS))
    async with TestClient(TestServer(host)) as opened:
        yield opened


class Page(HTMLParser):
    """What a page refers to, what can be referred to in it, and what a strict policy forbids."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.loaded: set[str] = set()
        self.links: set[str] = set()
        self.ids: list[str] = []
        self.forbidden: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        for name, value in attrs:
            if name == "id":
                self.ids.append(value or "")
            elif name in ("href", "src") and value:
                (self.links if tag == "a" else self.loaded).add(value)
            elif name == "style" or name.startswith("on"):
                self.forbidden.append(f"{tag} {name}")
        if tag in ("script", "style", "base", "iframe"):
            self.forbidden.append(tag)


async def page_of(client: Client, path: str) -> Page:
    """Return a page that the service answers with 200."""
    async with client.get(path) as response:
        assert (response.status, response.content_type, response.charset) == (200, "text/html", "utf-8"), path
        return Page(await response.text())


@pytest.mark.parametrize("path", PAGES)
async def test_a_page_needs_nothing_from_elsewhere(client: Client, path: str) -> None:
    """A page has no script and no inline style, and the policy allows nothing but the server's own files."""
    page = await page_of(client, path)
    async with client.get(path) as response:
        policy = response.headers["Content-Security-Policy"]

    assert page.forbidden == []
    assert page.loaded
    assert not any(URL(address).absolute for address in page.loaded)
    assert policy.startswith("default-src 'none'; style-src 'self'; img-src 'self';")
    assert "unsafe" not in policy


@pytest.mark.parametrize("prefix", ["", "/logs"])
async def test_every_link_leads_somewhere(client: Client, mounted: Client, prefix: str) -> None:
    """From the start page every page, file and heading can be reached by relative links, below a prefix, too."""
    asked = mounted if prefix else client
    waiting, seen = [f"{prefix}/", f"{prefix}/docs"], dict[str, Page | None]()
    anchors: list[tuple[str, str]] = []

    while waiting:
        path = waiting.pop()
        if path in seen:
            continue
        if "/api/" in path or "/files/" in path:
            async with asked.get(path) as response:
                assert response.status == 200, path
            seen[path] = None
            continue
        page = seen[path] = await page_of(asked, path)
        base = asked.make_url(path)
        for address in [url for url in (*page.links, *page.loaded) if not URL(url).absolute]:
            target = base.join(URL(address))
            waiting.append(target.path)
            anchors.append((target.path, target.fragment))

    assert {f"{prefix}/docs/{name}" for name in (*page_names()[1:], EVERYTHING)} <= set(seen)
    assert {f"{prefix}/docs/", f"{prefix}/api/docs/", f"{prefix}/docs/files/manual.css"} <= set(seen)
    for path, anchor in anchors:
        found = seen[path]
        assert not anchor or found is None or anchor in found.ids, f"{path}#{anchor}"


@pytest.mark.parametrize("path", PAGES)
async def test_ids_are_unique(client: Client, path: str) -> None:
    """No two elements of a page have the same id, on the page with everything neither."""
    page = await page_of(client, path)

    assert len(set(page.ids)) == len(page.ids)


async def test_the_whole_manual_is_on_one_page(client: Client) -> None:
    """The search of the browser finds on the page with everything what any page has."""

    def words(html: str) -> list[str]:
        [article] = re.findall(r"<article>(.*)</article>", html, re.DOTALL)
        return re.sub(r"<[^>]*>", " ", article).split()

    async with client.get(f"/docs/{EVERYTHING}") as response:
        everything = " ".join(words(await response.text()))

    for name in page_names():
        async with client.get(f"/docs/{name}" if name != "index" else "/docs/") as response:
            assert " ".join(words(await response.text())) in everything, name


@pytest.mark.parametrize("path", ["/", "/docs/", "/docs/rest", "/docs/files/manual.css", "/docs/files/icon.svg"])
async def test_an_answer_that_the_browser_has(client: Client, path: str) -> None:
    """The browser asks each time, and gets a 304 without a body while nothing has changed."""
    async with client.get(path) as first:
        tag = first.headers["ETag"]
    async with client.get(path, headers={"If-None-Match": f'"other", {tag}'}) as second:
        body = await second.read()
    async with client.get(path, headers={"If-None-Match": '"other"'}) as third:
        pass

    assert first.headers["Cache-Control"] == second.headers["Cache-Control"] == "no-cache"
    assert (second.status, body, second.headers["ETag"]) == (304, b"", tag)
    assert third.status == 200


async def test_head_has_no_body(client: Client) -> None:
    """HEAD answers with the headers of GET."""
    async with client.head("/docs/rest") as response:
        assert (response.status, response.content_type) == (200, "text/html")
        assert await response.read() == b""


@pytest.mark.parametrize(
    "path", ["/docs/nothing", "/docs/index", "/docs/rest.md", "/docs/..%2Fsettings", "/docs/files/manual.html"]
)
async def test_what_is_not_there(client: Client, path: str) -> None:
    """Only pages of the manual and files that they need are served, whatever the path."""
    async with client.session.get(URL(str(client.make_url("/")).rstrip("/") + path, encoded=True)) as response:
        body = await response.json(content_type="application/problem+json")

    assert (response.status, body["code"]) == (404, "http-404")


@pytest.mark.parametrize(
    ("accept", "is_json"),
    [
        ("application/json", True),
        ("application/json, */*;q=0.5", True),
        ("text/html,application/xhtml+xml,application/json;q=0.1", False),
        ("*/*", False),
        ("", False),
    ],
)
async def test_the_start_page_for_programs(client: Client, accept: str, is_json: bool) -> None:
    """A program that asks for JSON gets the links as JSON, everybody else the page."""
    async with client.get("/", headers={"Accept": accept}) as response:
        body = await response.text()

    assert response.headers["Vary"] == "Accept"
    assert (response.content_type == "application/json") == is_json
    if is_json:
        async with client.get("/", headers={"Accept": accept}) as again:
            assert (await again.json())["version"] == docservice.__version__
    assert "docs/" in body
    assert "api/docs/" in body


def contrast(first: str, second: str) -> float:
    """Return the contrast of two colours. Rule: WCAG 2.2, contrast ratio."""

    def luminance(colour: str) -> float:
        parts = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
        linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    dark, light = sorted((luminance(first), luminance(second)))
    return (light + 0.05) / (dark + 0.05)


async def test_colours_can_be_read(client: Client) -> None:
    """Text on each background that it is used on has a contrast of 4.5 or more, in the light and the dark theme."""
    async with client.get("/docs/files/manual.css") as response:
        sheet = await response.text()
    light, dark = (dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6})", theme)) for theme in sheet.split("@media", 2)[:2])

    for theme in (light, dark):
        pairs = [(ink, ground) for ink in ("ink", "soft", "link") for ground in ("page", "panel", "mark", "code")]
        pairs += [(ink, "code") for ink in ("keyword", "string", "comment", "number", "name")]
        pairs.append(("head-ink", "head"))
        assert [pair for pair in pairs if contrast(theme[pair[0]], theme[pair[1]]) < 4.5] == []
