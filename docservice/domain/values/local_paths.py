"""Paths of this service that a sign-in may lead to."""

from __future__ import annotations

import re

_PATH = re.compile(r"/(?![/\\])[A-Za-z0-9._~!$&'()*+,;=:@%/?#-]*")
_LONGEST = 2000


def path_problem(path: str) -> str | None:
    r"""Return why a text is not a path of this service; None if it is one.

    `//other.example` and `/\other.example` lead browsers to another server, and a line break would end the header.
    """
    if _PATH.fullmatch(path) and len(path) <= _LONGEST:
        return None
    return "a path begins with one slash and has the characters of an address, as /docs/ or /api/docs/?page=1 has"
