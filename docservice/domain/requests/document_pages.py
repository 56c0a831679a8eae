"""Requests for lists of documents: filters, the fields to show, and the cursor of a page."""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any, Literal, cast, get_args

from docservice.domain.requests.filter_values import ValueKind, filter_values, normalized, refuse_unused
from docservice.domain.requests.lists import PEOPLE_FILTERS, LogFilters
from docservice.domain.values.ids import is_hex_id
from docservice.errors import FieldError, ValidationFailed

MAX_PAGE_SIZE = 500
DEFAULT_PAGE_SIZE = 50
MAX_CONTENT_IDS = 1000

Split = Literal["user", "content", "collection", "whole"]
"""How a list is split into parts: by person, by content, by class or group, or not at all."""

_FILTER_KINDS: dict[str, ValueKind] = {
    "content": "id",
    "topic": "id",
    "channel": "id",
    "kind": "text",
    "exam": "id",
    "start_after": "time",
    "start_before": "time",
}

_CURSOR_VERSION = 1
_LONGEST_CURSOR = 400


@dataclass(frozen=True)
class DocumentFilters:
    """What a list of documents is narrowed to; None: not narrowed.

    Ids may be spelled in any way, times be text (`2024-09-02`, UTC if they name no zone); here they are as logs hold
    them. Values of other types raise `FilterInvalid`, and so does a filter that the list does not have.

    Attributes:
        people: of whom: `user`, `facility`, `classroom`, `learner_group`; its other fields are for other lists.
        content: logs of this content.
        content_ids: logs of one of these contents.
        topic: id of a node: logs of content below it in its channel.
        channel: logs of content sessions through this channel.
        kind: logs of this kind of content.
        exam: logs of this exam.
        start_after: logs that start at this time or later.
        start_before: logs that start earlier than this.
    """

    people: LogFilters = field(default_factory=LogFilters)
    content: str | None = None
    content_ids: tuple[str, ...] | None = None
    topic: str | None = None
    channel: str | None = None
    kind: str | None = None
    exam: str | None = None
    start_after: datetime | None = None
    start_before: datetime | None = None

    def __post_init__(self) -> None:
        own = {**vars(self), **normalized(vars(self), _FILTER_KINDS)}
        if self.content_ids is not None:
            own["content_ids"] = tuple(sorted(set(filter_values("content_ids", "id", self.content_ids))))
        for name, value in own.items():
            object.__setattr__(self, name, value)

    def refuse_unused(self, offered: Collection[str]) -> None:
        """Check that only filters of this list have a value.

        Raises:
            FilterInvalid: with every other one.
        """
        own = {name: value for name, value in vars(self).items() if name != "people" and value is not None}
        refuse_unused(vars(self.people) | own, {*offered, *PEOPLE_FILTERS})

    def digest(self, kind: str) -> str:
        """Return a short text that stays the same as long as the filters and the kind of log do."""
        text = json.dumps([kind, asdict(self)], sort_keys=True, default=str)
        return hashlib.sha256(text.encode()).hexdigest()[:16]


@dataclass(frozen=True)
class Cursor:
    """The position in a list at which the next page starts.

    Attributes:
        filters: their digest: a cursor belongs to the list that gave it.
        split: how the list is split into parts.
        part: the part it has come to: a person, a content, a class or group, or empty.
        last: the log after which it goes on in that part; None: the part is done.
    """

    filters: str
    split: Split
    part: str = ""
    last: str | None = None

    def __str__(self) -> str:
        parts = json.dumps([_CURSOR_VERSION, self.filters, self.split, self.part, self.last], separators=(",", ":"))
        return base64.urlsafe_b64encode(parts.encode()).decode().rstrip("=")

    @classmethod
    def parse(cls, text: str, filters: str) -> Cursor:
        """Read what `str` wrote. A cursor is only a position; the rights of the caller are checked for each page.

        Raises:
            ValidationFailed: the cursor is not valid, or belongs to another list.
        """
        cursor = cls._read(text)
        if cursor is None or str(cursor) != text:
            raise _bad_cursor("Not a valid cursor. Pass `next` from the previous page unchanged.")
        if cursor.filters != filters:
            raise _bad_cursor("The cursor belongs to a list with other filters. Start again without a cursor.")
        return cursor

    @classmethod
    def _read(cls, text: str) -> Cursor | None:
        if len(text) > _LONGEST_CURSOR:
            return None
        try:
            raw = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
            parts = json.loads(raw)
        except (binascii.Error, ValueError):
            return None
        match parts:
            case [int(version), str(filters), str(split), str(part), (None | str()) as last]:
                pass
            case _:
                return None
        part_fits = part == "" if split == "whole" else is_hex_id(part)
        last_fits = last is None or is_hex_id(last)
        if version != _CURSOR_VERSION or split not in get_args(Split) or not part_fits or not last_fits:
            return None
        return cls(filters, cast("Split", split), part, last)


def _bad_cursor(message: str) -> ValidationFailed:
    return ValidationFailed([FieldError(("cursor",), "invalid", message)])


@dataclass(frozen=True)
class FieldChoice:
    """Which parts of a document are shown; the id always is.

    Attributes:
        only: these fields at the top and no others; None: all.
        without: leave these parts out, `mastery_logs.attempts` or `mastery_logs.attempts.answer`.
    """

    only: frozenset[str] | None = None
    without: frozenset[str] = frozenset()

    @classmethod
    def parse(cls, text: str, known: Collection[str]) -> FieldChoice:
        """Read `a,b` (only these), `-a,-b.c` (all but these) or both.

        Args:
            text: empty: all fields.
            known: paths of all fields of the document.

        Raises:
            ValidationFailed: with each field that is not known.
        """
        names = [name.strip() for name in text.split(",") if name.strip()]
        without = frozenset(name[1:] for name in names if name.startswith("-"))
        only = frozenset(name for name in names if not name.startswith("-"))
        top = {path for path in known if "." not in path}
        unknown = sorted(only - top - {"id"}) + sorted(without - set(known))
        if unknown:
            raise ValidationFailed(
                [FieldError(("fields",), "invalid", f"Unknown field. The fields are: {', '.join(sorted(known))}.")]
                * len(unknown)
            )
        return cls(only or None, without)

    def shows(self, path: str) -> bool:
        """Whether a field and all fields that contain it are shown."""
        parts = path.split(".")
        above = {".".join(parts[: end + 1]) for end in range(len(parts))}
        return (self.only is None or parts[0] in self.only) and not above & self.without

    def leaves(self, known: Collection[str]) -> list[str] | None:
        """Return the paths to read so that no more than the shown parts is read; None: everything."""
        if self.only is None and not self.without:
            return None
        shown = {path for path in known if self.shows(path)}
        cut = {path for path in shown if any(other.startswith(path + ".") for other in set(known) - shown)}
        whole = shown - cut
        return sorted(path for path in whole if not any(path.startswith(other + ".") for other in whole))


@dataclass(frozen=True)
class DocumentPage:
    """One page of a list of documents.

    Attributes:
        results: documents as JSON, at most the page size. A page may hold fewer, even none, while `next` is there: a
            page ends early when its documents are large or the filters let few of many documents through.
        next: the cursor of the page after it; None: this was the last.
    """

    results: Sequence[Mapping[str, Any]]
    next: str | None = None

    def as_json(self) -> dict[str, Any]:
        """Return the page as answers show it."""
        return {"results": list(self.results), "next": self.next}
