"""Operations: one declaration says all about a method on a path, and everything else follows from it.

From the declaration come the route, who is asked for (`auth`), how path, query and body are read, the retry key, the
status and the form of the answer, the errors, the API description, and the row of the permission matrix in the tests.
A handler is left with one call of the library:

    operations = Operations(tag="Reading", kolibri_view="Attempt Log")

    @operations.get("/api/logger/attemptlog/{id}/", access=READERS_ONE, answer=AttemptRow, errors=(LogNotFound,))
    async def attempt_log(call: Call[None, None]) -> AttemptRow:
        '''One attempt.'''
        return await call.logs.attempt_log(call.path["id"])

A handler returns the answer's model or JSON value; an async generator of rows, which are sent while they are read; None
for an empty answer; or an aiohttp response of its own (a file, a page, an event stream, another status).
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property, partial
from typing import Annotated, Any, Literal, Required, TypedDict, TypeVar, Unpack

from docservice.domain.requests.tracking import Request
from docservice.errors import (
    BodyTooLarge,
    DocServiceError,
    ForgeryRefused,
    IdempotencyMismatch,
    MalformedRequest,
    MissingParameters,
    NotSignedIn,
    RequestTooSlow,
    ServiceBusy,
    SignInUnavailable,
    StoreTimeout,
    StoreUnavailable,
    TooManyRequests,
    Unauthenticated,
    UnsupportedMediaType,
    ValidationFailed,
)
from docservice.rest.calls import Call
from docservice.rest.parameters import Parameter
from docservice.rest.query_strings import QueryString

Handler = Callable[[Call[Any, Any]], Awaitable[Any]]
AnyHandler = TypeVar("AnyHandler", bound=Handler)

HTML_PAGE = Annotated[str, "text/html"]
"""The type of an answer that is a page, not JSON."""

Auth = Literal["none", "optional", "required"]
"""Whether it is asked who calls: not at all; yes, and anonymous visitors are served, too; only who is signed in is."""

Rule = Literal[
    "all",
    "visitors and users",
    "owner",
    "readers",
    "writers",
    "facility admins",
    "directory",
    "directory readers",
    "nobody",
]
"""Who is served, about whose records.

- `all`: it is not asked who calls.
- `visitors and users`: each caller about oneself, but not a program with a service token.
- `owner`: the person whose record it is; the record of an anonymous visitor belongs to all visitors.
- `readers`: who may read the logs of the owner.
- `writers`: the owner, and the admins of the owner's facility.
- `facility admins`: the admins of the facility that the record belongs to, and superusers.
- `directory`: like `facility admins`, and programs with a service token.
- `directory readers`: who may read the records of the owner in the directory, and programs with a service token.
- `nobody`: all are refused.
"""


@dataclass(frozen=True)
class Access:
    """Who may call an operation; the rights themselves are checked by the library, and the tests compare the two.

    Attributes:
        rule: whom it serves.
        record: the kind of record that it is about, as the tests name them (`attempt`, `session`, `export` ...).
        refused: the status for all others; None: they get a list without the record.
    """

    rule: Rule
    record: str = ""
    refused: int | None = 403


PUBLIC = Access("all")


@dataclass(frozen=True)
class Operation:
    """One method on one path.

    Attributes:
        method: HTTP method.
        path: aiohttp path with placeholders; Kolibri's paths end with a slash.
        handler: gets the call and returns the answer; see the module.
        summary: what it does, in a line.
        access: whom it serves.
        auth: whether it asks who calls.
        description: more about it, in Markdown.
        tag: the heading that the API page shows it under.
        kolibri_view: Kolibri's name of the view; errors are then answered in Kolibri's shape. None: in problem JSON.
        placeholders: the parameters of the path that are not ids of 32 hex characters.
        query: what it takes in the query string; None: nothing, and what is sent is ignored.
        body: type of the request body, None if there is none.
        raw_body: the handler gets the JSON value as it was sent, since what is valid depends on what is stored.
        example: a body that makes sense.
        answer: type of the answer when all is well, None for an empty one.
        statuses: of the answers when all is well; the first is that of what a handler returns.
        media_type: of those answers.
        other_media_types: that a caller may choose for the same answer, as text.
        errors: what the handler raises, beside what `raised` adds.
        other_answers: responses that are not errors of the tree: for a status, what it means and the type of the body.
        idempotent: takes an `Idempotency-Key`.
        slash_optional: also served without the slash at the end.
        serves_ended_sessions: a caller whose session has ended is an anonymous visitor; elsewhere that is a 401.
    """

    method: str
    path: str
    handler: Handler
    summary: str
    access: Access
    auth: Auth = "optional"
    description: str = ""
    tag: str = "Service"
    kolibri_view: str | None = None
    placeholders: tuple[Parameter, ...] = ()
    query: QueryString[Any] | None = None
    body: Any = None
    raw_body: bool = False
    example: Any = None
    answer: Any = None
    statuses: tuple[int, ...] = (200,)
    media_type: str = "application/json"
    other_media_types: tuple[str, ...] = ()
    errors: tuple[type[DocServiceError], ...] = ()
    other_answers: Mapping[int, tuple[str, Any]] = field(default_factory=dict)
    idempotent: bool = False
    slash_optional: bool = False
    serves_ended_sessions: bool = False

    @property
    def name(self) -> str:
        """A name that no other operation has: `tracking_start_session`, `document_pages_get_examlog`."""
        function = self.handler
        more = function.args if isinstance(function, partial) else ()
        return "_".join([_plain(function).__module__.rpartition(".")[2], _plain(function).__name__, *map(str, more)])

    @property
    def path_parameters(self) -> tuple[Parameter, ...]:
        """The parameters of the path, in order."""
        known = {parameter.name: parameter for parameter in self.placeholders}
        names = re.findall(r"\{(\w+)\}", self.path)
        return tuple(known.get(name) or Parameter(name, "Id: 32 hex characters.", required=True) for name in names)

    @property
    def query_parameters(self) -> tuple[Parameter, ...]:
        """The parameters of the query string, in order."""
        return () if self.query is None else self.query.parameters

    @cached_property
    def read_body(self) -> Callable[[Any], Any] | None:
        """What makes the handler's body of a JSON value; None if the handler gets the value itself."""
        is_model = isinstance(self.body, type) and issubclass(self.body, Request)
        return self.body.parse if is_model and not self.raw_body else None

    @property
    def raised(self) -> tuple[type[DocServiceError], ...]:
        """The errors that it answers with: those of the handler, and those that follow from what it takes."""
        errors = [*self.errors]
        if self.auth != "none":
            errors += [Unauthenticated, TooManyRequests, ServiceBusy, SignInUnavailable, StoreUnavailable, StoreTimeout]
            if self.method != "GET":
                errors.append(ForgeryRefused)
        if self.auth == "required":
            errors.append(NotSignedIn)
        if self.body is not None:
            errors += [MalformedRequest, ValidationFailed, BodyTooLarge, UnsupportedMediaType, RequestTooSlow]
        if self.query is not None:
            errors.append(ValidationFailed)
        if any(parameter.required for parameter in self.query_parameters):
            errors.append(MissingParameters)
        if self.idempotent:
            errors += [ValidationFailed, IdempotencyMismatch]
        return tuple(dict.fromkeys(errors))


