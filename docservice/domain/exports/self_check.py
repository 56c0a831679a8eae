"""Whether an exported text holds a value of the directory: the check of exports under pseudonyms.

An id is looked for everywhere, also inside longer texts: 32 hex characters are in no text by chance. A username or name
is compared with the whole text of a cell or field, in upper or lower case, and, from four characters on, with the words
of a longer text. It is not looked for where words of a fixed list or of public content are (`kind`, titles): there a
learner who is called Video would be found in every row.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Literal

from docservice.domain.upkeep.erasure import ids_within

_LEAST_CHARACTERS = 4
_WORD = re.compile(r"[\w'-]+")

ValueKind = Literal["id", "username", "name"]
_ALL: frozenset[ValueKind] = frozenset({"id", "username", "name"})


@dataclass
class DirectoryValues:
    """What may not be in an export.

    Attributes:
        ids: of people, facilities, classes, groups, quizzes, lessons and courses.
        usernames: folded.
        names: of people, facilities, classes and groups, folded.
    """

    ids: set[str] = field(default_factory=set)
    usernames: set[str] = field(default_factory=set)
    names: set[str] = field(default_factory=set)
    _most_words: int = 1

    def add_username(self, username: str) -> None:
        """Add a username."""
        self.usernames.add(_folded(username))

    def add_name(self, name: str) -> None:
        """Add a name; an empty one is none."""
        if words := _words(name):
            self.names.add(" ".join(words))
            self._most_words = max(self._most_words, len(words))

    def found_in(self, text: str, *, looked_for: frozenset[ValueKind] = _ALL) -> ValueKind | None:
        """Return which kind of value a text holds, None if it holds none.

        Args:
            text: of a cell or field.
            looked_for: which kinds.
        """
        if "id" in looked_for and not self.ids.isdisjoint(ids_within(text)):
            return "id"
        words = _words(text)
        if "username" in looked_for and self._is_in(text, words, self.usernames, 1):
            return "username"
        if "name" in looked_for and self._is_in(text, words, self.names, self._most_words):
            return "name"
        return None

    def _is_in(self, text: str, words: list[str], values: set[str], most_words: int) -> bool:
        if _folded(text) in values or " ".join(words) in values:
            return True
        found = (" ".join(words[at : at + n]) for n in range(1, most_words + 1) for at in range(len(words) - n + 1))
        return any(len(each) >= _LEAST_CHARACTERS and each in values for each in found)


def looked_for(keep: Iterable[str], *, is_public: bool) -> frozenset[ValueKind]:
    """Return which kinds of values may not be in a cell or field.

    Args:
        keep: what the export keeps on purpose.
        is_public: it holds words of a fixed list or of public content.
    """
    if is_public:
        return frozenset({"id"})
    kept: dict[str, ValueKind] = {"usernames": "username", "names": "name"}
    return _ALL - {kept[each] for each in keep if each in kept}


def _folded(text: str) -> str:
    return text.strip().casefold()


def _words(text: str) -> list[str]:
    return _WORD.findall(_folded(text))
