"""Plain words: the worst words of the style guide stay out of docstrings, comments, messages and the manual."""

from __future__ import annotations

import io
import re
import tokenize
from collections.abc import Iterator
from pathlib import Path

import pytest

import docservice

PACKAGE = Path(docservice.__file__).parent
TESTS = Path(__file__).parents[1]

WORDS = {
    r"anew": "again",
    r"mend(s|ed|ing|able)?": "repair, correct",
    r"heeds?": "react to",
    r"unasked": "by default",
    r"who(m)?ever": "the caller, a user who",
    r"hears? of": "is called with",
    r"stands? in (?!for)": "is in",
    r"(?<!there )(is|are) no (?!longer|more|reason|way|need|other|such)\w+": "is not a",
    r"do nothing (if|unless)": "check that",
    r"see there": "name the place",
    r"again changes nothing": "safe to repeat",
    r"some hundred at a time": "at most 200 a batch",
    r"none: (none|there is none|nobody|there are none)": "if unset, ...",
    r"0: (never|nothing is asked)": "0 disables it",
    r"in vain": "without success",
    r"all the same": "still, anyway",
    r"begins? anew": "start again",
    r"outg(row|rows|rew|rown)": "does not fit into, overflow",
    r"sittings?": "user session",
    r"shel(f|ves)": "bucket",
    r"lanes?": "part",
    r"(a|the|each|every) (walk|leg|spill|fate)": "list, part, overflow, outcome",
    r"census": "counts",
    r"(take|takes|their|own|its|whose|next) turns?": "lock, queue, one at a time",
    r"lies? (there|in|beside|below)": "is in",
}
"""What is not written, as a regular expression, and what to write instead."""
FORBIDDEN = [
    (re.compile(rf"\b{word}\b" if word[-1] != ")" else rf"\b{word}", re.IGNORECASE), use) for word, use in WORDS.items()
]
ITEM = re.compile(r"`[^`]*`|^\s*\w+:(?=\s)|\{[^{}]*\}")
"""Names of code: between backticks, at the start of a line of `Args`, and values in messages."""


def prose_of(path: Path) -> Iterator[tuple[int, str]]:
    """Lines of docstrings, comments and sentences of a module, each with its number."""
    with io.StringIO(path.read_text()) as source:
        for token in tokenize.generate_tokens(source.readline):
            if token.type == tokenize.COMMENT or (token.type == tokenize.STRING and " " in token.string):
                yield from enumerate(token.string.splitlines(), token.start[0])


def found_in(lines: Iterator[tuple[int, str]], name: str) -> list[str]:
    """Where a word of the list is in these lines, and what to write instead."""
    return [
        f"{name}:{number}: {match.group()!r}: write {use!r}"
        for number, line in lines
        for word, use in FORBIDDEN
        for match in word.finditer(ITEM.sub("", line))
    ]


@pytest.mark.parametrize("folder", [PACKAGE, TESTS], ids=["package", "tests"])
def test_code_is_in_plain_words(folder: Path) -> None:
    """Docstrings, comments and messages of the package and its tests have none of the words."""
    paths = [path for path in sorted(folder.rglob("*.py")) if path.name not in (Path(__file__).name, "test_manual.py")]

    found = [place for path in paths for place in found_in(prose_of(path), str(path.relative_to(folder)))]

    assert len(paths) > 50
    assert found == []


def test_the_manual_is_in_plain_words() -> None:
    """No page of the manual has one of the words, nor have the files that describe the indexes."""
    paths = [*sorted((PACKAGE / "docs").glob("*.md")), *sorted((PACKAGE.parent / "indexes").glob("*.json"))]

    found = [place for path in paths for place in found_in(enumerate(path.read_text().splitlines(), 1), path.name)]

    assert len(paths) > 10
    assert found == []


@pytest.mark.parametrize(
    "word", ["Begin anew.", "This is no cursor.", "See there.", "Users; None: none.", "a walk", "mended"]
)
def test_the_words_are_found(word: str) -> None:
    """A sentence with a word of the list is reported with its line."""
    assert [place.split(": ")[0] for place in found_in(iter([(3, word)]), "x")] != []
