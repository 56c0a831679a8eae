"""Replays recorded exchanges with a real Kolibri against the REST API and compares, value by value.

A recording is `{"scenarios": [...]}`; a scenario has `name`, `vars` (fresh ids) and `steps`. In a step

* `"$name"` as a whole text, or `${name}` inside a path or query, stands for a directory id, a scenario variable or
  something captured before; `"$$text"` is the literal `$text`. Keys of objects are never substituted.
* expected answers may hold `$~timestamp`, `$~id`, `$~int`, `$~number`, `$~string`, `$~any`;
* `capture` takes parts of the answer, `unordered` and `counts_only` name lists that are compared loosely, `also` holds
  other answers that are right as well, `accept` statuses that are all right whatever the body says.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest
from aiohttp.test_utils import TestClient

DATA = Path(__file__).parents[1] / "data"

_INSIDE = re.compile(r"\$\{(\w+)\}")
_TIMESTAMP = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,6})?(Z|[+-]\d\d:\d\d)")
_HEX_ID = re.compile(r"[0-9a-f]{32}")


def is_number(value: object) -> bool:
    """Whether a JSON value is a number (True and False are none)."""
    return isinstance(value, (int, float)) and not isinstance(value, bool)


_SHAPES: dict[str, Callable[[Any], bool]] = {
    "$~timestamp": lambda value: isinstance(value, str) and _TIMESTAMP.fullmatch(value) is not None,
    "$~id": lambda value: isinstance(value, str) and _HEX_ID.fullmatch(value) is not None,
    "$~int": lambda value: isinstance(value, int) and not isinstance(value, bool),
    "$~number": is_number,
    "$~string": lambda value: isinstance(value, str),
    "$~any": lambda value: True,
}


def filled(value: Any, names: Mapping[str, Any]) -> Any:
    """A recorded value with its placeholders replaced."""
    match value:
        case dict():
            return {key: filled(child, names) for key, child in value.items()}
        case list():
            return [filled(child, names) for child in value]
        case str() if value.startswith("$$"):
            return value[1:]
        case str() if value.startswith("$") and not value.startswith(("${", "$~")):
            return names[value[1:]]
        case str():
            return filled_text(value, names)
    return value


def filled_text(text: str, names: Mapping[str, Any]) -> str:
    """A path or query value with its `${name}` replaced."""
    return _INSIDE.sub(lambda match: str(names[match[1]]), text)


def part_of(value: Any, path: str) -> Any:
    """The part of an answer that a dotted path leads to; the whole for an empty path."""
    for key in filter(None, path.split(".")):
        value = value[int(key)] if isinstance(value, list) else value[key]
    return value


@dataclass(frozen=True)
class Comparison:
    """How an expected value and a real one are compared.

    Attributes:
        names: values of the placeholders.
        unordered: paths of lists whose order does not count.
        counts_only: paths of lists of which only the length counts.
    """

    names: Mapping[str, Any] = field(default_factory=dict)
    unordered: Collection[str] = ()
    counts_only: Collection[str] = ()

    def differences(self, expected: Any, real: Any, path: str = "") -> list[str]:
        """What differs, one sentence each; numbers are equal if their values are."""
        return list(self._walk(expected, real, path))

    def _walk(self, expected: Any, real: Any, path: str) -> Iterator[str]:
        if isinstance(expected, str):
            if expected.startswith("$~"):
                if not _SHAPES[expected](real):
                    yield f"{path or 'body'}: {real!r} is not {expected}"
                return
            expected = filled(expected, self.names)
        if isinstance(expected, dict) and isinstance(real, dict):
            yield from self._walk_object(expected, real, path)
        elif isinstance(expected, list) and isinstance(real, list):
            yield from self._walk_list(expected, real, path)
        elif is_number(expected) and is_number(real):
            if not (expected == real or math.isclose(expected, real, rel_tol=1e-9)):
                yield f"{path or 'body'}: expected {expected!r}, got {real!r}"
        elif type(expected) is not type(real) or expected != real:
            yield f"{path or 'body'}: expected {expected!r}, got {real!r}"

    def _walk_object(self, expected: dict[str, Any], real: dict[str, Any], path: str) -> Iterator[str]:
        prefix = f"{path}." if path else ""
        for key in expected.keys() - real.keys():
            yield f"{prefix}{key}: missing"
        for key in real.keys() - expected.keys():
            yield f"{prefix}{key}: not expected, but {real[key]!r}"
        for key in expected.keys() & real.keys():
            yield from self._walk(expected[key], real[key], f"{prefix}{key}")

    def _walk_list(self, expected: list[Any], real: list[Any], path: str) -> Iterator[str]:
        if len(expected) != len(real):
            yield f"{path or 'body'}: expected {len(expected)} entries, got {len(real)}"
            return
        if path in self.counts_only:
            return
        prefix = f"{path}." if path else ""
        if path not in self.unordered:
            for position, (one, other) in enumerate(zip(expected, real, strict=True)):
                yield from self._walk(one, other, f"{prefix}{position}")
            return
        left = list(range(len(real)))
        for position, one in enumerate(expected):
            fitting = [other for other in left if not self.differences(one, real[other], f"{prefix}{position}")]
            if fitting:
                left.remove(fitting[0])
            else:
                yield f"{prefix}{position}: nothing fits {one!r}"


def scenarios(*files: str) -> list[Any]:
    """The scenarios of recordings under `tests/data`, as pytest parameters."""
    return [
        pytest.param(scenario, id=f"{Path(name).stem}-{scenario['name']}")
        for name in files
        for scenario in json.loads((DATA / name).read_text(encoding="utf-8"))["scenarios"]
    ]


class Replayer:
    """Sends the steps of scenarios and compares the answers."""

    def __init__(
        self, client: TestClient[Any, Any], headers_of: Callable[[str], dict[str, str]], ids: Mapping[str, str]
    ) -> None:
        self._client = client
        self._headers_of = headers_of
        self._ids = ids

    async def play(
        self, scenario: Mapping[str, Any], answered_instead: Mapping[int, int] = MappingProxyType({})
    ) -> dict[str, Any]:
        """Send all steps; fails at the first answer that differs.

        Args:
            scenario: as recorded.
            answered_instead: statuses that stand for the recorded answer, by number of the step (from 0).

        Returns:
            the value of each placeholder at the end.
        """
        names: dict[str, Any] = {**self._ids, **scenario.get("vars", {})}
        for number, recorded in enumerate(scenario["steps"]):
            step = recorded
            if number in answered_instead:
                step = {**recorded, "accept": [answered_instead[number]]}
            status, answer = await self._send(step, names)
            where = f"step {number}: {step['method']} {step['path']} as {step['actor']} ({step.get('note', '')})"
            problems = self._problems(step, names, status, answer)
            assert not problems, f"{where}\n" + "\n".join([*problems, f"answer: {status} {str(answer)[:2000]}"])
        return names

    def _problems(self, step: Mapping[str, Any], names: dict[str, Any], status: int, answer: Any) -> Sequence[str]:
        if "accept" in step:
            if status == 200:
                self._capture(step, names, answer)
            return [] if status in step["accept"] else [f"status {status} is not one of {step['accept']}"]
        if status != step["status"]:
            return [f"status: expected {step['status']}, got {status}"]
        self._capture(step, names, answer)
        if "response" not in step:
            return []
        compare = Comparison(names, step.get("unordered", ()), step.get("counts_only", ()))
        found = [compare.differences(right, answer) for right in (step["response"], *step.get("also", ()))]
        return found[0] if all(found) else []

    @staticmethod
    def _capture(step: Mapping[str, Any], names: dict[str, Any], answer: Any) -> None:
        for name, path in step.get("capture", {}).items():
            names[name] = part_of(answer, path)

    async def _send(self, step: Mapping[str, Any], names: Mapping[str, Any]) -> tuple[int, Any]:
        headers = self._headers_of(step["actor"])
        body: bytes | None = None
        if "raw" in step:
            body = step["raw"].encode()
        elif "json" in step:
            body = json.dumps(filled(step["json"], names)).encode()
        if body is not None:
            headers["Content-Type"] = "application/json"
        query = {key: str(filled(value, names)) for key, value in step.get("query", {}).items()}
        path = filled_text(step["path"], names)
        async with self._client.request(step["method"], path, params=query, data=body, headers=headers) as response:
            text = await response.text()
        try:
            return response.status, json.loads(text) if text else None
        except ValueError:
            return response.status, text
