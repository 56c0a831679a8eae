"""The manual is whole: all pages are listed, all links lead somewhere, all tables follow from the code."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Mapping
from pathlib import PurePosixPath
from typing import Any

import pytest
from pymongo import AsyncMongoClient

from docservice.domain.logs.record_schema import RecordSchema
from docservice.domain.logs.schema import (
    ATTEMPT_LOG,
    EXAM_LOG,
    MASTERY_LOG,
    OVERFLOW_BUCKET,
    SESSION_LOG,
    SUMMARY_LOG,
    USER_SESSION_LOG,
)
from docservice.domain.reports.definitions import REPORTS, ReportName
from docservice.pages import page_names
from docservice.pages.layout import rendered
from docservice.pages.markdown import slug
from docservice.store.indexes.files import contents
from docservice.store.mapping.schema import OURS

from . import references
from .manual import EVERYTHING, GITHUB, MANUAL, PAGES, ROOT, section
from .running import Service

Client = AsyncMongoClient[dict[str, Any]]

FOLDERS = {"README": ROOT, "CONTRIBUTING": GITHUB, "SECURITY": GITHUB, **dict.fromkeys(PAGES, MANUAL)}
LINKS = sorted(
    {
        (name, address)
        for name, text in EVERYTHING.items()
        for address in re.findall(r"\]\(([^)\s]+)\)", re.sub(r"^```.*?^```$", "", text, flags=re.DOTALL | re.MULTILINE))
    }
)
OLD_WORDS = re.compile(
    r"\b(sittings?|anew|mend(s|ed)?|heed|whoever|unasked|hears of|stands in|is no|are no|again changes nothing)\b",
    re.IGNORECASE,
)
FROM_CODE = {"commands", "indexes", "settings", "errors"}
"""The pages whose tables have the words of the code."""
LOG_SECTIONS: dict[str, RecordSchema] = {
    "## content_summary_logs": SUMMARY_LOG,
    "### In `mastery_logs`": MASTERY_LOG,
    "### In `attempts`": ATTEMPT_LOG,
    "## content_session_logs": SESSION_LOG,
    "## attempt_overflow": OVERFLOW_BUCKET,
    "## user_session_logs": USER_SESSION_LOG,
    "## exam_logs": EXAM_LOG,
}
"""The sections of the page of documents, and what they describe."""


def test_every_page_is_in_the_contents() -> None:
    """The list of pages has every file of the folder, once."""
    assert sorted(page_names()) == sorted(path.stem for path in MANUAL.glob("*.md"))


@pytest.mark.skipif(not GITHUB.is_dir(), reason="needs a checkout")
@pytest.mark.parametrize(("name", "address"), LINKS)
def test_links_lead_somewhere(name: str, address: str) -> None:
    """A link names a file that exists and a heading in it, or a secure address elsewhere."""
    if address.startswith("https://"):
        return
    path, _, anchor = address.partition("#")
    target = (FOLDERS[name] / path).resolve() if path else FOLDERS[name] / f"{name}.md"

    assert target.is_file()
    if anchor:
        headings = re.findall(r"^#+ (.*)$", target.read_text(encoding="utf-8"), re.MULTILINE)
        assert anchor in {slug(heading.replace("`", "")) for heading in headings}


@pytest.mark.parametrize("name", PAGES)
def test_pages_link_to_pages_only(name: str) -> None:
    """What a page links to is another page, so that the link works where the service shows it, too."""
    addresses = [address for page, address in LINKS if page == name and not address.startswith("https://")]

    paths = [PurePosixPath(address.partition("#")[0] or f"{name}.md") for address in addresses]

    assert all(str(path) == path.name and path.stem in PAGES for path in paths)


@pytest.mark.parametrize("name", PAGES)
def test_each_page_has_one_title_and_headings_of_its_own(name: str) -> None:
    """A page begins with its only heading of the first level, and no two headings have the same anchor."""
    headings = rendered(name).headings

    assert [heading.level for heading in headings].count(1) == 1
    assert headings[0].level == 1
    assert len({heading.anchor for heading in headings}) == len(headings)


@pytest.mark.parametrize("name", EVERYTHING)
def test_texts_are_in_plain_english(name: str) -> None:
    """No text uses the words that readers who learn English stumble over."""
    prose = re.sub(r"^```.*?^```$", "", EVERYTHING[name], flags=re.DOTALL | re.MULTILINE)
    own = re.sub(r"^\|.*$", "", prose, flags=re.MULTILINE) if name in FROM_CODE else prose

    assert [match[0] for match in OLD_WORDS.finditer(own)] == []


@pytest.mark.parametrize(
    "tables",
    [
        references.setting_tables,
        references.index_tables,
        references.error_tables,
        references.command_tables,
        references.report_tables,
    ],
)
def test_tables_follow_from_the_code(tables: Any) -> None:
    """Settings, indexes, errors and options of commands are listed as the code has them; `references` writes them."""
    for (page, heading), table in tables().items():
        assert f"\n{table}\n" in section(PAGES[page], heading), f"run {references.__name__}: {page} {heading}"


@pytest.mark.parametrize("name", REPORTS)
def test_reports_are_explained(name: ReportName) -> None:
    """The page of reports says of each what its definition says; `references` writes it."""
    assert references.about_report(name) in section(PAGES["reports"], f"### {name}")


@pytest.mark.parametrize("name", references.COMMANDS)
def test_examples_follow_from_the_commands(name: str) -> None:
    """The examples in the help of a command are in its section; `references` writes them."""
    assert references.examples_of(name) in section(PAGES["commands"], f"## docservice {name}")


def fields_below(heading: str) -> list[str]:
    """Return the fields in the first column of a table of the page of documents."""
    return re.findall(r"^\| `(\w+)` \|", section(PAGES["documents"], heading), re.MULTILINE)


COMMON_FIELDS = set(fields_below("## Fields of every log"))


@pytest.mark.parametrize("heading", LOG_SECTIONS)
def test_every_field_of_a_log_is_explained(heading: str) -> None:
    """Each field of the schema is in the table of its documents or among those that all logs have, and no other."""
    fields = {field.stored for field in LOG_SECTIONS[heading].fields} - {"id"}

    explained = fields_below(heading)

    assert fields <= set(explained) | COMMON_FIELDS
    assert set(explained) <= fields - COMMON_FIELDS
    assert len(set(explained)) == len(explained)


def test_every_described_collection_is_explained() -> None:
    """Each collection that the service writes has a section or a row."""
    assert explained_collections() == OURS


def explained_collections() -> set[str]:
    """Return the collections that have a section or a row."""
    told = set(re.findall(r"^## (\w+)$", PAGES["documents"], re.MULTILINE))
    return told | set(fields_below("## The directory")) | set(fields_below("## Other collections"))


@pytest.fixture
async def stored(demo_service: Service) -> AsyncIterator[Mapping[str, list[dict[str, Any]]]]:
    """Give all documents of the demo, by collection."""
    async with Client(demo_service.mongodb_uri) as client:
        views = {file["view"] for file in contents() if "view" in file}
        names = set(await client.docservice.list_collection_names()) - views
        yield {name: await client.docservice[name].find().to_list() for name in names}


@pytest.mark.slow
@pytest.mark.engine
async def test_every_collection_is_explained(stored: Mapping[str, list[dict[str, Any]]]) -> None:
    """Each collection of the database has a section or a row."""
    assert set(stored) <= explained_collections()


@pytest.mark.slow
@pytest.mark.engine
async def test_every_stored_field_is_explained(stored: Mapping[str, list[dict[str, Any]]]) -> None:
    """What a document of a log holds, and what is embedded in it, is in the tables."""
    summaries = stored["content_summary_logs"]
    mastery_logs = [log for summary in summaries for log in summary["mastery_logs"]]
    attempts = [attempt for log in mastery_logs for attempt in log["attempts"]]
    found = {heading: stored[heading.removeprefix("## ")] for heading in LOG_SECTIONS if heading.startswith("## ")}
    found |= {"### In `mastery_logs`": mastery_logs, "### In `attempts`": attempts}

    for heading, documents in found.items():
        keys = {key for document in documents for key in document} - {"id"}
        assert documents
        assert keys <= set(fields_below(heading)) | COMMON_FIELDS, heading
