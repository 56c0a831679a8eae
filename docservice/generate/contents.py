"""Generated content: channels with trees of topics, and in each topic videos, texts and exercises."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from docservice.generate.plan import Plan

SUBJECTS: dict[str, dict[str, tuple[str, ...]]] = {
    "Mathematics": {
        "Fractions": ("Adding fractions", "Comparing fractions", "Fractions of a number"),
        "Decimals": ("Place value", "Comparing decimals", "Rounding"),
        "Measuring": ("Area of rectangles", "Perimeter", "Reading a clock"),
        "Data": ("Bar charts", "Averages", "Chances"),
    },
    "Science": {
        "Living things": ("Parts of a plant", "Food chains", "The human body"),
        "Materials": ("Solids and liquids", "Mixtures", "Heat"),
        "Earth": ("Water cycle", "Soil", "Weather"),
        "Forces": ("Magnets", "Friction", "Levers"),
    },
    "Language": {
        "Words": ("Opposites", "Word families", "Prefixes"),
        "Sentences": ("Punctuation", "Past and present", "Linking words"),
        "Reading": ("Finding facts", "Reading between the lines", "Stories and reports"),
        "Writing": ("Letters", "Describing", "Explaining"),
    },
}
"""Subjects with their topics, and the units of each topic; the first unit is the easiest."""

_MASTERY_MODELS: tuple[dict[str, Any], ...] = (
    {"type": "m_of_n", "m": 3, "n": 5},
    {"type": "num_correct_in_a_row_5"},
    {"type": "m_of_n", "m": 8, "n": 10},
    {"type": "do_all"},
)
_STEP = 0.6
"""How much harder each next unit and each next exercise is, in the units of ability."""


@dataclass(frozen=True)
class Content:
    """A leaf of a tree.

    Attributes:
        unit: which unit of the channel it is in; learners get better at a unit.
        difficulty: in the units of a learner's ability: a learner with the same number gets half of the questions
            right.
        items: the questions of an exercise.
        mastery_model: None for what is not an exercise.
        seconds: how long a video or an audio is, or how long reading takes.
    """

    node_id: str
    content_id: str
    channel_id: str
    title: str
    kind: str
    unit: tuple[int, int]
    difficulty: float = 0.0
    items: tuple[str, ...] = ()
    mastery_model: dict[str, Any] | None = None
    seconds: float = 0.0


class Library:
    """All contents of a data set: some hundred for each channel, in memory."""

    def __init__(self, plan: Plan) -> None:
        """Make the contents of a plan."""
        self._plan = plan
        self.nodes: list[dict[str, Any]] = []
        self.contents: list[Content] = []
        self.channels = [self._channel(number) for number in range(plan.channels)]

    @cached_property
    def units(self) -> dict[tuple[int, int], list[Content]]:
        """The contents by unit, in the order of a course."""
        by_unit: dict[tuple[int, int], list[Content]] = {}
        for content in self.contents:
            by_unit.setdefault(content.unit, []).append(content)
        return by_unit

    @cached_property
    def exercises(self) -> dict[tuple[int, int], list[Content]]:
        """The exercises by unit."""
        return {
            unit: [content for content in contents if content.kind == "exercise"]
            for unit, contents in self.units.items()
        }

    def _channel(self, number: int) -> dict[str, Any]:
        subject = list(SUBJECTS)[number % len(SUBJECTS)]
        title = subject if number < len(SUBJECTS) else f"{subject} {number // len(SUBJECTS) + 1}"
        tree = _Tree(self._plan, number, title)
        unit = 0
        for topic, names in SUBJECTS[subject].items():
            with_topic = tree.open("topic", topic)
            for place, name in enumerate(names):
                tree.open("topic", name, below=with_topic)
                for content in self._unit((number, unit), name, _STEP * (place - 1), tree.channel_id):
                    tree.leaf(content)
                    self.contents.append(content)
                tree.close()
                unit += 1
            tree.close()
        tree.close()
        self.nodes += tree.nodes
        return {"id": tree.channel_id, "name": title, "root": tree.nodes[0]["id"]}

    def _unit(self, unit: tuple[int, int], name: str, difficulty: float, channel_id: str) -> Iterator[Content]:
        plan = self._plan
        key = f"unit {unit[0]}.{unit[1]}"
        chance = plan.chance(key)

        def content(kind: str, title: str, **more: Any) -> Content:
            node, own = plan.id(f"node {key} {title}"), plan.id(f"content {key} {title}")
            return Content(node, own, channel_id, title, kind, unit, **more)

        yield content("video", f"{name}: what it is", seconds=float(chance.randint(120, 480)))
        yield content("document", f"{name}: worked examples", seconds=float(chance.randint(90, 400)))
        for number in range(1, 4):
            # The first exercise of a unit is always of the commonest kind.
            model = _MASTERY_MODELS[0] if number == 1 else chance.choice(_MASTERY_MODELS)
            questions = chance.randint(8, 15)
            yield content(
                "exercise",
                f"{name}: exercise {number}",
                difficulty=difficulty + _STEP * (number - 2) + chance.gauss(0, 0.3),
                items=tuple(plan.id(f"item {key} {number}.{question}") for question in range(questions)),
                mastery_model=model,
            )
        kind = chance.choice(("html5", "audio", None))
        if kind is not None:
            yield content(
                kind, f"{name}: {'game' if kind == 'html5' else 'listen'}", seconds=float(chance.randint(100, 500))
            )


class _Tree:
    """The nodes of a channel, numbered as nested sets are."""

    def __init__(self, plan: Plan, number: int, title: str) -> None:
        self.channel_id = plan.id(f"channel {number}")
        self.nodes: list[dict[str, Any]] = []
        self._plan = plan
        self._number = number
        self._count = 0
        self._path: list[dict[str, Any]] = []
        self.open("topic", title)

    def open(self, kind: str, title: str, below: str = "") -> str:
        """Begin a topic; its name in the plan."""
        name = f"{below}/{title}"
        self._add(
            self._plan.id(f"node {self._number} {name}"), self._plan.id(f"topic {self._number} {name}"), kind, title
        )
        self._path.append(self.nodes[-1])
        return name

    def leaf(self, content: Content) -> None:
        """Put a content into the open topic."""
        self._add(content.node_id, content.content_id, content.kind, content.title)
        self.nodes[-1]["rght"] = self._next()

    def close(self) -> None:
        """End the topic that was begun last."""
        self._path.pop()["rght"] = self._next()

    def _next(self) -> int:
        self._count += 1
        return self._count

    def _add(self, node_id: str, content_id: str, kind: str, title: str) -> None:
        self.nodes.append(
            {
                "id": node_id,
                "content_id": content_id,
                "channel": self.channel_id,
                "parent": self._path[-1]["id"] if self._path else None,
                "title": title,
                "kind": kind,
                "level": len(self._path),
                "lft": self._next(),
                "tree_id": self._number + 1,
                "ancestors": [{"id": node["id"], "title": node["title"]} for node in self._path],
            }
        )
