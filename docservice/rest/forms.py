"""Form fields as the object that a JSON body would have been.

`mastery_model.type=quiz` is a key of an object, `interactions[0]item=a` a key of an object in a list. An empty field
counts as absent. Rule: rest_framework, utils/html.py.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from aiohttp.web import FileField

_OBJECTS = ("mastery_model", "extra_fields")
_LISTS = ("interactions",)
_LIST_FIELD = re.compile(r"(?P<name>\w+)\[(?P<position>[0-9]{1,6})\](?P<key>.+)")


def form_object(fields: Mapping[str, str | bytes | bytearray | FileField]) -> dict[str, Any]:
    """Return the fields of a form; the last of several values of a field counts, files are ignored."""
    result: dict[str, Any] = {}
    lists: dict[str, dict[int, dict[str, Any]]] = {}
    for name, value in fields.items():
        if not isinstance(value, str):
            continue
        listed = _LIST_FIELD.fullmatch(name)
        if listed and listed["name"] in _LISTS:
            entry = lists.setdefault(listed["name"], {}).setdefault(int(listed["position"]), {})
            _set(entry, listed["key"], value, objects=("answer",))
        else:
            _set(result, name, value, objects=_OBJECTS)
    for name, entries in lists.items():
        result[name] = [entries[position] for position in sorted(entries)]
    return result


def _set(target: dict[str, Any], name: str, value: str, *, objects: tuple[str, ...]) -> None:
    first, dot, rest = name.partition(".")
    if first in objects:
        if dot:
            target.setdefault(first, {})[rest] = value
    elif value != "" and name not in _LISTS:
        target[name] = value
