"""The texts that people read: the README, the manual, the files for contributors. Other tests look things up here."""

from __future__ import annotations

import re
from pathlib import Path

from docservice.pages import page_names

ROOT = Path(__file__).parents[2]
MANUAL = ROOT / "docservice" / "docs"
GITHUB = ROOT / ".github"


def read(path: Path) -> str:
    """Return a text, or nothing if it is not there: the files for contributors are not in an sdist."""
    return path.read_text(encoding="utf-8") if path.exists() else ""


README = read(ROOT / "README.md")
CONTRIBUTING = read(GITHUB / "CONTRIBUTING.md")
PAGES = {name: read(MANUAL / f"{name}.md") for name in page_names()}
"""The pages of the manual by name, in reading order."""
EVERYTHING = {"README": README, "CONTRIBUTING": CONTRIBUTING, "SECURITY": read(GITHUB / "SECURITY.md"), **PAGES}
"""All texts by name."""


def blocks(language: str) -> list[str]:
    """Return the code blocks of a language in all texts, in order."""
    return [block for text in EVERYTHING.values() for block in blocks_of(text, language)]


def blocks_of(text: str, language: str) -> list[str]:
    """Return the code blocks of a language in one text, in order."""
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)


def section(text: str, heading: str) -> str:
    """Return what is below a heading, up to the next heading; a comment in a block for the shell is none.

    Args:
        heading: the whole line, `## Indexes`.
    """
    [found] = re.findall(rf"^{re.escape(heading)}\n(.*?)(?=^#{{2,4}} |\Z)", text, re.DOTALL | re.MULTILINE)
    return str(found)


OUTPUTS = {
    example: output
    for text in EVERYTHING.values()
    for example, output in re.findall(
        r"^```python\n((?:(?!```).*\n)*)```\n\n```text\n((?:(?!```).*\n)*)```$", text, re.MULTILINE
    )
}
"""What a text shows below an example, by the example."""