class Declaration(TypedDict, total=False):
    """What `Operations` takes for each operation: the attributes of `Operation`."""

    access: Required[Access]
    summary: str
    auth: Auth
    description: str
    tag: str
    kolibri_view: str | None
    placeholders: tuple[Parameter, ...]
    query: QueryString[Any]
    body: Any
    raw_body: bool
    example: Any
    answer: Any
    statuses: tuple[int, ...]
    media_type: str
    other_media_types: tuple[str, ...]
    errors: tuple[type[DocServiceError], ...]
    other_answers: Mapping[int, tuple[str, Any]]
    idempotent: bool
    slash_optional: bool
    serves_ended_sessions: bool


class Operations:
    """The operations of one subject, each declared above its handler.

    Attributes:
        declared: in the order of their declaration.
    """

    def __init__(self, *, tag: str = "Service", kolibri_view: str | None = None) -> None:
        """Start without any.

        Args:
            tag: the heading of those that name none themselves.
            kolibri_view: the view of those that name none themselves.
        """
        self.declared: list[Operation] = []
        self._tag = tag
        self._kolibri_view = kolibri_view

    def get(self, path: str, **declaration: Unpack[Declaration]) -> Callable[[AnyHandler], AnyHandler]:
        """Declare what `GET` (and `HEAD`) on a path does. Without `summary` it is the handler's first line."""
        return self._declare("GET", path, declaration)

    def post(self, path: str, **declaration: Unpack[Declaration]) -> Callable[[AnyHandler], AnyHandler]:
        """Declare what `POST` does; see `get`."""
        return self._declare("POST", path, declaration)

    def put(self, path: str, **declaration: Unpack[Declaration]) -> Callable[[AnyHandler], AnyHandler]:
        """Declare what `PUT` does; see `get`."""
        return self._declare("PUT", path, declaration)

    def patch(self, path: str, **declaration: Unpack[Declaration]) -> Callable[[AnyHandler], AnyHandler]:
        """Declare what `PATCH` does; see `get`."""
        return self._declare("PATCH", path, declaration)

    def delete(self, path: str, **declaration: Unpack[Declaration]) -> Callable[[AnyHandler], AnyHandler]:
        """Declare what `DELETE` does; see `get`."""
        return self._declare("DELETE", path, declaration)

    def _declare(self, method: str, path: str, declaration: Declaration) -> Callable[[AnyHandler], AnyHandler]:
        def declare(handler: AnyHandler) -> AnyHandler:
            stated: Declaration = {"summary": _summary(handler), "tag": self._tag, **declaration}
            stated.setdefault("kolibri_view", self._kolibri_view)
            self.declared.append(Operation(method=method, path=path, handler=handler, **stated))
            return handler

        return declare


def _plain(handler: Handler) -> Any:
    return handler.func if isinstance(handler, partial) else handler


def _summary(handler: Handler) -> str:
    return (inspect.getdoc(_plain(handler)) or "").partition("\n")[0].removesuffix(".")
