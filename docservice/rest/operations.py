"""Operations: one list of what the API does, from which routes and the API description are made."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Literal

from aiohttp import web
from pydantic import BaseModel

from docservice.domain.requests.field_types import UUID_SCHEMA
from docservice.errors import (
    BodyTooLarge,
    DocServiceError,
    IdempotencyMismatch,
    MalformedRequest,
    MissingParameters,
    NotSignedIn,
    RequestTooSlow,
    ServiceBusy,
    StoreTimeout,
    StoreUnavailable,
    TooManyRequests,
    Unauthenticated,
    UnsupportedMediaType,
    ValidationFailed,
)

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
Caller = Literal["nobody", "anyone", "person"]
"""Whom an operation serves: it does not ask who calls; visitors, too; only who is signed in."""


@dataclass(frozen=True)
class Parameter:
    """A parameter of a path or a query string.

    Attributes:
        description: what it says.
        schema: JSON Schema of its values.
        read: makes the value of the text.
        required: whether a request without it is refused.
    """

    name: str
    description: str
    schema: Mapping[str, Any] = field(default_factory=lambda: UUID_SCHEMA)
    read: Callable[[str], Any] = str
    required: bool = False


@dataclass(frozen=True)
class Operation:
    """One method on one path.

    Attributes:
        method: HTTP method.
        path: aiohttp path with placeholders; Kolibri's paths end with a slash.
        summary: what it does, in a line.
        description: more about it, in Markdown.
        tag: the heading that the API page shows it under.
        kolibri_view: Kolibri's name of the view; errors are then answered in Kolibri's shape. None: in problem JSON.
        caller: whom it serves.
        placeholders: the parameters of the path that are not ids of 32 hex characters.
        query: the parameters of the query string.
        body: type of the request body, None if there is none.
        example: a body that makes sense.
        answer: type of the answer when all is well, None for an empty one.
        statuses: of the answers when all is well.
        media_type: of those answers.
        errors: what the handler raises, beside what `raised` adds.
        other_answers: answers that are no errors of the tree: for a status, what it means and the type of the body.
        idempotent: takes an `Idempotency-Key`.
        slash_optional: also served without the slash at the end.
    """

    method: str
    path: str
    handler: Handler
    summary: str
    description: str = ""
    tag: str = "Service"
    kolibri_view: str | None = None
    caller: Caller = "anyone"
    placeholders: tuple[Parameter, ...] = ()
    query: tuple[Parameter, ...] = ()
    body: Any = None
    example: Any = None
    answer: Any = None
    statuses: tuple[int, ...] = (200,)
    media_type: str = "application/json"
    errors: tuple[type[DocServiceError], ...] = ()
    other_answers: Mapping[int, tuple[str, Any]] = field(default_factory=dict)
    idempotent: bool = False
    slash_optional: bool = False

    @property
    def name(self) -> str:
        """A name that no other operation has: `tracking_start_session`, `documents_get_examlog`."""
        function = self.handler
        more = function.args if isinstance(function, partial) else ()
        function = function.func if isinstance(function, partial) else function
        return "_".join([function.__module__.rpartition(".")[2], function.__name__, *map(str, more)])

    @property
    def path_parameters(self) -> tuple[Parameter, ...]:
        """The parameters of the path, in order."""
        known = {parameter.name: parameter for parameter in self.placeholders}
        names = re.findall(r"\{(\w+)\}", self.path)
        return tuple(known.get(name) or Parameter(name, "Id: 32 hex characters.", required=True) for name in names)

    @property
    def raised(self) -> tuple[type[DocServiceError], ...]:
        """The errors that it answers with: those of the handler, and those that follow from what it takes."""
        found = [*self.errors]
        if self.caller != "nobody":
            found += [Unauthenticated, TooManyRequests, ServiceBusy, StoreUnavailable, StoreTimeout]
        if self.caller == "person":
            found.append(NotSignedIn)
        if self.body is not None:
            found += [MalformedRequest, ValidationFailed, BodyTooLarge, UnsupportedMediaType, RequestTooSlow]
        if self.query:
            found.append(ValidationFailed)
        if any(parameter.required for parameter in self.query):
            found.append(MissingParameters)
        if self.idempotent:
            found += [ValidationFailed, IdempotencyMismatch]
        return tuple(dict.fromkeys(found))


class Detail(BaseModel):
    """An error in a sentence."""

    detail: str
