"""The JSON files of `indexes/`: one a collection with its indexes, one a view."""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import cache
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any


@cache
def folder() -> Traversable:
    """Return where they are: in the installed package, or beside it in a checkout."""
    shipped = files("docservice") / "indexes"
    return shipped if shipped.is_dir() else Path(__file__).parents[3] / "indexes"


def contents() -> Iterator[dict[str, Any]]:
    """Yield what each file holds, by file name."""
    for entry in sorted(folder().iterdir(), key=lambda entry: entry.name):
        if entry.name.endswith(".json"):
            yield json.loads(entry.read_text(encoding="utf-8"))
