"""Which fields of a log's document are shown: one description for lists, single documents, `fields=` and the schemas.

A document has more than these: counters and marks of the store, the marks of actions that were carried out, and what
other programs put there. None of it is part of the API.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

from docservice.domain.logs.content_logs import SyncableLog
from docservice.domain.logs.embedding import EMBEDDED
from docservice.domain.logs.exam_logs import ExamLog

_INHERITED = {"dataset_id", "user_id", "morango_partition", "summarylog_id", "masterylog_id", "examlog_id"}
"""What an embedded log leaves out, because the log around it says it."""

_COUNTERS: dict[type[SyncableLog], dict[str, type]] = {ExamLog: {"attempt_count": int}}
"""Fields that the store keeps beside those of the model."""


@dataclass(frozen=True)
class ShownField:
    """A field of a document as answers show it.

    Attributes:
        name: in the answer; `id` stands for `_id`, all others are called as they are stored.
        annotation: the type of its values, but for times, which are text.
        embeds: the logs that the list holds; None: it is not a list of logs.
    """

    name: str
    annotation: Any
    embeds: type[SyncableLog] | None = None


@cache
def shown_fields(model: type[SyncableLog], *, embedded: bool = False) -> tuple[ShownField, ...]:
    """The shown fields of a log.

    Args:
        model: of the log.
        embedded: whether it stands in another log.
    """
    list_of = EMBEDDED.get(model)
    found = [
        ShownField(
            info.alias or name,
            info.annotation,
            list_of.model if list_of is not None and list_of.field == name else None,
        )
        for name, info in model.model_fields.items()
        # The text of a device is shown in its time.
        if name != "recorded" and not (embedded and name in _INHERITED)
    ]
    found += [ShownField(name, kind) for name, kind in _COUNTERS.get(model, {}).items()]
    return tuple(found)


def shown_paths(model: type[SyncableLog], before: str = "") -> Iterator[str]:
    """The paths of all fields that a shown document has, `mastery_logs.attempts.item`."""
    for field in shown_fields(model, embedded=bool(before)):
        yield before + field.name
        if field.embeds is not None:
            yield from shown_paths(field.embeds, f"{before}{field.name}.")
